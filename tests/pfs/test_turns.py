"""Jobs of the catalog that wait for the same turn run in one transaction, and each for itself."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from falcon_s3.pfs import Unavailable, catalog, held_file, turns
from falcon_s3.pfs.catalog import Catalog, Connection
from tests.pfs.waiting import PATIENCE_SECONDS, until


class Refused(Exception):
    pass


@pytest.fixture
def store(tmp_path):
    opened = Catalog(tmp_path)
    opened.write(lambda connection: connection.execute("CREATE TABLE done (number INTEGER)").rowcount)
    yield opened
    opened.close()


def done(store: Catalog) -> list[int]:
    with store.read() as connection:
        return [row[0] for row in connection.execute("SELECT number FROM done ORDER BY number")]


def add(store: Catalog, number: int) -> int:
    def job(connection: Connection) -> int:
        connection.execute("INSERT INTO done (number) VALUES (?)", (number,))
        if number % 3 == 0:
            raise Refused(number)
        return number

    return store.write(job)


def write_at_once(store: Catalog, many: int) -> list[Future[int]]:
    """So many jobs, all but the first waiting for the same turn."""
    with ThreadPoolExecutor(many) as threads:
        with store.turn():
            results = [threads.submit(add, store, number) for number in range(many)]
            while len(store._waiting) < many - 1:
                threading.Event().wait(0.001)
        return results


def test_a_job_that_raises_takes_no_other_with_it(store):
    results = write_at_once(store, 10)
    for number, result in enumerate(results):
        if number % 3 == 0:
            assert isinstance(result.exception(), Refused)
        else:
            assert result.result() == number
    assert done(store) == [1, 2, 4, 5, 7, 8]


@pytest.fixture
def interrupt():
    """A function that interrupts the main thread, whatever that waits for."""

    def raise_it(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR2, raise_it)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda: signal.pthread_kill(main, signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_a_thread_that_is_interrupted_while_it_waits_holds_up_nobody(store, interrupt):
    """Its turn to lead would never end, and nobody else could write."""
    with ThreadPoolExecutor(2) as threads:
        with store.turn():
            leader = threads.submit(add, store, 1)
            until(lambda: store._led)

            def interrupt_it() -> None:
                until(lambda: store._waiting)
                interrupt()

            interrupting = threads.submit(interrupt_it)
            with pytest.raises(KeyboardInterrupt):
                add(store, 2)
            interrupting.result()
        assert leader.result() == 1
        assert threads.submit(add, store, 4).result(timeout=PATIENCE_SECONDS) == 4
    assert done(store) == [1, 4]


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come to the main thread")
def test_a_thread_that_is_interrupted_while_its_job_runs_is_let_go_when_it_has_run(store, interrupt):
    """What was staged for it would be removed, and then named."""
    running, interrupted = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        running.set()
        assert interrupted.wait(PATIENCE_SECONDS)
        connection.execute("INSERT INTO done (number) VALUES (2)")

    def interrupt_it() -> None:
        running.wait(PATIENCE_SECONDS)
        interrupt()
        interrupted.set()

    with ThreadPoolExecutor(2) as threads:
        with contextlib.ExitStack() as turn:
            turn.enter_context(store.turn())
            leader = threads.submit(add, store, 1)
            until(lambda: store._led)
            threads.submit(lambda: (until(lambda: store._waiting), turn.close()))
            interrupting = threads.submit(interrupt_it)
            with pytest.raises(KeyboardInterrupt):
                store.write(slow)
            assert done(store) == [1, 2]
        interrupting.result()
        assert leader.result() == 1


def test_jobs_that_wait_are_one_transaction(store):
    """Whoever reads sees all that waited for a turn, or nothing of it."""
    seen = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(len(done(store)))

    watching = threading.Thread(target=watch)
    watching.start()
    for _ in range(20):
        write_at_once(store, 9)
    stop.set()
    watching.join()
    # The first of the nine is alone in its turn if it came before the others; it is refused.
    assert all(each % 6 == 0 for each in seen), seen
    assert len(done(store)) == 20 * 6


def test_who_is_told_later_is_told_when_it_is_done(store):
    """Of what came of each job and never before its turn ended; beside jobs that somebody waits for."""
    seen: SimpleQueue[tuple[int, object, object, int]] = SimpleQueue()

    def add_later(number: int) -> None:
        def job(connection: Connection, numbers: Sequence[int]) -> list[int]:
            for each in numbers:
                connection.execute("INSERT INTO done (number) VALUES (?)", (each,))
                if each % 3 == 0:
                    raise Refused(each)
            return [each * 10 for each in numbers]

        store.write_later(job, number, lambda ended: seen.put((number, ended.result, ended.error, len(done(store)))))

    with ThreadPoolExecutor(20) as threads:
        with store.turn():
            waited = [threads.submit(add, store, number) for number in range(1, 20, 2)]
            for number in range(0, 20, 2):
                add_later(number)
            while len(store._waiting) < 18:
                threading.Event().wait(0.001)
            assert seen.empty()
        told = sorted((seen.get(timeout=30) for _ in range(10)), key=lambda each: each[0])
        assert [isinstance(result.exception(), Refused) for result in waited] == [n % 3 == 0 for n in range(1, 20, 2)]
    for number, result, error, there in told:
        assert (result, type(error)) == ((None, Refused) if number % 3 == 0 else (number * 10, type(None)))
        assert there
    assert done(store) == [number for number in range(20) if number % 3]


def test_who_waits_does_not_stay_for_those_who_are_told(store):
    """The thread whose job led goes when that is done, and whoever is left is led by another."""
    told: SimpleQueue[int] = SimpleQueue()
    left = [200]

    def again(_ended: object) -> None:
        told.put(left[0])
        left[0] -= 1
        if left[0]:
            store.write_later(lambda _, items: items, None, again)

    with store.turn():
        first = threading.Thread(target=add, args=(store, 1))
        first.start()
        while not store._led:
            threading.Event().wait(0.001)
        store.write_later(lambda _, items: items, None, again)
    first.join(30)
    assert not first.is_alive()
    assert [told.get(timeout=30) for _ in range(200)] == list(range(200, 0, -1))


def test_a_turn_waits_for_as_many_as_the_last_had_and_not_for_more(store, monkeypatch):
    """As soon as so many wait it begins; where they do not come, it begins without them."""
    told: SimpleQueue[int] = SimpleQueue()
    sizes = []

    def job(_connection: Connection, items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        return items

    def add_later(many: int, first: int = 0) -> None:
        for number in range(first, many):
            store.write_later(job, number, lambda ended: told.put(ended.result))

    def wait(many: int) -> None:
        assert sorted(told.get(timeout=30) for _ in range(many)) == list(range(many))

    with store.turn():
        add_later(10)
    wait(10)
    monkeypatch.setattr(turns, "GATHER_SECONDS", 3600)
    wanted = max(sizes[-2:])
    assert wanted > 1
    del sizes[:]
    add_later(1)
    until(lambda: store._wanted == wanted - 1)  # it waits for the others
    add_later(wanted, 1)
    wait(wanted)
    assert sizes == [wanted]
    monkeypatch.setattr(turns, "GATHER_SECONDS", 0.001)
    for _ in range(3):
        add_later(1)
        wait(1)


def test_one_who_fails_to_be_told_holds_up_nobody(store):
    told: SimpleQueue[int] = SimpleQueue()

    def fail(_ended: object) -> None:
        raise KeyError

    for _ in range(2):
        with store.turn():
            store.write_later(lambda _, items: items, 0, fail)
            store.write_later(lambda _, items: items, 1, lambda ended: told.put(ended.result))
        assert told.get(timeout=30) == 1
    assert add(store, 1) == 1


def test_closing_waits_for_what_is_told_later(tmp_path):
    told: list[object] = []
    opened = Catalog(tmp_path / "")
    for number in range(50):
        opened.write_later(lambda _, items: items, number, lambda ended: told.append(ended.result))
    opened.close()
    assert sorted(told) == list(range(50))


def test_closing_waits_for_a_turn_that_follows(tmp_path):
    """Of what came while the last turn ran, when the store was already closing."""
    runs, goes_on = threading.Event(), threading.Event()
    told: list[object] = []
    opened = Catalog(tmp_path)

    def slow(_connection: Connection, items: Sequence[int]) -> Sequence[int]:
        runs.set()
        assert goes_on.wait(30)
        return items

    opened.write_later(slow, 1, lambda ended: told.append(ended.result))
    assert runs.wait(30)
    opened.write_later(lambda _, items: items, 2, lambda ended: told.append(ended.result))
    closing = threading.Thread(target=opened.close)
    closing.start()
    while opened._called.empty() and closing.is_alive():
        threading.Event().wait(0.001)
    goes_on.set()
    closing.join(30)
    assert not closing.is_alive()
    assert told == [1, 2]


def test_who_waits_for_a_turn_has_the_next_one(store):
    """However soon the one who has it asks again."""
    for number in range(5):
        has_had = threading.Event()

        def take_one(has_had: threading.Event = has_had) -> None:
            with store.turn():
                has_had.set()

        other = threading.Thread(target=take_one)

        def job(_connection: Connection, other: threading.Thread = other) -> None:
            other.start()
            until(store._next.locked)  # it has asked

        store.write(job)
        add(store, 3 * number + 1)
        assert has_had.is_set()
        other.join(30)


def test_a_turn_that_cannot_be_had_is_told_and_not_the_last(store, monkeypatch):
    """As where the lock of the file fails: those who wait learn of it, and later jobs run."""
    told: SimpleQueue[object] = SimpleQueue()

    def fail() -> None:
        raise OSError("no locks available")

    with monkeypatch.context() as patch:
        patch.setattr(store, "turn", fail)
        store.write_later(lambda _, items: items, 1, lambda ended: told.put(ended.error))
        assert isinstance(told.get(timeout=30), OSError)
        with pytest.raises(OSError, match="no locks"):
            add(store, 1)
    store.write_later(lambda _, items: items, 2, lambda ended: told.put(ended.result))
    assert told.get(timeout=30) == 2
    assert add(store, 2) == 2


def test_a_long_log_is_moved_to_the_database_while_jobs_go_on(store, monkeypatch, tmp_path):
    """The log stays shorter than what was written, long before SQLite itself would move it."""
    monkeypatch.setattr(catalog, "CHECKPOINT_PAGES", 50)
    database = tmp_path / "catalog.sqlite3"
    written = 0
    for _ in range(20):
        before = written
        for _ in range(50):
            store.write(lambda connection: connection.execute("INSERT INTO done VALUES (randomblob(4000))").rowcount)
            written += 4000
        until(lambda before=before: database.stat().st_size > before)  # whenever the thread that moves it comes to it
    assert written < catalog.LOG_BYTES
    assert (tmp_path / "catalog.sqlite3-wal").stat().st_size < written // 2
    assert database.stat().st_size > written // 2


def test_sqlite_does_not_move_the_log_by_itself(store):
    """At the end of a write it would, and not tell of a disk that fails to keep what was moved."""
    assert store.write(lambda connection: connection.execute("PRAGMA wal_autocheckpoint").fetchone()) == (0,)


def test_a_log_that_nobody_moves_beside_is_moved_by_who_writes(store, monkeypatch, tmp_path):
    """It does not grow with what is written."""
    monkeypatch.setattr(catalog, "CHECKPOINT_PAGES", 1 << 30)
    monkeypatch.setattr(catalog, "LOG_BYTES", 1 << 18)
    for _ in range(100):
        store.write(lambda connection: connection.execute("INSERT INTO done VALUES (randomblob(20000))").rowcount)
    assert (tmp_path / "catalog.sqlite3-wal").stat().st_size < 1 << 19
    assert (tmp_path / "catalog.sqlite3").stat().st_size > 1 << 20


def test_what_was_moved_is_synced_before_the_turn(store, monkeypatch):
    """Else it is synced in the turn, while nobody can write."""
    seen = []
    sync = held_file.sync

    def watched(path):
        seen.append((sync(path), store._turn.locked()))

    monkeypatch.setattr(held_file, "sync", watched)
    add(store, 1)
    connection, reader = store._connect(), store._connect()
    store._move_log(connection, reader)
    connection.close()
    reader.close()
    assert seen == [(True, False)] * 2


class Beside:
    """A connection that moves the log; before it does so without a turn, others move it too, and write."""

    def __init__(self, store: Catalog, log: Path):
        self._store, self._log = store, log
        self._connection, self._other = store._connect(), store._connect()
        self.begun_anew: list[bool] = []

    def execute(self, statement: str) -> sqlite3.Cursor:
        if not self._store._turn.locked():
            before = self._salt()
            self._other.execute(statement).fetchall()
            add(self._store, 1)
            self.begun_anew.append(self._salt() != before)
        return self._connection.execute(statement)

    def _salt(self) -> bytes:
        """What each log has another of (https://sqlite.org/fileformat2.html#the_write_ahead_log)."""
        return self._log.read_bytes()[16:24]

    def close(self) -> None:
        self._connection.close()
        self._other.close()


def test_the_log_does_not_begin_anew_while_it_is_moved_without_a_turn(store, tmp_path):
    """SQLite before 3.51.3 damages the database then, where it happens in the moment in which it begins to move it."""
    beside, reader = Beside(store, tmp_path / "catalog.sqlite3-wal"), store._connect()
    for _ in range(2):
        store._move_log(beside, reader)
    beside.close()
    reader.close()
    assert beside.begun_anew == [False] * 4


def test_a_log_that_cannot_be_moved_is_told_once(store, monkeypatch, caplog):
    """On a full disk, say: again only for another reason, or a while later."""

    def told() -> int:
        return sum("was not moved" in each.message for each in caplog.records)

    add(store, 1)
    connection, reader = store._connect(), store._connect()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        for _ in range(3):
            store._move_log(connection, reader)
        assert told() == 1
        monkeypatch.setattr(catalog, "SAID_AGAIN_SECONDS", 0)
        store._move_log(connection, reader)
        assert told() == 2
        monkeypatch.undo()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    connection.close()
    store._move_log(connection, reader)
    reader.close()
    assert told() == 3


def test_where_no_turn_comes_nobody_waits_but_the_leader(store, monkeypatch):
    """And whoever gave up has written nothing, when there are turns again."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    with ThreadPoolExecutor(4) as threads:
        with store.turn():
            leader = threads.submit(add, store, 1)
            until(lambda: store._led)
            for result in [threads.submit(add, store, number) for number in (2, 4, 5)]:
                assert isinstance(result.exception(30), Unavailable)
            with pytest.raises(Unavailable):  # the next is not kept waiting at all
                add(store, 7)
        assert leader.result() == 1
        assert add(store, 8) == 8
    assert done(store) == [1, 8]


def test_a_job_that_runs_is_waited_for(store, monkeypatch):
    """However long its turn takes."""
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    running, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        running.set()
        assert go_on.wait(60)

    with ThreadPoolExecutor(3) as threads:
        with store.turn():
            first = threads.submit(store.write, slow)
            until(lambda: store._led)
            second = threads.submit(add, store, 1)
            until(lambda: store._waiting)
        assert running.wait(60)
        with pytest.raises(Unavailable):
            add(store, 2)
        assert not second.done()
        go_on.set()
        first.result()
        assert second.result() == 1
    assert done(store) == [1]
