"""What must not grow with the number of files or versions, counted in steps of SQLite's machine, not in time."""

from __future__ import annotations

import itertools
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from falcon_s3.pfs import Branch, BranchNotEmpty, Commit, FileVersion, Repo, versions
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.tree import PAGE_ENTRIES
from tests.pfs.bodies import put

FEW = 2_000
PAGE = 1_000
FOLDERS = 20
# What one entry that is copied may cost: a first write on a branch copies one page of the branch it stands on.
STEPS_TO_COPY_AN_ENTRY = 60
# One statement with a row more or less.
A_FEW_STEPS = 20
NUMBERS = itertools.count()


class Meter:
    """Counts the steps that SQLite takes for the thread that asks, while others rest.

    To watch a connection waits for who uses it, with the interpreter, which the steps of that one wait for: both would
    wait for ever. So the connection of the thread that moves the log, which may do so at any time, is left alone.
    """

    def __init__(self) -> None:
        self._connections: list[sqlite3.Connection] = []
        self._running = False
        self._connect = sqlite3.connect

    def connect(self, *arguments: object, **options: object) -> sqlite3.Connection:
        connection = self._connect(*arguments, **options)
        if threading.current_thread().name != "checkpoint":
            self._connections.append(connection)
            if self._running:
                self._watch(connection)
        return connection

    def _watch(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        if threading.get_ident() == self._thread:
            self._steps += 1
        return 0

    def steps(self, call: Callable[[], object]) -> int:
        self._steps, self._thread, self._running = 0, threading.get_ident(), True
        for connection in self._connections:
            self._watch(connection)
        try:
            call()
        finally:
            self._running = False
            for connection in self._connections:
                connection.set_progress_handler(None, 1)
        return self._steps


@dataclass
class Filled:
    """A repo with `count` files in `FOLDERS` folders, as many in each."""

    pfs: EmbeddedPfs
    meter: Meter
    count: int
    repo: Repo
    middle: Commit = field(init=False)  # shows half of the files
    full: Commit = field(init=False)

    def __post_init__(self) -> None:
        self.branch = Branch(self.repo, "master")
        self.paths = sorted(path_of(number, self.count) for number in range(self.count))
        self.pfs.create_branch(self.branch)
        shuffled = random.Random(self.count).sample(self.paths, self.count)
        half = self.count // 2
        with one_commit(self.pfs, self.branch):
            write(self.pfs, self.branch, shuffled[:half])
        self.middle = self.pfs.inspect_branch(self.branch).head
        self.first_half = sorted(shuffled[:half])
        write(self.pfs, self.branch, shuffled[half:])
        self.full = self.pfs.inspect_branch(self.branch).head

    def page(self, ref: Branch | Commit, after: str = "", delimiter: str = "") -> Callable[[], list[str]]:
        return lambda: [e.path for e in itertools.islice(self.pfs.list_files(ref, "", after, delimiter), PAGE)]

    def steps(self, call: Callable[[], object]) -> int:
        return self.meter.steps(call)


def fresh_branch(filled: Filled) -> Branch:
    return Branch(filled.repo, f"b{next(NUMBERS)}")


def path_of(number: int, count: int) -> str:
    return f"folder{number * FOLDERS // count:03}/{number:08}"


def write(pfs: EmbeddedPfs, branch: Branch, paths: list[str]) -> None:
    with ThreadPoolExecutor(24) as pool:
        for done in pool.map(lambda path: put(pfs, branch, path, b"x"), paths, chunksize=50):
            assert done.size == 1


@contextmanager
def one_commit(pfs: EmbeddedPfs, branch: Branch) -> Iterator[None]:
    pfs.start_commit(branch)
    yield
    pfs.finish_commit(branch)


@pytest.fixture(scope="module")
def meter() -> Iterator[Meter]:
    meter = Meter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", meter.connect)
        yield meter


@pytest.fixture(scope="module")
def store(meter, tmp_path_factory) -> Iterator[EmbeddedPfs]:
    pfs = EmbeddedPfs(tmp_path_factory.mktemp("scale") / "store")
    pfs._janitor.close()  # it reads over connections that are watched
    yield pfs
    pfs.close()


@pytest.fixture(scope="module")
def few(store, meter) -> Filled:
    return Filled(store, meter, FEW, Repo("default", "few"))


@pytest.fixture(
    scope="module",
    params=[20_000, pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])],
)
def many(request, store, meter) -> Filled:
    return Filled(store, meter, request.param, Repo("default", f"many{request.param}"))


