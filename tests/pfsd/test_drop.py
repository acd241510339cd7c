"""Commits taken back: dropped, cleared, finished with an error."""

import random
import threading

import pytest

from falcon_s3.pfs import Branch, Commit, Repo, branches, repos, targets, undo
from falcon_s3.pfs.batch import Delete
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.lineage import Refused
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import add, branch, delete, grpc, head


def drop(pfsd, commit, **options):
    return pfsd.call("DropCommit", pfs_pb2.DropCommitRequest(commit=commit, **options))


def test_the_newest_commit_is_dropped(pfsd, repo):
    """The branch goes back to its parent, and shows what that showed; writing goes on from there."""
    pfsd.write(head(repo), ("a", b"1"), ("b", b"1"))
    pfsd.write(head(repo), ("a", b"2"), delete("b"), ("c", b"2"))
    newest, oldest = pfsd.commits(repo)
    drop(pfsd, head(repo))
    assert pfsd.commits(repo) == [oldest]
    assert (pfsd.list(head(repo)), pfsd.read(head(repo), "a")) == (["/a", "/b"], b"1")
    gone = pfs_pb2.InspectCommitRequest(commit=pfs_pb2.Commit(repo=repo, id=newest))
    pfsd.refused("NOT_FOUND", "InspectCommit", gone)
    pfsd.write(head(repo), add("a", b"3"))
    assert (pfsd.list(head(repo)), pfsd.read(head(repo), "a")) == (["/a", "/b"], b"13")
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_a_commit_that_others_follow_is_not_dropped(pfsd, repo):
    """On whatever branch they are, and with `recursive` neither, which pachd takes for commits of pipelines."""
    for number in range(3):
        pfsd.write(head(repo), ("a", b"%d" % number))
    ids = pfsd.commits(repo)
    second = pfs_pb2.Commit(repo=repo, id=ids[1])
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repo, "fork"), head=second))
    pfsd.write(head(repo, "fork"), ("b", b"1"))
    for recursive in (False, True):
        request = pfs_pb2.DropCommitRequest(commit=second, recursive=recursive)
        assert "cannot drop a commit that has children" in pfsd.refused("UNKNOWN", "DropCommit", request)
    drop(pfsd, head(repo, "fork"))
    drop(pfsd, head(repo))
    drop(pfsd, second)
    assert pfsd.commits(repo) == [ids[2]]
    for name in ("master", "fork"):
        assert (pfsd.list(head(repo, name)), pfsd.read(head(repo, name), "a")) == (["/a"], b"0")


def test_a_branch_keeps_a_head(pfsd, repo):
    """An empty one in place of its only commit."""
    pfsd.write(head(repo), ("a", b"1"))
    (only,) = pfsd.commits(repo)
    pfsd.call("DropCommitSet", pfs_pb2.DropCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=only)))
    (other,) = pfsd.commits(repo)
    assert other != only and pfsd.list(head(repo)) == []
    pfsd.write(head(repo), ("b", b"1"))
    assert pfsd.list(head(repo)) == ["/b"]
    request = pfs_pb2.DropCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=only))
    pfsd.refused("NOT_FOUND", "DropCommitSet", request)


def test_an_open_commit_is_cleared(pfsd, repo):
    """And can be written again; a finished one cannot be."""
    pfsd.write(head(repo), ("a", b"1"))
    commit = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
    pfsd.write(commit, ("a", b"2"), ("b", b"2"))
    pfsd.call("ClearCommit", pfs_pb2.ClearCommitRequest(commit=commit))
    assert (pfsd.list(commit), pfsd.read(commit, "a")) == (["/a"], b"1")
    pfsd.write(commit, ("c", b"3"))
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit))
    assert pfsd.list(commit) == ["/a", "/c"]
    pfsd.refused("UNKNOWN", "ClearCommit", pfs_pb2.ClearCommitRequest(commit=commit))


