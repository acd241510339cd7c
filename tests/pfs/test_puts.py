"""Files that are put at the same turn share statements, and are else as if each had come alone."""

from __future__ import annotations

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pytest

from falcon_s3.pfs import Branch, BranchNotFound, Commit, FileInfo, OutputBranch, Ref
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.tree import PAGE_ENTRIES
from tests.pfs.bodies import Wrong, check_books, get, names, put
from tests.pfs.stores import MASTER, REPO, nobody_cleans


class Wanted(NamedTuple):
    ref: Ref
    path: str
    data: bytes
    check: object = None


@pytest.fixture
def store(tmp_path):
    with nobody_cleans(tmp_path):
        opened = EmbeddedPfs(tmp_path)
        opened.create_branch(MASTER)
        yield opened
    opened.close()


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(64) as pool:
        yield pool


def at_once(store, threads, wanted) -> list[Future[FileInfo]]:
    """So many puts in one turn."""
    catalog = store._catalog
    with catalog.turn():
        results = [threads.submit(put, store, each.ref, each.path, each.data, None, each.check) for each in wanted]
        while len(catalog._waiting) + sum(result.done() for result in results) < len(wanted) - 1:
            threading.Event().wait(0.001)
    return results


def check_history(store, branch, files):
    """Every commit of the branch shows what it and those that it follows have put."""
    commits = list(store.list_commits(branch))[::-1]
    assert {info.commit.id for info in commits} >= {file.commit.id for file, _ in files}
    shown, of = {}, {file.commit.id: (file, data) for file, data in files}
    assert len(of) == len(files)
    for info, parent in zip(commits, [None, *commits], strict=False):
        assert info.parent == (parent and parent.commit)
        if info.commit.id in of:
            file, data = of[info.commit.id]
            shown[file.path] = data
            assert store.inspect_file(info.commit, file.path)._replace(content=0) == file._replace(content=0)
            assert info.started_ms == info.finished_ms
        assert names(store, info.commit) == sorted(shown)
        page = store.list_page(info.commit, "", "", "", PAGE_ENTRIES)
        assert (page.number, page.more) == (min(len(shown), PAGE_ENTRIES), len(shown) > PAGE_ENTRIES)
    assert {path: get(store, branch, path) for path in shown} == shown


@pytest.mark.parametrize("many", [2, 15, 16, 17, 50])
def test_each_is_a_commit_of_its_own(store, threads, many):
    """With its parent, its file and all files of before, also where several go to one path."""
    first = [(put(store, MASTER, "p003", b"before"), b"before")]
    wanted = [Wanted(MASTER, f"p{number % 7:03}", b"%d" % (number % 11)) for number in range(many)]
    files = [result.result() for result in at_once(store, threads, wanted)]
    for file, each in zip(files, wanted, strict=True):
        assert b"".join(store.open_file(file)) == each.data
        assert get(store, file.commit, each.path) == each.data
    check_history(store, MASTER, first + [(file, each.data) for file, each in zip(files, wanted, strict=True)])


def test_pages_that_fill_are_split(store, threads):
    """New paths and old ones, over several pages; every commit lists what it shows."""
    chance, files = random.Random(5), []
    for turn in range(60):
        paths = [f"{chance.randrange(900):04}" for _ in range(20)]
        wanted = [Wanted(MASTER, path, b"%d %d" % (turn, place)) for place, path in enumerate(paths)]
        files += [
            (result.result(), each.data) for result, each in zip(at_once(store, threads, wanted), wanted, strict=True)
        ]
    with store._catalog.read() as connection:
        pages = connection.execute(
            "SELECT total, (SELECT count(*) FROM entry WHERE page = page.id),"
            f" live, (SELECT count(*) FROM entry WHERE page = page.id AND last = {NEVER}), last = {NEVER} FROM page"
        ).fetchall()
    assert len(pages) > 2
    for total, entries, live, shown, is_live in pages:
        assert total == entries <= PAGE_ENTRIES + 1
        assert not is_live or live == shown
    check_history(store, MASTER, files)


