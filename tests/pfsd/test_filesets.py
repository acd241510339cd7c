"""File sets: changes that wait outside of every repo, are read as commits, and become part of others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3.pfs import FILESETS, Branch, Repo
from falcon_s3.pfs.batch import Copy, Delete, Pour
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import add, branch, copy, delete, head, repo_message, running_pfsd


def filed(identity, project=""):
    """A file set as a commit."""
    return pfs_pb2.Commit(repo=repo_message(FILESETS, project), id=identity)


def new(pfsd, *changes):
    return pfsd.call("CreateFileSet", changes).file_set_id


def opened(pfsd, repo):
    return pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))


def pour(pfsd, commit, identity):
    pfsd.call("AddFileSet", pfs_pb2.AddFileSetRequest(commit=commit, file_set_id=identity))


def composed(pfsd, *identities, ttl=0):
    request = pfs_pb2.ComposeFileSetRequest(file_set_ids=identities, ttl_seconds=ttl)
    return pfsd.call("ComposeFileSet", request).file_set_id


def files(pfsd, commit):
    return {
        info.file.path: pfsd.read(commit, info.file.path)
        for info in pfsd.call("WalkFile", pfs_pb2.WalkFileRequest(file=pfs_pb2.File(commit=commit, path="/")))
        if not info.file.path.endswith("/")
    }


def test_a_file_set_reads_as_a_commit(pfsd):
    """By every call that reads files, in whatever project it is asked for; what it deletes is no file of it."""
    identity = new(pfsd, add("d/a", b"1"), delete("x"), add("d/a", b"2"), add("b", b"0" * 100_000), delete("gone/"))
    for commit in (
        filed(identity),
        filed(identity, "default"),
        pfs_pb2.Commit(id=identity, branch=head(repo_message(FILESETS)).branch),
    ):
        assert files(pfsd, commit) == {"/d/a": b"12", "/b": b"0" * 100_000}
    commit = filed(identity)
    info = pfsd.call("InspectFile", pfs_pb2.InspectFileRequest(file=pfs_pb2.File(commit=commit, path="d/a")))
    assert (info.size_bytes, info.file.commit.id, info.file.commit.repo.name) == (2, identity, FILESETS)
    assert pfsd.list(commit) == ["/b", "/d/"]
    found = pfsd.call("GlobFile", pfs_pb2.GlobFileRequest(commit=commit, pattern="/*/*"))
    assert [each.file.path for each in found] == ["/d/a"]
    assert "not found" in pfsd.refused(
        "NOT_FOUND", "InspectFile", pfs_pb2.InspectFileRequest(file=pfs_pb2.File(commit=commit, path="x"))
    )


def test_nothing_of_it_is_in_any_repo(pfsd, beside):
    """Neither in listings of repos, projects, branches, commits and buckets, nor can it be written to or taken."""
    identity = new(pfsd, add("a", b"1"))
    commit = filed(identity)
    shown = [
        pfsd.call("ListRepo", pfs_pb2.ListRepoRequest()),
        pfsd.call("ListProject", pfs_pb2.ListProjectRequest()),
        pfsd.call("ListBranch", pfs_pb2.ListBranchRequest()),
        pfsd.call("ListCommit", pfs_pb2.ListCommitRequest()),
        pfsd.call("ListCommitSet", pfs_pb2.ListCommitSetRequest()),
        beside.list_buckets()["Buckets"],
    ]
    assert FILESETS not in str(shown) and identity not in str(shown)
    pfsd.refused("NOT_FOUND", "InspectRepo", pfs_pb2.InspectRepoRequest(repo=repo_message(FILESETS)))
    pfsd.refused("NOT_FOUND", "InspectCommit", pfs_pb2.InspectCommitRequest(commit=commit))
    pfsd.refused("NOT_FOUND", "DropCommit", pfs_pb2.DropCommitRequest(commit=commit))
    pfsd.refused("NOT_FOUND", "ClearCommit", pfs_pb2.ClearCommitRequest(commit=commit))
    pfsd.refused("NOT_FOUND", "ModifyFile", [pfs_pb2.ModifyFileRequest(set_commit=commit), add("a", b"2")])
    assert "reserved" in pfsd.refused("UNKNOWN", "CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo_message(FILESETS)))
    assert files(pfsd, commit) == {"/a": b"1"}


def test_a_file_set_is_added_to_an_open_commit(pfsd, repo):
    """What it deletes goes first, what it adds is appended; it lives on and can be added again."""
    pfsd.write(head(repo), ("a", b"old"), ("b", b"old"), ("d/x", b"old"), ("d/y", b"old"), ("k", b"kept"))
    identity = new(pfsd, delete("a"), add("a", b"new"), add("b", b"+"), delete("d/"), add("d/y", b"y"))
    commit = opened(pfsd, repo)
    pour(pfsd, commit, identity)
    assert files(pfsd, commit) == {"/a": b"new", "/b": b"old+", "/d/y": b"y", "/k": b"kept"}
    pour(pfsd, commit, identity)
    assert files(pfsd, commit) == {"/a": b"new", "/b": b"old++", "/d/y": b"y", "/k": b"kept"}
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit))
    assert len(pfsd.commits(repo)) == 2
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_finished_commits_take_none(pfsd, repo):
    """Neither by id nor as the head of a branch, which would need a commit of its own."""
    pfsd.write(head(repo), ("a", b"1"))
    identity = new(pfsd, add("a", b"2"))
    commit = pfs_pb2.Commit(repo=repo, id=pfsd.commits(repo)[0])
    for each in (commit, head(repo)):
        request = pfs_pb2.AddFileSetRequest(commit=each, file_set_id=identity)
        assert f"@{commit.id} has already finished" in pfsd.refused("UNKNOWN", "AddFileSet", request)
    request = pfs_pb2.AddFileSetRequest(commit=head(repo, "none"), file_set_id=identity)
    assert 'branch "none" not found' in pfsd.refused("NOT_FOUND", "AddFileSet", request)
    assert pfsd.read(head(repo), "a") == b"1" and len(pfsd.commits(repo)) == 1


def test_file_sets_are_composed(pfsd, repo):
    """One does what all of them do in a row, deletes of later ones included."""
    first = new(pfsd, add("a", b"1"), add("b", b"1"), add("big", b"x" * 50_000))
    second = new(pfsd, add("a", b"2"), delete("b"), delete("old/"), add("big", b"y" * 50_000))
    both = composed(pfsd, first, second, ttl=60)
    assert files(pfsd, filed(both)) == {"/a": b"12", "/big": b"x" * 50_000 + b"y" * 50_000}
    pfsd.write(head(repo), ("b", b"old"), ("old/b", b"old"))
    commit = opened(pfsd, repo)
    pour(pfsd, commit, both)
    assert files(pfsd, commit) == files(pfsd, filed(both))
    assert files(pfsd, filed(first)) == {"/a": b"1", "/b": b"1", "/big": b"x" * 50_000}
    assert files(pfsd, filed(composed(pfsd))) == {}
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_a_commit_as_a_file_set(pfsd, repo):
    """TOTAL is all that it shows, DIFF what it did: its parent with that is the commit."""
    pfsd.write(head(repo), ("a", b"1"), ("b", b"1"), ("c", b"1"))
    pfsd.write(head(repo), delete("a"), add("b", b"2"), ("n", b"n"))
    total = pfsd.call("GetFileSet", pfs_pb2.GetFileSetRequest(commit=head(repo))).file_set_id
    kind = pfs_pb2.GetFileSetRequest.DIFF
    difference = pfsd.call("GetFileSet", pfs_pb2.GetFileSetRequest(commit=head(repo), type=kind)).file_set_id
    expected = {"/b": b"12", "/c": b"1", "/n": b"n"}
    assert files(pfsd, filed(total)) == expected
    assert files(pfsd, filed(difference)) == {"/b": b"12", "/n": b"n"}
    start = pfs_pb2.StartCommitRequest(branch=branch(repo, "again"), parent=pfs_pb2.Commit(repo=repo, id="master^"))
    commit = pfsd.call("StartCommit", start)
    pour(pfsd, commit, difference)
    assert files(pfsd, commit) == expected
    request = pfs_pb2.GetFileSetRequest(commit=head(repo, "none"))
    pfsd.refused("NOT_FOUND", "GetFileSet", request)


def test_files_are_copied_from_file_sets(pfsd, repo):
    """One file and whole folders, by ModifyFile and into other file sets."""
    identity = new(pfsd, add("d/a", b"1"), add("d/b", b"2"))
    pfsd.write(head(repo), copy(filed(identity), "/d", "to"), copy(filed(identity), "d/a", "one"))
    assert files(pfsd, head(repo)) == {"/to/a": b"1", "/to/b": b"2", "/one": b"1"}
    other = new(pfsd, copy(filed(identity), "/", ""), copy(head(repo), "one", "d/b"))
    assert files(pfsd, filed(other)) == {"/d/a": b"1", "/d/b": b"1"}


def test_a_file_set_lives_for_its_time(tmp_path):
    """Also across a restart, as long as it is renewed; then it is not found, and its bytes go."""
    data = tmp_path / "data"
    content = b"x" * 50_000
    with running_pfsd(data, tmp_path / "log") as pfsd:
        identity, short = new(pfsd, add("a", content)), composed(pfsd, ttl=1)
        short = composed(pfsd, ttl=1)
        pfsd.call("RenewFileSet", pfs_pb2.RenewFileSetRequest(file_set_id=identity, ttl_seconds=1800))
    store = ExtendedPfs(data)
    try:
        store.collect(grace_ms=0)
        with running_pfsd(data, tmp_path / "log") as pfsd:
            assert files(pfsd, filed(identity)) == {"/a": content}
            store.change(
                lambda connection: connection.execute("UPDATE pach_fileset SET expires_ms = expires_ms - 1800000")
            )
            for gone in (identity, short):
                request = pfs_pb2.WalkFileRequest(file=pfs_pb2.File(commit=filed(gone)))
                assert f"file set {gone} not found" in pfsd.refused("NOT_FOUND", "WalkFile", request)
                for method, request in (
                    ("RenewFileSet", pfs_pb2.RenewFileSetRequest(file_set_id=gone, ttl_seconds=60)),
                    ("ComposeFileSet", pfs_pb2.ComposeFileSetRequest(file_set_ids=[gone])),
                    ("ShardFileSet", pfs_pb2.ShardFileSetRequest(file_set_id=gone)),
                ):
                    assert f"file set {gone} not found" in pfsd.refused("NOT_FOUND", method, request)
        assert any(any(shard.iterdir()) for shard in (data / "contents").iterdir())
        store.collect(grace_ms=0)
        assert not any(any(shard.iterdir()) for shard in (data / "contents").iterdir())
        assert store.fsck().problems == []
        for table in ("repo", "line", "version", "page", "entry", "pach_fileset", "pach_fileset_delete", "content"):
            assert store.look(
                lambda connection, table=table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            ) == (0,)
    finally:
        store.close()


@pytest.mark.parametrize(
    "method, request_, text",
    [
        ("RenewFileSet", {"ttl_seconds": 0}, "must be at least one second"),
        ("RenewFileSet", {"ttl_seconds": -5}, "must be at least one second"),
        ("RenewFileSet", {"ttl_seconds": 1801}, "exceeds max ttl"),
        ("ComposeFileSet", {"ttl_seconds": 1801}, "exceeds max ttl"),
        ("ComposeFileSet", {"ttl_seconds": -1}, "must be at least one second"),
        ("ShardFileSet", {"num_files": -1}, "cannot be negative"),
    ],
)
def test_times_and_sizes_have_bounds(pfsd, method, request_, text):
    """One second to half an hour."""
    identity = new(pfsd)
    name = {"file_set_ids": [identity]} if method == "ComposeFileSet" else {"file_set_id": identity}
    assert text in pfsd.refused("UNKNOWN", method, getattr(pfs_pb2, f"{method}Request")(**name, **request_))


def test_streams_that_make_no_file_set(pfsd):
    """A commit is not said, and paths follow the rule of commits."""
    commit = pfs_pb2.ModifyFileRequest(set_commit=head(repo_message("any")))
    assert "commit" in pfsd.refused("UNKNOWN", "CreateFileSet", [commit])
    assert "globbing character" in pfsd.refused("UNKNOWN", "CreateFileSet", [add("a*", b"")])


def test_shards_hold_every_path_once(pfsd):
    """As many files or bytes in each as was asked for; without either, all is one."""
    identity = new(pfsd, *(add(f"f{number:02}", b"x" * number) for number in range(25)))

    def shards(**limits):
        request = pfs_pb2.ShardFileSetRequest(file_set_id=identity, **limits)
        ranges = pfsd.call("ShardFileSet", request).shards
        found = []
        for each in ranges:
            request = pfs_pb2.GlobFileRequest(commit=filed(identity), pattern="/*", path_range=each)
            found.append([info.size_bytes for info in pfsd.call("GlobFile", request)])
        assert ranges[0].lower == ranges[-1].upper == ""
        return found

    assert shards() == [list(range(25))]
    assert shards(num_files=10) == [list(range(10)), list(range(10, 20)), list(range(20, 25))]
    by_size = shards(size_bytes=60)
    assert [size for sizes in by_size for size in sizes] == list(range(25))
    assert all(60 <= sum(sizes) < 60 + 25 for sizes in by_size[:-1])


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["a", "d/a", "d/b", "e/f/g"]), st.binary(max_size=3)),
        st.tuples(st.just("delete"), st.sampled_from(["a", "d/a", "d/", "e/", ""]), st.none()),
        st.tuples(st.just("copy"), st.sampled_from(["a", "d/b", "d"]), st.booleans()),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = ExtendedPfs(tmp_path_factory.mktemp("filesets") / "data")
    store.create_branch(Branch(Repo("default", "source"), "master"))
    batch = store.batch()
    for path in ("d/a", "d/b", "x"):
        batch.add(path, [path.encode()])
    batch.apply(Named(Repo("default", "source"), "master", ""))
    batch.close()
    yield store
    assert store.fsck().problems == []
    store.close()


@given(before=CHANGES, changes=CHANGES, cut=st.integers(0, 12))
def test_a_file_set_does_what_its_changes_do(store, before, changes, cut):
    """Made in a commit directly, by one file set, or by two that are composed, they come to the same files."""

    def batch(some):
        made = store.batch()
        for kind, path, value in some:
            if kind == "add":
                made.add(path, [value])
            elif kind == "delete":
                made.then(Delete(path))
            else:
                made.then(Copy(Named(Repo("default", "source"), "master", ""), "d", path, value))
        return made

    def shown(name, *batches):
        repo = Repo("default", "target")
        branch = Branch(repo, name)
        store.create_branch(branch)
        for each in batches:
            store.start_commit(branch)
            each.apply(Named(repo, name, ""), only_open=True)
            each.close()
            store.finish_commit(branch)
        found = {}
        for entry in store.list_files(branch):
            found[entry.path] = b"".join(store.open_file(store.inspect_file(branch, entry.path)))
        store.delete_branch(branch)
        return found

    def poured(identity):
        made = store.batch()
        made.then(Pour(identity))
        return made

    one = batch(changes).keep(0)
    parts = store.batch()
    for some in (changes[:cut], changes[cut:]):
        parts.then(Pour(batch(some).keep(0)))
    expected = shown("direct", batch(before), batch(changes))
    assert shown("one", batch(before), poured(one)) == expected
    assert shown("two", batch(before), poured(parts.keep(0))) == expected
