"""What is written or read is told of when it is on disk, and the turn to write does not wait for that."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from falcon_s3.pfs import FileNotFound, Unavailable, held_file
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.janitor import Janitor
from falcon_s3.pfs.log_sync import LogSync
from tests.pfs.bodies import Bytes, check_books, get, names, put
from tests.pfs.stores import MASTER


class Disk:
    """Stands before `os.fdatasync`: counts the syncs of a store's log, holds them up, and fails them."""

    def __init__(self, monkeypatch):
        self._sync = os.fdatasync
        self.synced: list[EmbeddedPfs] = []
        self.held: dict[int, threading.Event] = {}
        self.fails: set[int] = set()
        self.arrived = threading.Semaphore(0)
        self._stores: dict[int, EmbeddedPfs] = {}
        monkeypatch.setattr(os, "fdatasync", self.sync)

    def knows(self, store: EmbeddedPfs) -> EmbeddedPfs:
        self._stores[store._catalog._log._log] = store
        return store

    def hold(self, store: EmbeddedPfs) -> threading.Event:
        """Until the event is set."""
        event = self.held[store._catalog._log._log] = threading.Event()
        return event

    def fail(self, store: EmbeddedPfs) -> None:
        """Once."""
        self.fails.add(store._catalog._log._log)

    def sync(self, handle: int) -> None:
        if handle in self.held:
            self.arrived.release()
            assert self.held[handle].wait(30)
        if handle in self.fails:
            self.fails.discard(handle)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(handle)
        if handle in self._stores:
            self.synced.append(self._stores[handle])


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def stores(tmp_path, disk, monkeypatch):
    """Two on one folder, as two processes have them. Nothing is cleaned up beside the tests: that would sync, too."""
    monkeypatch.setattr(Janitor, "_clean", lambda janitor: None)
    opened = [disk.knows(EmbeddedPfs(tmp_path / "store")) for _ in range(2)]
    opened[0].create_branch(MASTER)
    yield opened
    for each in opened:
        check_books(each)
        each.close()


@pytest.fixture
def aside():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def test_a_write_is_told_after_its_sync(stores, disk, aside):
    store, _ = stores
    gate = disk.hold(store)
    written = aside.submit(put, store, MASTER, "a", b"1")
    assert disk.arrived.acquire(timeout=30)
    assert not written.done()
    gate.set()
    written.result(30)
    assert disk.synced[-1] is store


def test_others_write_while_the_disk_works(stores, disk, aside):
    """Whose sync takes along what was written before it."""
    store, other = stores
    gate = disk.hold(store)
    written = aside.submit(put, store, MASTER, "a", b"1")
    assert disk.arrived.acquire(timeout=30)
    put(other, MASTER, "b", b"2")
    assert names(other, MASTER) == ["a", "b"]
    assert not written.done()
    gate.set()
    written.result(30)


def test_a_write_that_another_has_synced_is_not_synced_again(stores, disk):
    """The turns of two stores end one after the other, and then both settle: one sync."""
    store, other = stores
    put(store, MASTER, "a")
    put(other, MASTER, "b")
    disk.synced.clear()
    log, mark = store._catalog._log, store._catalog._mark
    log.settle(mark)
    assert disk.synced == []
    log.settle(mark + 1000)
    assert disk.synced == [store]


def not_found(store: EmbeddedPfs) -> None:
    with pytest.raises(FileNotFound):
        store.inspect_file(MASTER, "none")


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.inspect_file(MASTER, "a"),
        lambda store: list(store.list_files(MASTER)),
        lambda store: store.list_page(MASTER, "", "", "", 10),
        lambda store: store.inspect_branch(MASTER),
        lambda store: list(store.list_commits(MASTER)),
        lambda store: list(store.list_versions(MASTER)),
        not_found,
    ],
    ids=["file", "files", "page", "branch", "commits", "versions", "none"],
)
def test_a_read_is_told_after_the_sync_of_what_it_shows(stores, disk, aside, read):
    """Else a power cut would take back what somebody has seen. What is on disk already takes no sync."""
    store, other = stores
    gate = disk.hold(store)
    written = aside.submit(put, store, MASTER, "a", b"1")
    assert disk.arrived.acquire(timeout=30)
    disk.synced.clear()
    read(other)
    assert disk.synced[:1] == [other]
    disk.synced.clear()
    read(other)
    assert disk.synced == []
    gate.set()
    written.result(30)


