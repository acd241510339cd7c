"""Versions of pachd differ in what their replies have: 2.5 has no repo in a commit, 2.11 no branch."""

import pytest

from falcon_s3.pfs import Commit, CommitFinished, Denied, PfsError, Unavailable
from falcon_s3.pfs.pachd import failures, names
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pachd.wiretap import each_message
from tests.pfs.bodies import Bytes, get, put
from tests.pfs.bodies import names as listed


def without_branch(message):
    """As 2.11 and later."""
    for commit in each_message(message, "pfs_v2.Commit"):
        commit.ClearField("branch")


def without_repo(message):
    """As before 2.6; neither do these tell when a branch was made."""
    for commit in each_message(message, "pfs_v2.Commit"):
        commit.ClearField("repo")
    for info in each_message(message, "pfs_v2.BranchInfo"):
        info.ClearField("created_at")


@pytest.mark.parametrize("change", [without_branch, without_repo])
def test_everything_works_with_the_replies_of_a_version(open_pfs, branch, change):
    pfs = open_pfs(change=change)
    file = put(pfs, branch, "a/b", b"1")
    assert file.commit == pfs.inspect_branch(branch).head
    assert get(pfs, branch, "a/b") == b"1"
    assert listed(pfs, branch) == ["a/b"]
    assert listed(pfs, branch, "", "", "/") == ["a/"]
    second = put(pfs, branch, "c", b"2", None, lambda found: None)
    assert pfs.inspect_commit(second.commit).parent == file.commit
    copy = pfs.copy_file(branch, "d", file)
    assert (copy.commit.repo, copy.etag) == (branch.repo, file.etag)
    upload = pfs.start_upload(branch, "e").id
    part = pfs.put_part(branch, "e", upload, 1, Bytes(b"3"))
    assert pfs.finish_upload(branch, "e", upload, [(1, part.etag)], "").size == 1
    assert pfs.delete_files(branch, ["a/b"]) == pfs.inspect_branch(branch).head
    with pytest.raises(CommitFinished):
        put(pfs, file.commit, "f")
    assert get(pfs, file.commit, "a/b") == b"1"
    assert branch in [info.branch for info in pfs.list_branches()]
    pfs.delete_branch(branch)
    assert branch not in [info.branch for info in pfs.list_branches()]


def test_every_commit_that_is_sent_has_its_repo_in_both_places(branch):
    """2.10 and older dereference the branch unasked, and pachd would go down."""
    for ref in (branch, Commit(branch.repo, "0123456789ab4def0123456789abcdef")):
        message = names.ref_message(ref)
        for repo in (message.repo, message.branch.repo):
            assert (repo.name, repo.type, repo.project.name) == (branch.repo.name, "user", "default")
        assert bool(message.id) != bool(message.branch.name)


class Failure(Exception):
    """An error of a call, as grpc raises it."""

    def __init__(self, code, text):
        super().__init__(text)
        self._code, self._text = code, text

    def code(self):
        return self._code

    def details(self):
        return self._text


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("UNAUTHENTICATED", "no authentication token (try logging in)", Denied),
        ("PERMISSION_DENIED", "robot is not authorized to perform this operation", Denied),
        ("INTERNAL", "rpc error: token expiration is in the past", Denied),
        ("UNAVAILABLE", "failed to connect to all addresses", Unavailable),
        ("RESOURCE_EXHAUSTED", "too many", Unavailable),
        ("INTERNAL", "stream removed", Unavailable),
        ("NOT_FOUND", 'pick commit tx: join\n branch "b" not found in repo p/r', names.BranchNotFound),
        ("NOT_FOUND", "repo (id=0, project=p, name=r, type=user) not found", names.BranchNotFound),
        ("UNKNOWN", "start commit: parent commit p/r@1 has not been finished", failures.ParentOpen),
        ("UNKNOWN", "base commit p/r@1 for commit p/r@2 unfinished", failures.BaseUnfinished),
        ("UNKNOWN", "cannot start a commit on an output branch: p/r@b", failures.OutputBranch),
        ("UNKNOWN", "file / directory path collision (/a)", failures.InvalidPath),
        ("UNKNOWN", "start commit: dial tcp 10.0.0.7:5432: connect: connection refused", Unavailable),
        ("UNKNOWN", "FATAL: terminating connection due to administrator command (SQLSTATE 57P01)", Unavailable),
        ("UNKNOWN", "path (/a\tbroken pipe) invalid: only printable ASCII characters allowed", failures.InvalidPath),
        ("UNIMPLEMENTED", "unknown method", failures.Unsupported),
        ("UNKNOWN", "something new", PfsError),
    ],
)
def test_what_pachd_says_is_understood(branch, code, text, kind):
    error = failures.meaning(Failure(getattr(failures.Code, code), text), branch)
    assert type(error) is kind


def test_a_missing_file_is_told_from_a_missing_branch(branch):
    for text in ("file /a not found in repo p/r at commit 1", "commit/1 does not contain item: (/a)"):
        error = failures.meaning(Failure(failures.Code.NOT_FOUND, f"walk: {text}"), branch, "a")
        assert isinstance(error, failures.FileNotFound)
    gone = failures.meaning(Failure(failures.Code.NOT_FOUND, "commit p/r@1 not found"), branch, "a")
    assert isinstance(gone, names.BranchNotFound)


def test_an_open_commit_is_told_from_a_finished_one():
    info = wire.CommitInfo()
    assert names.commit_info(info).finished_ms is None
    info.finishing.seconds = 7
    assert names.commit_info(info).finished_ms == 7000
