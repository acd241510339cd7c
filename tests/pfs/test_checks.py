"""The contract, part five: a check sees what is there, refuses by raising, and of two that exclude each other one wins."""

from __future__ import annotations

import threading

import pytest

from falcon_s3.pfs import FileInfo
from tests.pfs.bodies import Breaking, Bytes, Wrong, get, names, put
from tests.pfs.processes import run_all
from tests.pfs.stores import MASTER


def refuse(found: FileInfo | None) -> None:
    raise Wrong


def must_be_missing(found: FileInfo | None) -> None:
    if found is not None:
        raise Wrong


def test_a_check_is_given_what_is_at_the_path(pfs):
    seen: list[FileInfo | None] = []
    first = put(pfs, MASTER, "a", b"1", {"k": "v"}, seen.append)
    put(pfs, MASTER, "a", b"2", None, seen.append)
    pfs.delete_files(MASTER, ["a"])
    put(pfs, MASTER, "a", b"3", None, seen.append)
    assert seen == [None, first, None]


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_a_check_that_raises_leaves_nothing_behind(pfs, size):
    put(pfs, MASTER, "a", b"old")
    before = pfs.inspect_branch(MASTER)
    for path in ("a", "b"):
        with pytest.raises(Wrong):
            put(pfs, MASTER, path, bytes(size), None, refuse)
    assert pfs.inspect_branch(MASTER) == before
    assert names(pfs, MASTER) == ["a"]
    assert get(pfs, MASTER, "a") == b"old"
    if hasattr(pfs, "fsck"):
        report = pfs.fsck()
        assert (report.problems, report.orphans, report.contents) == ([], 0, 1)


def test_a_check_runs_after_the_body_was_read(pfs):
    order: list[str] = []

    class Told(Bytes):
        def __iter__(self):
            yield from super().__iter__()
            order.append("body")

    pfs.put_file(MASTER, "a", Told(b"x"), None, lambda found: order.append("check"))
    assert order == ["body", "check"]
    with pytest.raises(Wrong):
        pfs.put_file(MASTER, "a", Breaking(b"x"), None, lambda found: order.append("never"))
    assert "never" not in order


def test_a_check_sees_what_was_written_while_the_body_was_read(pfs):
    class Slow(Bytes):
        def __iter__(self):
            put(pfs, MASTER, "a", b"faster")
            yield from super().__iter__()

    with pytest.raises(Wrong):
        pfs.put_file(MASTER, "a", Slow(b"slow"), None, must_be_missing)
    assert get(pfs, MASTER, "a") == b"faster"


def test_a_check_of_a_deletion_is_called_for_each_path(pfs):
    first, second = put(pfs, MASTER, "a", b"1"), put(pfs, MASTER, "b", b"2")
    seen: list[FileInfo | None] = []
    pfs.delete_files(MASTER, ["b", "missing", "a"], seen.append)
    assert [file and file.etag for file in seen] == [second.etag, None, first.etag]


def test_a_check_that_refuses_one_deletion_refuses_all(pfs):
    put(pfs, MASTER, "a")
    put(pfs, MASTER, "b")
    before = pfs.inspect_branch(MASTER)

    def keep_b(found: FileInfo | None) -> None:
        if found is not None and found.path == "b":
            raise Wrong

    with pytest.raises(Wrong):
        pfs.delete_files(MASTER, ["a", "b"], keep_b)
    assert names(pfs, MASTER) == ["a", "b"]
    assert pfs.inspect_branch(MASTER) == before


def test_of_many_threads_that_want_to_be_first_one_is(pfs):
    for number in range(20):
        path, winners, losers = f"race{number}", [], []
        barrier = threading.Barrier(8)

        def race(name: bytes) -> None:
            barrier.wait()
            try:
                put(pfs, MASTER, path, name, None, must_be_missing)
                winners.append(name)
            except Wrong:
                losers.append(name)

        threads = [threading.Thread(target=race, args=(str(name).encode() * 10_000,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(losers)) == (1, 7)
        assert get(pfs, MASTER, path) == winners[0]


def test_a_counter_raised_by_many_threads_loses_no_step(pfs):
    """Compare and swap: each writes the number after the one it read, if that is still there."""
    put(pfs, MASTER, "counter", b"0")

    def count() -> None:
        done = 0
        while done < 10:
            seen = pfs.inspect_file(MASTER, "counter")
            value = int(b"".join(pfs.open_file(seen)))

            def unchanged(found: FileInfo | None) -> None:
                if found is None or found.etag != seen.etag:
                    raise Wrong

            try:
                put(pfs, MASTER, "counter", str(value + 1).encode(), None, unchanged)
                done += 1
            except Wrong:
                continue

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(pfs, MASTER, "counter") == b"60"


def test_of_many_processes_that_want_to_be_first_one_is(tmp_path):
    """Four processes race for the same 40 paths of one folder; each path has exactly one winner."""
    won = [result["won"] for result in run_all("race", tmp_path / "store", processes=4, count=40)]
    everything = [path for paths in won for path in paths]
    assert sorted(everything) == sorted(f"race{number}" for number in range(40))


def test_a_check_that_refuses_does_not_harm_writes_beside_it(pfs):
    """Writes that wait together may share a transaction: one that is refused must take no other with it."""
    outcome: dict[str, str] = {}
    barrier = threading.Barrier(16)

    def write(number: int) -> None:
        barrier.wait()
        try:
            put(pfs, MASTER, f"{number:02}", b"x" * number, None, refuse if number % 3 == 0 else None)
            outcome[f"{number:02}"] = "written"
        except Wrong:
            outcome[f"{number:02}"] = "refused"

    for _ in range(5):
        outcome.clear()
        threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcome == {f"{number:02}": "refused" if number % 3 == 0 else "written" for number in range(16)}
        assert names(pfs, MASTER) == [f"{number:02}" for number in range(16) if number % 3]
        pfs.delete_files(MASTER, names(pfs, MASTER))
