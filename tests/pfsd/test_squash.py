"""Commits squashed: they disappear, what follows them shows what it showed."""

import contextlib
import itertools

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_s3.pfs import Branch, Commit, Repo, branches, growth, repos, squash, targets, undo
from falcon_s3.pfs.batch import Delete
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.lineage import Refused
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2, transaction_pb2
from tests.pfsd.conftest import add, branch, delete, head


def commit_of(repo, identity):
    return pfs_pb2.Commit(repo=repo, id=identity)


def squash_one(pfsd, commit):
    pfsd.call("SquashCommit", pfs_pb2.SquashCommitRequest(commit=commit))


def test_a_squashed_commit_disappears(pfsd, repo):
    """Its followers show what they showed, its files are theirs, and it is found by no name."""
    pfsd.write(head(repo), ("a", b"1"), ("b", b"1"), ("c", b"1"))
    pfsd.write(head(repo), ("a", b"2"), delete("b"), ("d", b"2"))
    pfsd.write(head(repo), ("a", b"3"))
    newest, middle, oldest = pfsd.commits(repo)
    squash_one(pfsd, commit_of(repo, middle))
    assert pfsd.commits(repo) == [newest, oldest]
    assert pfsd.list(head(repo)) == ["/a", "/c", "/d"]
    assert [pfsd.read(head(repo), path) for path in ("a", "c", "d")] == [b"3", b"1", b"2"]
    assert pfsd.list(commit_of(repo, oldest)) == ["/a", "/b", "/c"]
    info = pfsd.call("InspectCommit", pfs_pb2.InspectCommitRequest(commit=head(repo)))
    assert (info.parent_commit.id, info.size_bytes_upper_bound) == (oldest, 3)
    info = pfsd.call("InspectCommit", pfs_pb2.InspectCommitRequest(commit=commit_of(repo, oldest)))
    assert [each.id for each in info.child_commits] == [newest]
    gone = pfs_pb2.InspectCommitRequest(commit=commit_of(repo, middle))
    assert f"commit default/{repo.name}@{middle} not found" in pfsd.refused("NOT_FOUND", "InspectCommit", gone)
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_a_squashed_commit_is_no_version_to_s3(pfsd, beside):
    """Its versionId and its bucket are gone; what it wrote is a version of the commit that followed."""
    beside.create_bucket(Bucket="master.squashed")
    ids = []
    for body, key in ((b"1", "a"), (b"2", "b"), (b"3", "a"), (b"4", "b")):
        ids.append(beside.put_object(Bucket="master.squashed", Key=key, Body=body)["VersionId"])
    squash_one(pfsd, commit_of(pfs_pb2.Repo(name="squashed"), ids[1]))
    squash_one(pfsd, commit_of(pfs_pb2.Repo(name="squashed"), ids[0]))
    for gone, key, code in ((ids[1], "b", "NoSuchVersion"), (ids[0], "a", "NoSuchVersion")):
        with pytest.raises(ClientError, match=code) as caught:
            beside.get_object(Bucket="master.squashed", Key=key, VersionId=gone)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError, match="NoSuchBucket"):
        beside.list_objects_v2(Bucket=f"{ids[0]}.squashed")
    found = beside.list_object_versions(Bucket="master.squashed")["Versions"]
    assert [(each["Key"], each["VersionId"]) for each in found] == [("a", ids[2]), ("b", ids[3]), ("b", ids[2])]
    read = beside.get_object(Bucket="master.squashed", Key="b", VersionId=ids[2])
    assert read["Body"].read() == b"2"


