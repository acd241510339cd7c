"""A load on any S3 address: how many requests a second, how long they take, and what they cost the server.

    AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... python benchmarks/load.py http://127.0.0.1:30600 \
        --mix get=70,put=20,list=10 --size 4096 --connections 16 --seconds 10 --pid PID

Requests are signed before the run, and their signatures verified by the server each time; without keys in the
environment they are not signed. GET, HEAD and LIST ask for the objects that are put first, under `load/read/`; PUT
and DELETE change others, under `load/write/`. A share of the bodies is compared byte by byte. `--pid` adds the CPU time
of the server and its children. The client costs about 15 microseconds of CPU a request (with uvloop): if it takes a
core, add `--processes`. A good run has no errors; good numbers are in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import orjson
from client import Request, Run, Tally, drive
from data import show
from processes import Use, use
from signed import OPERATIONS, Place

READ, WRITE = "load/read/", "load/write/"
# How many different requests of a kind are made ready, and how long the shuffled row of them is.
MADE, ROW = 2000, 1 << 16
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True)
class Plan:
    """What one process does: `requests` in random order, over `connections`."""

    place: Place
    requests: Sequence[Request]
    weights: dict[str, int]
    connections: int
    seed: int
    most: int | None = None  # requests, after the warm-up

    def run(self) -> Run:
        chance = random.Random(self.seed)
        by_kind = {kind: [each for each in self.requests if each.kind == kind] for kind in self.weights}
        kinds = chance.choices(list(self.weights), list(self.weights.values()), k=ROW)
        return Run(itertools.cycle([chance.choice(by_kind[kind]) for kind in kinds]), self.most)


def mix(text: str) -> dict[str, int]:
    """`get=70,put=20` as weights; a word alone has the weight 1."""
    weights = {}
    for part in text.split(","):
        kind, _, weight = part.strip().lower().partition("=")
        if kind not in OPERATIONS or not (weight or "1").isdecimal():
            raise argparse.ArgumentTypeError(f"{part!r} is not one of {', '.join(OPERATIONS)} with =WEIGHT")
        weights[kind] = int(weight or 1)
    return weights


def name(prefix: str, number: int) -> str:
    return f"{prefix}{number // 1000:04}/object-{number:08}.bin"


def requests(place: Place, kinds: Iterable[str], keys: int, size: int, verify: float) -> list[Request]:
    """Up to MADE requests of each kind, over all the keys; of GETs a share of `verify` is checked."""
    chance = random.Random(keys)
    numbers = sorted(chance.sample(range(keys), min(keys, MADE)))
    made = []
    for kind in kinds:
        prefix = WRITE if kind in ("put", "delete") else READ
        for number in numbers:
            if kind == "list":
                page = place.request(kind, Prefix=prefix, MaxKeys=1000, StartAfter=name(prefix, number))
                made.append(page)
                continue
            each = place.request(kind, number, size if kind in ("get", "put") else 0, Key=name(prefix, number))
            made.append(each._replace(checked=kind == "get" and chance.random() < verify))
    return made


def fill(place: Place, keys: int, size: int, connections: int = 8) -> None:
    """Make the bucket and put its objects; an AssertionError says what went wrong."""
    with contextlib.suppress(place.s3.exceptions.BucketAlreadyOwnedByYou):
        place.s3.create_bucket(Bucket=place.bucket)
    run = Run(place.request("put", number, size, Key=name(READ, number)) for number in range(keys))
    drive(run, place.host, place.port, connections)
    assert run.tally.count == keys, f"{keys} objects were put, {run.tally.count} arrived: {dict(run.tally.errors)}"


def work(plan: Plan, pipe: Pipe) -> None:
    """One process: tells that it is ready, is told when to begin and to end, tells what it counted."""
    run = plan.run()
    pipe.send("ready")
    run.begin, run.end = pipe.recv()
    drive(run, plan.place.host, plan.place.port, plan.connections)
    pipe.send((run.tally, run.finished))


@dataclass(frozen=True)
class Outcome:
    tally: Tally
    seconds: float
    used: Use | None  # CPU seconds in that time, and memory after it


def measure(plans: Sequence[Plan], warmup: float, seconds: float, pids: Sequence[int] = ()) -> Outcome:
    """Let every plan run in a process of its own, at the same time; with `most` in the plans until that is reached."""
    spawn = multiprocessing.get_context("spawn")
    pipes, children = [], []
    for plan in plans:
        ours, theirs = spawn.Pipe()
        child = spawn.Process(target=work, args=(plan, theirs), daemon=True)
        child.start()
        pipes.append(ours)
        children.append(child)
    for pipe in pipes:
        pipe.recv()
    begin = time.monotonic() + warmup
    end = float("inf") if plans[0].most is not None else begin + seconds
    for pipe in pipes:
        pipe.send((begin, end))
    time.sleep(max(0.0, begin - time.monotonic()))
    before = use(*pids) if pids else None
    if end != float("inf"):
        time.sleep(max(0.0, end - time.monotonic()))
        after = use(*pids) if pids else None
    tally, finished = Tally(), begin
    for pipe in pipes:
        counted, last = pipe.recv()
        tally.add(counted)
        finished = max(finished, last)
    if end == float("inf"):
        after, end = use(*pids) if pids else None, finished
    for child in children:
        child.join()
    used = after._replace(cpu_seconds=after.cpu_seconds - before.cpu_seconds) if before and after else None
    return Outcome(tally, end - begin, used)


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(outcome: Outcome) -> dict[str, Any]:
    """The outcome as figures: by kind, and in all."""
    tally = outcome.tally
    kinds = {}
    for kind in sorted(tally.seconds):
        ordered = sorted(tally.seconds[kind])
        kinds[kind] = {
            "requests": len(ordered),
            "per_second": len(ordered) / outcome.seconds,
            "mean_ms": statistics.fmean(ordered) * 1e3,
            **{f"{label}_ms": percentile(ordered, share) * 1e3 for label, share in PERCENTILES.items()},
            "megabytes_per_second": (tally.received[kind] + tally.sent[kind]) / outcome.seconds / 1e6,
        }
    used = outcome.used
    return {
        "seconds": outcome.seconds,
        "requests": tally.count,
        "per_second": tally.count / outcome.seconds,
        "kinds": kinds,
        "errors": {f"{kind} {code}": count for (kind, code), count in sorted(tally.errors.items())},
        "verified_bodies": tally.verified,
        "connections_opened": tally.connections,
        "server": None
        if used is None
        else {
            "cpu_us_per_request": used.cpu_seconds / max(1, tally.count) * 1e6,
            "cores": used.cpu_seconds / outcome.seconds,
            "rss_mib": used.rss / (1 << 20),
            "processes": used.processes,
        },
    }


def print_report(figures: dict[str, Any]) -> None:
    rows = [
        [
            kind,
            f"{row['requests']:,}",
            f"{row['per_second']:,.1f}",
            *(f"{row[f'{label}_ms']:,.2f}" for label in PERCENTILES),
            f"{row['megabytes_per_second']:,.1f}",
        ]
        for kind, row in figures["kinds"].items()
    ]
    title = f"{figures['requests']:,} requests in {figures['seconds']:.1f} s; times in ms"
    show(title, ["what", "requests", "a second", *PERCENTILES, "MB/s"], rows)
    print(f"bodies compared: {figures['verified_bodies']:,}")
    if figures["server"]:
        print(
            "server: {cpu_us_per_request:,.0f} µs of CPU a request, {cores:.2f} cores, {rss_mib:,.0f} MiB in"
            " {processes} processes".format(**figures["server"])
        )
    for what, count in figures["errors"].items():
        print(f"ERROR {what}: {count:,}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="such as http://127.0.0.1:30600")
    parser.add_argument("--bucket", default="master.load", help="made if it is not there (master.load)")
    parser.add_argument("--region", default="us-east-1", help="signed for (us-east-1)")
    parser.add_argument("--mix", type=mix, default=mix("get"), help=f"weights of {', '.join(OPERATIONS)} (get=1)")
    parser.add_argument("--size", type=int, default=4096, help="bytes of an object (4096)")
    parser.add_argument("--keys", type=int, default=1000, help="objects to read, put before the run (1000)")
    parser.add_argument("--connections", type=int, default=16, help="of each process (16)")
    parser.add_argument("--processes", type=int, default=1, help="of the client (1)")
    parser.add_argument("--seconds", type=float, default=10, help="how long is measured (10)")
    parser.add_argument("--requests", type=int, help="measure so many instead")
    parser.add_argument("--warmup", type=float, default=2, help="seconds before that (2)")
    parser.add_argument("--sign", choices=["link", "header"], default="link", help="where signatures are (link)")
    parser.add_argument("--verify", type=float, default=0.01, help="share of bodies compared (0.01)")
    parser.add_argument("--filled", action="store_true", help="the objects are there from the run before")
    parser.add_argument("--pid", type=int, action="append", default=[], help="of the server; can be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    place = Place(
        given.url,
        given.bucket,
        os.environ.get("AWS_ACCESS_KEY_ID", ""),
        os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
        given.region,
        given.sign == "header",
    )
    if not given.filled:
        fill(place, given.keys, given.size)
    made = requests(place, given.mix, given.keys, given.size, given.verify)
    most = given.requests and -(-given.requests // given.processes)
    bare = Place(place.url, place.bucket)  # what is signed needs no keys
    plans = [Plan(bare, made, given.mix, given.connections, seed, most) for seed in range(given.processes)]
    figures = report(measure(plans, given.warmup, given.seconds, given.pid))
    print_report(figures)
    if given.json:
        settings = {key: value for key, value in vars(given).items() if key != "json"}
        given.json.write_bytes(orjson.dumps({"settings": settings, **figures}, option=orjson.OPT_INDENT_2))
    sys.exit(bool(figures["errors"]))


if __name__ == "__main__":
    main()
