"""The contract, part three: a listing is in byte order, from anywhere, of exactly one commit."""

from __future__ import annotations

import itertools
import random
import threading

import pytest

from falcon_s3.pfs import Branch, BranchNotFound, Commit, CommitNotFound, InvalidPath, Repo
from tests.pfs.bodies import names, put
from tests.pfs.reference import listing
from tests.pfs.stores import MASTER, REPO

PATHS = [
    "a", "a/", "a//", "a//b", "a/b", "a/b/", "a/b/c", "a/b/d", "a/c", "a.txt", "a+b", "a b", "a-", "a0", "aa", "ab", "ab/",
    "ab/c", "abab", "ababc", "b", "b--x", "b--y--z", "b-x", "/", "//", "/a", "../x", "..", "+", "%2F", "\x01", "\x1f/\x7f",
    "z\uffff", "z\U0001f600", "z\U0001f600/a", "z\U0001f600/b", "z\ud7ff", "z\ue000", "z\U0010ffff", "z\U0010ffff\U0010ffff/x",
    "zé", "ze\u0301", "k" * 1024, "k" * 1023 + "/", "\U0010ffff", "\U0010ffff\U0010ffff", "\U0010ffff/a",
]  # fmt: skip

PREFIXES = [
    "",
    "a",
    "a/",
    "a//",
    "a/b",
    "ab",
    "b--",
    "/",
    "z",
    "z\U0001f600",
    "\U0010ffff",
    "z\ud7ff",
    "nothing",
    "k" * 1025,
]
AFTERS = [
    "",
    "a",
    "a/",
    "a//",
    "a/b",
    "a/b/",
    "a/b/c",
    "a/b/zz",
    "a.",
    "b--",
    "b--z",
    "y",
    "z\uffff",
    "z\U0001f600/a",
    "~~",
]
DELIMITERS = ["", "/", "//", "--", "b", "ab", "\U0001f600", "\U0010ffff", "nowhere"]


@pytest.fixture
def taken(pfs) -> list[str]:
    """All of PATHS that the store takes; they are in MASTER."""
    paths = []
    for path in PATHS:
        try:
            put(pfs, MASTER, path, path.encode())
            paths.append(path)
        except InvalidPath:
            continue
    return paths


@pytest.mark.parametrize("delimiter", DELIMITERS, ids=ascii)
def test_every_prefix_and_start_and_delimiter(pfs, taken, delimiter):
    for prefix, after in itertools.product(PREFIXES, AFTERS):
        wanted = listing(taken, prefix, after, delimiter)
        assert names(pfs, MASTER, prefix, after, delimiter) == wanted, (prefix, after, delimiter)


@pytest.mark.parametrize("delimiter", ["", "/", "b", "--"])
def test_a_listing_goes_on_behind_any_of_its_entries(pfs, taken, delimiter):
    """Pages joined after any entry, folders included, are the whole: nothing twice, nothing lost."""
    for prefix in ("", "a", "z"):
        whole = names(pfs, MASTER, prefix, "", delimiter)
        for number, path in enumerate(whole, 1):
            assert names(pfs, MASTER, prefix, path, delimiter) == whole[number:], path


def test_folders_are_marked_and_files_described(pfs, taken):
    for entry in pfs.list_files(MASTER, "", "", "/"):
        if entry.path.endswith("/") and entry.path != "a/":
            assert (entry.is_folder, entry.size, entry.etag) == (True, -1, ""), entry
    for entry in pfs.list_files(MASTER):
        file = pfs.inspect_file(MASTER, entry.path)
        assert entry == (file.path, file.size, file.etag, file.modified_ms)
        assert not entry.is_folder


@pytest.mark.needs("paths")
def test_a_file_that_ends_with_the_delimiter_is_its_folder(pfs):
    put(pfs, MASTER, "a/")
    [entry] = pfs.list_files(MASTER, "", "", "/")
    assert entry.is_folder
    [entry] = pfs.list_files(MASTER, "a/", "", "/")
    assert (entry.path, entry.is_folder) == ("a/", False)


@pytest.mark.needs("paths")
def test_prefix_and_after_are_texts_not_patterns(pfs):
    for path in ("a%b", "axb", "a_b", "a*b", "a?b", "a[b", "A%b", "a\\b"):
        put(pfs, MASTER, path)
    for prefix in ("a%", "a_", "a*", "a?", "a[", "A", "a\\"):
        assert len(names(pfs, MASTER, prefix)) == 1, prefix
        assert names(pfs, MASTER, "", prefix, "%") == listing(names(pfs, MASTER), "", prefix, "%")


def test_a_listing_of_nothing_there_raises_at_the_call(pfs):
    with pytest.raises(BranchNotFound):
        pfs.list_files(Branch(REPO, "gone"))
    with pytest.raises(BranchNotFound):
        pfs.list_files(Branch(Repo("default", "gone"), "master"))
    with pytest.raises(CommitNotFound):
        pfs.list_files(Commit(REPO, "0123456789ab4def0123456789abcdef"))