def test_what_would_be_lost_is_not_squashed(pfsd, repo):
    """A commit that nothing follows, that a branch points at, or whose follower is open; nothing is changed."""
    pfsd.write(head(repo), ("a", b"1"))
    first = commit_of(repo, pfsd.commits(repo)[0])
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repo, "old"), head=first))
    request = pfs_pb2.SquashCommitRequest(commit=first)
    text = "cannot squash a commit that has no children"
    assert f"{text} as that would cause data loss" in pfsd.refused("UNKNOWN", "SquashCommit", request)
    opened = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
    assert f"{text} on branch default/{repo.name}@old" in pfsd.refused("UNKNOWN", "SquashCommit", request)
    pfsd.call("DeleteBranch", pfs_pb2.DeleteBranchRequest(branch=branch(repo, "old")))
    assert f"until child commit default/{repo.name}@{opened.id} is finished" in pfsd.refused(
        "UNKNOWN", "SquashCommit", request
    )
    squash_set = pfs_pb2.SquashCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=opened.id))
    assert text in pfsd.refused("UNKNOWN", "SquashCommitSet", squash_set)
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=opened))
    assert len(pfsd.commits(repo)) == 2
    squash_one(pfsd, first)
    assert (pfsd.commits(repo), pfsd.read(head(repo), "a")) == ([opened.id], b"1")


def test_a_commit_set_is_squashed_as_a_whole(pfsd):
    """In all its repos, or in none if one of its commits cannot be."""
    one, other = pfsd.new_repo(), pfsd.new_repo()
    request = pfsd.call("StartTransaction", service="transaction_v2.API")
    for each in (one, other):
        start = pfs_pb2.StartCommitRequest(branch=branch(each))
        pfsd.call("StartCommit", start, transaction=request.id)
    pfsd.call("FinishTransaction", type_of_finish(request), service="transaction_v2.API")
    for each in (one, other):
        pfsd.write(commit_of(each, request.id), ("a", b"1"))
        pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit_of(each, request.id)))
    pfsd.write(head(one), ("b", b"2"))
    squash_set = pfs_pb2.SquashCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=request.id))
    assert "no children" in pfsd.refused("UNKNOWN", "SquashCommitSet", squash_set)
    assert len(pfsd.commits(one)) == 2
    pfsd.write(head(other), ("b", b"2"))
    transaction = pfsd.call("StartTransaction", service="transaction_v2.API")
    pfsd.call("SquashCommitSet", squash_set, transaction=transaction.id)
    assert len(pfsd.commits(one)) == 2
    pfsd.call("FinishTransaction", type_of_finish(transaction), service="transaction_v2.API")
    for each in (one, other):
        assert (len(pfsd.commits(each)), pfsd.list(head(each))) == (1, ["/a", "/b"])
    assert "no commits found for commitset" in pfsd.refused("NOT_FOUND", "SquashCommitSet", squash_set)


def type_of_finish(transaction):
    return transaction_pb2.FinishTransactionRequest(transaction=transaction)


# Against a model: what each commit did, and what it stands on.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "branch", "branch", "squash", "squash", "drop", "version"]),
        st.sampled_from(["master", "dev", "fix"]),
        st.integers(0, 30),
        st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=8),
    ),
    min_size=15,
    max_size=45,
)
REPO = Repo("default", "r")


