"""The contract, part four: what a write makes of a branch, what open commits are, and who may write where."""

from __future__ import annotations

import time

import pytest

from falcon_s3.pfs import (
    Branch,
    BranchNotEmpty,
    BranchNotFound,
    Commit,
    CommitFinished,
    CommitNotFound,
    CommitOpen,
    FileNotFound,
    OutputBranch,
    Repo,
)
from tests.pfs.bodies import Bytes, Unread, get, names, put
from tests.pfs.stores import MASTER, REPO

DEV = Branch(REPO, "dev")
OUTPUT = Branch(Repo("default", "thumbs"), "master")


def head(pfs, branch=MASTER) -> Commit:
    return pfs.inspect_branch(branch).head


def test_every_write_is_one_finished_commit_after_the_head(pfs):
    before = time.time_ns() // 1_000_000
    for number in range(3):
        parent = head(pfs)
        file = put(pfs, MASTER, f"{number}")
        info = pfs.inspect_commit(head(pfs))
        assert file.commit == info.commit == head(pfs) != parent
        assert info.parent == parent
        assert before <= info.started_ms <= info.finished_ms <= time.time_ns() // 1_000_000
        assert not pfs.inspect_branch(MASTER).head_open


@pytest.mark.needs("branches of commits")
def test_a_commit_tells_on_which_branch_it_was_made(pfs):
    """Also when the branch has gone, and to whichever branch it belongs as well."""
    first = pfs.inspect_branch(MASTER).head
    second = put(pfs, MASTER, "a").commit
    pfs.create_branch(DEV, second)
    opened = pfs.start_commit(DEV)
    pfs.delete_branch(MASTER)
    assert [pfs.inspect_commit(each).branch for each in (first, second, opened)] == ["master", "master", "dev"]


def test_overwriting_with_the_same_bytes_is_a_commit_too(pfs):
    first = put(pfs, MASTER, "a")
    second = put(pfs, MASTER, "a")
    assert first.commit != second.commit == head(pfs)


def test_deleting_many_files_is_one_commit(pfs):
    for number in range(20):
        put(pfs, MASTER, f"{number:02}")
    parent = head(pfs)
    made = pfs.delete_files(MASTER, ["missing", *(f"{number:02}" for number in range(15)), "00", "03"])
    assert made == head(pfs)
    assert pfs.inspect_commit(made).parent == parent
    assert names(pfs, MASTER) == ["15", "16", "17", "18", "19"]
    assert len(names(pfs, parent)) == 20


@pytest.mark.parametrize("paths", [[], ["missing"], ["missing", "a/", ""]])
def test_deleting_nothing_makes_no_commit(pfs, paths):
    put(pfs, MASTER, "a")
    before = head(pfs)
    assert pfs.delete_files(MASTER, iter(paths)) is None
    assert head(pfs) == before


def test_old_versions_stay_as_they_were(pfs):
    files = [put(pfs, MASTER, "a", str(number).encode(), {"n": str(number)}) for number in range(10)]
    pfs.delete_files(MASTER, ["a"])
    for number, file in enumerate(files):
        found = pfs.inspect_file(file.commit, "a")
        assert found == file
        assert get(pfs, file.commit, "a") == str(number).encode()
        assert b"".join(pfs.open_file(file)) == str(number).encode()
    with pytest.raises(FileNotFound):
        pfs.inspect_file(MASTER, "a")


@pytest.mark.needs("origins")
def test_a_file_tells_the_commit_that_wrote_it_not_the_one_that_shows_it(pfs):
    file = put(pfs, MASTER, "a")
    put(pfs, MASTER, "b")
    pfs.create_branch(DEV, head(pfs))
    put(pfs, DEV, "c")
    for ref in (MASTER, DEV, head(pfs), head(pfs, DEV)):
        assert pfs.inspect_file(ref, "a") == file


def test_starting_a_commit_moves_the_head_to_it(pfs):
    put(pfs, MASTER, "a")
    parent = head(pfs)
    commit = pfs.start_commit(MASTER, "why")
    branch = pfs.inspect_branch(MASTER)
    assert (branch.head, branch.head_open) == (commit, True)
    info = pfs.inspect_commit(commit)
    assert (info.parent, info.finished_ms, info.message) == (parent, None, "why")
    assert names(pfs, MASTER) == names(pfs, commit) == ["a"]
    [listed] = [each for each in pfs.list_branches() if each.branch == MASTER]
    assert listed == branch


