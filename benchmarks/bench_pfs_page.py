"""A page of 1,000 keys from the embedded store: the same whatever the number of keys, at the head and at an old commit.

Measured: the median time to take 1,000 entries from `list_files` (without HTTP and XML), from the middle of the
bucket, of a store on disk whose pages are in the operating system's cache; and beside it to find one file.
Good: under 2 ms on one core, and at 1,000,000 keys within a half of what it is at 10,000.

    python benchmarks/bench_pfs_page.py [--quick]
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from data import branch, fill, median_seconds, paths, quick, show

from falcon_s3.pfs import Ref
from falcon_s3.pfs.embedded import EmbeddedPfs

PAGE = 1000
COUNTS = [10_000, 100_000] if quick() else [10_000, 100_000, 1_000_000]


def measure(pfs: EmbeddedPfs, count: int) -> list[str]:
    """One row: every second key is in an old commit, the rest in the head."""
    target = branch(f"keys{count}")
    pfs.create_branch(target)
    every = paths(count)
    old = fill(pfs, target, every[::2])
    fill(pfs, target, every[1::2])

    def page(ref: Ref, after: str = "", prefix: str = "", delimiter: str = "") -> str:
        def take() -> None:
            taken = sum(1 for _ in itertools.islice(pfs.list_files(ref, prefix, after, delimiter), PAGE))
            assert taken == PAGE

        return f"{median_seconds(take) * 1000:.2f} ms"

    middle = every[count // 2]
    find = median_seconds(lambda: pfs.inspect_file(target, middle))
    return [
        f"{count:,}",
        page(target, middle),
        page(old, middle),
        page(target, "", "train/", "/"),
        page(old, "", "train/", "/"),
        f"{find * 1e6:.0f} µs",
    ]


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        pfs = EmbeddedPfs(Path(folder))
        show(
            f"A page of {PAGE:,} entries",
            ["keys", "at the head", "at an old commit", "folded, head", "folded, old", "find one"],
            [measure(pfs, count) for count in COUNTS],
        )
        pfs.close()


if __name__ == "__main__":
    main()
