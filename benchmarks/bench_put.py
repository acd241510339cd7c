"""Durable writes to the embedded store: each is a commit, and on disk when it is acknowledged.

Measured: PUTs of new 4 KiB files a second, by threads of one process and of two; beside it what the disk does:
fdatasync after each 4 KiB appended to one file. Then bytes a second for 16 MiB files, beside MD5 alone, which
every S3 object needs. Without HTTP. Good: one thread at half of the disk's syncs or more; 16 threads at more than
the disk's syncs, since one sync serves all who wait; 16 MiB files at 0.5 of what MD5 does.

    python benchmarks/bench_put.py [--quick]
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from data import branch, chunks, median_seconds, noise, quick, show

from falcon_s3.digests import body_of
from falcon_s3.pfs.embedded import EmbeddedPfs

SECONDS = 1.0 if quick() else 5.0
SMALL = 4096
LARGE = 16 << 20
TARGET = branch("puts")


def rate(threads: int, one: Callable[[int], object]) -> float:
    """How often a second `one` runs in that many threads, each giving it its number."""
    done = [0] * threads
    end = time.perf_counter() + SECONDS

    def repeat(number: int) -> None:
        while time.perf_counter() < end:
            one(number)
            done[number] += 1

    running = [threading.Thread(target=repeat, args=(number,)) for number in range(threads)]
    start = time.perf_counter()
    for each in running:
        each.start()
    for each in running:
        each.join()
    return sum(done) / (time.perf_counter() - start)


def put_rate(pfs: EmbeddedPfs, threads: int) -> float:
    def put(number: int) -> None:
        pfs.put_file(TARGET, f"{number:03}/{os.urandom(8).hex()}", body_of([noise(SMALL)]))

    return rate(threads, put)


def relaxed_put_rate(folder: str, threads: int) -> float:
    pfs = EmbeddedPfs(Path(folder), relaxed=True)
    found = put_rate(pfs, threads)
    pfs.close()
    return found


def put_as_process(folder: str, threads: int, together: Barrier, rates: multiprocessing.SimpleQueue[float]) -> None:
    pfs = EmbeddedPfs(Path(folder))
    together.wait()
    rates.put(put_rate(pfs, threads))
    pfs.close()


def processes_put_rate(folder: str, processes: int, threads: int) -> float:
    spawn = multiprocessing.get_context("spawn")
    together, rates = spawn.Barrier(processes), spawn.SimpleQueue()
    running = [spawn.Process(target=put_as_process, args=(folder, threads, together, rates)) for _ in range(processes)]
    for each in running:
        each.start()
    total = sum(rates.get() for _ in running)
    for each in running:
        each.join()
    return total


def sync_rate(folder: str) -> float:
    """What the disk can do: 4 KiB appended and synced, again and again."""
    handle = os.open(Path(folder) / "syncs", os.O_WRONLY | os.O_CREAT)
    data = noise(SMALL)

    def append(number: int) -> None:
        os.write(handle, data)
        os.fdatasync(handle)

    found = rate(1, append)
    os.close(handle)
    return found


def megabytes(seconds: float) -> str:
    return f"{LARGE / seconds / 1e6:,.0f} MB/s"


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        data = f"{folder}/store"
        pfs = EmbeddedPfs(Path(data))
        pfs.create_branch(TARGET)
        rows = [("the disk: write and fdatasync", f"{sync_rate(folder):,.0f}")]
        rows += [(f"1 process, {threads} threads", f"{put_rate(pfs, threads):,.0f}") for threads in (1, 16, 64)]
        rows += [
            (f"2 processes, {threads} threads each", f"{processes_put_rate(data, 2, threads):,.0f}")
            for threads in (1, 16)
        ]
        rows.append(
            ("1 process, 16 threads, relaxed: synced half a second later", f"{relaxed_put_rate(data, 16):,.0f}")
        )
        show("Durable PUT of 4 KiB, each a commit", ["writers", "a second"], rows)

        large = [noise(LARGE) for _ in range(4)]
        number = iter(range(1 << 30))

        def put_large() -> None:
            pick = next(number)
            # A first byte of its own makes the content new.
            data = pick.to_bytes(8, "big") + large[pick % 4][8:]
            pfs.put_file(TARGET, f"large/{pick % 8}", body_of(chunks(data)))

        show(
            "PUT of 16 MiB",
            ["what", "bytes"],
            [
                ("MD5 alone", megabytes(median_seconds(lambda: hashlib.md5(large[0])))),
                ("SHA-256 alone", megabytes(median_seconds(lambda: hashlib.sha256(large[0])))),
                ("put_file", megabytes(median_seconds(put_large, 3))),
            ],
        )
        pfs.close()


if __name__ == "__main__":
    main()
