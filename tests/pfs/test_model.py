"""Hypothesis walks a store beside a model of dictionaries: any step in any order gives the same answers."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from falcon_s3.pfs import (
    Branch,
    BranchExists,
    BranchNotEmpty,
    Commit,
    CommitFinished,
    CommitNotFound,
    CommitOpen,
    FileNotFound,
    Ref,
    Repo,
    growth,
    tree,
)
from falcon_s3.pfs.contents import INLINE_BYTES
from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.pfs.bodies import Bytes, Unread, names
from tests.pfs.reference import listing
from tests.pfs.stores import Store

REPOS = [Repo("default", "one"), Repo("default", "two")]
BRANCHES = ["master", "dev", "x"]

paths = st.text(st.sampled_from("ab/.\uffff\U0001f600"), min_size=1, max_size=4)
texts = st.one_of(st.just(""), paths)
delimiters = st.sampled_from(["", "/", "/", "a", "ab", "//", "\uffff"])
sizes = st.sampled_from([0, 1, 100, INLINE_BYTES, INLINE_BYTES + 1, 100, 1, 1_100_000])
chances = st.data()


@dataclass(frozen=True)
class ModelFile:
    data: bytes
    attributes: dict[str, str]
    commit: str


@dataclass
class ModelCommit:
    parent: str | None
    branch: str
    files: dict[str, ModelFile]
    open: bool


@dataclass
class ModelRepo:
    branches: dict[str, str]
    commits: dict[str, ModelCommit]


class Machine(RuleBasedStateMachine):
    """Every rule does one thing to the store and the same to the model, and compares what came of it."""

    small_pages = False
    exact = True  # a file tells the commit that wrote it, its attributes, and its MD5

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="falcon-s3-model-"))
        self.patches = []
        if self.small_pages:
            self.patches = [
                mock.patch.multiple(tree, PAGE_ENTRIES=8, SPARSE=2, FOLDED_ROWS=3),
                mock.patch.multiple(growth, PAGE_ENTRIES=8, SPARSE=2),
            ]
        for patch in self.patches:
            patch.start()
        self.pfs = self.open()
        self.repos: dict[Repo, ModelRepo] = {}
        self.gone: list[Commit] = []

    def open(self) -> Store:
        return EmbeddedPfs(self.folder)

    def spell(self, path: str) -> str:
        """A path that the store takes."""
        return path

    def check_books(self) -> None:
        for _ in range(2):
            report = self.pfs.fsck()
            assert (report.problems, report.orphans) == ([], 0)
            self.pfs.collect(grace_ms=-1000)

    def teardown(self) -> None:
        try:
            for ref in self.refs():
                self.compare(ref)
            for commit in self.gone:
                with pytest.raises(CommitNotFound):
                    self.pfs.inspect_commit(commit)
            self.check_books()
            for ref in self.refs():
                self.compare(ref)
        finally:
            self.pfs.close()
            for patch in self.patches:
                patch.stop()
            shutil.rmtree(self.folder)

    # What there is in the model

    def branches(self) -> list[Branch]:
        return [Branch(repo, name) for repo, model in self.repos.items() for name in model.branches]

    def commits(self) -> list[Commit]:
        return [Commit(repo, number) for repo, model in self.repos.items() for number in model.commits]

    def refs(self) -> list[Ref]:
        return [*self.branches(), *self.commits()]

    def commit_of(self, ref: Ref) -> ModelCommit:
        repo = self.repos[ref.repo]
        return repo.commits[repo.branches[ref.name] if isinstance(ref, Branch) else ref.id]

    def writable(self) -> list[Ref]:
        return [*self.branches(), *(commit for commit in self.commits() if self.commit_of(commit).open)]

    def written(self, ref: Ref, made: Commit) -> dict[str, ModelFile]:
        """The files of the commit a write went to, which is a new one unless the one of `ref` is open."""
        model = self.repos[ref.repo]
        current = self.commit_of(ref)
        if current.open:
            assert model.commits[made.id] is current
            return current.files
        assert isinstance(ref, Branch)
        assert made.id not in model.commits
        model.commits[made.id] = ModelCommit(model.branches[ref.name], ref.name, dict(current.files), False)
        model.branches[ref.name] = made.id
        return model.commits[made.id].files

    # Steps

    @initialize()
    def first_branch(self) -> None:
        info = self.pfs.create_branch(Branch(REPOS[0], "master"))
        self.repos[REPOS[0]] = ModelRepo(
            {"master": info.head.id}, {info.head.id: ModelCommit(None, "master", {}, False)}
        )
        if self.small_pages:  # so that branches soon inherit more than one page
            commit = self.pfs.start_commit(info.branch)
            files = {}
            for number in range(0, 80, 2):
                data = str(number).encode()
                self.pfs.put_file(commit, f"m/{number:03}", Bytes(data))
                files[f"m/{number:03}"] = ModelFile(data, {}, commit.id)
            self.pfs.finish_commit(commit)
            model = self.repos[REPOS[0]]
            model.commits[commit.id] = ModelCommit(info.head.id, "master", files, False)
            model.branches["master"] = commit.id

    @rule(repo=st.sampled_from(REPOS), name=st.sampled_from(BRANCHES), chance=chances)
    def create_branch(self, repo, name, chance) -> None:
        branch = Branch(repo, name)
        model = self.repos.get(repo)
        if model is not None and name in model.branches:
            with pytest.raises(BranchExists):
                self.pfs.create_branch(branch)
            return
        head = None
        if model is not None and chance.draw(st.integers(0, 3)):
            head = Commit(repo, chance.draw(st.sampled_from(list(model.commits))))
        info = self.pfs.create_branch(branch, head)
        model = self.repos.setdefault(repo, ModelRepo({}, {}))
        if head is None:
            assert info.head.id not in model.commits
            model.commits[info.head.id] = ModelCommit(None, name, {}, False)
        else:
            assert info.head == head
        model.branches[name] = info.head.id

    @precondition(lambda self: self.repos)
    @rule(path=paths, size=sizes, byte=st.integers(0, 3), chance=chances)
    def put(self, path, size, byte, chance) -> None:
        ref = chance.draw(st.sampled_from(self.writable()))
        data = bytes([byte]) * size
        attributes = {"byte": str(byte)} if byte else {}
        path = self.spell(path)
        expected = self.commit_of(ref).files.get(path)
        seen = []
        checked = chance.draw(st.booleans())
        info = self.pfs.put_file(ref, path, Bytes(data, 70_000), attributes, seen.append if checked else None)
        if checked:
            assert [None if each is None else (each.size, each.commit.id) for each in seen] == [
                None if expected is None else (len(expected.data), self.told(ref, expected))
            ]
        self.written(ref, info.commit)[path] = ModelFile(data, attributes, info.commit.id)

    @precondition(lambda self: self.repos)
    @rule(first=st.integers(0, 50), count=st.integers(5, 30), chance=chances)
    def put_many(self, first, count, chance) -> None:
        """Enough files for listings that read more than once."""
        ref = chance.draw(st.sampled_from(self.writable()))
        for number in range(first, first + count):
            path = f"m/{number:03}"
            info = self.pfs.put_file(ref, path, Bytes(path.encode()))
            self.written(ref, info.commit)[path] = ModelFile(path.encode(), {}, info.commit.id)

    @precondition(lambda self: self.repos)
    @rule(path=paths, chance=chances)
    def put_where_it_is_finished(self, path, chance) -> None:
        finished = [commit for commit in self.commits() if not self.commit_of(commit).open]
        if finished:
            with pytest.raises(CommitFinished):
                self.pfs.put_file(chance.draw(st.sampled_from(finished)), self.spell(path), Unread())

    @precondition(lambda self: self.repos)
    @rule(others=st.lists(paths, max_size=3), share=st.sampled_from([1, 1, 2, 5]), chance=chances)
    def delete_many(self, others, share, chance) -> None:
        ref = chance.draw(st.sampled_from(self.writable()))
        there = sorted(self.commit_of(ref).files)
        wanted = [*others, *there[chance.draw(st.integers(0, share)) :: share]]
        made = self.pfs.delete_files(ref, wanted)
        if not set(wanted) & set(there):
            assert made is None
            return
        assert made is not None
        files = self.written(ref, made)
        for path in wanted:
            files.pop(path, None)

    @precondition(lambda self: self.repos)
    @rule(if_empty=st.booleans(), chance=chances)
    def delete_branch(self, if_empty, chance) -> None:
        branch = chance.draw(st.sampled_from(self.branches()))
        if if_empty and self.commit_of(branch).files:
            with pytest.raises(BranchNotEmpty):
                self.pfs.delete_branch(branch, if_empty=True)
            return
        self.pfs.delete_branch(branch, if_empty=if_empty)
        model = self.repos[branch.repo]
        del model.branches[branch.name]
        if not model.branches:
            self.gone += [Commit(branch.repo, number) for number in model.commits]
            del self.repos[branch.repo]

    @precondition(lambda self: self.repos)
    @rule(chance=chances)
    def start_commit(self, chance) -> None:
        branch = chance.draw(st.sampled_from(self.branches()))
        model, current = self.repos[branch.repo], self.commit_of(branch)
        if current.open:
            with pytest.raises(CommitOpen):
                self.pfs.start_commit(branch)
            return
        commit = self.pfs.start_commit(branch)
        model.commits[commit.id] = ModelCommit(model.branches[branch.name], branch.name, dict(current.files), True)
        model.branches[branch.name] = commit.id

    @precondition(lambda self: any(model.open for repo in self.repos.values() for model in repo.commits.values()))
    @rule(chance=chances)
    def finish_commit(self, chance) -> None:
        ref = chance.draw(st.sampled_from([each for each in self.refs() if self.commit_of(each).open]))
        self.pfs.finish_commit(ref)
        self.commit_of(ref).open = False

    @rule()
    def open_again(self) -> None:
        self.pfs.close()
        self.pfs = self.open()

    @rule()
    def collect(self) -> None:
        if self.exact:
            self.pfs.collect(grace_ms=-1000)

    # Looks

    @precondition(lambda self: self.repos)
    @rule(prefix=texts, after=texts, delimiter=delimiters, chance=chances)
    def list_files(self, prefix, after, delimiter, chance) -> None:
        ref = chance.draw(st.sampled_from(self.refs()))
        files = self.commit_of(ref).files
        if files and chance.draw(st.booleans()):
            after = chance.draw(st.sampled_from(sorted(files)))
        assert names(self.pfs, ref, prefix, after, delimiter) == listing(files, prefix, after, delimiter)

    @precondition(lambda self: self.repos)
    @rule(path=paths, chance=chances)
    def read(self, path, chance) -> None:
        self.compare_file(chance.draw(st.sampled_from(self.refs())), self.spell(path))

    def told(self, ref: Ref, file: ModelFile) -> str:
        """The id of the commit that the store tells of a file."""
        if self.exact:
            return file.commit
        return ref.id if isinstance(ref, Commit) else self.repos[ref.repo].branches[ref.name]

    def compare_file(self, ref: Ref, path: str) -> None:
        expected = self.commit_of(ref).files.get(path)
        if expected is None:
            with pytest.raises(FileNotFound):
                self.pfs.inspect_file(ref, path)
            return
        file = self.pfs.inspect_file(ref, path)
        assert (file.commit.id, file.path, file.size) == (self.told(ref, expected), path, len(expected.data))
        assert not self.exact or file.attributes == expected.attributes
        assert b"".join(self.pfs.open_file(file)) == expected.data

    def compare(self, ref: Ref) -> None:
        expected = self.commit_of(ref)
        shown = list(self.pfs.list_files(ref))
        assert [entry.path for entry in shown] == listing(expected.files)
        for entry in shown:
            data = expected.files[entry.path].data
            assert entry.size == len(data)
            assert not self.exact or entry.etag == hashlib.md5(data).hexdigest()
            self.compare_file(ref, entry.path)
        if isinstance(ref, Commit):
            info = self.pfs.inspect_commit(ref)
            parent = None if info.parent is None else info.parent.id
            assert (parent, info.finished_ms is None) == (expected.parent, expected.open)
            assert info.branch in (expected.branch, *("",) * (not self.exact))

    @invariant()
    def branches_are_as_they_should_be(self) -> None:
        assert [(info.branch, info.head.id, info.head_open) for info in self.pfs.list_branches()] == [
            (branch, self.repos[branch.repo].branches[branch.name], self.commit_of(branch).open)
            for branch in sorted(self.branches(), key=str)
        ]


class SmallPages(Machine):
    """The same with so few entries a page that pages are split and joined all the time."""

    small_pages = True


class Remote(Machine):
    """The same on a pachd."""

    exact = False
    address = ""

    def open(self) -> Store:
        from falcon_s3.pfs.pachd.address import parse
        from tests.pfs.remote import Names, RemoteStore

        if not hasattr(self, "aliases"):
            self.aliases = Names()
        return RemoteStore(parse(self.address), self.aliases)

    def spell(self, path: str) -> str:
        """By the rule of PFS, and so that no file has the name of a folder."""
        elements = [each for each in path.split("/") if each not in {"", ".", ".."}]
        return "/".join(elements).replace("\uffff", "~").replace("\U0001f600", "z") + ".f"

    def check_books(self) -> None:
        pass

    def teardown(self) -> None:
        store = self.open()
        try:
            super().teardown()
        finally:
            store.clear()
            store.close()


SHORT = settings(max_examples=25, stateful_step_count=40)
LONG = settings(max_examples=600, stateful_step_count=80)


@pytest.mark.parametrize("machine", [Machine, SmallPages])
@pytest.mark.parametrize(
    "effort", [SHORT, pytest.param(LONG, marks=[pytest.mark.long, pytest.mark.timeout(3600)])], ids=["short", "long"]
)
def test_the_store_does_what_the_model_does(machine, effort):
    run_state_machine_as_test(
        machine,
        settings=settings(
            effort, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck), database=None
        ),
    )


@pytest.mark.parametrize(
    "effort",
    [
        settings(max_examples=4, stateful_step_count=20),
        pytest.param(
            settings(max_examples=100, stateful_step_count=60), marks=[pytest.mark.long, pytest.mark.timeout(3600)]
        ),
    ],
    ids=["short", "long"],
)
def test_a_store_on_pachd_does_what_the_model_does(effort, request, pachd_addresses, monkeypatch):
    pytest.importorskip("grpc", reason="a store on pachd needs the extra `pachd`")
    kind = "pfsd" if request.config.getoption("--pachd") in (None, "pfsd") else "cluster"
    monkeypatch.setattr(Remote, "address", pachd_addresses(kind))
    run_state_machine_as_test(
        Remote,
        settings=settings(
            effort, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck), database=None
        ),
    )
