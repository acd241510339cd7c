"""Branches over gRPC."""

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import branch, head


def create(of, **options):
    return pfs_pb2.CreateBranchRequest(branch=of, **options)


def inspect(pfsd, repo, name="master"):
    return pfsd.call("InspectBranch", pfs_pb2.InspectBranchRequest(branch=branch(repo, name)))


def test_a_branch_always_has_a_head(pfsd, repo):
    """A new one without a head gets an empty finished commit; creating it again changes nothing."""
    pfsd.call("CreateBranch", create(branch(repo)))
    info = inspect(pfsd, repo)
    assert len(info.head.id) == 32 and info.head.repo.name == info.head.branch.repo.name == repo.name
    assert pfsd.call("InspectCommit", pfs_pb2.InspectCommitRequest(commit=info.head)).finished.seconds > 0
    assert pfsd.list(info.head) == []
    pfsd.call("CreateBranch", create(branch(repo)))
    assert inspect(pfsd, repo).head.id == info.head.id


def test_a_branch_begins_at_any_commit_and_is_moved_by_the_same_call(pfsd, repo):
    """Writes then go on from there, and the other branch stays as it is."""
    pfsd.write(head(repo), ("a", b"1"))
    old = inspect(pfsd, repo).head
    pfsd.write(head(repo), ("a", b"2"))
    pfsd.call("CreateBranch", create(branch(repo, "fix"), head=pfs_pb2.Commit(repo=repo, id=old.id)))
    assert pfsd.read(head(repo, "fix"), "a") == b"1"
    pfsd.write(head(repo, "fix"), ("b", b"3"))
    assert (pfsd.list(head(repo, "fix")), pfsd.list(head(repo))) == (["/a", "/b"], ["/a"])
    pfsd.call("CreateBranch", create(branch(repo, "fix"), head=head(repo)))
    assert (pfsd.list(head(repo, "fix")), pfsd.read(head(repo, "fix"), "a")) == (["/a"], b"2")
    pfsd.call("CreateBranch", create(branch(repo), head=pfs_pb2.Commit(repo=repo, id="master^")))
    assert inspect(pfsd, repo).head.id == old.id
    pfsd.write(head(repo), ("c", b"4"))
    assert pfsd.list(head(repo)) == ["/a", "/c"]


def test_a_head_of_another_repo_is_refused(pfsd, repo):
    """In words of pachd."""
    other = pfsd.new_repo()
    pfsd.write(head(other), ("a", b"1"))
    text = pfsd.refused("UNKNOWN", "CreateBranch", create(branch(repo), head=head(other)))
    assert text == "branch and head commit must belong to the same repo"


@pytest.mark.parametrize(
    "name, text", [("a.b", "invalid"), ("", "branch must be specified"), ("0" * 12 + "4" + "0" * 19, "invalid")]
)
def test_branch_names_follow_their_rule(pfsd, repo, name, text):
    """A name that looks like a commit id is none either."""
    assert text in pfsd.refused("UNKNOWN", "CreateBranch", create(branch(repo, name)))


def test_what_is_not_there_is_not_found(pfsd, repo):
    """The Python client looks for these very words."""
    request = pfs_pb2.InspectBranchRequest(branch=branch(repo, "none"))
    assert pfsd.refused("NOT_FOUND", "InspectBranch", request) == f'branch "none" not found in repo default/{repo.name}'
    missing = pfs_pb2.Repo(name="none")
    for method, request in (
        ("CreateBranch", create(branch(missing))),
        ("ListBranch", pfs_pb2.ListBranchRequest(repo=missing)),
        ("InspectBranch", pfs_pb2.InspectBranchRequest(branch=branch(missing))),
    ):
        assert pfsd.refused("NOT_FOUND", method, request) == "repo default/none not found"
    pfsd.refused("NOT_FOUND", "DeleteBranch", pfs_pb2.DeleteBranchRequest(branch=branch(repo, "none")))


def test_branches_are_listed_newest_first(pfsd, repo):
    """Or oldest first."""
    for name in ("b", "a", "c"):
        pfsd.call("CreateBranch", create(branch(repo, name)))

    def listed(**options):
        return [info.branch.name for info in pfsd.call("ListBranch", pfs_pb2.ListBranchRequest(repo=repo, **options))]

    assert (listed(), listed(reverse=True)) == (["c", "a", "b"], ["b", "a", "c"])


def test_deleting_the_last_branch_keeps_the_repo_and_its_commits(pfsd, repo):
    """Other than deleting the last bucket of a repo over S3."""
    pfsd.write(head(repo), ("a", b"1"))
    (commit,) = pfsd.commits(repo)
    pfsd.call("DeleteBranch", pfs_pb2.DeleteBranchRequest(branch=branch(repo)))
    assert pfsd.call("ListBranch", pfs_pb2.ListBranchRequest(repo=repo)) == []
    assert pfsd.read(pfs_pb2.Commit(repo=repo, id=commit), "a") == b"1"
    pfsd.write(head(repo), ("b", b"2"))
    assert pfsd.list(head(repo)) == ["/b"]


def test_provenance_is_told_in_both_directions(pfsd):
    """Directly and through others; a circle is refused, and deleting in the middle goes by force."""
    first, second, third = (pfsd.new_repo() for _ in range(3))
    pfsd.call("CreateBranch", create(branch(first)))
    pfsd.call("CreateBranch", create(branch(second), provenance=[branch(first)]))
    pfsd.call("CreateBranch", create(branch(third), provenance=[branch(second)]))

    def names(branches):
        return {each.repo.name for each in branches}

    info = inspect(pfsd, third)
    assert names(info.direct_provenance) == {second.name}
    assert names(info.provenance) == {first.name, second.name}
    assert names(inspect(pfsd, first).subvenance) == {second.name, third.name}
    assert "circle" in pfsd.refused("UNKNOWN", "CreateBranch", create(branch(first), provenance=[branch(third)]))
    pfsd.refused("UNKNOWN", "CreateBranch", create(branch(first, "b"), provenance=[branch(first)]))
    request = pfs_pb2.DeleteBranchRequest(branch=branch(second))
    assert "is made from it" in pfsd.refused("FAILED_PRECONDITION", "DeleteBranch", request)
    pfsd.call("DeleteBranch", pfs_pb2.DeleteBranchRequest(branch=branch(second), force=True))
    assert list(inspect(pfsd, third).provenance) == []


def test_output_branches_take_no_commits(pfsd):
    """Neither started nor written; refused before the bytes are read."""
    source, made = pfsd.new_repo(), pfsd.new_repo()
    pfsd.call("CreateBranch", create(branch(source)))
    pfsd.call("CreateBranch", create(branch(made), provenance=[branch(source)]))
    words = f"cannot start a commit on an output branch: default/{made.name}@master"
    assert pfsd.refused("UNKNOWN", "StartCommit", pfs_pb2.StartCommitRequest(branch=branch(made))) == words
    assert pfsd.refused("UNKNOWN", "ModifyFile", [pfs_pb2.ModifyFileRequest(set_commit=head(made))]) == words
    pfsd.call("CreateBranch", create(branch(made)))
    pfsd.write(head(made), ("a", b"1"))


def test_triggers_are_refused_in_words(pfsd, repo):
    """They would otherwise be taken and never fire."""
    request = create(branch(repo), trigger=pfs_pb2.Trigger(branch="x", all=True))
    assert "triggers" in pfsd.refused("UNIMPLEMENTED", "CreateBranch", request)
