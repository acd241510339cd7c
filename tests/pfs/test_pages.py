"""The contract, of listings page by page: `list_page` gives what `list_files` gives, and says whether there is more."""

from __future__ import annotations

import contextlib
import itertools
import random

import pytest

from falcon_s3 import _speedups
from falcon_s3.pfs import Branch, BranchNotFound, Commit, CommitNotFound, Entry, InvalidPath, Listed
from tests.pfs.bodies import put
from tests.pfs.reference import listing
from tests.pfs.stores import MASTER, REPO
from tests.pfs.test_listing import fill_in_one_commit

PATHS = [
    "a/b/1", "a/b/2", "a/c", "a//x", "a\x01", "a&b", "b", "b-", "c/1", "c/2", "c/3", "d\U0001f600/x", "d\U0001f600/y", "z",
    "zé",
]  # fmt: skip


def entries_of(page: Listed) -> list[Entry]:
    """The entries of a page, packed or not."""
    if isinstance(page.rows, bytes):
        return [Entry._make(row) for row in _speedups.unpacked(page.rows)]
    return list(page.rows)


def check(pfs, ref, prefix, after, delimiter, most) -> None:
    """Compare a page with the listing that it is the beginning of."""
    page = pfs.list_page(ref, prefix, after, delimiter, most)
    whole = list(pfs.list_files(ref, prefix, after, delimiter))
    wanted = whole[:most]
    assert entries_of(page) == wanted
    assert (page.number, page.more) == (len(wanted), most > 0 and len(whole) > most)
    assert page.last == (wanted[-1].path if wanted else "")


def test_a_page_is_the_beginning_of_the_listing(pfs):
    """For every prefix, start, delimiter and length."""
    for path in PATHS:
        with contextlib.suppress(InvalidPath):
            put(pfs, MASTER, path, path.encode())
    for prefix, after, delimiter in itertools.product(
        ("", "a", "a/", "d", "x"), ("", "a/b/1", "a/b/", "b", "zz"), ("", "/", "//", "\U0001f600", "b")
    ):
        for most in (0, 1, 2, 3, len(PATHS) - 1, len(PATHS), 1000):
            check(pfs, MASTER, prefix, after, delimiter, most)


def test_pages_of_many_files(pfs):
    """Pages of any length, from anywhere, flat and by folders, of the head and of an old commit."""
    every = [f"{number % 7}/{number:04}" for number in range(1100)]
    fill_in_one_commit(pfs, every)
    old = pfs.inspect_branch(MASTER).head
    pfs.delete_files(MASTER, every[::3])
    chance = random.Random(11)
    for ref in (MASTER, old):
        for most in (1, 15, 16, 17, 63, 64, 511, 512, 513, 733, 734, 1000, 1100):
            check(pfs, ref, "", chance.choice(["", *every]), "", most)
            check(pfs, ref, "3/", "", "/", most)
            check(pfs, ref, "", chance.choice(["", *every]), "/", most)
            check(pfs, ref, "", "", "1", most)


def test_folders_of_every_size(pfs):
    """Between files, with prefixes and delimiters of many kinds, before and after files of them are removed."""
    chance = random.Random(12)
    every = []
    for number in range(40):
        folder = chance.choice(["p/", ""]) + f"{number:02}" + chance.choice(["/", "--", "-/-"])
        every += [f"{folder}{name:03}" for name in range(chance.choice([1, 2, 15, 16, 17, 18, 40, 90]))]
        every += [f"p/{number:02}.{name}" for name in range(chance.choice([0, 0, 1, 30]))]
    fill_in_one_commit(pfs, every)
    old = pfs.inspect_branch(MASTER).head
    gone = [path for path in every if chance.random() < 0.7]
    pfs.delete_files(MASTER, gone)
    for ref, paths in ((old, every), (MASTER, sorted({*every} - {*gone}))):
        for prefix, delimiter in itertools.product(("", "p/", "p/1", "3"), ("/", "-", "--", "/-", "0", "\U0001f600")):
            for after in ("", chance.choice(every)):
                assert [entry.path for entry in pfs.list_files(ref, prefix, after, delimiter)] == listing(
                    paths, prefix, after, delimiter
                )
                check(pfs, ref, prefix, after, delimiter, chance.choice([1, 8, 9, 20, 1000]))


