"""Walks: which commits touched a file, and what branches are made from."""

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import branch, delete, head


def found(pfsd, **request):
    """The ids that were found, the last one searched, and how many were."""
    replies = pfsd.call("FindCommits", pfs_pb2.FindCommitsRequest(**request))
    assert [reply.WhichOneof("result") for reply in replies[:-1]] == ["found_commit"] * (len(replies) - 1)
    assert replies[-1].WhichOneof("result") == "last_searched_commit"
    last = replies[-1]
    return [reply.found_commit.id for reply in replies[:-1]], last.last_searched_commit.id, last.commits_searched


def test_the_commits_of_a_file_are_found(pfsd, repo):
    """Those that wrote or removed it, newest first, up to a limit."""
    pfsd.write(head(repo), ("files/a", b"1"))
    pfsd.write(head(repo), ("files/b", b"1"))
    pfsd.write(head(repo), ("files/a", b"2"))
    pfsd.write(head(repo), delete("files/a"))
    ids = pfsd.commits(repo)
    assert found(pfsd, start=head(repo), file_path="/files/a") == ([ids[0], ids[1], ids[3]], ids[3], 4)
    assert found(pfsd, start=head(repo), file_path="/files/a", limit=2) == (ids[:2], ids[1], 2)
    assert found(pfsd, start=pfs_pb2.Commit(repo=repo, id=ids[2]), file_path="files/a") == ([ids[3]], ids[3], 2)
    assert found(pfsd, start=head(repo), file_path="/files") == ([], ids[3], 4)


def test_an_open_commit_cannot_be_searched(pfsd, repo):
    """In the words that clients look for."""
    commit = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
    request = pfs_pb2.FindCommitsRequest(start=commit, file_path="/a")
    assert f"commit default/{repo.name}@{commit.id} not finished" == pfsd.refused("UNAVAILABLE", "FindCommits", request)
    request = pfs_pb2.FindCommitsRequest(start=head(repo, "none"), file_path="/a")
    assert 'branch "none" not found in repo' in pfsd.refused("NOT_FOUND", "FindCommits", request)


def picked(repo, name="master"):
    return pfs_pb2.BranchPicker(name={"repo": {"name": {"name": repo.name}}, "name": name})


@pytest.fixture(scope="module")
def chain(pfsd):
    """Four repos whose branches are each made from the one before, and one made from the first two."""
    repos = [pfsd.new_repo() for _ in range(5)]
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repos[0])))
    for number, upstream in ((1, [0]), (2, [1]), (3, [2]), (4, [0, 1])):
        provenance = [branch(repos[each]) for each in upstream]
        pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repos[number]), provenance=provenance))
    return repos


@pytest.mark.parametrize(
    "method, start, options, expected",
    [
        ("Provenance", [3], {}, [2, 1, 0]),
        ("Provenance", [3], {"max_depth": 2}, [2, 1]),
        ("Provenance", [3], {"max_branches": 1}, [2]),
        ("Provenance", [0], {}, []),
        ("Provenance", [3, 4], {"max_depth": 1}, [0, 1, 2]),
        ("Subvenance", [2], {}, [3]),
        ("Subvenance", [0], {"max_depth": 1}, [1, 4]),
        ("Subvenance", [0], {}, [1, 4, 2, 3]),
    ],
)
def test_branches_are_walked_along_what_they_are_made_from(pfsd, chain, method, start, options, expected):
    """Nearest first, each once, without those it began with."""
    request = getattr(pfs_pb2, f"WalkBranch{method}Request")(start=[picked(chain[each]) for each in start], **options)
    names = [info.branch.repo.name for info in pfsd.call(f"WalkBranch{method}", request)]
    assert names == [chain[each].name for each in expected]


@pytest.mark.parametrize("method", ["WalkCommitProvenance", "WalkCommitSubvenance"])
def test_commits_are_made_from_no_others(pfsd, repo, method):
    """There are no pipelines; a commit that is not there is said, however it is picked."""
    pfsd.write(head(repo), ("a", b"1"))
    pfsd.write(head(repo), ("a", b"2"))
    at_head = pfs_pb2.CommitPicker(branch_head=picked(repo))
    by_id = pfs_pb2.CommitPicker(id={"repo": {"name": {"name": repo.name}}, "id": pfsd.commits(repo)[1]})
    root = pfs_pb2.CommitPicker(branch_root={"offset": 1, "branch": picked(repo)})
    before = pfs_pb2.CommitPicker(ancestor={"offset": 1, "start": at_head})
    request = getattr(pfs_pb2, f"{method}Request")
    assert pfsd.call(method, request(start=[at_head, by_id, root, before])) == []
    for missing in (
        pfs_pb2.CommitPicker(branch_head=picked(repo, "none")),
        pfs_pb2.CommitPicker(ancestor={"offset": 2, "start": at_head}),
        pfs_pb2.CommitPicker(branch_root={"offset": 3, "branch": picked(repo)}),
        pfs_pb2.CommitPicker(id={"repo": {"name": {"name": repo.name}}, "id": "0" * 12 + "4" + "0" * 19}),
    ):
        pfsd.refused("NOT_FOUND", method, request(start=[missing]))
    assert "commit must be specified" in pfsd.refused("UNKNOWN", method, request(start=[pfs_pb2.CommitPicker()]))


def test_repos_are_summed_up(pfsd):
    """How many a project has, and their bytes."""
    pfsd.call("CreateProject", pfs_pb2.CreateProjectRequest(project={"name": "summed"}))
    for _ in range(3):
        pfsd.write(head(pfsd.new_repo("summed")), ("a", b"12345"))
    request = pfs_pb2.ReposSummaryRequest(projects=[pfs_pb2.ProjectPicker(name="summed")])
    (summary,) = pfsd.call("ReposSummary", request).summaries
    assert (summary.project.name, summary.user_repo_count, summary.size_bytes) == ("summed", 3, 15)
    names = {each.project.name for each in pfsd.call("ReposSummary", pfs_pb2.ReposSummaryRequest()).summaries}
    assert {"default", "summed"} <= names
    request = pfs_pb2.ReposSummaryRequest(projects=[pfs_pb2.ProjectPicker(name="none")])
    assert 'project "none" not found' in pfsd.refused("NOT_FOUND", "ReposSummary", request)
