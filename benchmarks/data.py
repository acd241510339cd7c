"""What benchmarks run on: paths, bytes, stores filled quickly, and how a figure is taken and shown."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from falcon_s3.pfs import CHUNK_BYTES, Branch, Commit, Repo, files
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.embedded import EmbeddedPfs

# Files a transaction takes while a store is filled.
BATCH = 10_000


def quick() -> bool:
    """Whether `--quick` was asked for: smaller sizes and shorter runs, for a look instead of a figure."""
    return "--quick" in sys.argv[1:]


def branch(repo: str) -> Branch:
    return Branch(Repo("default", repo), "master")


def paths(count: int, folders: int = 1000) -> list[str]:
    """Sorted paths as of a data set, spread over folders."""
    return [f"train/class-{number * folders // count:04}/image-{number:08}.jpg" for number in range(count)]


def chunks(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(data), CHUNK_BYTES):
        yield bytes(view[start : start + CHUNK_BYTES])


def noise(size: int) -> bytes:
    """Bytes that no store has yet, so that nothing is stored for free."""
    return os.urandom(size)


def forget_bodies() -> None:
    """Forget the MD5s of bodies that came, so that those of the next one are computed although its bytes are the same."""
    from falcon_s3.digests import Remembered

    Remembered._states.clear()


def fill(pfs: EmbeddedPfs, target: Branch, wanted: Sequence[str]) -> Commit:
    """Put small equal files at many paths, in one commit and few transactions: much faster than `put_file`."""
    from falcon_s3.digests import body_of

    commit = pfs.start_commit(target)
    staged = pfs._contents.stage(body_of([b"x"]))
    for start in range(0, len(wanted), BATCH):

        def job(connection: Connection, batch: Sequence[str] = wanted[start : start + BATCH]) -> None:
            for path in batch:
                write = files.begin_write(connection, commit, path, None)
                content = pfs._contents.acquire(connection, staged)
                files.name(connection, write, path, content, staged.size, staged.md5.hex(), None)

        pfs._catalog.write(job)
    return pfs.finish_commit(commit).commit


def median_seconds(
    call: Callable[[], object],
    least_seconds: float = 0.5,
    least_times: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """The median time of a call, which is repeated for a while; by `time.thread_time` only what this thread computes."""
    return statistics.median(times(call, least_seconds, least_times, clock))


def best_seconds(call: Callable[[], object], least_seconds: float = 0.5, least_times: int = 5) -> float:
    """The shortest time of a call: for pure computing, where only other work on the machine makes it longer."""
    return min(times(call, least_seconds, least_times))


def times(
    call: Callable[[], object],
    least_seconds: float,
    least_times: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + (least_seconds / 10 if quick() else least_seconds)
    while len(taken) < least_times or time.perf_counter() < end:
        start = clock()
        call()
        taken.append(clock() - start)
    return taken


def show(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as Markdown has it."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * (width - 1) + ":" if column else "-" * width for column, width in enumerate(widths)])
    print(f"\n{title}\n")
    for line in lines:
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)
