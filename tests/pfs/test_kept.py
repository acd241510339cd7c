"""What a store keeps of what it read: never behind a write, whoever wrote; gone as soon as it may be wrong."""

from __future__ import annotations

import os
import sqlite3
import threading

import pytest

from falcon_s3 import _speedups
from falcon_s3.digests import body_of
from falcon_s3.pfs import Branch, BranchNotFound, CommitFinished, FileNotFound, OutputBranch
from falcon_s3.pfs import kept as module
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.kept import Kept
from tests.pfs.bodies import put
from tests.pfs.stores import MASTER, nobody_cleans


@pytest.fixture
def stores(tmp_path):
    """Two stores on one folder, as two workers have them."""
    with nobody_cleans(tmp_path):
        both = [EmbeddedPfs(tmp_path), EmbeddedPfs(tmp_path)]
        both[0].create_branch(MASTER)
        yield both
    for store in both:
        store.close()


def read(store, path="a"):
    return b"".join(store.open_file(store.inspect_file(MASTER, path)))


def listed(store, ref=MASTER):
    rows = store.list_page(ref, "", "", "", 1000).rows
    return [path for path, *_ in _speedups.unpacked(rows)]


def test_a_reader_is_never_behind_a_write_of_another(stores):
    """Each sees what the other has written, at once, also of what both have read before."""
    for number in range(100):
        writer, reader = stores[number % 2], stores[1 - number % 2]
        put(writer, MASTER, "a", b"%d" % number)
        assert read(reader) == read(reader) == read(writer) == b"%d" % number
    stores[0].delete_files(MASTER, ["a"])
    for store in stores:
        with pytest.raises(FileNotFound):
            store.inspect_file(MASTER, "a")


def test_a_listing_is_never_behind_a_write_of_another(stores):
    """Of a branch, of its open commit, and of one that was deleted and made again; and what is not there is not kept."""
    one, other = stores
    put(one, MASTER, "a", b"1")
    assert listed(other) == listed(other) == ["a"]
    for number in range(20):
        put(stores[number % 2], MASTER, f"b{number:02d}", b"2")
        assert len(listed(stores[1 - number % 2])) == 2 + number
    commit = one.start_commit(MASTER)
    put(one, MASTER, "c", b"3")
    assert listed(other)[-1] == listed(other, commit)[-1] == "c"
    put(other, MASTER, "d", b"4")
    assert listed(one)[-1] == listed(one, commit)[-1] == "d"
    one.finish_commit(commit)
    one.delete_branch(MASTER)
    with pytest.raises(BranchNotFound):
        listed(other)
    one.create_branch(MASTER)
    assert listed(other) == []


def test_a_reader_beside_writers_never_goes_back(stores):
    """What was read once is not followed by something older, in any thread."""
    done = threading.Event()
    wrong = []

    def follow(store):
        last = 0
        while not done.is_set():
            number = int(read(store))
            if number < last:
                wrong.append((last, number))
            last = number

    put(stores[0], MASTER, "a", b"0")
    readers = [threading.Thread(target=follow, args=(store,)) for store in stores for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 200):
        put(stores[number % 2], MASTER, "a", b"%d" % number)
        assert int(read(stores[1 - number % 2])) == number
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_changes_of_versions_branches_and_attributes_are_seen(stores):
    one, other = stores
    first = put(one, MASTER, "a", b"1")
    second = put(one, MASTER, "a", b"2")
    assert read(other) == b"2"
    one.delete_versions(MASTER, [("a", second.commit.id)])
    assert read(other) == b"1"
    one.set_attributes(MASTER, first, {"x": "y"})
    assert other.inspect_file(MASTER, "a").attributes == {"x": "y"}
    one.delete_branch(MASTER)
    one.create_branch(MASTER)
    with pytest.raises(FileNotFound):
        other.inspect_file(MASTER, "a")


def test_what_was_read_is_kept_until_somebody_writes(stores, tmp_path):
    """Seen by a change that nobody was told of."""
    put(stores[0], MASTER, "a", b"1")
    assert read(stores[1]) == b"1"
    with sqlite3.connect(tmp_path / "catalog.sqlite3") as connection:
        connection.execute("DELETE FROM version")
    connection.close()
    assert read(stores[1]) == b"1"
    put(stores[0], MASTER, "b", b"2")
    with pytest.raises(FileNotFound):
        stores[1].inspect_file(MASTER, "a")


