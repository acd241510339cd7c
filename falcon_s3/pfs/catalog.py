"""The database of the embedded store: its connections, and whose turn it is to write.

This is the only module that knows sqlite3. It hands out `Connection`s: one for writing, given to one job at a
time across all threads and processes, and a few for reading. The tables are in `schema`; the statements live beside
what they mean: commits and branches in `history`, versions and listings in `tree`, bytes in `contents`.

* **Writers take turns.** Jobs of one process queue behind a leader, processes queue on a file lock, so SQLite's
  busy handler (which sleeps and starves) never decides. The leader runs every job that waits, in one transaction:
  one fsync serves them all. Then the first of those who came meanwhile leads, and only it is woken for that. When
  a job raises, all run again, each behind a savepoint of its own, so that it takes no other with it.
* **Jobs of a kind may share statements** (`write_together`): each statement hands over the interpreter's lock, which
  comes back late where other threads want it too.
* **Readers never wait.** The journal is a write-ahead log; a read runs on a connection of its own.
* **Acknowledged is durable.** synchronous=FULL: `write` returns after the log is on disk; or, where that was chosen,
  soon before it is (see `late_sync`).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from falcon_s3.pfs import Unavailable
from falcon_s3.pfs.kept import Kept
from falcon_s3.pfs.late_sync import LateSync
from falcon_s3.pfs.schema import FORMAT, MIGRATIONS, SCHEMA

logger = logging.getLogger(__name__)

Connection = sqlite3.Connection
Item = TypeVar("Item")
Result = TypeVar("Result")

_run_of = attrgetter("run")

# After so many jobs of a process what they wrote is moved from the log to the database, beside other work.
CHECKPOINT_JOBS = 500
# So long a log, in pages, is moved by whoever writes, who then waits for it: when the others could not keep up.
LOG_PAGES = 16384

# How long a turn may wait for as many jobs as the last ones had: it costs as much processor as four small files in it.
GATHER_SECONDS = 0.001

# Of the database, what each connection keeps in memory. The system keeps all of it; a page of a listing costs the same
# with 0.5 MiB and with 16, of 1,000,000 keys.
CACHE_KIB = 1024
# Of the connection that writes, which keeps what it has changed until the end of the transaction.
WRITER_CACHE_KIB = 4096


class Job(Generic[Item, Result]):
    """One waiting write and, once it ran, what came of it. `run` gives the results of many items.

    A thread waits for it, or `told` is called with it, by whoever ran it.
    """

    __slots__ = ("error", "item", "leads", "result", "run", "told", "woken")

    def __init__(
        self,
        run: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        item: Item,
        told: Callable[[Job[Item, Result]], None] | None = None,
    ):
        self.run = run
        self.item = item
        self.told = told
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.leads = False  # it did not run yet: its thread runs what waits
        self.woken = threading.Lock()  # held until it ran or leads
        self.woken.acquire()

    def end(self) -> None:
        if self.told is None:
            self.woken.release()
        else:
            self.told(self)


class Reader:
    """A connection that is lent, and goes back to the idle ones at the end of the `with` block."""

    __slots__ = ("_idle", "connection")

    def __init__(self, connection: Connection, idle: list[Reader]):
        self.connection = connection
        self._idle = idle

    def __enter__(self) -> Connection:
        return self.connection

    def __exit__(self, kind: object, ex: BaseException | None, trace: object) -> None:
        self._idle.append(self)
        if isinstance(ex, sqlite3.OperationalError):
            raise unavailable(ex) from ex


class Catalog:
    """The database in the folder `data`, created if it is not there. One per process, opened after the fork.

    `relaxed`: writes are acknowledged before they are synced.
    """

    def __init__(self, data: Path, *, relaxed: bool = False):
        self._path = data / "catalog.sqlite3"
        self._lock_file = os.open(data / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # What is kept of it is good until a job changes more than what is in the files of branches.
        self._branches_file = os.open(data / "branches.count", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = threading.Lock()
        self._queue = threading.Lock()  # around the next two, for moments
        self._waiting: deque[Job[Any, Any]] = deque()
        self._led = False  # a thread runs what waits, or is about to
        self._turns = deque((0, 0), maxlen=2)  # how many jobs the last ones had
        self._wanted = sys.maxsize  # when so many wait, `enough` is released
        self._enough = threading.Lock()
        self._enough.acquire()
        self._idle_readers: list[Reader] = []
        with self.turn():
            self.kept = Kept(self._lock_file)
            self.kept_branches = Kept(self._branches_file)
            self._writer = self._connect()
            self._writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
            with self.kept.changing(), self.kept_branches.changing():
                self._prepare(self._writer)
        self._late_sync: LateSync | None = None
        if relaxed:
            self._writer.execute("PRAGMA synchronous = NORMAL")
            self._late_sync = LateSync(data / "catalog.sqlite3-wal")
        self._jobs = 0  # since the last checkpoint of this process began
        self._checkpoint_due = threading.Event()
        self._closing = False
        self._checkpointing = threading.Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._checkpointing.start()
        self._called: SimpleQueue[Job[Any, Any] | None] = SimpleQueue()
        self._writing = threading.Thread(target=self._write_for_others, name="writer", daemon=True)
        self._writing.start()

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
        writer.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        writer.execute("PRAGMA journal_size_limit = 67108864")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold off every other writer of the store, in this process and in others."""
        with self._turn:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def write(self, run: Callable[[Connection], Result]) -> Result:
        """Run a job in a transaction and give its result once that is on disk; what it raises undoes it.

        A job may run twice, the first time for nothing: it does nothing but to the connection. Raises Unavailable
        when the disk is full or the database cannot be written.
        """
        return self.write_together(_one_by_one, run)

    def write_together(self, run: Callable[[Connection, Sequence[Item]], Sequence[Result]], item: Item) -> Result:
        """As `write`: `run` is called with the items of all such jobs that wait, and gives their results in order.

        It changes nothing of what `kept_branches` keeps.
        """
        job = Job(run, item)
        with self._queue:
            if self._led:
                self._waiting.append(job)
            else:
                self._led = job.leads = True
        if not job.leads:
            job.woken.acquire()
        if job.leads:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # a job that did not fail has its result

    def write_later(
        self,
        run: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        item: Item,
        told: Callable[[Job[Item, Result]], None],
    ) -> None:
        """As `write_together`, without waiting: `told` gets the job when it ran. It must not wait nor raise."""
        job = Job(run, item, told)
        with self._queue:
            if self._led:
                self._waiting.append(job)
                if len(self._waiting) >= self._wanted and self._enough.locked():
                    self._enough.release()
                return
            self._led = True
        self._called.put(job)

    def _write_for_others(self) -> None:
        """Lead whenever no thread waits for the job whose turn it is to lead."""
        while (job := self._called.get()) is not None:
            self._gather()
            self._lead(job)

    def _gather(self) -> None:
        """Wait for as many as the last turns had, but not for long: those who were answered mostly come again."""
        wanted = max(self._turns) - 1
        if len(self._waiting) >= wanted:
            return
        self._wanted = wanted
        self._enough.acquire(timeout=GATHER_SECONDS)
        self._wanted = sys.maxsize

    def _lead(self, own: Job[Any, Any]) -> None:
        """Run what waits, and hand over to the first of those who came meanwhile."""
        jobs = [own]
        try:
            with self.turn():
                with self._queue:
                    jobs += self._waiting
                    self._waiting.clear()
                self._turns.append(len(jobs))
                self._run(jobs)
        except BaseException as ex:
            for job in jobs:
                job.error = job.error or ex
            if not isinstance(ex, Exception):
                raise
        finally:
            with self._queue:
                following = self._waiting.popleft() if self._waiting else None
                self._led = following is not None
            if following is not None and following.told is None:
                following.leads = True
                following.woken.release()  # first, so that the disk has work while the others answer
            elif following is not None:
                self._called.put(following)
            for job in jobs:
                job.end()

        if self._late_sync is not None:
            self._late_sync.wrote()
        self._jobs += len(jobs)
        if self._jobs >= CHECKPOINT_JOBS:
            self._checkpoint_due.set()

    def _checkpoint(self) -> None:
        """Move the log to the database: most of it while others write, the rest in a turn, so that it begins anew."""
        connection = self._connect()
        while self._checkpoint_due.wait() and not self._closing:
            self._checkpoint_due.clear()
            self._jobs = 0
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                with self.turn():
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as ex:  # a full disk, say: what is in the log is safe there
                logger.warning("the log of the catalog was not moved: %s", ex)
        connection.close()

    def _run(self, jobs: Sequence[Job[Any, Any]]) -> None:
        keeping = all(job.run is not _one_by_one for job in jobs) and not self.kept_branches.is_changing()
        with self.kept.changing(), nullcontext() if keeping else self.kept_branches.changing():
            self._run_all(jobs)

    def _run_all(self, jobs: Sequence[Job[Any, Any]]) -> None:
        writer = self._writer
        try:
            if not self._run_together(jobs):
                writer.execute("BEGIN IMMEDIATE")
                for job in jobs:
                    self._run_one(job)
                writer.execute("COMMIT")
        except BaseException as ex:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            failure = unavailable(ex) if isinstance(ex, sqlite3.Error) else ex
            for job in jobs:
                job.error = job.error or failure
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
        writer.execute("COMMIT")
        return True

    def _run_one(self, job: Job[Any, Any]) -> None:
        self._writer.execute("SAVEPOINT job")
        try:
            (job.result,) = job.run(self._writer, [job.item])
        except Exception as ex:
            if not self._writer.in_transaction:
                raise  # SQLite gave up the whole transaction, as on a full disk
            self._writer.execute("ROLLBACK TO job")
            job.error = told(ex)
        self._writer.execute("RELEASE job")

    def read(self) -> Reader:
        """A connection to read from, for as long as a `with` block lasts: fetch what is needed and leave."""
        try:
            return self._idle_readers.pop()
        except IndexError:
            return Reader(self._connect(), self._idle_readers)

    def close(self) -> None:
        self._closing = True
        self._checkpoint_due.set()
        self._checkpointing.join()
        self._called.put(None)
        self._writing.join()
        if self._late_sync is not None:
            self._late_sync.close()
        with self._turn:
            self._writer.close()
        while self._idle_readers:
            self._idle_readers.pop().connection.close()
        for kept, file in ((self.kept, self._lock_file), (self.kept_branches, self._branches_file)):
            kept.close()
            os.close(file)


def _one_by_one(connection: Connection, runs: Sequence[Callable[[Connection], Result]]) -> Sequence[Result]:
    """Jobs that share nothing but the transaction."""
    return [run(connection) for run in runs]


def told(ex: Exception) -> Exception:
    """What a caller gets of what its job raised."""
    return unavailable(ex) if isinstance(ex, sqlite3.OperationalError) else ex


def unavailable(ex: Exception) -> Unavailable:
    """What a caller is told when SQLite could not do its work: full disk, no permission, broken file."""
    return Unavailable(f"the catalog cannot be used now: {ex}")