def test_a_branch_costs_the_same_whatever_it_shows(few, many):

    def create(filled: Filled, head: Commit) -> int:
        branch = fresh_branch(filled)
        return filled.steps(lambda: filled.pfs.create_branch(branch, head))

    usual = create(few, few.pfs.create_branch(fresh_branch(few)).head)
    for head in (many.full, many.middle):
        assert create(many, head) < usual + A_FEW_STEPS


def test_the_first_write_to_a_branch_costs_at_most_one_page(few, many):
    empty = few.pfs.create_branch(fresh_branch(few)).head

    def first_write(filled: Filled, head: Commit, path: str) -> int:
        branch = fresh_branch(filled)
        filled.pfs.create_branch(branch, head)
        return filled.steps(lambda: put(filled.pfs, branch, path))

    least = first_write(few, empty, "new")
    for head, path in [
        (many.full, "new"),
        (many.full, many.paths[many.count // 3]),
        (many.middle, "a"),
        (many.full, "~"),
    ]:
        assert first_write(many, head, path) < least + PAGE_ENTRIES * STEPS_TO_COPY_AN_ENTRY


def test_a_page_costs_the_same_from_few_files_and_from_many(few, many):
    """At the head, at an old commit, at the start, in the middle, at the end."""
    for ref_of, paths_of in [
        (lambda filled: filled.branch, lambda filled: filled.paths),
        (lambda filled: filled.full, lambda filled: filled.paths),
        (lambda filled: filled.middle, lambda filled: filled.first_half),
    ]:
        usual = few.steps(few.page(ref_of(few)))
        paths = paths_of(many)
        for after in ("", paths[len(paths) // 2], paths[-PAGE - 1]):
            assert many.steps(many.page(ref_of(many), after)) < usual * 3
            start = paths.index(after) + 1 if after else 0
            assert many.page(ref_of(many), after)() == paths[start : start + PAGE]


def test_finding_a_file_costs_the_same_among_few_and_many(few, many):
    def find(filled: Filled, ref: Branch | Commit, path: str) -> int:
        return filled.steps(lambda: filled.pfs.inspect_file(ref, path))

    usual = find(few, few.branch, few.paths[0])
    assert find(many, many.branch, many.paths[-1]) < usual + A_FEW_STEPS
    assert find(many, many.middle, many.first_half[0]) < usual + A_FEW_STEPS


def test_a_folded_listing_costs_its_folders_not_the_files_below(few, many):
    folders = [f"folder{number:03}/" for number in range(FOLDERS)]
    for ref_of in (lambda filled: filled.branch, lambda filled: filled.middle):
        page = many.page(ref_of(many), "", "/")
        assert page() == folders
        assert many.steps(page) < few.steps(few.page(ref_of(few), "", "/")) * 3
        assert many.page(ref_of(many), folders[3], "/")() == folders[4:]
        assert many.steps(many.page(ref_of(many), folders[3], "/")) < many.steps(page)


def test_all_files_are_listed_page_by_page_in_order_and_once(many):
    for ref, paths in ((many.branch, many.paths), (many.middle, many.first_half)):
        listed: list[str] = []
        while page := many.page(ref, listed[-1] if listed else "")():
            listed += page
        assert listed == paths


def test_old_commits_cost_the_same_after_all_was_overwritten_and_removed(many, few):
    """A commit of many files, then the branch goes on until hardly any is left; both list at the cost of the page."""
    usual = few.steps(few.page(few.branch))
    branch = fresh_branch(many)
    many.pfs.create_branch(branch, many.full)
    write(many.pfs, branch, many.paths[:: max(1, many.count // 2_000)])
    kept = many.paths[many.count // 2 :: many.count // 10]
    gone = sorted(set(many.paths) - set(kept))
    for start in range(0, len(gone), 1000):
        many.pfs.delete_files(branch, gone[start : start + 1000])
    assert many.page(branch)() == kept
    assert many.steps(many.page(branch)) < usual * 3
    assert many.page(many.full, many.paths[99])() == many.paths[100 : 100 + PAGE]
    assert many.steps(many.page(many.full, many.paths[99])) < usual * 3
    with pytest.raises(BranchNotEmpty):
        many.pfs.delete_branch(branch, if_empty=True)
    many.pfs.delete_files(branch, kept)
    assert many.steps(many.page(branch)) < usual
    write_to = few.steps(lambda: put(few.pfs, few.branch, "~"))
    assert many.steps(lambda: put(many.pfs, branch, "~")) < write_to + A_FEW_STEPS
    many.pfs.delete_files(branch, ["~"])
    assert many.steps(lambda: many.pfs.delete_branch(branch, if_empty=True)) < usual


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_a_page_costs_the_same_when_one_of_its_files_has_many_versions(few, count):
    usual = few.steps(few.page(few.branch))
    branch = fresh_branch(few)
    few.pfs.create_branch(branch, few.full)
    busy = few.paths[500]
    write(few.pfs, branch, [busy] * (count // 2))
    halfway = few.pfs.inspect_branch(branch).head
    write(few.pfs, branch, [busy] * (count // 2))
    for ref in (branch, halfway, few.full):
        assert few.page(ref)() == few.paths[:PAGE]
        assert few.steps(few.page(ref)) < usual * 3
        for after in (few.paths[498], busy):
            assert few.steps(few.page(ref, after)) < usual * 3
        assert few.steps(lambda: few.pfs.inspect_file(ref, busy)) < usual
    assert few.steps(few.page(branch, "", "/")) < few.steps(few.page(few.branch, "", "/")) * 3

    def page(path: str, commit: str) -> list[FileVersion]:
        return list(itertools.islice(few.pfs.list_versions(branch, "", path, commit), PAGE))

    usual = few.steps(lambda: page(few.paths[501], ""))
    listed: list[FileVersion] = []
    while len(listed) < count:
        path, commit = (listed[-1].path, listed[-1].commit) if listed else (few.paths[499], "")
        assert few.steps(lambda path=path, commit=commit: page(path, commit)) < usual * 3
        listed += page(path, commit)
    found = [each for each in listed if each.path == busy]
    assert len(found) == len(set(found)) >= count
    assert [each.is_latest for each in found] == [True] + [False] * (len(found) - 1)


def test_a_version_taken_out_costs_the_same_however_long_the_page_becomes(few):
    """Of files that were all removed one page is left, to which each delete marker that goes gives a file back."""
    branch = fresh_branch(few)
    few.pfs.create_branch(branch, few.full)
    few.pfs.delete_files(branch, few.paths)
    markers = [(each.path, each.commit) for each in few.pfs.list_versions(branch) if each.is_removal]
    first = few.steps(lambda: few.pfs.delete_versions(branch, markers[:1]))
    few.pfs.delete_versions(branch, markers[1:-1])
    assert few.steps(lambda: few.pfs.delete_versions(branch, markers[-1:])) < first * 2
    assert few.page(branch)() == few.paths[:PAGE]


def test_a_version_taken_out_costs_the_same_among_few_files_and_many(few, many):
    def delete(filled: Filled, place: int) -> int:
        path = filled.paths[place]
        for _ in range(2):
            put(filled.pfs, filled.branch, path, b"x")
        written = [(each.path, each.commit) for each in filled.pfs.list_versions(filled.branch, path)]
        return filled.steps(lambda: filled.pfs.delete_versions(filled.branch, written[1:2]))

    usual = delete(few, -1)
    assert delete(many, -1) < usual * 2


def test_a_version_taken_out_costs_the_same_among_few_branches_and_many(few):
    branch, path = fresh_branch(few), few.paths[0]
    few.pfs.create_branch(branch, few.full)
    for _ in range(3):
        put(few.pfs, branch, path, b"x")
    written = [(each.path, each.commit) for each in few.pfs.list_versions(branch, path)]
    usual = few.steps(lambda: few.pfs.delete_versions(branch, written[:1]))
    for _ in range(200):
        few.pfs.create_branch(fresh_branch(few))
    assert few.steps(lambda: few.pfs.delete_versions(branch, written[1:2])) < usual + A_FEW_STEPS


def test_versions_that_show_on_many_branches_are_taken_out_in_several_turns(few, monkeypatch):
    monkeypatch.setattr(versions, "MOST_LINES", 5)
    branch = fresh_branch(few)
    few.pfs.create_branch(branch)
    write(few.pfs, branch, few.paths[:6])
    head = few.pfs.inspect_branch(branch).head
    others = [fresh_branch(few) for _ in range(3)]
    for other in others:
        few.pfs.create_branch(other, head)
        put(few.pfs, other, "own")
    turns: list[int] = []
    run = few.pfs._catalog._run
    monkeypatch.setattr(few.pfs._catalog, "_run", lambda jobs: (turns.append(len(jobs)), run(jobs)))
    wanted = [(each.path, each.commit) for each in few.pfs.list_versions(branch)]
    removed = few.pfs.delete_versions(branch, [*wanted, ("none", wanted[0][1])])
    assert [None if each is None else each.path for each in removed] == [*few.paths[:6], None]
    assert len(turns) == 4
    assert [[each.path for each in few.pfs.list_files(ref)] for ref in (branch, *others)] == [[], *[["own"]] * 3]
    few.pfs.delete_versions(branch, [])


def test_a_commit_costs_the_same_in_a_list_of_few_and_of_many(few, many):
    def cost(filled: Filled) -> float:
        numbers = [len(list(filled.pfs.list_commits(filled.repo, limit))) for limit in (None, 1, 700)]
        assert numbers[1:] == [1, 700]
        assert numbers[0] > 700
        return filled.steps(lambda: list(filled.pfs.list_commits(filled.repo))) / numbers[0]

    assert cost(many) < cost(few) * 1.5


def test_a_branch_is_checked_at_the_cost_of_its_own_pages(meter, tmp_path):
    """And not at that of all files of what it stands on."""
    pfs = EmbeddedPfs(tmp_path / "store")
    pfs._janitor.close()
    filled = Filled(pfs, meter, FEW, Repo("default", "few"))
    usual = filled.steps(pfs.fsck)
    for _ in range(8):
        branch = fresh_branch(filled)
        pfs.create_branch(branch, filled.full)
        put(pfs, branch, "~")
    assert filled.steps(pfs.fsck) - usual < 8 * usual / 4
    # What a branch has changed without a page of its own is found, though the page was checked with another one.
    added = "INSERT INTO version SELECT line, ?, number, NULL, 0, '', 0, NULL FROM version WHERE path = '~' LIMIT 1"
    pfs._catalog.write(lambda connection: connection.execute(added, (filled.paths[0],)).rowcount)
    assert any("has versions of" in problem for problem in pfs.fsck().problems)
    pfs.close()


def test_the_store_is_sound_after_all_this(many):
    report = many.pfs.fsck()
    assert (report.problems, report.orphans) == ([], 0)