def test_a_write_that_fails_ends_what_was_kept_and_no_more(stores):
    put(stores[0], MASTER, "a", b"1")

    def refuse(_file):
        raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            stores[0].put_file(MASTER, "a", body_of([b"2"]), check=refuse)
        assert read(stores[1]) == b"1"
        assert stores[1]._catalog.kept.get(("a", "master", MASTER.repo.name, MASTER.repo.project)) is not None


def test_a_branch_that_may_not_be_written_any_more_is_refused_at_once(stores):
    """Deleted, finished or made an output branch by another, after writes by both that were let in."""
    one, other = stores

    def write() -> None:
        for number, store in enumerate(stores):
            put(store, MASTER, f"{number}", b"x")
            store.check_write(MASTER, "a")

    write()
    one.delete_branch(MASTER)
    with pytest.raises(BranchNotFound):
        other.check_write(MASTER, "a")
    other.create_branch(MASTER)
    write()
    commit = other.start_commit(MASTER)
    write()
    one.check_write(commit, "a")
    other.finish_commit(commit)
    with pytest.raises(CommitFinished):
        one.check_write(commit, "a")
    one.delete_branch(MASTER)
    one.create_branch(Branch(MASTER.repo, "input"))
    one.create_branch(MASTER, provenance=[Branch(MASTER.repo, "input")])
    with pytest.raises(OutputBranch):
        other.check_write(MASTER, "a")


def test_who_may_write_is_kept_while_files_are_put(stores, tmp_path):
    """Seen by a change that nobody was told of; also after a writer was killed who was changing branches."""
    one, other = stores
    one._catalog.kept_branches._counter[0] |= 1
    put(one, MASTER, "a", b"1")
    other.check_write(MASTER, "a")
    put(one, MASTER, "b", b"1")
    with sqlite3.connect(tmp_path / "catalog.sqlite3") as connection:
        connection.execute("DELETE FROM branch")
    connection.close()
    other.check_write(MASTER, "a")
    with pytest.raises(BranchNotFound):
        put(other, MASTER, "a", b"2")


# --- the counter -----------------------------------------------------------------------------------------------------


@pytest.fixture
def counters(tmp_path):
    """Two on one file."""
    file = os.open(tmp_path / "write.lock", os.O_RDWR | os.O_CREAT)
    both = [Kept(file), Kept(file)]
    yield both
    for each in both:
        each.close()
    os.close(file)


def test_what_was_read_beside_a_write_is_not_kept(counters):
    one, other = counters
    before = other.state()
    with one.changing():
        other.keep("a", 1, 1, before)
        other.keep("a", 2, 1, other.state())
        assert other.get("a") is None
    other.keep("a", 3, 1, before)
    assert other.get("a") is None
    other.keep("a", 4, 1, other.state())
    assert other.get("a") == 4


def test_a_writer_that_was_killed_keeps_nothing_alive_and_the_next_one_mends_it(counters):
    one, other = counters
    other.keep("a", 1, 1, other.state())
    killed = one.changing()
    killed.__enter__()
    other.keep("b", 2, 1, other.state())
    assert other.get("a") is other.get("b") is None
    for _ in range(2):
        with one.changing():
            pass
        assert other.get("a") is None
        other.keep("a", 3, 1, other.state())
        assert other.get("a") == 3


def test_no_more_is_kept_than_the_most(counters, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    kept = counters[0]
    for number in range(10_000):
        kept.keep(number, b"", 5_000, kept.state())
        assert kept.get(number) == b""
        assert len(kept._known[1]) <= 18


def test_a_lock_file_of_before_is_used_as_it_is(tmp_path):
    """Empty, or with more in it than is asked for."""
    for text in (b"", b"0123456789"):
        (tmp_path / "write.lock").write_bytes(text)
        file = os.open(tmp_path / "write.lock", os.O_RDWR)
        kept = Kept(file)
        with kept.changing():
            pass
        kept.keep("a", 1, 1, kept.state())
        assert kept.get("a") == 1
        kept.close()
        os.close(file)
    assert (tmp_path / "write.lock").read_bytes()[8:] == b"89"


def test_small_and_large_files_are_kept_alike(stores):
    for size in (0, 10, 16_384, 16_385, 3_000_000):
        data = os.urandom(size)
        put(stores[0], MASTER, f"k{size}", data)
        assert [read(stores[1], f"k{size}") for _ in range(2)] == [data, data]
