"""ExtendedPfs: the embedded store with all that pfs_v2.API asks of it beyond the `Pfs` protocol.

What it can do more is in modules of functions: `repos`, `lineage`, `folders`, `diff`, `filesets`, and `batch` for
writes. The folder is the same one, and a gateway may serve it at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from falcon_s3.pfs import filesets, history, lineage, repos
from falcon_s3.pfs.batch import Batch
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.history import Point

Result = TypeVar("Result")

# Of how many commits the size is remembered.
SIZES = 1 << 16


def prepare(connection: Connection) -> None:
    """Make the tables that there are besides those of the embedded store."""
    for statement in (*repos.TABLES, *filesets.TABLES):
        connection.execute(statement)


class ExtendedPfs(EmbeddedPfs):
    """The store in the folder `data`. Raises what `EmbeddedPfs` raises."""

    def __init__(self, data: Path, *, relaxed: bool = False):
        super().__init__(data, relaxed=relaxed)
        self.change(prepare)
        self._finished_size = lru_cache(SIZES)(self._size)

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for as long as the block lasts."""
        return self._catalog.read()

    def look(self, job: Callable[[Connection], Result]) -> Result:
        """What a job reads, all of it as at one moment, whatever others do meanwhile."""
        with self._catalog.moment() as connection:
            return job(connection)

    def change(self, job: Callable[[Connection], Result]) -> Result:
        """Run a job in a transaction; its result is on disk."""
        return self._catalog.write(job)

    def size(self, point: Point) -> int:
        """The bytes of all files of a commit. Once counted, one file after another, that of a finished one is remembered."""
        if point.open:
            return self._size(point.line, point.number, 0)
        purged = self.look(
            lambda connection: connection.execute("SELECT purged FROM repo WHERE id = ?", (point.repo_id,)).fetchone()
        )
        return self._finished_size(point.line, point.number, purged[0] if purged is not None else 0)

    def _size(self, line: int, number: int, _purged: int) -> int:
        """`_purged`: how many versions were taken out of the repo's history, the only thing that changes a size."""
        return self.look(lambda connection: lineage.size(connection, history.view(connection, line, number)))

    def tidy(self) -> None:
        """Let what was deleted be purged soon."""
        self._janitor.wake()

    def batch(self) -> Batch:
        return Batch(self._catalog, self._contents)
