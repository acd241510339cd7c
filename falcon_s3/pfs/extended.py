"""ExtendedPfs: the embedded store with all that pfs_v2.API asks of it beyond the `Pfs` protocol.

What it can do more is in modules of functions: `repos`, `lineage`, `folders`, `diff`, `filesets`, and `batch` for
writes. The folder is the same one, and a gateway may serve it at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from falcon_s3.pfs import filesets, repos
from falcon_s3.pfs.batch import Batch
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.embedded import EmbeddedPfs

Result = TypeVar("Result")


def prepare(connection: Connection) -> None:
    for statement in (*repos.TABLES, *filesets.TABLES):
        connection.execute(statement)


class ExtendedPfs(EmbeddedPfs):
    """The store in the folder `data`. Raises what `EmbeddedPfs` raises."""

    def __init__(self, data: Path):
        super().__init__(data)
        self.change(prepare)

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for as long as the block lasts."""
        return self._catalog.read()

    def look(self, job: Callable[[Connection], Result]) -> Result:
        with self._catalog.read() as connection:
            return job(connection)

    def change(self, job: Callable[[Connection], Result]) -> Result:
        """Run a job in a transaction; its result is on disk."""
        return self._catalog.write(job)

    def tidy(self) -> None:
        """Let what was deleted be purged soon."""
        self._work.set()

    def batch(self) -> Batch:
        return Batch(self._catalog, self._contents)
