"""Commits that are squashed or dropped while another call tells of them."""

import contextlib

import pytest

pytest.importorskip("grpc", reason="pfsd needs the extra `pachd`")

from falcon_s3.pfs import Branch, NotFound, Repo, records, squash, targets, undo
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service.calls import Waiting
from falcon_s3.pfs.service.commits import Commits
from falcon_s3.pfs.service.walks import Walks
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pfs.bodies import put

REPO = Repo("default", "r")
BRANCH = Branch(REPO, "master")
MESSAGE = wire.Repo(name="r")


@pytest.fixture
def store(tmp_path):
    with contextlib.closing(ExtendedPfs(tmp_path / "data")) as opened:
        opened.create_branch(BRANCH)
        yield opened


@pytest.fixture
def written(store):
    """Four commits, the newest first."""
    return [put(store, BRANCH, "a", b"x" * size).commit for size in range(1, 5)][::-1]


def take_out(store, how, commit):
    named = Named(REPO, "", commit.id)
    store.change(lambda connection: how(connection, targets.resolve(connection, named)))


def test_a_list_of_commits_leaves_out_those_that_go_before_their_turn(store, written):
    listed = Commits(store, Waiting()).list_commits(wire.ListCommitRequest(repo=MESSAGE), None)
    assert next(listed).commit.id == written[0].id
    take_out(store, squash.squash, written[2])
    assert [info.commit.id for info in listed][:2] == [written[1].id, written[3].id]


def test_a_list_of_commit_sets_leaves_out_those_that_go_before_their_turn(store, written):
    listed = Commits(store, Waiting()).list_sets(wire.ListCommitSetRequest(), None)
    assert next(listed).commit_set.id == written[0].id
    take_out(store, squash.squash, written[2])
    assert [info.commit_set.id for info in listed][:2] == [written[1].id, written[3].id]


def test_a_search_through_commits_says_which_has_gone(store, written):
    commit = wire.Commit(repo=MESSAGE, branch=wire.Branch(repo=MESSAGE, name="master"))
    found = Walks(store).find_commits(wire.FindCommitsRequest(start=commit, file_path="/a"), None)
    assert next(found).found_commit.id == written[0].id
    take_out(store, squash.squash, written[1])
    with pytest.raises(NotFound, match=written[1].id):
        list(found)


def test_what_is_looked_at_stays_as_it_is(store, written):
    """A commit that was found is there until all is read of it."""

    def job(connection):
        target = targets.resolve(connection, Named(REPO, "master", ""))
        take_out(store, undo.drop, written[0])
        return records.commit_info(connection, REPO, target.point.number).commit

    assert store.look(job) == written[0]
    assert store.inspect_branch(BRANCH).head == written[1]
