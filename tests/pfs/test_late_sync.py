"""With relaxed durability a write is acknowledged before its sync, which comes by itself, soon."""

from __future__ import annotations

import os
import threading

import pytest

from falcon_s3.pfs import late_sync
from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.pfs.bodies import get, names, put
from tests.pfs.stores import MASTER


@pytest.fixture
def synced(monkeypatch):
    """The names of the files that were synced by this process's own calls, not by SQLite's."""
    found: list[str] = []
    sync = os.fdatasync

    def fdatasync(handle: int) -> None:
        sync(handle)
        found.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    return found


def wait_until(what) -> bool:
    return any(what() or threading.Event().wait(0.02) for _ in range(500))


def test_what_was_acknowledged_is_synced_by_itself(tmp_path, synced, monkeypatch):
    """Behind the writes, and again behind those that follow."""
    monkeypatch.setattr(late_sync, "LATE_SECONDS", 0.01)
    pfs = EmbeddedPfs(tmp_path / "store", relaxed=True)
    pfs.create_branch(MASTER)
    for number in range(3):
        put(pfs, MASTER, f"{number}")
        synced.clear()
        put(pfs, MASTER, f"{number} again")
        assert wait_until(lambda: "catalog.sqlite3-wal" in synced)
    pfs.close()


def test_what_is_closed_is_synced_before(tmp_path, synced, monkeypatch):
    """However late a sync would have come."""
    monkeypatch.setattr(late_sync, "LATE_SECONDS", 3600)
    pfs = EmbeddedPfs(tmp_path / "store", relaxed=True)
    pfs.create_branch(MASTER)
    assert "catalog.sqlite3-wal" not in synced
    pfs.close()
    assert "catalog.sqlite3-wal" in synced


@pytest.mark.parametrize("relaxed", [True, False])
def test_large_contents_are_synced_before_they_are_named(tmp_path, synced, relaxed):
    """Relaxed or not: a name without its bytes would be damage."""
    pfs = EmbeddedPfs(tmp_path / "store", relaxed=relaxed)
    pfs.create_branch(MASTER)
    put(pfs, MASTER, "large", b"x" * 3_000_000)
    with pfs._catalog.read() as connection:
        (name,) = connection.execute("SELECT file FROM content").fetchone()
    assert name in synced
    pfs.close()


def test_strictly_what_was_acknowledged_is_synced(tmp_path, synced, monkeypatch):
    """Not so where a later sync will do."""
    monkeypatch.setattr(late_sync, "LATE_SECONDS", 3600)
    for relaxed in (True, False):
        pfs = EmbeddedPfs(tmp_path / f"{relaxed}", relaxed=relaxed)
        pfs.create_branch(MASTER)
        synced.clear()
        put(pfs, MASTER, "a")
        assert ("catalog.sqlite3-wal" in synced) is not relaxed
        pfs.close()


def test_a_relaxed_store_is_any_other_store(tmp_path):
    """Opened beside it or after it, strictly, it has the same files and no problems."""
    pfs, strict = EmbeddedPfs(tmp_path / "store", relaxed=True), EmbeddedPfs(tmp_path / "store")
    pfs.create_branch(MASTER)
    put(pfs, MASTER, "a", b"1")
    put(strict, MASTER, "b", b"2" * 100_000)
    put(pfs, MASTER, "c", b"3" * 100_000)
    assert names(strict, MASTER) == ["a", "b", "c"]
    pfs.close()
    assert get(strict, MASTER, "c") == b"3" * 100_000
    assert strict.fsck().problems == []
    strict.close()


@pytest.mark.parametrize("relaxed", [True, False])
def test_a_store_is_closed_whatever_its_threads_do(tmp_path, monkeypatch, relaxed):
    """Also when one has just seen that there is work, and nothing of the end."""
    monkeypatch.setattr(late_sync, "LATE_SECONDS", 0)
    pfs = EmbeddedPfs(tmp_path / "store", relaxed=relaxed)
    catalog = pfs._catalog
    event = catalog._late_sync._written if relaxed else catalog._checkpoint_due
    clear, closed, begun = event.clear, threading.Thread(target=pfs.close, daemon=True), threading.Event()

    def clear_late() -> None:
        if not begun.is_set():
            closed.start()
            begun.set()
            assert wait_until(lambda: catalog._late_sync._closing.is_set() if relaxed else catalog._closing)
            closed.join(0.05)
        clear()

    event.clear = clear_late
    event.set()
    assert begun.wait(30)
    closed.join(30)
    assert not closed.is_alive()
