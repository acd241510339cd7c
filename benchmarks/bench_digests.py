"""The digests of a body: hashed where it is, or on threads beside the caller.

Measured: megabytes a second, at best, through `Hashes` for chunks of one size, all hashed inline and all on
threads; one body at a time, and four at once. `digests.INLINE_BYTES` is the size up to which chunks are hashed
inline: it should be where threads begin to win, on idle cores. On a machine of one core they never do.

    python benchmarks/bench_digests.py [--quick]
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib

from blake3 import blake3
from data import best_seconds, forget_bodies, noise, quick, show
from zlib_ng import zlib_ng

from falcon_s3 import digests
from falcon_s3.digests import Hashes

COMMAND = "python benchmarks/bench_digests.py"
SIZE = (8 if quick() else 32) << 20
CHUNKS = [4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20]
INLINE = 1 << 40


def rate(chunk: bytes, checksum: str | None, inline: int, bodies: int) -> float:
    """Megabytes a second of all bodies together."""

    def one() -> None:
        forget_bodies()
        hashes = Hashes(checksum)
        for _ in range(SIZE // bodies // len(chunk)):
            hashes.update(chunk)
        hashes.finish()

    def all_at_once() -> None:
        running = [threading.Thread(target=one) for _ in range(bodies)]
        for each in running:
            each.start()
        for each in running:
            each.join()

    before, digests.INLINE_BYTES = digests.INLINE_BYTES, inline
    try:
        return SIZE / best_seconds(one if bodies == 1 else all_at_once, 0.25, 3) / 1e6
    finally:
        digests.INLINE_BYTES = before


def row(size: int, checksum: str | None) -> list[str]:
    chunk = noise(size)
    cells = [f"{size >> 10} KiB"]
    for bodies in (1, 4):
        inline, threads = (rate(chunk, checksum, limit, bodies) for limit in (INLINE, 0))
        cells += [f"{inline:,.0f}", f"{threads:,.0f}", f"{threads / inline:.2f}"]
    return cells


def main() -> None:
    limit = f"inline up to {digests.INLINE_BYTES >> 10} KiB, {os.cpu_count()} cores"
    for checksum in (None, "crc32", "sha256"):
        hashed = "MD5" + (f" and {checksum.upper()}" if checksum else "")
        show(
            f"{hashed}, MB/s ({limit}): {COMMAND}",
            ["chunks", "1 body inline", "on threads", "ratio", "4 bodies inline", "on threads", "ratio"],
            [row(size, checksum) for size in CHUNKS],
        )
    chunk = noise(1 << 20)
    one_by_one = {
        "MD5": lambda: hashlib.md5(chunk).digest(),
        "BLAKE3": lambda: blake3(chunk).digest(),
        "SHA-256": lambda: hashlib.sha256(chunk).digest(),
        "CRC32, zlib": lambda: zlib.crc32(chunk),
        "CRC32, zlib-ng": lambda: zlib_ng.crc32(chunk),
    }
    show(
        "One after another, 1 MiB, MB/s: MD5 for the ETag, BLAKE3 for the store, the others where a client sends one",
        ["digest", "MB/s"],
        [(name, f"{len(chunk) / best_seconds(digest) / 1e6:,.0f}") for name, digest in one_by_one.items()],
    )


if __name__ == "__main__":
    main()