class Model:
    """The same changes on a store and in dictionaries."""

    def __init__(self, store):
        self.store = store
        self.did = {}  # of a commit: path -> content; None: removed
        self.parents = {}
        self.heads = {}
        self.contents = itertools.count()

    def shown(self, commit):
        """What a commit shows."""
        chain = []
        while commit is not None:
            chain.append(self.did[commit])
            commit = self.parents[commit]
        found = {}
        for did in reversed(chain):
            found |= did
        return {path: content for path, content in found.items() if content is not None}

    def picked(self, number, fits=None):
        """One of the commits, mostly one that fits."""
        found = [commit for commit in self.did if number % 5 == 0 or fits is None or fits(commit)] or list(self.did)
        return found[number % len(found)] if found else None

    def children(self, commit):
        return [child for child, parent in self.parents.items() if parent == commit]

    def write(self, name, _number, files):
        before = self.heads.get(name)
        shown, did = self.shown(before), {}
        batch = self.store.batch()
        for each, kept in files:
            path = f"{each:02}"
            if path in shown or path in did:
                batch.then(Delete(path))
                did[path] = None
            if kept:
                did[path] = b"%d" % next(self.contents)
                batch.add(path, [did[path]])
        made = batch.apply(Named(REPO, name, "")).commit.id
        batch.close()
        self.did[made], self.parents[made], self.heads[name] = did, before, made

    def branch(self, name, number, _files):
        start = self.picked(number)
        if start is not None:
            self.store.change(lambda c: branches.create_branch(c, Branch(REPO, name), Named(REPO, "", start), ()))
            self.heads[name] = start

    def squash(self, _name, number, _files):
        victim = self.picked(number, lambda commit: self.children(commit) and commit not in self.heads.values())
        if victim is None:
            return
        children = self.children(victim)
        with pytest.raises(Refused) if not children or victim in self.heads.values() else contextlib.nullcontext():
            self.store.change(lambda c: squash.squash(c, targets.resolve(c, Named(REPO, "", victim))))
            did, parent = self.did.pop(victim), self.parents.pop(victim)
            for child in children:
                self.did[child] = did | self.did[child]
                self.parents[child] = parent

    def drop(self, _name, number, _files):
        victim = self.picked(number, lambda commit: not self.children(commit))
        if victim is None:
            return
        children = self.children(victim)
        with pytest.raises(Refused) if children else contextlib.nullcontext():
            self.store.change(lambda c: undo.drop(c, targets.resolve(c, Named(REPO, "", victim))))
            del self.did[victim]
            parent = self.parents.pop(victim)
            for name in [name for name, commit in self.heads.items() if commit == victim]:
                self.heads[name] = parent
                if parent is None:
                    self.heads[name] = self.store.inspect_branch(Branch(REPO, name)).head.id
                    self.did[self.heads[name]], self.parents[self.heads[name]] = {}, None

    def version(self, name, number, _files):
        """One version of a file, or one removal, taken out for good."""
        commit = self.heads.get(name)
        for _ in range(number % 3):
            commit = self.parents.get(commit, commit)
        paths = sorted(self.did[commit]) if commit is not None else []
        if paths:
            path = paths[number % len(paths)]
            removed = self.store.delete_versions(Branch(REPO, name), [(path, commit)])
            if removed != [None]:
                del self.did[commit][path]

    def check(self):
        for commit, did in self.did.items():
            files = self.shown(commit)
            listed = {entry.path: entry.size for entry in self.store.list_files(Commit(REPO, commit))}
            assert listed == {path: len(content) for path, content in files.items()}
            for path, content in files.items():
                file = self.store.inspect_file(Commit(REPO, commit), path)
                assert b"".join(self.store.open_file(file)) == content
                assert file.commit.id in self.did
                if did.get(path) is not None:
                    assert file.commit.id == commit
            versions = self.store.list_versions(Commit(REPO, commit))
            own = {each.path for each in versions if each.commit == commit}
            assert own == did.keys()
        assert {info.branch.name: info.head.id for info in self.store.list_branches()} == self.heads
        infos = self.store.list_commits(REPO)
        parents = {info.commit.id: info.parent.id if info.parent else None for info in infos}
        assert parents == self.parents


@settings(deadline=None, max_examples=40)
@given(steps=STEPS)
def test_histories_stay_right_whatever_is_squashed(tmp_path_factory, steps):
    """Any mix of writes, branches, squashed, dropped and removed things, with pages of a few entries; fsck is clean."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "PAGE_ENTRIES", 8)
        patch.setattr(growth, "SPARSE", 2)
        store = ExtendedPfs(tmp_path_factory.mktemp("squash") / "data")
        try:
            store.change(lambda connection: repos.create_repo(connection, REPO, "", update=False))
            model = Model(store)
            for kind, name, number, files in steps:
                getattr(model, kind)(name, number, files)
            model.check()
            assert store.fsck().problems == []
        finally:
            store.close()


def test_adding_goes_on_after_squashing(pfsd, repo):
    """Appends included."""
    for number in range(4):
        pfsd.write(head(repo), add("a", b"%d" % number))
    ids = pfsd.commits(repo)
    for each in ids[1:]:
        squash_one(pfsd, commit_of(repo, each))
    pfsd.write(head(repo), add("a", b"!"))
    assert pfsd.read(head(repo), "a") == b"0123!" and len(pfsd.commits(repo)) == 2
