"""Commits and commit sets over gRPC."""

import threading
import time

import grpc
import pytest

from falcon_s3.pfs.service.calls import WAITERS
from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import _encode, branch, head

NONE = "0123456789ab40000000000000000000"


def start(pfsd, repo, name="master", **options):
    return pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo, name), **options))


def finish(pfsd, commit, **options):
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit, **options))


def inspect(pfsd, commit, **options):
    return pfsd.call("InspectCommit", pfs_pb2.InspectCommitRequest(commit=commit, **options))


def test_a_commit_is_started_written_and_finished(pfsd, repo):
    """On a branch that is made by it; open commits can be read; the description is the last one given."""
    commit = start(pfsd, repo, description="begun")
    assert commit.repo.name == commit.branch.repo.name == repo.name and commit.branch.name == "master"
    assert not inspect(pfsd, commit).HasField("finished")
    pfsd.write(commit, ("a", b"1"))
    pfsd.write(head(repo), ("b", b"2"))
    assert pfsd.list(commit) == ["/a", "/b"] and pfsd.commits(repo) == [commit.id]
    finish(pfsd, commit, description="ended")
    info = inspect(pfsd, commit)
    assert (info.description, info.details.size_bytes, info.HasField("parent_commit")) == ("ended", 2, False)
    words = f"commit default/{repo.name}@{commit.id} has already finished"
    assert pfsd.refused("UNKNOWN", "FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit)) == words
    assert pfsd.refused("UNKNOWN", "ModifyFile", [pfs_pb2.ModifyFileRequest(set_commit=commit)]) == words


def test_two_open_commits_in_a_row_are_refused(pfsd, repo):
    """The first must be finished."""
    commit = start(pfsd, repo)
    words = f"parent commit default/{repo.name}@{commit.id} has not been finished"
    assert pfsd.refused("UNKNOWN", "StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo))) == words
    finish(pfsd, commit)
    following = start(pfsd, repo)
    info = inspect(pfsd, following)
    assert info.parent_commit.id == commit.id
    assert [each.id for each in inspect(pfsd, commit).child_commits] == [following.id]


def test_a_commit_may_follow_any_other(pfsd, repo):
    """The branch moves to it, and shows what its parent showed."""
    for content in (b"1", b"2"):
        pfsd.write(head(repo), ("a", content))
    newest, oldest = pfsd.commits(repo)
    commit = start(pfsd, repo, parent=pfs_pb2.Commit(id=oldest))
    finish(pfsd, commit)
    assert pfsd.read(head(repo), "a") == b"1"
    assert inspect(pfsd, commit).parent_commit.id == oldest
    assert pfsd.read(pfs_pb2.Commit(repo=repo, id=newest), "a") == b"2"
    words = pfsd.refused(
        "NOT_FOUND",
        "StartCommit",
        pfs_pb2.StartCommitRequest(branch=branch(repo), parent=pfs_pb2.Commit(repo=repo, id=NONE)),
    )
    assert words == f"parent commit default/{repo.name}@{NONE} not found"


@pytest.mark.parametrize(
    "name, which",
    [
        ("master", 0), ("master^", 1), ("master^^", 2), ("master~2", 2), ("master^2", 2), ("master~1^", 2),
        ("master.1", 3), ("master.4", 0), ("master.2^", 3),
    ],
)  # fmt: skip
def test_commits_are_named_by_steps_from_others(pfsd, chain, name, which):
    """In the id, or beside a branch; an id may be in upper case."""
    repo, ids = chain
    assert inspect(pfsd, pfs_pb2.Commit(repo=repo, id=name)).commit.id == ids[which]
    beside = name.removeprefix("master")
    assert inspect(pfsd, pfs_pb2.Commit(branch=branch(repo), id=beside)).commit.id == ids[which]
    assert inspect(pfsd, pfs_pb2.Commit(repo=repo, id=ids[which].upper())).commit.id == ids[which]
    if "." not in beside:  # which counts from the first commit, whatever it is added to
        assert inspect(pfsd, pfs_pb2.Commit(repo=repo, id=ids[0] + beside)).commit.id == ids[which]


@pytest.mark.parametrize("name", ["master^4", "master.5", "master.0", "none", "none^", NONE, NONE + "^"])
def test_steps_that_lead_nowhere_are_not_found(pfsd, chain, name):
    """As are branches and commits that are not there."""
    repo, _ = chain
    request = pfs_pb2.InspectCommitRequest(commit=pfs_pb2.Commit(repo=repo, id=name))
    assert "not found" in pfsd.refused("NOT_FOUND", "InspectCommit", request)


@pytest.fixture(scope="module")
def chain(pfsd):
    """A repo with four commits, and their ids, newest first."""
    repo = pfsd.new_repo()
    for number in range(4):
        pfsd.write(head(repo), ("a", b"%d" % number))
    return repo, pfsd.commits(repo)


@pytest.mark.parametrize(
    "commit, text",
    [
        (pfs_pb2.Commit(), "commit must have a repo"),
        (pfs_pb2.Commit(repo=pfs_pb2.Repo(name="x")), "branch must be specified"),
        (pfs_pb2.Commit(repo=pfs_pb2.Repo(name="x"), id="a^b"), "invalid"),
        (pfs_pb2.Commit(repo=pfs_pb2.Repo(name="x"), id="^"), "branch must be specified"),
    ],
)
def test_commits_that_are_not_said_are_refused(pfsd, commit, text):
    """With words that say what is missing."""
    assert text in pfsd.refused("UNKNOWN", "InspectCommit", pfs_pb2.InspectCommitRequest(commit=commit))


def test_commits_are_listed_newest_first(pfsd, chain):
    """By number, reversed, and between two."""
    repo, ids = chain

    def listed(**options):
        if "from" in options:
            options["from"] = pfs_pb2.Commit(repo=repo, id=options["from"])
        if "to" in options:
            options["to"] = pfs_pb2.Commit(repo=repo, id=options["to"])
        infos = pfsd.call("ListCommit", pfs_pb2.ListCommitRequest(repo=repo, **options))
        return [ids.index(info.commit.id) for info in infos]

    assert listed() == [0, 1, 2, 3]
    assert listed(number=2) == [0, 1]
    assert listed(reverse=True) == [3, 2, 1, 0]
    assert listed(reverse=True, number=2) == [3, 2]
    assert listed(to="master^") == [1, 2, 3]
    assert listed(**{"to": ids[0], "from": ids[2]}) == [0, 1]
    assert listed(origin_kind=pfs_pb2.USER) == [0, 1, 2, 3]
    assert listed(origin_kind=pfs_pb2.AUTO) == []
    bad = pfs_pb2.ListCommitRequest(repo=repo, **{"from": pfs_pb2.Commit(repo=repo, id=ids[0])})
    pfsd.refused("UNKNOWN", "ListCommit", bad)
    pfsd.refused("NOT_FOUND", "ListCommit", pfs_pb2.ListCommitRequest(repo=pfs_pb2.Repo(name="none")))


def test_commits_of_all_repos_are_listed_together(pfsd, chain):
    """Without a repo in the request."""
    _, ids = chain
    other = pfsd.new_repo()
    pfsd.write(head(other), ("a", b"1"))
    found = [info.commit.id for info in pfsd.call("ListCommit", pfs_pb2.ListCommitRequest())]
    assert found.index(pfsd.commits(other)[0]) < found.index(ids[0]) < found.index(ids[3])


def test_an_inspection_waits_until_the_commit_is_finished(pfsd, repo):
    """Whoever finishes it."""
    commit = start(pfsd, repo)
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(inspect(pfsd, commit, wait=pfs_pb2.FINISHED)))
    waiting.start()
    waiting.join(0.3)
    assert not replies
    assert not inspect(pfsd, commit, wait=pfs_pb2.STARTED).HasField("finished")
    finish(pfsd, commit)
    waiting.join(30)
    assert replies[0].HasField("finished")


def test_commits_are_subscribed_to(pfsd, repo):
    """Those that are there, then those that come; `FINISHED` waits for each."""
    pfsd.write(head(repo), ("a", b"1"))
    pfsd.write(head(repo, "other"), ("a", b"1"))
    call = pfsd.channel.unary_stream("/pfs_v2.API/SubscribeCommit", _encode, pfs_pb2.CommitInfo.FromString)(
        pfs_pb2.SubscribeCommitRequest(repo=repo, branch="master", state=pfs_pb2.FINISHED), timeout=30
    )
    first = next(call)
    commit = start(pfsd, repo)
    following = []
    waiting = threading.Thread(target=lambda: following.append(next(call)))
    waiting.start()
    waiting.join(0.3)
    assert not following
    finish(pfsd, commit)
    waiting.join(30)
    assert [first.commit.id, following[0].commit.id] == [pfsd.commits(repo)[2], commit.id]
    call.cancel()
    with pytest.raises(grpc.RpcError):
        next(call)


def test_a_commit_is_a_set_of_its_own(pfsd, chain):
    """Sets are found by the id of their commits, and listed newest first."""
    _, ids = chain
    request = pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=ids[1]), wait=True)
    assert [info.commit.id for info in pfsd.call("InspectCommitSet", request)] == [ids[1]]
    sets = [info.commit_set.id for info in pfsd.call("ListCommitSet", pfs_pb2.ListCommitSetRequest())]
    assert sets.index(ids[0]) < sets.index(ids[1])
    for identity in (NONE, "", "x"):
        request = pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=identity))
        words = pfsd.refused("NOT_FOUND", "InspectCommitSet", request)
        assert words == f"no commits found for commitset {identity}"


def test_calls_that_wait_leave_room_for_others(pfsd, repo):
    """There may be so many; the next is told to come later, and may come when one has gone."""
    subscribe = pfsd.channel.unary_stream("/pfs_v2.API/SubscribeCommit", _encode, pfs_pb2.CommitInfo.FromString)
    request = pfs_pb2.SubscribeCommitRequest(repo=repo)
    pfsd.write(head(repo), ("a", b"1"))
    end = time.monotonic() + 30

    def waiting():
        """A call that is let in: one of an earlier test may be about to leave."""
        while True:
            call = subscribe(request, timeout=60)
            try:
                assert [next(call).commit.id] == pfsd.commits(repo)
            except grpc.RpcError as ex:
                assert ex.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and time.monotonic() < end, ex
            else:
                return call

    calls = [waiting() for _ in range(WAITERS)]
    with pytest.raises(grpc.RpcError) as caught:
        next(subscribe(request, timeout=30))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    pfsd.write(head(repo), ("a", b"2"))
    for call in calls:
        call.cancel()
    end = time.monotonic() + 30
    while True:
        try:
            assert next(subscribe(request, timeout=30)).commit.id
            break
        except grpc.RpcError:
            assert time.monotonic() < end