def test_a_refusal_is_told_after_the_sync_of_what_it_follows_from(stores, disk, aside):
    """As of a write that must not replace what another has just written."""
    store, other = stores

    def refuse(existing):
        if existing is not None:
            raise FileExistsError

    gate = disk.hold(store)
    written = aside.submit(put, store, MASTER, "a", b"1")
    assert disk.arrived.acquire(timeout=30)
    disk.synced.clear()
    with pytest.raises(FileExistsError):
        put(other, MASTER, "a", b"2", check=refuse)
    assert disk.synced == [other]
    gate.set()
    written.result(30)


def test_a_sync_that_fails_fails_the_write_and_those_after_it_until_the_log_was_moved(stores, disk, caplog):
    """In all processes. Reads go on, and what was acknowledged before is there."""
    store, other = stores
    put(store, MASTER, "before", b"0")
    with other._catalog.read() as connection:  # whoever reads what was before keeps the log where it is
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM branch").fetchone()
        disk.fail(store)
        with pytest.raises(Unavailable, match="could not be synced"):
            put(store, MASTER, "a", b"1")
        assert "could not be synced" in caplog.text
        for each in stores:
            with pytest.raises(Unavailable, match="writes wait until it does"):
                put(each, MASTER, "b", b"2")
            assert get(each, MASTER, "before") == b"0"
        connection.execute("COMMIT")

    put(other, MASTER, "b", b"2")
    assert "writes go on" in caplog.text
    put(store, MASTER, "c", b"3")
    assert [get(store, MASTER, path) for path in ("before", "b", "c")] == [b"0", b"2", b"3"]


# Holds the lock that whoever moves the log has, as if it did, until its standard input ends. Where that lock is:
# https://sqlite.org/walformat.html#wal_locks
MOVE = """
import fcntl, sys
with open(sys.argv[1], "r+b") as shared:
    fcntl.lockf(shared, fcntl.LOCK_EX, 1, 121)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def moving_elsewhere(store: EmbeddedPfs) -> Iterator[None]:
    """Inside, another process is moving the log."""
    command = [sys.executable, "-c", MOVE, f"{store._catalog._path}-shm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate(timeout=30)


def test_a_log_that_another_process_moves_was_not_moved_yet(stores, disk):
    """Writes go on when it was."""
    store, _ = stores
    disk.fail(store)
    with pytest.raises(Unavailable, match="could not be synced"):
        put(store, MASTER, "a", b"1")
    with moving_elsewhere(store), pytest.raises(Unavailable, match="writes wait until it does"):
        put(store, MASTER, "b", b"2")
    put(store, MASTER, "b", b"2")


class Forgetful:
    """A disk that fails to sync the database once, and loses what was written to it: what Linux reads then, or after a
    power cut, is as old as the last sync (fsync(2), "EIO")."""

    def __init__(self, monkeypatch, database: Path):
        self._identity, self._sync = database.stat().st_ino, os.fdatasync
        self._synced = database.read_bytes()
        self.fails = True
        monkeypatch.setattr(os, "fdatasync", self.sync)

    def sync(self, handle: int) -> None:
        if self.fails and os.fstat(handle).st_ino == self._identity:
            self.fails = False
            assert os.fstat(handle).st_size > len(self._synced), "nothing was moved: the test shows nothing"
            os.ftruncate(handle, len(self._synced))
            os.pwrite(handle, self._synced, 0)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(handle)


class Mover:
    """What moves the log of a store when it is told to, as a thread of the store does when it is long."""

    def __init__(self, store: EmbeddedPfs):
        self._catalog = store._catalog
        self._connections = [self._catalog._connect() for _ in range(2)]

    def move(self) -> None:
        self._catalog._move_log(*self._connections)

    def close(self) -> None:
        for each in self._connections:
            each.close()


@pytest.fixture
def half_lost(tmp_path, monkeypatch):
    """A store of which half of the log was moved to the database, and is not there; and what moved it."""
    monkeypatch.setattr(Janitor, "_clean", lambda janitor: None)
    store = EmbeddedPfs(tmp_path / "store")
    store.create_branch(MASTER)
    for number in range(20):
        put(store, MASTER, f"{number}", b"%d" % number)
    disk, mover = Forgetful(monkeypatch, store._catalog._path), Mover(store)
    with store._catalog.read() as connection:  # what is written from now on is not moved
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM branch").fetchone()
        put(store, MASTER, "after", b"1")
        mover.move()
        connection.execute("COMMIT")
    assert not disk.fails
    return store, mover


def check_nothing_is_lost(store: EmbeddedPfs) -> None:
    check_books(store)
    assert get(store, MASTER, "after") == b"1"
    for number in range(20):
        assert get(store, MASTER, f"{number}") == b"%d" % number


@pytest.mark.parametrize("is_write", [True, False])
def test_what_was_moved_when_the_sync_of_the_database_failed_is_moved_again(half_lost, is_write, caplog):
    """By who writes next, or moves the log, and before that is written over."""
    store, mover = half_lost
    if is_write:
        put(store, MASTER, "b", b"2")
    else:
        mover.move()
    assert "writes go on" in caplog.text
    for _ in range(2):
        mover.move()
        put(store, MASTER, "b", b"3")
    check_nothing_is_lost(store)
    mover.close()
    store.close()


def test_what_was_moved_when_the_sync_of_the_database_failed_is_moved_again_at_the_end(half_lost, tmp_path):
    """SQLite moves what it takes for the rest, and removes the log, as the last one closes it."""
    store, mover = half_lost
    mover.close()
    store.close()
    store = EmbeddedPfs(tmp_path / "store")
    check_nothing_is_lost(store)
    store.close()


def test_what_cannot_be_moved_again_is_not_taken_for_moved(half_lost, monkeypatch, tmp_path):
    """Where no handle is found over which SQLite is told: nothing is written until there is one."""
    store, mover = half_lost
    with monkeypatch.context() as patch:
        patch.setattr(held_file, "HANDLES", tmp_path / "nowhere")
        with pytest.raises(Unavailable):
            put(store, MASTER, "b", b"2")
    put(store, MASTER, "b", b"2")
    mover.close()
    check_nothing_is_lost(store)
    store.close()


class FailsOnce:
    """The connection that writes, on a disk that fails to sync when it moves the log first."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        self.has_failed = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        if "wal_checkpoint" in statement and not self.has_failed:
            self.has_failed = True
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement, values)