def test_an_open_commit_takes_the_writes_and_readers_see_it_grow(pfs):
    put(pfs, MASTER, "a", b"old")
    parent = head(pfs)
    commit = pfs.start_commit(MASTER)
    for number, ref in enumerate((MASTER, commit, MASTER)):
        assert put(pfs, ref, f"n{number}").commit == commit
        assert names(pfs, MASTER) == names(pfs, commit) == ["a", *(f"n{each}" for each in range(number + 1))]
    assert put(pfs, commit, "a", b"new").commit == commit
    assert put(pfs, MASTER, "a", b"newer").commit == commit
    assert get(pfs, MASTER, "a") == get(pfs, commit, "a") == b"newer"
    assert pfs.delete_files(MASTER, ["n0"]) == commit
    assert pfs.delete_files(commit, ["n1", "a"]) == commit
    assert pfs.delete_files(commit, ["n1", "a"]) is None
    assert names(pfs, MASTER) == ["n2"]
    put(pfs, commit, "a", b"again")
    assert head(pfs) == commit
    assert names(pfs, parent) == ["a"]
    assert get(pfs, parent, "a") == b"old"
    info = pfs.finish_commit(commit, "done")
    assert (info.commit, info.message) == (commit, "done")
    assert info.finished_ms >= info.started_ms
    assert pfs.inspect_commit(commit) == info
    assert names(pfs, commit) == ["a", "n2"]
    assert put(pfs, MASTER, "later").commit != commit
    assert names(pfs, commit) == ["a", "n2"]


def test_a_finished_commit_takes_no_writes_by_its_id(pfs):
    commit = put(pfs, MASTER, "a").commit
    for call in (
        lambda: pfs.check_write(commit, "b"),
        lambda: pfs.put_file(commit, "b", Unread()),
        lambda: pfs.delete_files(commit, ["a"]),
        lambda: pfs.delete_files(commit, []),
        lambda: pfs.finish_commit(commit),
        lambda: pfs.finish_commit(MASTER),
    ):
        with pytest.raises(CommitFinished):
            call()
    assert names(pfs, MASTER) == ["a"]
    assert head(pfs) == commit


def test_a_commit_finished_while_a_body_was_read_takes_it_no_more(pfs):
    commit = pfs.start_commit(MASTER)

    class Slow(Bytes):
        def __iter__(self):
            pfs.finish_commit(commit)
            yield from super().__iter__()

    with pytest.raises(CommitFinished):
        pfs.put_file(commit, "a", Slow(b"x"))
    assert names(pfs, MASTER) == []


def test_a_branch_deleted_while_a_body_was_read_takes_it_no_more(pfs):
    class Slow(Bytes):
        def __iter__(self):
            pfs.delete_branch(MASTER)
            yield from super().__iter__()

    with pytest.raises(BranchNotFound):
        pfs.put_file(MASTER, "a", Slow(b"x" * 100_000))
    assert list(pfs.list_branches()) == []


def test_a_second_commit_cannot_be_started_on_an_open_one(pfs):
    commit = pfs.start_commit(MASTER)
    with pytest.raises(CommitOpen):
        pfs.start_commit(MASTER)
    pfs.finish_commit(MASTER)
    assert pfs.inspect_commit(pfs.start_commit(MASTER)).parent == commit


def test_an_open_commit_that_shows_files_keeps_its_branch_from_going_if_empty(pfs):
    pfs.start_commit(MASTER)
    put(pfs, MASTER, "a")
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(MASTER, if_empty=True)
    pfs.delete_files(MASTER, ["a"])
    pfs.delete_branch(MASTER, if_empty=True)


def test_an_open_commit_outlives_its_branch(pfs):
    pfs.create_branch(DEV)
    commit = pfs.start_commit(MASTER)
    pfs.delete_branch(MASTER)
    put(pfs, commit, "a")
    pfs.create_branch(MASTER, commit)
    assert pfs.inspect_branch(MASTER).head_open
    put(pfs, MASTER, "b")
    pfs.finish_commit(commit)
    assert names(pfs, MASTER) == ["a", "b"]


