"""The sync of the catalog's log: after the turn in which it was written, and before anybody is told.

SQLite would sync inside the transaction, while every other writer waits for the turn. Here the turn ends first, and the
next writer works while the disk does. What holds is the same: nobody is told of what a power cut could take back,
neither who wrote it nor who reads it. Both settle first what they are about to tell.

What is settled is told by two numbers in memory that all processes share: the first bytes of a file, mapped. `COMMITTED`
is odd while somebody commits, and greater by two afterwards; `SYNCED` is what it was before the newest sync. A writer
that was killed leaves an odd number: until the next commit whoever reads syncs, and that is all.

After a sync that failed nobody knows what is on disk, and the next one may succeed without it (fsync(2), "EIO"). So that
is noted there too, also of the database, and nothing more is written until all of the log was moved to that. Reads go on.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from falcon_s3.pfs.disk_sync import sync_data

logger = logging.getLogger(__name__)

# The places of the numbers, and what each takes.
COMMITTED, SYNCED, FAILED = range(3)
NUMBERS_BYTES = 3 * 8


class LogSync:
    """Of the file `log`, which is there and stays; the numbers are in the file at `numbers`. Safe for many threads.

    Made while writers are held off.
    """

    def __init__(self, log: Path, numbers: Path):
        file = os.open(numbers, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < NUMBERS_BYTES:
                os.pwrite(file, bytes(NUMBERS_BYTES), 0)  # not a hole: on a full disk that would kill who counts
            self._file = mmap.mmap(file, NUMBERS_BYTES)
        finally:
            os.close(file)
        self._numbers = memoryview(self._file).cast("Q")
        self._log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Around a commit, for who has the turn to write."""
        number = self._numbers[COMMITTED] | 1
        self._numbers[COMMITTED] = number
        try:
            yield
        finally:
            self._numbers[COMMITTED] = number + 1

    def mark(self) -> int:
        """What must be settled so that all is that can be read by now."""
        number = self._numbers[COMMITTED]
        return number + (number & 1)

    def settle(self, mark: int) -> None:
        """Returns when what was committed up to the `mark` is on disk, and was before if another has synced since.

        Raises OSError, also after a sync that failed.
        """
        if self._numbers[SYNCED] < mark or self._numbers[FAILED]:
            self.sync()

    def sync(self) -> None:
        """Returns when all that was committed is on disk. Raises OSError, also after a sync that failed."""
        whole = self._numbers[COMMITTED] & ~1
        if not self._numbers[FAILED]:
            try:
                sync_data(self._log)
            except OSError as ex:
                self.fail()
                logger.warning("the log of the catalog could not be synced: %s", ex)
                raise
        if self._numbers[FAILED]:  # perhaps of what stands before that in the log
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        # Another may set more meanwhile, and then that is synced once more.
        self._numbers[SYNCED] = max(self._numbers[SYNCED], whole)

    def fail(self) -> None:
        """After a sync that failed, of the log or of the database."""
        self._numbers[FAILED] = 1

    def has_failed(self) -> bool:
        return bool(self._numbers[FAILED])

    def begin_anew(self) -> None:
        """For who has the turn to write and has moved all of the log: what is in the database is on disk."""
        self._numbers[COMMITTED] = self._numbers[SYNCED] = self.mark()
        self._numbers[FAILED] = 0

    def size(self) -> int:
        """Of the log's file, in bytes."""
        return os.fstat(self._log).st_size

    def close(self) -> None:
        self._numbers.release()
        self._file.close()
        os.close(self._log)
