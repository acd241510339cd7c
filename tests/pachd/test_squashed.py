"""Commits that others squash or drop while the gateway is at work: what a branch shows is there all the time."""

import pytest

from falcon_s3.pfs import Changed, Unavailable, UploadNotFound
from falcon_s3.pfs.pachd import methods, writing
from falcon_s3.pfs.pachd.calls import Method
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pfs.bodies import Bytes, get, put

SQUASH = Method(f"{methods.PFS}/SquashCommitSet", wire.CommitInfo.FromString)


def squash(pfs, commit):
    pfs._calls.change(SQUASH, wire.SquashCommitSetRequest(commit_set=wire.CommitSet(id=commit.id)))


def drop(pfs, commit):
    pfs._calls.change(methods.DROP_COMMIT_SET, wire.DropCommitSetRequest(commit_set=wire.CommitSet(id=commit.id)))


def overtake(pfs, branch):
    """Another writes a file, and squashes the commit before."""
    before = pfs.inspect_branch(branch).head
    put(pfs, branch, "other", b"other")
    squash(pfs, before)


@pytest.fixture
def before(pfs, open_pfs):
    """Has something be done by another just before the next call of a method."""
    other = open_pfs()
    real = pfs._channel.callable

    def arrange(method, doing):
        def callable_of(kind, wanted, serialize):
            if wanted is method:
                pfs._channel.callable = real
                doing(other)
            return real(kind, wanted, serialize)

        pfs._channel.callable = callable_of

    return arrange


def test_a_file_whose_commit_was_squashed_since_is_found_again(pfs, branch):
    found = put(pfs, branch, "a", b"1")
    overtake(pfs, branch)
    with pytest.raises(Changed):
        pfs.open_file(found)
    assert get(pfs, branch, "a") == b"1"


def test_a_file_whose_commit_was_dropped_since_is_found_again(pfs, branch):
    put(pfs, branch, "a", b"1")
    found = put(pfs, branch, "a", b"2")
    drop(pfs, found.commit)
    with pytest.raises(Changed):
        pfs.open_file(found)
    assert get(pfs, branch, "a") == b"1"


def test_a_write_whose_commit_is_squashed_at_once_was_made(pfs, branch, before):
    """Its file is in the commit that follows, which is squashed as well: who heard of a missing bucket would give up."""

    def overtake_again(other):
        overtake(other, branch)
        before(methods.INSPECT_FILE, lambda other: overtake(other, branch))

    before(methods.INSPECT_COMMIT, overtake_again)
    assert get(pfs, branch, put(pfs, branch, "a", b"1").path) == b"1"


def test_a_write_whose_commit_is_dropped_at_once_is_to_be_made_again(pfs, branch, before):
    before(methods.INSPECT_COMMIT, lambda other: drop(other, other.inspect_branch(branch).head))
    with pytest.raises(Unavailable):
        put(pfs, branch, "a", b"1")


def test_a_copy_whose_source_is_squashed_meanwhile_is_to_be_made_again(pfs, branch, before):
    """It is neither of the buckets that is not there."""
    source = put(pfs, branch, "a", b"1")
    before(methods.MODIFY_FILE, lambda other: overtake(other, branch))
    with pytest.raises(Changed):
        pfs.copy_file(branch, "b", source)
    assert pfs.copy_file(branch, "b", pfs.inspect_file(branch, "a")).size == 1


def test_a_list_whose_commit_is_squashed_meanwhile_is_to_be_made_again(pfs, branch, before):
    """It goes on in the commit that it began in."""
    writing.modify(pfs._calls, branch, (writing.add(f"{number:05}", b"x") for number in range(2500)))
    listed = pfs.list_files(branch)
    before(methods.WALK_FILE, lambda other: overtake(other, branch))
    with pytest.raises(Changed):
        list(listed)


def test_what_an_upload_became_is_forgotten_with_its_commit(pfs, branch):
    upload = pfs.start_upload(branch, "a").id
    part = pfs.put_part(branch, "a", upload, 1, Bytes(b"1"))
    pfs.finish_upload(branch, "a", upload, [(1, part.etag)], "")
    overtake(pfs, branch)
    with pytest.raises(UploadNotFound):
        pfs.inspect_finished(branch, "a", upload)
    assert get(pfs, branch, "a") == b"1"
