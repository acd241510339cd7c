"""The contract, part six: every version of a path is listed, and can be taken out of history for good."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from falcon_s3.pfs import (
    Branch,
    BranchNotFound,
    Changed,
    Commit,
    CommitFinished,
    CommitNotFound,
    FileNotFound,
    FileRemoved,
    OutputBranch,
    tree,
)
from tests.pfs.bodies import Wrong, get, put
from tests.pfs.reference import listing
from tests.pfs.stores import MASTER, REPO

DEV = Branch(REPO, "dev")

pytestmark = pytest.mark.needs("versions")


def remove(pfs, path, ref=MASTER):
    return pfs.delete_files(ref, [path])


def lines(pfs, ref=MASTER, **options):
    """A listing as (path, commit, "latest" | "", "removal" | "")."""
    return [
        (one.path, one.commit, "latest" * one.is_latest, "removal" * one.is_removal)
        for one in pfs.list_versions(ref, **options)
    ]


def test_all_versions_are_listed_by_path_and_newest_first(pfs):
    """Overwritten and removed files are there too, each with the commit that made it."""
    b1, a1, b2 = put(pfs, MASTER, "b", b"1"), put(pfs, MASTER, "a", b"22"), put(pfs, MASTER, "b", b"333")
    a2 = remove(pfs, "a")
    assert lines(pfs) == [
        ("a", a2.id, "latest", "removal"),
        ("a", a1.commit.id, "", ""),
        ("b", b2.commit.id, "latest", ""),
        ("b", b1.commit.id, "", ""),
    ]
    newest, oldest = list(pfs.list_versions(MASTER, "b"))
    assert (newest.size, newest.etag, newest.modified_ms) == (3, b2.etag, b2.modified_ms)
    assert (oldest.size, oldest.etag) == (1, b1.etag)


def test_an_old_commit_lists_the_versions_up_to_it(pfs):
    first, second = put(pfs, MASTER, "a"), put(pfs, MASTER, "a", b"2")
    assert lines(pfs, first.commit) == [("a", first.commit.id, "latest", "")]
    assert lines(pfs, second.commit) == lines(pfs, MASTER)


def test_a_branch_lists_what_it_stands_on_and_not_what_came_later(pfs):
    first = put(pfs, MASTER, "a")
    pfs.create_branch(DEV, first.commit)
    put(pfs, MASTER, "a", b"on master")
    own = put(pfs, DEV, "a", b"on dev")
    assert lines(pfs, DEV) == [("a", own.commit.id, "latest", ""), ("a", first.commit.id, "", "")]


def test_a_listing_goes_on_behind_any_of_its_lines(pfs):
    """Behind a path: all of its versions are left out; behind a version: those before it still come."""
    for text in (b"1", b"2", b"3"):
        for path in ("a", "b", "c"):
            put(pfs, MASTER, path, text)
    everything = lines(pfs)
    assert len(everything) == 9
    for position, (path, commit, _, _) in enumerate(everything):
        assert lines(pfs, after=path, after_commit=commit) == everything[position + 1 :]
        assert lines(pfs, after=path) == [line for line in everything if line[0] > path]
    assert lines(pfs, prefix="b", after="a") == everything[3:6]
    assert lines(pfs, prefix="b", after="a", after_commit=everything[0][1]) == everything[3:6]
    assert lines(pfs, prefix="b", after="c") == []


@pytest.mark.parametrize("left", [0, 1, 2])
def test_behind_versions_that_are_gone_the_newest_one_left_is_the_latest(pfs, left):
    """What a page showed may be taken out before the next one: whoever removes all but the latest would remove that."""
    written = [put(pfs, MASTER, "a", text).commit.id for text in (b"1", b"2", b"3", b"4", b"5")][::-1]
    put(pfs, MASTER, "b")
    pfs.delete_versions(MASTER, [("a", commit) for commit in written[left:3]])
    rows = lines(pfs, prefix="a", after="a", after_commit=written[2])
    assert rows == [("a", written[3], "" if left else "latest", ""), ("a", written[4], "", "")]


def test_more_versions_than_are_read_at_a_time_are_listed_whole(pfs):
    count = 2500
    written = [put(pfs, MASTER, "a").commit.id for _ in range(count)]
    put(pfs, MASTER, "b")
    assert [one.commit for one in islice(pfs.list_versions(MASTER), count)] == written[::-1]
    assert [one.path for one in pfs.list_versions(MASTER)][count:] == ["b"]


def test_folders_hide_their_files_also_when_all_are_removed(pfs):
    for path in ("a", "b/1", "b/2", "c/1", "d"):
        put(pfs, MASTER, path)
    remove(pfs, "c/1")
    shown = list(pfs.list_versions(MASTER, delimiter="/"))
    assert [(one.path, one.is_folder) for one in shown] == [("a", 0), ("b/", 1), ("c/", 1), ("d", 0)]
    assert [one.path for one in pfs.list_versions(MASTER, after="b/", delimiter="/")] == ["c/", "d"]
    assert [one.path for one in pfs.list_versions(MASTER, prefix="b/", delimiter="/")] == ["b/1", "b/2"]


def test_folded_listings_of_many_versions_are_those_of_the_model(pfs):
    chance = random.Random(7)
    paths = [f"{chance.choice('abc')}/{chance.choice('xyz')}/{number}" for number in range(300)] + ["a", "b/x", "c"]
    for path in paths:
        put(pfs, MASTER, path)
    for prefix in ("", "a/", "b/x", "c/y/"):
        for after in ("", "a/", "a/x/9", "b/x/", "c"):
            shown = [one.path for one in pfs.list_versions(MASTER, prefix, after, delimiter="/")]
            assert shown == listing(paths, prefix, after, "/"), (prefix, after)


def test_listing_refuses_what_is_not_there(pfs):
    with pytest.raises(BranchNotFound):
        pfs.list_versions(DEV)
    with pytest.raises(CommitNotFound):
        pfs.list_versions(Commit(REPO, "0" * 12 + "4" + "0" * 19))
    for commit in ("0" * 12 + "4" + "0" * 19, "nonsense"):
        with pytest.raises(CommitNotFound):
            pfs.list_versions(MASTER, after="a", after_commit=commit)


def test_who_asks_for_a_removed_file_hears_which_commit_removed_it_and_when(pfs):
    put(pfs, MASTER, "a")
    commit = remove(pfs, "a")
    with pytest.raises(FileRemoved) as caught:
        pfs.inspect_file(MASTER, "a")
    removal = next(pfs.list_versions(MASTER))
    assert (caught.value.commit, caught.value.removed_ms) == (commit, removal.modified_ms)
    assert removal.is_removal
    with pytest.raises(FileNotFound) as never:
        pfs.inspect_file(MASTER, "b")
    assert not isinstance(never.value, FileRemoved)


def test_an_older_version_is_gone_and_the_newest_stays(pfs):
    first, second = put(pfs, MASTER, "a", b"1"), put(pfs, MASTER, "a", b"2")
    [gone] = pfs.delete_versions(MASTER, [("a", first.commit.id)])
    assert (gone.commit, gone.is_latest, gone.is_removal) == (first.commit.id, False, False)
    assert lines(pfs) == [("a", second.commit.id, "latest", "")]
    assert get(pfs, MASTER, "a") == b"2"
    with pytest.raises(FileNotFound):
        pfs.inspect_version(first.commit, "a")
    with pytest.raises(FileNotFound):
        pfs.inspect_file(first.commit, "a")
    assert list(pfs.list_files(first.commit)) == []


def test_without_the_newest_version_the_one_before_shows_again(pfs):
    first, second = put(pfs, MASTER, "a", b"1"), put(pfs, MASTER, "a", b"22")
    head = pfs.inspect_branch(MASTER).head
    pfs.delete_versions(MASTER, [("a", second.commit.id)])
    assert pfs.inspect_branch(MASTER).head == head
    assert pfs.inspect_file(MASTER, "a") == first
    assert [entry.size for entry in pfs.list_files(MASTER)] == [1]
    with pytest.raises(FileNotFound):
        pfs.inspect_version(second.commit, "a")
    put(pfs, MASTER, "a", b"333")
    assert [entry.size for entry in pfs.list_files(MASTER)] == [3]


def test_without_its_removal_a_file_is_back(pfs):
    first = put(pfs, MASTER, "a", b"1")
    commit = remove(pfs, "a")
    [gone] = pfs.delete_versions(MASTER, [("a", commit.id)])
    assert gone.is_removal
    assert pfs.inspect_file(MASTER, "a") == first
    assert [entry.path for entry in pfs.list_files(MASTER)] == ["a"]


def test_what_an_open_commit_wrote_again_can_be_removed_again(pfs):
    """Under the same name, which it has already lost one version of."""
    commit = pfs.start_commit(MASTER)
    for _ in range(2):
        put(pfs, MASTER, "a")
        assert pfs.delete_versions(MASTER, [("a", commit.id)]) != [None]
    pfs.finish_commit(MASTER)
    assert lines(pfs) == []
    with pytest.raises(FileNotFound):
        pfs.inspect_version(commit, "a")


def test_a_version_goes_from_every_branch_that_stands_on_it(pfs):
    """Also where the branch has pages of its own that were copied from its base."""
    first = put(pfs, MASTER, "a", b"1")
    second = put(pfs, MASTER, "a", b"22")
    pfs.create_branch(DEV, second.commit)
    put(pfs, DEV, "b")
    put(pfs, MASTER, "c")
    pfs.delete_versions(MASTER, [("a", second.commit.id)])
    for ref in (MASTER, DEV):
        assert pfs.inspect_file(ref, "a") == first
        assert next(pfs.list_files(ref)).size == 1


def test_only_versions_of_the_branchs_own_history_can_be_removed(pfs):
    first = put(pfs, MASTER, "a", b"1")
    pfs.create_branch(DEV, first.commit)
    later = put(pfs, MASTER, "a", b"2")
    own = put(pfs, DEV, "b")
    nothing = [("a", later.commit.id), ("a", own.commit.id), ("x", first.commit.id), ("a", "nonsense"), ("\ud800", "")]
    assert pfs.delete_versions(DEV, nothing) == [None] * 5
    assert len(lines(pfs)) == 2


def test_only_versions_of_the_branchs_own_history_get_other_attributes(pfs):
    first = put(pfs, MASTER, "a", b"1")
    pfs.create_branch(DEV, first.commit)
    later = put(pfs, MASTER, "a", b"2")
    with pytest.raises(FileNotFound):
        pfs.set_attributes(DEV, later, {"x": "y"})
    assert pfs.inspect_file(MASTER, "a") == later
    pfs.set_attributes(DEV, first, {"x": "y"})
    assert pfs.inspect_version(first.commit, "a").attributes == {"x": "y"}


def test_attributes_are_not_given_to_what_an_open_commit_has_written_since(pfs):
    """They may tell of the bytes, as a checksum does."""
    pfs.start_commit(MASTER)
    before = put(pfs, MASTER, "a", b"1")
    after = put(pfs, MASTER, "a", b"2")
    assert after.commit == before.commit
    with pytest.raises(Changed):
        pfs.set_attributes(MASTER, before, {"x": "y"})
    assert pfs.inspect_file(MASTER, "a") == after


@pytest.mark.parametrize("kind", ["commit", "output", "missing"])
def test_what_takes_no_write_loses_no_version(pfs, kind):
    file = put(pfs, MASTER, "a")
    output = Branch(REPO, "output")
    pfs.create_branch(output, file.commit, [MASTER])
    ref, error = {
        "commit": (file.commit, CommitFinished),
        "output": (output, OutputBranch),
        "missing": (DEV, BranchNotFound),
    }[kind]
    with pytest.raises(error):
        pfs.delete_versions(ref, [("a", file.commit.id)])
    assert pfs.inspect_file(MASTER, "a") == file


def test_a_check_that_raises_keeps_every_version(pfs):
    first, second = put(pfs, MASTER, "a", b"1"), put(pfs, MASTER, "a", b"2")
    removed = remove(pfs, "a")
    seen = []

    def check(file):
        seen.append(file and file.size)
        if file is not None:
            raise Wrong

    with pytest.raises(Wrong):
        pfs.delete_versions(MASTER, [("a", removed.id), ("a", first.commit.id)], check)
    assert seen == [None, 1]
    assert len(lines(pfs)) == 3
    assert pfs.inspect_version(second.commit, "a") == second


def test_the_bytes_of_a_removed_version_are_collected_and_nothing_else(pfs):
    shared, own = b"s" * 100_000, b"o" * 100_000
    put(pfs, MASTER, "kept", shared)
    gone = [put(pfs, MASTER, "a", shared), put(pfs, MASTER, "a", own)]
    pfs.delete_versions(MASTER, [("a", one.commit.id) for one in gone])
    assert pfs.collect(grace_ms=-1) == 1
    assert get(pfs, MASTER, "kept") == shared
    report = pfs.fsck()
    assert (report.problems, report.bytes) == ([], 100_000)


@pytest.mark.parametrize("seed", range(6))
def test_removing_versions_at_random_leaves_every_commit_as_the_model_has_it(pfs, seed, monkeypatch):
    """Pages are split, joined and copied to branches on the way; every commit of every branch is compared."""
    monkeypatch.setattr(tree, "PAGE_ENTRIES", 8)
    monkeypatch.setattr("falcon_s3.pfs.growth.PAGE_ENTRIES", 8)
    chance = random.Random(seed)
    paths = [f"p{number:02}" for number in range(24)]
    branches = {MASTER: []}  # each branch's history: (commit, path, size or None)
    for step in range(300):
        branch = chance.choice(list(branches))
        history = branches[branch]
        path = chance.choice(paths)
        kind = chance.random()
        if kind < 0.6:
            file = put(pfs, branch, path, b"x" * step)
            history.append((file.commit.id, path, step))
        elif kind < 0.8:
            commit = remove(pfs, path, branch)
            if commit:
                history.append((commit.id, path, None))
        elif kind < 0.84 and history and len(branches) < 6:
            cut = chance.randrange(len(history))
            new = Branch(REPO, f"b{len(branches)}")
            pfs.create_branch(new, Commit(REPO, history[cut][0]))
            branches[new] = history[: cut + 1]
        elif history:
            commit, path, _ = chance.choice(history)
            assert pfs.delete_versions(branch, [(path, commit)]) != [None]
            for others in branches.values():
                others[:] = [change for change in others if change[:2] != (commit, path)]
    for branch, history in branches.items():
        for end in range(1, len(history) + 1):
            shown = {path: size for _, path, size in history[:end]}
            expected = sorted((path, size) for path, size in shown.items() if size is not None)
            listed = [(entry.path, entry.size) for entry in pfs.list_files(Commit(REPO, history[end - 1][0]))]
            assert listed == expected
        newest = {path: commit for commit, path, _ in history}
        assert {(one.path, one.commit) for one in pfs.list_versions(branch) if one.is_latest} == set(newest.items())
    assert pfs.fsck().problems == []
