"""Jobs of the catalog that wait for the same turn run in one transaction, and each for itself."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from falcon_s3.pfs import catalog
from falcon_s3.pfs.catalog import Catalog, Connection


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


def test_a_long_log_is_moved_to_the_database_while_jobs_go_on(store, monkeypatch, tmp_path):
    """The log stays shorter than what was written, long before SQLite itself would move it."""
    monkeypatch.setattr(catalog, "CHECKPOINT_JOBS", 5)
    written = 0
    for _ in range(1000):
        store.write(lambda connection: connection.execute("INSERT INTO done VALUES (randomblob(4000))").rowcount)
        written += 4000
    assert written < catalog.LOG_PAGES * 4096
    assert (tmp_path / "catalog.sqlite3-wal").stat().st_size < written // 2
    assert (tmp_path / "catalog.sqlite3").stat().st_size > written // 2
