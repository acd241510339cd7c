"""A page of 1,000 keys from the embedded store: the same whatever the number of keys, at the head and at an old commit.

Measured: the median CPU time of `list_page` (without HTTP and XML) of a store on disk whose pages are in the operating
system's cache: of 1,000 files from the middle of the bucket, of 1,000 folders, and of pages that were asked for before;
and beside it to find one file. Good: under 0.5 ms to read 1,000 files, under 0.05 ms remembered, and at 1,000,000 keys
within a fifth of what it is at 10,000.

    python benchmarks/bench_pfs_page.py [--quick]
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from data import branch, fill, median_seconds, paths, quick, show

from falcon_s3.pfs import Ref
from falcon_s3.pfs.embedded import EmbeddedPfs

PAGE = 1000
unasked = itertools.count()
COUNTS = [10_000, 100_000] if quick() else [10_000, 100_000, 1_000_000]


def measure(pfs: EmbeddedPfs, count: int) -> list[str]:
    """One row: every second key is in an old commit, the rest in the head."""
    target = branch(f"keys{count}")
    pfs.create_branch(target)
    every = paths(count)
    old = fill(pfs, target, every[::2])
    fill(pfs, target, every[1::2])

    def page(ref: Ref, after: str, prefix: str = "", delimiter: str = "") -> str:
        """A page behind `after` and a number that was never asked for."""

        def take() -> None:
            start = f"{after}{next(unasked)}" if delimiter else f"{after}\x01{next(unasked)}"
            assert pfs.list_page(ref, prefix, start, delimiter, PAGE).number == PAGE

        return milliseconds(take)

    middle = every[count // 2]
    pfs.list_page(target, "", middle, "", PAGE)
    return [
        f"{count:,}",
        page(target, middle),
        page(old, middle),
        page(target, "!", "train/", "/"),
        milliseconds(lambda: pfs.list_page(target, "", middle, "", PAGE)),
        milliseconds(lambda: pfs.inspect_file(target, middle)),
    ]


def milliseconds(call: Callable[[], object]) -> str:
    return f"{median_seconds(call, clock=time.thread_time) * 1000:.3f} ms"


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        pfs = EmbeddedPfs(Path(folder))
        show(
            f"A page of {PAGE:,} entries",
            ["keys", "1,000 files", "of an old commit", "1,000 folders", "remembered", "find one file"],
            [measure(pfs, count) for count in COUNTS],
        )
        pfs.close()


if __name__ == "__main__":
    main()