def test_pages_of_a_branch_that_stands_on_another(pfs):
    """Where the branch has no pages of its own its base's are shown."""
    fill_in_one_commit(pfs, [f"{number:04}" for number in range(700)])
    branch = Branch(REPO, "other")
    pfs.create_branch(branch, pfs.inspect_branch(MASTER).head)
    put(pfs, branch, "0300-")
    pfs.delete_files(branch, ["0650"])
    for after in ("", "0250", "0299", "0300", "0649"):
        check(pfs, branch, "", after, "", 1000)
        check(pfs, branch, "", after, "0", 1000)


@pytest.mark.needs("versions")
def test_a_page_is_no_longer_where_removals_were_removed(pfs):
    """The files that are back come to the pages of the few that were left, more than these may have otherwise."""
    every = [f"{number // 100:02}/{number:04}" for number in range(1800)]
    fill_in_one_commit(pfs, every)
    removal = pfs.delete_files(MASTER, every[:1790])
    pfs.delete_versions(MASTER, [(path, removal.id) for path in every[:1790]])
    for most in (1, 511, 512, 513, 1000, 1799, 1800):
        check(pfs, MASTER, "", "", "", most)
        check(pfs, MASTER, "", every[700], "", most)
        check(pfs, MASTER, "", "", "/", most)
    put(pfs, MASTER, "18/1800")
    assert [entry.path for entry in pfs.list_files(MASTER)] == [*every, "18/1800"]
    check(pfs, removal, "", "", "", 1000)


def test_a_page_of_nothing_there_raises(pfs):
    with pytest.raises(BranchNotFound):
        pfs.list_page(Branch(REPO, "gone"), "", "", "", 10)
    with pytest.raises(CommitNotFound):
        pfs.list_page(Commit(REPO, "0123456789ab4def0123456789abcdef"), "", "", "", 10)


def sizes(stores, ref) -> dict[str, int]:
    """What all of the stores show on a page of `ref`, flat and by folders."""
    pages = [
        {entry.path: entry.size for entry in entries_of(store.list_page(ref, "", "", delimiter, 10))}
        for store in stores
        for delimiter in ("", "/")
    ]
    assert pages == pages[:1] * len(pages)
    return pages[0]


def test_what_has_changed_shows_on_the_next_page(open_store):
    """Two openings of one store, as two processes have: each sees at once what the other did."""
    both = here, there = open_store(), open_store()
    here.create_branch(MASTER)
    put(here, MASTER, "a", b"1")
    put(here, MASTER, "b", b"22")
    head = here.inspect_branch(MASTER).head
    assert sizes(both, MASTER) == sizes(both, head) == {"a": 1, "b": 2}
    put(there, MASTER, "a", b"333")
    assert sizes(both, MASTER) == {"a": 3, "b": 2}
    assert sizes(both, head) == {"a": 1, "b": 2}
    there.delete_files(MASTER, ["b"])
    assert sizes(both, MASTER) == {"a": 3}
    there.delete_branch(MASTER)
    there.create_branch(MASTER)
    assert sizes(both, MASTER) == {}


def test_an_open_commit_shows_what_it_has_so_far(open_store):
    """Under one id, from the first write to the last, and as it is when it has finished."""
    both = here, there = open_store(), open_store()
    here.create_branch(MASTER)
    opened = there.start_commit(MASTER)
    assert sizes(both, MASTER) == sizes(both, opened) == {}
    put(there, MASTER, "c", b"4444")
    assert sizes(both, MASTER) == sizes(both, opened) == {"c": 4}
    put(there, MASTER, "c", b"55555")
    assert sizes(both, MASTER) == sizes(both, opened) == {"c": 5}
    there.delete_files(MASTER, ["c"])
    assert sizes(both, MASTER) == sizes(both, opened) == {}
    put(there, MASTER, "d", b"666666")
    there.finish_commit(MASTER)
    assert sizes(both, MASTER) == sizes(both, opened) == {"d": 6}


@pytest.mark.needs("versions")
def test_a_version_taken_out_of_history_is_on_no_page(open_store):
    """Of no commit that showed it, nor of a branch that stands on such a commit, whoever has seen it there."""
    both = here, there = open_store(), open_store()
    here.create_branch(MASTER)
    first = put(here, MASTER, "a", b"1")
    put(here, MASTER, "b", b"22")
    old = here.inspect_branch(MASTER).head
    branch = Branch(REPO, "other")
    here.create_branch(branch, old)
    put(here, MASTER, "a", b"333")
    assert (sizes(both, old), sizes(both, branch)) == ({"a": 1, "b": 2}, {"a": 1, "b": 2})
    there.delete_versions(MASTER, [("a", first.commit.id)])
    assert (sizes(both, old), sizes(both, branch), sizes(both, MASTER)) == ({"b": 2}, {"b": 2}, {"a": 3, "b": 2})
