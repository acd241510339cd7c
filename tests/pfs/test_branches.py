"""The contract, part one: repos and branches come into being, are listed, and go."""

from __future__ import annotations

import time

import pytest

from falcon_s3.pfs import (
    Branch,
    BranchExists,
    BranchNotEmpty,
    BranchNotFound,
    Commit,
    CommitNotFound,
    FileNotFound,
    InvalidName,
    Repo,
    is_commit_id,
)
from tests.pfs.bodies import get, names, put
from tests.pfs.stores import MASTER, REPO

DEV = Branch(REPO, "dev")
NO_COMMIT = Commit(REPO, "0123456789ab4def0123456789abcdef")


def test_a_new_store_has_no_branches(empty):
    assert list(empty.list_branches()) == []


def test_a_new_branch_heads_an_empty_finished_commit(empty):
    before = time.time_ns() // 1_000_000
    info = empty.create_branch(MASTER)
    after = time.time_ns() // 1_000_000
    assert info == empty.inspect_branch(MASTER)
    assert info.branch == MASTER
    assert info.head.repo == REPO
    assert is_commit_id(info.head.id)
    assert not info.head_open
    assert before <= info.created_ms <= after
    assert info.provenance == ()
    commit = empty.inspect_commit(info.head)
    assert (commit.commit, commit.parent) == (info.head, None)
    assert commit.finished_ms is not None
    assert names(empty, MASTER) == []


def test_branches_are_listed_by_project_repo_and_name(empty):
    wanted = [
        Branch(Repo(project, repo), name)
        for project in ("a", "default")
        for repo in ("A", "a", "a-b", "a_b")
        for name in ("1", "Z", "a")
    ]
    for branch in reversed(wanted):
        empty.create_branch(branch)
    listed = list(empty.list_branches())
    assert [info.branch for info in listed] == wanted
    assert listed == [empty.inspect_branch(branch) for branch in wanted]


@pytest.mark.parametrize(
    "missing", [DEV, Branch(Repo("default", "other"), "master"), Branch(Repo("other", "images"), "master")]
)
def test_every_method_on_a_branch_that_is_not_there_says_so(pfs, missing):
    put(pfs, MASTER, "a")
    calls = [
        lambda: pfs.inspect_branch(missing),
        lambda: pfs.delete_branch(missing),
        lambda: pfs.delete_branch(missing, if_empty=True),
        lambda: pfs.inspect_file(missing, "a"),
        lambda: pfs.list_files(missing),
        lambda: pfs.check_write(missing, "a"),
        lambda: put(pfs, missing, "a"),
        lambda: pfs.delete_files(missing, ["a"]),
    ]
    for call in calls:
        with pytest.raises(BranchNotFound):
            call()
    assert [info.branch for info in pfs.list_branches()] == [MASTER]


def test_a_branch_that_exists_is_not_created_again(pfs):
    put(pfs, MASTER, "a")
    before = pfs.inspect_branch(MASTER)
    with pytest.raises(BranchExists):
        pfs.create_branch(MASTER)
    with pytest.raises(BranchExists):
        pfs.create_branch(MASTER, before.head)
    assert pfs.inspect_branch(MASTER) == before


@pytest.mark.parametrize(
    "branch",
    [
        Branch(Repo("default", "with.dot"), "master"),
        Branch(Repo("default", "images"), "with.dot"),
        Branch(Repo("default", ""), "master"),
        Branch(Repo("default", "images"), ""),
        Branch(Repo("default", "images\n"), "master"),
        Branch(Repo("default", "bücher"), "master"),
        Branch(Repo("default", "images"), "a/b"),
        Branch(Repo("_project", "images"), "master"),
        Branch(Repo("p" * 52, "images"), "master"),
        Branch(Repo("", "images"), "master"),
        Branch(Repo("default", "r" * 256), "master"),
        Branch(Repo("default", "images"), NO_COMMIT.id),
        Branch(Repo("default", "images"), NO_COMMIT.id.upper()),
    ],
    ids=str,
)
def test_names_that_pfs_does_not_take_are_refused(empty, branch):
    with pytest.raises(InvalidName):
        empty.create_branch(branch)
    assert list(empty.list_branches()) == []


@pytest.mark.parametrize("name", ["A", "_", "-", "_a-B_9", "r" * 255, NO_COMMIT.id[:-1]])
def test_names_that_pfs_takes_are_taken(empty, name):
    for branch in (Branch(Repo("default", name), "master"), Branch(Repo("p" * 51, "r"), name)):
        empty.create_branch(branch)
        put(empty, branch, "a", name.encode())
        assert get(empty, branch, "a") == name.encode()


