"""Files written past the page cache: what a thread waits for in `BlockFile`, with the kernel's queue and without it.

Measured: milliseconds that a thread spends in `write` and `finish` of one file of 16 MiB, the sync included, while it
hashes each chunk of 1 MiB with MD5 and BLAKE3 in between, as an upload is; by one thread, and by two at once. Without the
queue each piece is waited for. Good: with it a third of that or less.

    python benchmarks/bench_blocks.py [--quick]
"""

from __future__ import annotations

import errno
import hashlib
import statistics
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

from blake3 import blake3
from data import noise, quick, show

from falcon_s3.pfs import blocks
from falcon_s3.pfs.blocks import BlockFile

COMMAND = "python benchmarks/bench_blocks.py"
FILES = 5 if quick() else 30
CHUNK, CHUNKS = 1 << 20, 16
# What is written at a time, and of these what the ring holds.
PIECES = [256 << 10, 512 << 10]


def no_queue(_: int) -> None:
    raise OSError(errno.ENOSYS, "left out")


def waited(path: Path) -> float:
    """Seconds in BlockFile, of one file."""
    block, md5, digest, spent = noise(CHUNK), hashlib.md5(), blake3(), 0.0
    file = BlockFile(path)
    try:
        for _ in range(CHUNKS):
            md5.update(block)
            digest.update(block)
            start = time.perf_counter()
            file.write(block)
            spent += time.perf_counter() - start
        start = time.perf_counter()
        file.finish()
        return spent + time.perf_counter() - start
    finally:
        file.close()
        path.unlink()


def milliseconds(folder: Path, threads: int) -> float:
    """The median of files written by so many threads at once."""
    found: list[float] = []

    def work(number: int) -> None:
        found.extend(waited(folder / str(number)) for _ in range(FILES))

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return statistics.median(found) * 1e3


def row(folder: Path, piece: int, *, queued: bool) -> list[str]:
    blocks._buffers.clear()
    taken = blocks.DiskQueue if queued else no_queue
    with mock.patch.object(blocks, "PIECE_BYTES", piece), mock.patch.object(blocks, "DiskQueue", taken):
        cells = [f"{milliseconds(folder, threads):.1f} ms" for threads in (1, 2)]
    blocks._buffers.clear()
    return [f"{piece >> 10} KiB", "in the queue" if queued else "waited for", *cells]


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        rows = [row(Path(folder), piece, queued=queued) for queued in (False, True) for piece in PIECES]
    show(f"In BlockFile, of 16 MiB: {COMMAND}", ["piece", "writes", "one file", "two at once"], rows)


if __name__ == "__main__":
    main()