def test_branches_of_every_kind_in_one_turn(store, threads):
    """A plain one, one that begins at an old commit of another, one whose head is open, and a commit that is."""
    for number in range(30):
        put(store, MASTER, f"{number:02}", b"old")
    old = store.inspect_branch(MASTER).head
    put(store, MASTER, "new", b"new")
    fork, opened = Branch(REPO, "fork"), Branch(REPO, "opened")
    store.create_branch(fork, old)
    store.create_branch(opened)
    commit = store.start_commit(opened)
    refs = [MASTER, fork, opened, commit]
    for turn in range(3):
        wanted = [Wanted(refs[number % 4], f"{number:02}", b"%d" % turn) for number in range(40)]
        files = [result.result() for result in at_once(store, threads, wanted)]
        assert {file.commit for file, each in zip(files, wanted, strict=True) if each.ref in refs[2:]} == {commit}
    for place, ref in enumerate(refs):
        base = {"new": b"new"} if ref == MASTER else {}
        base |= {f"{number:02}": b"old" for number in range(30) if place < 2}
        mine = [number for number in range(40) if number % 4 == place or (place > 1 and number % 4 > 1)]
        shown = base | {f"{number:02}": b"2" for number in mine}
        assert {path: get(store, ref, path) for path in names(store, ref)} == shown
    check_books(store)


def test_only_one_of_those_that_want_a_path_to_be_new(store, threads):
    """The check of each sees what those before it have put, in the same turn too."""

    def new(file):
        if file is not None:
            raise Wrong

    put(store, MASTER, "b")
    results = at_once(store, threads, [Wanted(MASTER, "a", b"%d" % number, new) for number in range(10)])
    errors = [type(result.exception()) for result in results]
    assert errors.count(Wrong) == 9
    assert get(store, MASTER, "a") == b"%d" % errors.index(type(None))
    assert len(list(store.list_commits(MASTER))) == 3


def test_checks_that_pass_share_a_turn(store, threads):
    """Each is shown what is at its path now."""
    put(store, MASTER, "there", b"1")
    seen = {}
    wanted = [
        Wanted(MASTER, path, b"2", lambda file, path=path: seen.setdefault(path, file))
        for path in ("there", *(f"{number}" for number in range(20)))
    ]
    for result in at_once(store, threads, wanted):
        result.result()
    assert seen.pop("there").size == 1
    assert set(seen.values()) == {None}
    assert len(seen) == 20


def test_one_that_is_refused_takes_no_other_with_it(store, threads):
    output = Branch(REPO, "output")
    store.create_branch(output, provenance=[MASTER])
    store.check_write(MASTER, "a")

    def refuse(_file):
        raise Wrong

    wanted = [Wanted(MASTER, f"{number:02}", b"x", refuse if number == 5 else None) for number in range(20)]
    results = at_once(store, threads, wanted)
    assert [number for number, result in enumerate(results) if result.exception()] == [5]
    for ref, error in ((Branch(REPO, "none"), BranchNotFound), (output, OutputBranch)):
        with pytest.raises(error):
            put(store, ref, "a")
    assert len(names(store, MASTER)) == 19


@pytest.mark.parametrize("size", [10, 16_384, 16_385, 100_000])
def test_equal_contents_are_stored_once(store, threads, tmp_path, size):
    """New ones and known ones, in the catalog and in files; none is left over and none is lost."""
    for _ in range(2):
        wanted = [Wanted(MASTER, f"{number:02}", b"%d" % (number % 3) * size) for number in range(12)]
        for result in at_once(store, threads, wanted):
            result.result()
        assert [get(store, MASTER, each.path) for each in wanted] == [each.data for each in wanted]
    with store._catalog.read() as connection:
        assert connection.execute("SELECT uses, freed_ms FROM content").fetchall() == [(8, None)] * 3
    files = list(tmp_path.glob("contents/*/*")) + list(tmp_path.glob("incoming/*"))
    assert len(files) == (3 if size > 16_384 else 0)
    check_books(store)


def test_statements_are_of_the_turn_and_not_of_the_file(store, threads):
    """As many for 16 files as for one, but for the pages that they are on."""
    put(store, MASTER, "first")
    counts = []
    for many in (1, 16):
        statements = []
        store._catalog._writer.set_trace_callback(statements.append)
        for result in at_once(store, threads, [Wanted(MASTER, f"{n}", b"%d" % n + b"%d" % many) for n in range(many)]):
            result.result()
        store._catalog._writer.set_trace_callback(None)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 15


def test_what_is_finished_is_not_written_to(store):
    """Also by its id, and also when it was open a moment ago."""
    commit = store.start_commit(MASTER)
    put(store, commit, "a")
    store.finish_commit(commit)
    with pytest.raises(Exception, match="finished"):
        put(store, Commit(REPO, commit.id), "b")
    assert put(store, MASTER, "b").commit != commit
