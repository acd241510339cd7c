"""The database of the embedded store: its connections, and whose turn it is to write.

This is the only module that knows sqlite3. It hands out `Connection`s: one for writing, given to one job at a
time across all threads and processes, and a few for reading. The tables are in `schema`; the statements live beside
what they mean: commits and branches in `history` and `records`, versions and listings in `tree`, bytes in `contents`.

* **Writers take turns**, those that wait in one transaction: see `turns`. When a job raises, all of a turn run again,
  each behind a savepoint of its own, so that it takes no other with it.
* **Readers wait for no writer**, at most for the disk. The journal is a write-ahead log; a read runs on a connection of
  its own.
* **What is told is durable.** `write` returns, and the `with` block of a read ends, after the log is on disk (see
  `log_sync`); or, where that was chosen, a write returns soon before (see `late_sync`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from falcon_s3.pfs import DiskFull, Unavailable, held_file, not_written
from falcon_s3.pfs.kept import Kept
from falcon_s3.pfs.late_sync import LateSync
from falcon_s3.pfs.log_sync import LogSync
from falcon_s3.pfs.room import Room
from falcon_s3.pfs.schema import ADDED, FORMAT, MIGRATIONS, SCHEMA
from falcon_s3.pfs.tally import Tally
from falcon_s3.pfs.turns import Job, Turns, one_by_one

logger = logging.getLogger(__name__)

Connection = sqlite3.Connection

_run_of = attrgetter("run")

# When about so many pages were written, by all processes, they are moved from the log to the database, beside other work.
# Later is better, since what changed often is moved once; but it must be well before LOG_BYTES. What a turn and a job
# write is told for small files: a job that writes 16 KiB takes 8 pages, and then it is about 14,000.
CHECKPOINT_PAGES = 8192
TURN_PAGES = 8
JOB_PAGES = 4
# Between two warnings that the log was not moved, for the same reason, in seconds: a disk stays full for long.
SAID_AGAIN_SECONDS = 60
# What SQLite says of a full disk; before Python 3.11 there is no other way to tell (sqlite3_errstr, SQLITE_FULL).
FULL = "database or disk is full"
# And of a disk that fails: before Python 3.11 without SQLITE_IOERR_FSYNC, which says that it was a sync.
FAILED = "disk I/O error"
FAILED_SYNC = 1034
# The two copies of what the processes share of the log (https://sqlite.org/walformat.html): where they are not good, whoever
# comes next reads the log from its beginning, and nothing counts as moved.
SHARED_BYTES = 96
# A longer log is moved by whoever writes, who then waits for it: when the others could not keep up. SQLite would do so too,
# and not tell of a disk that fails meanwhile.
LOG_BYTES = 64 << 20
CATALOG = "catalog.sqlite3"

# Of the database, what each connection keeps in memory. The system keeps all of it; a page of a listing costs the same
# with 0.5 MiB and with 16, of 1,000,000 keys.
CACHE_KIB = 512
# Of the connection that writes, which keeps what it has changed until the end of the transaction.
WRITER_CACHE_KIB = 2048


class Reader:
    """A connection that is lent, and goes back to the idle ones at the end of the `with` block.

    What was read is on disk then, if there is a `log` to be settled; nothing is told of it, nor kept, inside the block.
    """

    __slots__ = ("_idle", "_log", "connection")

    def __init__(self, connection: Connection, idle: list[Reader], log: LogSync | None):
        self.connection = connection
        self._idle = idle
        self._log = log

    def __enter__(self) -> Connection:
        return self.connection

    def __exit__(self, kind: object, ex: BaseException | None, trace: object) -> None:
        self._idle.append(self)
        if ex is not None and is_of_the_file(ex):
            raise unavailable(ex) from ex
        if self._log is not None and not self._log.has_failed():
            settle(self._log, self._log.mark())


class Catalog(Turns):
    """The database in the folder `data`, created if it is not there. One per process, opened after the fork.

    `relaxed`: writes are acknowledged before they are synced.
    """

    def __init__(self, data: Path, *, relaxed: bool = False):
        self._room = Room(data)
        self._path = data / CATALOG
        self._lock_file = os.open(data / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # What is kept of it is good until a job changes more than what is in the files of branches.
        self._branches_file = os.open(data / "branches.count", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = threading.Lock()
        self._next = threading.Lock()  # held by whoever waits for the turn first
        self._idle_readers: list[Reader] = []
        with self.turn():
            self.kept = Kept(self._lock_file)
            self.kept_branches = Kept(self._branches_file)
            self._pages = Tally(data / "pages.count")  # written by all processes since the log was due to be moved
            try:
                self._writer = self._connect()
                self._writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
                with self.kept.changing(), self.kept_branches.changing():
                    self._prepare(self._writer)
            except sqlite3.DatabaseError as ex:
                raise Unavailable(f"{self._path} cannot be used: {ex}") from ex
            self._log = LogSync(data / f"{CATALOG}-wal", data / "log.count")
            self._place = _place_of(self._path)
        self._mark = 0  # what the last turn of this process must have settled
        self._late_sync = LateSync(self._log) if relaxed else None
        self._checkpoint_due = threading.Event()
        self._said = ("", 0.0)  # why the log was not moved, and when that was said
        self._closing = False
        self._checkpointing = threading.Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._checkpointing.start()
        super().__init__()

    def _connect(self) -> Connection:
        connection = sqlite3.connect(
            self._path, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection

    def _prepare(self, writer: Connection) -> None:
        (found,) = writer.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise Unavailable(
                f"{self._path} has format {found}; this version of falcon-s3 reads up to {FORMAT}: install a newer one"
            )
        if found == 0:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        else:
            for older in range(found, FORMAT):
                writer.executescript(f"BEGIN; {MIGRATIONS[older]} PRAGMA user_version = {older + 1}; COMMIT;")
            with suppress(sqlite3.OperationalError):  # a full disk, say: it is slower without
                writer.execute(ADDED)
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        writer.execute("PRAGMA synchronous = NORMAL")  # see `log_sync`; the log is synced when it is moved, as before

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold off every other writer of the store, in this process and in others."""
        with self._next:  # else who had the last turn would mostly take the next one too, and the log be moved late
            self._turn.acquire()
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        finally:
            self._turn.release()

    def _settle(self, jobs: Sequence[Job[Any, Any]]) -> None:
        if self._late_sync is not None:
            self._late_sync.wrote()
            return
        try:
            settle(self._log, self._mark)
        except Unavailable as ex:
            for job in jobs:
                job.result, job.error = None, job.error or ex

    def settle(self) -> None:
        """Returns when what was written is on disk, also where that is relaxed: for what must come after it.

        Raises Unavailable.
        """
        settle(self._log, self._log.mark())

    def _checkpoint(self) -> None:
        connection, reader = self._connect(), self._connect()
        while self._checkpoint_due.wait():
            self._checkpoint_due.clear()
            if self._closing:  # looked at after that: else who closes would say it unheard
                break
            self._move_log(connection, reader)
        connection.close()
        reader.close()

    def _move_log(self, connection: Connection, reader: Connection) -> None:
        """Move the log to the database: most of it while others write, the rest in a turn, so that it begins anew.

        SQLite syncs the database only when it has moved the whole log, and so in the turn: synced before, little is
        left for that, the second time what was written while the first sync took place.
        """
        try:
            with suppress(sqlite3.Error):  # what is left is moved in the turn, or it is told there why not
                for _ in range(2):
                    with self._log_goes_on(reader):
                        self._move(connection)
                    with self._hearing_of_the_disk():
                        held_file.sync(self._path)
            with self.turn():
                self._move(connection)
        except (sqlite3.Error, OSError, Unavailable) as ex:  # a full disk, say: what is in the log is safe there
            (reason, when), now = self._said, time.monotonic()
            if str(ex) != reason or now - when >= SAID_AGAIN_SECONDS:
                self._said = (str(ex), now)
                logger.warning("the log of the catalog was not moved: %s", ex)

    def _move(self, connection: Connection) -> bool:
        """Move of the log what can be moved; whether that was all, which is on disk then. Raises sqlite3.Error."""
        with self._hearing_of_the_disk():
            busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return not busy and pages == moved

    @contextmanager
    def _hearing_of_the_disk(self) -> Iterator[None]:
        """Around what syncs the database: where that fails, nothing is written until it is mended.

        Rule: what SQLite has moved it does not move again, and it writes over the log when the next sync is said to be one.
        """
        try:
            yield
        except (sqlite3.Error, OSError) as ex:
            if isinstance(ex, OSError) or (
                str(ex) == FAILED and getattr(ex, "sqlite_errorcode", FAILED_SYNC) == FAILED_SYNC
            ):
                self._log.fail()
            raise

    @contextmanager
    def _log_goes_on(self, reader: Connection) -> Iterator[None]:
        """Inside, no writer begins the log anew, since the `reader` reads what stands at its end.

        Rule: without a turn the log is moved only here. SQLite before 3.51.3 reads how long the log is, and then how much
        of it was moved. If it begins anew in between, as much of the new one is taken for moved, and never is: the database
        is damaged (https://sqlite.org/wal.html#walresetbug).
        """
        reader.execute("PRAGMA wal_autocheckpoint = 0")
        reader.execute("PRAGMA synchronous = NORMAL")
        try:
            with self.turn():
                if self._log.has_failed():
                    self._mend_log()
                # A page more, which was not moved yet: where all was, who reads holds up nobody.
                reader.execute("PRAGMA application_id = 0")
                reader.execute("BEGIN")
                reader.execute("SELECT 1 FROM repo").fetchone()
            yield
        finally:
            reader.rollback()

    def _begin_log_anew(self) -> None:
        """In a turn: move the log, so that what is written next takes its place, unless somebody reads what is there."""
        with suppress(sqlite3.Error):  # what is in the log is safe there
            self._move(self._writer)

    def _forget_what_was_moved(self) -> None:
        """In a turn, after a sync that failed: all of the log is moved once more. Raises OSError where that cannot be said."""
        shared = self._path.with_name(f"{CATALOG}-shm")
        if not held_file.write(shared, bytes(SHARED_BYTES)):
            raise FileNotFoundError(shared)

    def _mend_log(self) -> None:
        """In a turn, after a sync that failed: move all of the log to the database, which is synced. Or Unavailable."""
        with suppress(sqlite3.Error, OSError):
            self._forget_what_was_moved()
            if self._move(self._writer):
                self._log.begin_anew()
                logger.warning("all of the log was moved to the database, and synced there: writes go on")
                return
        raise Unavailable(
            "the disk fails to keep what is written (the system's log tells more): writes wait until it does"
        )

    def check_place(self) -> None:
        """Raises Unavailable where the database is no longer at its path: who opens that would not find what is written."""
        if _place_of(self._path) != self._place:
            raise Unavailable(
                f"{self._path} was moved, removed or replaced while it was in use: nothing more is written until"
                " what serves it is started again"
            )

    def _run(self, jobs: Sequence[Job[Any, Any]]) -> None:
        self.check_place()
        if self._room.is_scarce() or self._log.size() > LOG_BYTES:
            self._begin_log_anew()  # else it would soon take what is left of the disk, or grow without bounds
        if self._log.has_failed():
            self._mend_log()
        keeping = all(job.run is not one_by_one for job in jobs) and not self.kept_branches.is_changing()
        with self.kept.changing(), nullcontext() if keeping else self.kept_branches.changing():
            self._run_all(jobs)
        self._mark = self._log.mark()
        if self._pages.reaches(CHECKPOINT_PAGES, TURN_PAGES + JOB_PAGES * len(jobs)):
            self._checkpoint_due.set()

    def _run_all(self, jobs: Sequence[Job[Any, Any]]) -> None:
        writer = self._writer
        try:
            if not self._run_together(jobs):
                writer.execute("BEGIN IMMEDIATE")
                for job in jobs:
                    self._run_one(job)
                self._commit()
        except BaseException as ex:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            failure = unavailable(ex) if isinstance(ex, sqlite3.Error) else ex
            for job in jobs:  # also those that ran, before the commit failed
                job.result, job.error = None, job.error or failure
            if not isinstance(ex, Exception):
                raise

    def _run_together(self, jobs: Sequence[Job[Any, Any]]) -> bool:
        """Run the jobs without savepoints, which cost more than most jobs. False: one raised, and nothing happened."""
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            for run, same in groupby(jobs, key=_run_of):
                some = list(same)
                for job, result in zip(some, run(writer, [job.item for job in some]), strict=True):
                    job.result = result
        except Exception as ex:
            if not writer.in_transaction:
                raise  # SQLite gave up the whole transaction, as on a full disk
            writer.execute("ROLLBACK")
            if len(jobs) > 1:
                return False
            jobs[0].error = told(ex)
            return True
        self._commit()
        return True

    def _commit(self) -> None:
        with self._log.committing():
            self._writer.execute("COMMIT")

    def _run_one(self, job: Job[Any, Any]) -> None:
        self._writer.execute("SAVEPOINT job")
        try:
            (job.result,) = job.run(self._writer, [job.item])
        except Exception as ex:
            if not self._writer.in_transaction:
                raise  # SQLite gave up the whole transaction, as on a full disk
            self._writer.execute("ROLLBACK TO job")
            job.result, job.error = None, told(ex)  # it may have run before, together with others
        self._writer.execute("RELEASE job")

    def read(self) -> Reader:
        """A connection to read from, for as long as a `with` block lasts: fetch what is needed and leave.

        Raises Unavailable, when too many files are open, say.
        """
        try:
            return self._idle_readers.pop()
        except IndexError:
            pass
        try:
            return Reader(self._connect(), self._idle_readers, None if self._late_sync else self._log)
        except sqlite3.Error as ex:
            raise unavailable(ex) from ex

    @contextmanager
    def moment(self) -> Iterator[Connection]:
        """As `read`, but all that is read is as at one moment: else each statement sees what was written before it."""
        with self.read() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:  # a disk that fails ends it
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        self._closing = True
        self._checkpoint_due.set()
        self._checkpointing.join()
        super().close()
        if self._late_sync is not None:
            self._late_sync.close()
        if self._log.has_failed():  # who closes it last moves the log
            with suppress(OSError), self.turn():
                self._forget_what_was_moved()
        with self._turn:
            self._writer.close()
        while self._idle_readers:
            self._idle_readers.pop().connection.close()
        self._pages.close()
        self._log.close()
        for kept, file in ((self.kept, self._lock_file), (self.kept_branches, self._branches_file)):
            kept.close()
            os.close(file)