def test_a_branch_at_a_commit_shows_it_and_goes_its_own_way(pfs):
    put(pfs, MASTER, "a", b"1")
    first = pfs.inspect_branch(MASTER).head
    put(pfs, MASTER, "b", b"2")
    info = pfs.create_branch(DEV, first)
    assert info.head == first
    assert names(pfs, DEV) == ["a"]
    put(pfs, DEV, "c", b"3")
    assert names(pfs, DEV) == ["a", "c"]
    assert names(pfs, MASTER) == ["a", "b"]
    assert names(pfs, first) == ["a"]
    assert pfs.inspect_commit(pfs.inspect_branch(DEV).head).parent == first
    pfs.delete_files(DEV, ["a"])
    assert names(pfs, DEV) == ["c"]
    assert get(pfs, MASTER, "a") == b"1"


def test_a_branch_at_an_unknown_commit_is_refused(pfs):
    other = Branch(Repo("default", "other"), "master")
    foreign = pfs.create_branch(other).head
    for head in (NO_COMMIT, Commit(REPO, foreign.id)):
        with pytest.raises(CommitNotFound):
            pfs.create_branch(DEV, head)
    fresh = Branch(Repo("default", "fresh"), "master")
    with pytest.raises(CommitNotFound):
        pfs.create_branch(fresh, Commit(fresh.repo, NO_COMMIT.id))
    assert [info.branch for info in pfs.list_branches()] == [MASTER, other]


def test_commits_of_a_deleted_branch_remain_readable(pfs):
    put(pfs, MASTER, "a", b"1")
    head = pfs.inspect_branch(MASTER).head
    pfs.create_branch(DEV)
    pfs.delete_branch(MASTER)
    with pytest.raises(BranchNotFound):
        pfs.inspect_branch(MASTER)
    assert [info.branch for info in pfs.list_branches()] == [DEV]
    assert get(pfs, head, "a") == b"1"
    assert names(pfs, head) == ["a"]
    assert pfs.create_branch(MASTER, head).head == head
    assert get(pfs, MASTER, "a") == b"1"


def test_the_repo_goes_with_its_last_branch(pfs):
    put(pfs, MASTER, "a", b"1")
    head = pfs.inspect_branch(MASTER).head
    pfs.delete_branch(MASTER)
    assert list(pfs.list_branches()) == []
    with pytest.raises(CommitNotFound):
        pfs.inspect_commit(head)
    fresh = pfs.create_branch(MASTER)
    assert fresh.head != head
    assert names(pfs, MASTER) == []
    for call in (lambda: pfs.inspect_commit(head), lambda: pfs.list_files(head), lambda: pfs.inspect_file(head, "a")):
        with pytest.raises(CommitNotFound):
            call()
    with pytest.raises(FileNotFound):
        pfs.inspect_file(MASTER, "a")


def test_repos_of_the_same_name_in_two_projects_are_two_repos(pfs):
    other = Branch(Repo("other", REPO.name), "master")
    pfs.create_branch(other)
    put(pfs, other, "a", b"other")
    put(pfs, MASTER, "a", b"default")
    assert get(pfs, other, "a") == b"other"
    pfs.delete_branch(other)
    assert get(pfs, MASTER, "a") == b"default"


def test_only_an_empty_branch_is_deleted_if_empty(pfs):
    put(pfs, MASTER, "a")
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(MASTER, if_empty=True)
    assert names(pfs, MASTER) == ["a"]
    pfs.delete_files(MASTER, ["a"])
    pfs.delete_branch(MASTER, if_empty=True)
    assert list(pfs.list_branches()) == []


def test_a_branch_that_shows_only_its_bases_files_is_not_empty(pfs):
    put(pfs, MASTER, "a")
    put(pfs, MASTER, "b")
    pfs.create_branch(DEV, pfs.inspect_branch(MASTER).head)
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(DEV, if_empty=True)
    pfs.delete_files(DEV, ["a"])
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(DEV, if_empty=True)
    pfs.delete_files(DEV, ["b"])
    pfs.delete_branch(DEV, if_empty=True)
    assert names(pfs, MASTER) == ["a", "b"]


def test_what_was_made_is_there_when_the_store_is_opened_again(open_store):
    first = open_store()
    first.create_branch(MASTER)
    put(first, MASTER, "a", b"1", {"content-type": "text/plain"})
    expected = first.inspect_file(MASTER, "a")
    branches = list(first.list_branches())
    again = open_store()
    assert list(again.list_branches()) == branches
    assert again.inspect_file(MASTER, "a")[:-1] == expected[:-1]
    assert get(again, MASTER, "a") == b"1"