def test_every_commit_lists_as_it_was(pfs):
    chance = random.Random(1)
    state: dict[str, int] = {}
    history = []
    for number in range(150):
        path = chance.choice(["", "d/", "d/e/", "x"]) + str(chance.randrange(30))
        if state and chance.random() < 0.4:
            gone = chance.sample(sorted(state), min(len(state), chance.randrange(1, 6)))
            pfs.delete_files(MASTER, gone)
            state = {path: size for path, size in state.items() if path not in gone}
        else:
            put(pfs, MASTER, path, b"x" * number)
            state = {**state, path: number}
        history.append((pfs.inspect_branch(MASTER).head, state))
    for commit, files in history:
        assert {entry.path: entry.size for entry in pfs.list_files(commit)} == files
        assert names(pfs, commit, "d/", "d/1", "/") == listing(files, "d/", "d/1", "/")


def test_generations_of_branches_list_as_they_are(pfs):
    """Each branch starts at an old commit of the one before and changes what it inherits."""
    chance = random.Random(2)
    known: list[tuple[Commit, dict[str, bytes]]] = [(pfs.inspect_branch(MASTER).head, {})]
    for generation in range(12):
        start, files = known[max(0, len(known) - chance.randrange(1, 12))]
        branch = Branch(REPO, f"g{generation}")
        pfs.create_branch(branch, start)
        for step in range(8):
            files = dict(files)
            path = f"{chance.choice('abc')}/{chance.randrange(12)}"
            if path in files and chance.random() < 0.6:
                del files[path]
                pfs.delete_files(branch, [path])
            else:
                files[path] = f"{generation}.{step}".encode()
                put(pfs, branch, path, files[path])
            known.append((pfs.inspect_branch(branch).head, files))
    for commit, files in known:
        assert names(pfs, commit) == listing(files)
        assert names(pfs, commit, "", "a/", "/") == listing(files, "", "a/", "/")
        for path, data in files.items():
            assert b"".join(pfs.open_file(pfs.inspect_file(commit, path))) == data


def test_branches_of_many_files_list_as_they_are(pfs):
    """Branches that change a few places of what they inherit, and branches of those; the gaps show the base."""
    every = [f"{number:04}" for number in range(1400)]
    fill_in_one_commit(pfs, every)
    chance = random.Random(5)
    known = [(pfs.inspect_branch(MASTER).head, every)]
    for generation in range(10):
        start, paths = chance.choice(known)
        branch = Branch(REPO, f"g{generation}")
        pfs.create_branch(branch, start)
        for _ in range(3):
            at = chance.randrange(len(paths))
            if chance.random() < 0.5:
                added = paths[at] + "-"
                put(pfs, branch, added)
                paths = sorted({*paths, added})
            else:
                gone = paths[at : at + chance.choice([1, 5, 400])]
                pfs.delete_files(branch, gone)
                paths = sorted({*paths} - {*gone})
            known.append((pfs.inspect_branch(branch).head, paths))
    for commit, paths in known:
        assert names(pfs, commit) == paths
        assert names(pfs, commit, "1", "1111") == listing(paths, "1", "1111")
        assert names(pfs, commit, "", "03", "-") == listing(paths, "", "03", "-")


def test_a_listing_is_of_one_commit_whatever_is_written_meanwhile(pfs):
    expected = [f"{number:04}" for number in range(0, 3000, 2)]
    fill_in_one_commit(pfs, expected)
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        chance = random.Random(3)
        try:
            while not stop.is_set():
                path = f"{chance.randrange(3000):04}"
                if chance.random() < 0.5:
                    pfs.delete_files(MASTER, [path])
                else:
                    put(pfs, MASTER, path)
        except BaseException as ex:
            failures.append(ex)

    head = pfs.inspect_branch(MASTER).head
    started = pfs.list_files(MASTER)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        assert [entry.path for entry in started] == expected
        for _ in range(5):
            assert names(pfs, head) == expected
            assert names(pfs, head, "1", "1500") == [path for path in expected if "1500" < path < "2"]
            moving = names(pfs, MASTER)
            assert moving == sorted(set(moving))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert failures == []


def test_a_listing_left_in_the_middle_holds_nothing_up(pfs):
    fill_in_one_commit(pfs, [f"{number:05}" for number in range(1500)])
    begun = [pfs.list_files(MASTER) for _ in range(100 if hasattr(pfs, "fsck") else 20)]
    for entries in begun:
        next(iter(entries))
    put(pfs, MASTER, "new")
    assert len(names(pfs, MASTER)) == 1501
    for entries in begun:
        assert sum(1 for _ in entries) == 1499


def fill_in_one_commit(pfs, paths) -> None:
    if hasattr(pfs, "fill"):
        pfs.fill(MASTER, paths)
        return
    pfs.start_commit(MASTER)
    for path in paths:
        put(pfs, MASTER, path)
    pfs.finish_commit(MASTER)
