"""The memory of the gateway's processes after each kind of work: it must not grow with objects, lists or time.

Measured: resident memory of the largest worker, and of all processes together, shared pages counted in each, after so
many requests of a kind over 16 connections (large objects over 4). Good: at most 60 MiB in a worker and 200 in all, the
same after more of the same, and after objects sixteen times as large.

    python benchmarks/bench_memory.py [--quick]
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from data import quick, show
from load import Plan, fill, measure, requests
from servers import OURS, Server, running
from signed import Place

KIB, MIB = 1 << 10, 1 << 20
MANY, FEW = (2000, 8) if quick() else (20_000, 20)
LARGE = 16 * MIB if quick() else 256 * MIB
# What is done one after the other: kind, bytes of an object, objects, requests, connections.
STEPS = [
    ("get", 4 * KIB, 1000, MANY, 16),
    ("get", 4 * KIB, 1000, MANY, 16),
    ("put", 4 * KIB, 1000, MANY // 4, 16),
    ("list", 10, 5000, MANY // 4, 16),
    ("get", LARGE // 16, 4, FEW, 4),
    ("get", LARGE, 4, FEW, 4),
    ("put", LARGE // 16, 4, FEW, 4),
    ("put", LARGE, 4, FEW // 2, 4),
    ("get", 4 * KIB, 1000, MANY, 16),
]


def row(server: Server, what: str, errors: int = 0) -> list[object]:
    used = server.use()
    return [what, f"{used.worker_rss / MIB:,.0f}", f"{used.rss / MIB:,.0f}", used.processes, errors]


def size_of(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB" if count >= KIB else f"{count} B"


def work(server: Server, number: int) -> list[object]:
    kind, size, keys, count, connections = STEPS[number]
    place = replace(server.place, bucket=f"master.memory{size}-{keys}")
    if not any(step[:3] == (kind, size, keys) for step in STEPS[:number]):
        fill(place, keys, size, connections)
    made = requests(place, [kind], keys, size, 0)
    plan = Plan(Place(place.url, place.bucket), made, {kind: 1}, connections, 0, count)
    outcome = measure([plan], 0, 0)
    what = f"{count:,} {kind.upper()}" + (" of 1,000 keys" if kind == "list" else f" of {size_of(size)}")
    return row(server, what, sum(outcome.tally.errors.values()))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(OURS, Path(folder), Path()) as server:
        rows = [row(server, "nothing")]
        rows += [work(server, number) for number in range(len(STEPS))]
    show("Resident memory after each, in MiB", ["after", "worker", "all", "processes", "errors"], rows)


if __name__ == "__main__":
    main()