def test_a_sync_of_the_database_that_fails_for_who_writes_is_mended(stores, monkeypatch, caplog):
    """Where the log is so long that it is moved in the turn; the write itself goes on."""
    store, _ = stores
    writer = store._catalog._writer = FailsOnce(store._catalog._writer)
    monkeypatch.setattr("falcon_s3.pfs.catalog.LOG_BYTES", 0)
    put(store, MASTER, "a", b"1")
    assert writer.has_failed
    assert "writes go on" in caplog.text


def test_a_write_that_is_told_later_hears_of_a_sync_that_fails(stores, disk):
    """And nothing else."""
    store, _ = stores
    told: list[tuple[str | None, BaseException | None]] = []
    done = threading.Event()
    disk.fail(store)
    store.start_put(MASTER, "a", Bytes(b"1")).finish(
        lambda version, failure: (told.append((version, failure)), done.set())
    )
    assert done.wait(30)
    ((version, failure),) = told
    assert version is None
    assert isinstance(failure, Unavailable)


def free(store: EmbeddedPfs) -> None:
    store.delete_branch(MASTER)
    store.collect(grace_ms=-1)


def leave(store: EmbeddedPfs) -> None:
    """As a writer that was killed between the row and the file."""
    store._catalog.write(lambda connection: connection.execute("DELETE FROM content").rowcount)
    store.collect()


@pytest.mark.parametrize("remove", [free, leave])
def test_bytes_go_after_the_rows_that_named_them_are_gone_from_the_disk(tmp_path, disk, monkeypatch, remove):
    """Also where writes are told before their sync: a power cut may bring the rows back, and these need their bytes."""
    monkeypatch.setattr(Janitor, "_clean", lambda janitor: None)
    monkeypatch.setattr("falcon_s3.pfs.late_sync.LATE_SECONDS", 3600)
    store = disk.knows(EmbeddedPfs(tmp_path / "store", relaxed=True))
    store.create_branch(MASTER)
    put(store, MASTER, "large", b"x" * 100_000)
    (file,) = [each for each in (tmp_path / "store" / "contents").rglob("*") if each.is_file()]
    there = []
    sync = os.fdatasync

    def look(handle: int) -> None:
        if handle == store._catalog._log._log:
            there.append(file.exists())
        sync(handle)

    monkeypatch.setattr(os, "fdatasync", look)
    remove(store)
    assert not file.exists()
    assert there[:1] == [True]
    store.close()


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").write_bytes(b"1")
    opened = LogSync(tmp_path / "log", tmp_path / "numbers")
    yield opened
    opened.close()


def test_a_writer_that_was_killed_in_its_commit_keeps_nobody_from_anything(log, disk):
    """Reads sync until the next commit ends."""
    killed = log.committing()
    killed.__enter__()
    for _ in range(2):
        mark = log.mark()
        log.settle(mark)
        assert log._numbers[1] < mark
    with log.committing():
        pass
    assert log.mark() == mark
    log.settle(mark)
    assert log._numbers[1] == mark


def test_numbers_take_their_room_on_disk_at_once(log, tmp_path):
    """A hole would kill who writes to it on a full disk."""
    with (tmp_path / "numbers").open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 0