def test_a_commit_that_failed_shows_what_its_parent_shows(pfsd, repo):
    """And says why."""
    pfsd.write(head(repo), ("a", b"1"))
    commit = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
    pfsd.write(commit, ("a", b"2"), ("b", b"2"))
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit, error="it went wrong"))
    info = pfsd.call("InspectCommit", pfs_pb2.InspectCommitRequest(commit=commit))
    assert (info.error, info.HasField("finished"), info.details.size_bytes) == ("it went wrong", True, 1)
    assert (pfsd.list(head(repo)), pfsd.read(head(repo), "a")) == (["/a"], b"1")


@pytest.mark.parametrize("seed", range(6))
def test_histories_stay_right_whatever_is_dropped(tmp_path, seed):
    """Random writes, branches and drops against a model of what each commit shows; pages split and join meanwhile."""
    choose = random.Random(seed)
    repo = Repo("default", "r")
    store = ExtendedPfs(tmp_path / "data")
    store.change(lambda connection: repos.create_repo(connection, repo, "", update=False))
    shown, heads = {}, {}  # commit -> path -> content; branch -> commit
    parents = {}
    try:
        for _ in range(120):
            name = choose.choice(["master", "dev", "fix"])
            before = heads.get(name)
            action = choose.random()
            if action < 0.15 and shown:
                start = choose.choice(sorted(shown))
                store.change(lambda c: branches.create_branch(c, Branch(repo, name), Named(repo, "", start), ()))
                heads[name] = start
            elif action < 0.4 and shown:
                victim = choose.choice(sorted(shown)[-5:] + list(heads.values()))
                _drop(store, repo, victim, shown, heads, parents)
            else:
                files = dict(shown.get(before, {}))
                batch = store.batch()
                for _ in range(choose.choice([1, 5, 700])):
                    path = f"{choose.choice('abc')}/{choose.randrange(900):03}"
                    batch.then(Delete(path))
                    if choose.random() < 0.7:
                        files[path] = choose.randbytes(3)
                        batch.add(path, [files[path]])
                    else:
                        files.pop(path, None)
                made = batch.apply(Named(repo, name, "")).commit.id
                batch.close()
                shown[made], parents[made], heads[name] = files, before, made
        for commit, files in shown.items():
            listed = {entry.path: entry for entry in store.list_files(Commit(repo, commit))}
            assert listed.keys() == files.keys()
            for path in list(files)[:20]:
                assert b"".join(store.open_file(store.inspect_file(Commit(repo, commit), path))) == files[path]
        assert {info.branch.name: info.head.id for info in store.list_branches()} == heads
        assert store.fsck().problems == []
    finally:
        store.close()


def _drop(store, repo, victim, shown, heads, parents):
    def job(connection):
        undo.drop(connection, targets.resolve(connection, Named(repo, "", victim)))

    if victim in parents.values():
        with pytest.raises(Refused):
            store.change(job)
        return
    store.change(job)
    del shown[victim]
    parent = parents.pop(victim)
    for name in [name for name, head_of in heads.items() if head_of == victim]:
        heads[name] = parent
        if parent is None:
            heads[name] = store.inspect_branch(Branch(repo, name)).head.id
            shown[heads[name]], parents[heads[name]] = {}, None


def test_a_commit_that_goes_while_it_is_inspected_is_not_found(pfsd, repo):
    """It is no failure of the server."""
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repo)))
    codes = set()
    stop = threading.Event()

    def inspect():
        while not stop.is_set():
            try:
                pfsd.call("InspectCommit", pfs_pb2.InspectCommitRequest(commit=head(repo)))
            except grpc.RpcError as ex:
                codes.add(ex.code())

    threads = [threading.Thread(target=inspect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        commit = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
        commit_set = pfs_pb2.CommitSet(id=commit.id)
        pfsd.call("DropCommitSet", pfs_pb2.DropCommitSetRequest(commit_set=commit_set))
    stop.set()
    for thread in threads:
        thread.join()
    assert codes <= {grpc.StatusCode.NOT_FOUND}