def test_two_branches_at_one_open_commit_part_when_it_is_finished(pfs):
    commit = pfs.start_commit(MASTER)
    pfs.create_branch(DEV, commit)
    put(pfs, DEV, "a")
    put(pfs, MASTER, "b")
    assert names(pfs, DEV) == names(pfs, MASTER) == ["a", "b"]
    pfs.finish_commit(DEV)
    put(pfs, DEV, "dev")
    put(pfs, MASTER, "master")
    assert names(pfs, DEV) == ["a", "b", "dev"]
    assert names(pfs, MASTER) == ["a", "b", "master"]


@pytest.mark.needs("branches of commits")
def test_a_write_belongs_to_the_branch_of_the_open_commit_that_takes_it(pfs):
    """Whichever branch is named, as long as the commit is open."""
    finished = put(pfs, MASTER, "a").commit
    assert pfs.written_branch(MASTER) == pfs.written_branch(finished) == MASTER
    commit = pfs.start_commit(MASTER)
    pfs.create_branch(DEV, commit)
    assert pfs.written_branch(DEV) == pfs.written_branch(MASTER) == pfs.written_branch(commit) == MASTER
    put(pfs, DEV, "b")
    pfs.finish_commit(DEV)
    assert pfs.written_branch(DEV) == DEV
    put(pfs, DEV, "c")
    assert pfs.written_branch(DEV) == DEV
    pfs.delete_branch(DEV)
    with pytest.raises(BranchNotFound):
        pfs.written_branch(DEV)
    with pytest.raises(CommitNotFound):
        pfs.written_branch(Commit(REPO, "0" * 12 + "4000" + "8" + "0" * 15))


def test_a_commit_belongs_to_its_repo(pfs):
    other = Branch(Repo("default", "other"), "master")
    pfs.create_branch(other)
    foreign = Commit(REPO, pfs.start_commit(other).id)
    for call in (
        lambda: pfs.inspect_commit(foreign),
        lambda: pfs.inspect_file(foreign, "a"),
        lambda: pfs.list_files(foreign),
        lambda: pfs.put_file(foreign, "a", Unread()),
    ):
        with pytest.raises(CommitNotFound):
            call()


@pytest.fixture
def output(pfs):
    pfs.create_branch(OUTPUT, provenance=[MASTER])
    return pfs


def test_an_output_branch_knows_what_it_is_made_from(output):
    assert output.inspect_branch(OUTPUT).provenance == (MASTER,)
    assert [info.provenance for info in output.list_branches()] == [(), (MASTER,)]


def test_an_output_branch_takes_no_writes_of_its_own(output):
    before = head(output, OUTPUT)
    for call in (
        lambda: output.check_write(OUTPUT, "a"),
        lambda: output.put_file(OUTPUT, "a", Unread()),
        lambda: output.delete_files(OUTPUT, ["a"]),
    ):
        with pytest.raises(OutputBranch, match="cannot start a commit on an output branch"):
            call()
    assert head(output, OUTPUT) == before


@pytest.mark.needs("output commits")
def test_an_output_branch_takes_writes_while_its_head_is_open(output):
    commit = output.start_commit(OUTPUT)
    output.check_write(OUTPUT, "a")
    put(output, OUTPUT, "a")
    put(output, commit, "b")
    output.delete_files(OUTPUT, ["b"])
    output.finish_commit(OUTPUT)
    assert names(output, OUTPUT) == ["a"]
    with pytest.raises(OutputBranch):
        put(output, OUTPUT, "c")
    with pytest.raises(CommitFinished):
        put(output, commit, "c")


def test_an_output_branch_made_again_without_provenance_is_an_ordinary_one(output):
    output.delete_branch(OUTPUT)
    output.create_branch(OUTPUT)
    put(output, OUTPUT, "a")
    assert output.inspect_branch(OUTPUT).provenance == ()


@pytest.mark.parametrize("path", ["a", "new"])
def test_check_write_says_nothing_where_put_file_would_write(pfs, path):
    put(pfs, MASTER, "a")
    before = pfs.inspect_branch(MASTER)
    assert pfs.check_write(MASTER, path) is None
    assert pfs.inspect_branch(MASTER) == before