def is_there(data: Path) -> bool:
    """Whether the folder has a database."""
    return (data / CATALOG).is_file()


def _place_of(path: Path) -> tuple[int, int] | None:
    """Which file is at the path; None: there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def settle(log: LogSync, mark: int) -> None:
    """As `LogSync.settle`, but raises Unavailable."""
    try:
        log.settle(mark)
    except OSError as ex:
        raise not_written("the catalog could not be synced", ex) from ex


def first_row(connection: Connection, statement: str, names: tuple[str | bytes, ...]) -> Any:
    """The first row, or None; also for names that UTF-8 cannot encode, which nothing can have."""
    try:
        return connection.execute(statement, names).fetchone()
    except UnicodeEncodeError:
        return None


def insert(connection: Connection, statement: str, values: Sequence[object]) -> int:
    """Inside a job: gives the number of the new row, of the last one if there are more."""
    cursor = connection.execute(statement, values)
    assert cursor.lastrowid is not None  # an INSERT that did not raise has one
    return cursor.lastrowid


def told(ex: Exception) -> Exception:
    """What a caller gets of what its job raised."""
    return unavailable(ex) if is_of_the_file(ex) else ex


def is_of_the_file(ex: BaseException) -> bool:
    """Whether it is not the statement that is wrong: a full disk, say, or, as DatabaseError itself, a damaged file."""
    return isinstance(ex, sqlite3.OperationalError) or type(ex) is sqlite3.DatabaseError


def unavailable(ex: BaseException) -> Unavailable:
    """What a caller is told when SQLite could not do its work: full disk, no permission, broken file."""
    if type(ex) is sqlite3.DatabaseError:
        logger.error("the catalog is damaged: %s", ex)  # nothing else would tell the operator
        return Unavailable(f"the catalog is damaged (`falcon-s3 fsck` tells more): {ex}")
    if str(ex) == FULL:
        return DiskFull()
    return Unavailable(f"the catalog cannot be used now: {ex}")
