"""Projects and repos over gRPC."""

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import branch, head, repo_message, running_pfsd


def create(name, project="", **options):
    return pfs_pb2.CreateRepoRequest(repo=repo_message(name, project), **options)


def inspect(repo):
    return pfs_pb2.InspectRepoRequest(repo=repo)


def test_a_repo_begins_without_branches(pfsd):
    """Its project and type are filled in, its description kept."""
    pfsd.call("CreateRepo", create("fresh", description="what it is for"))
    info = pfsd.call("InspectRepo", inspect(repo_message("fresh")))
    assert (info.repo.name, info.repo.type, info.repo.project.name) == ("fresh", "user", "default")
    assert (info.description, list(info.branches), info.details.size_bytes) == ("what it is for", [], 0)
    assert info.created.seconds > 0


def test_a_repo_is_created_once_or_updated(pfsd):
    """The text of the refusal is pachd's."""
    pfsd.call("CreateRepo", create("twice", description="one"))
    assert pfsd.refused("ALREADY_EXISTS", "CreateRepo", create("twice")) == "repo default/twice already exists"
    pfsd.call("CreateRepo", create("twice", description="two", update=True))
    assert pfsd.call("InspectRepo", inspect(repo_message("twice"))).description == "two"
    pfsd.call("CreateRepo", create("made-by-update", update=True))
    assert pfsd.call("InspectRepo", inspect(repo_message("made-by-update"))).repo.name == "made-by-update"


@pytest.mark.parametrize("name", ["a.b", "a b", "ä", "a/b", "x" * 256])
def test_names_follow_the_rule_of_pachd(pfsd, name):
    """Letters, digits, underscores and dashes."""
    assert "invalid" in pfsd.refused("UNKNOWN", "CreateRepo", create(name))


def test_what_is_not_there_is_not_found(pfsd):
    """Repos, projects, and the repos of pipelines, of which there are none."""
    assert pfsd.refused("NOT_FOUND", "InspectRepo", inspect(repo_message("none"))) == "repo default/none not found"
    assert 'project "none" not found' in pfsd.refused("NOT_FOUND", "CreateRepo", create("r", "none"))
    spec = pfs_pb2.Repo(name="none", type="spec")
    assert pfsd.refused("NOT_FOUND", "InspectRepo", inspect(spec)) == "repo default/none.spec not found"
    assert pfsd.refused("UNKNOWN", "InspectRepo", inspect(pfs_pb2.Repo())) == "repo cannot be nil"
    assert pfsd.call("ListRepo", pfs_pb2.ListRepoRequest(type="spec")) == []


def test_the_size_of_a_repo_is_that_of_its_master(pfsd, repo):
    """Other branches do not count."""
    pfsd.write(head(repo), ("a", b"12345"), ("b/c", b"678"))
    pfsd.write(head(repo, "other"), ("d", b"much more"))
    info = pfsd.call("InspectRepo", inspect(repo))
    assert (info.details.size_bytes, info.size_bytes_upper_bound) == (8, 8)
    assert [each.name for each in info.branches] == ["other", "master"]


def test_repos_are_listed_by_project_and_name_and_page(pfsd):
    """An empty list of projects means all of them."""
    for project in ("list-b", "list-a"):
        pfsd.call("CreateProject", pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name=project)))
        for name in ("z", "y"):
            pfsd.call("CreateRepo", create(name, project))

    def listed(*projects, **options):
        wanted = [pfs_pb2.Project(name=each) for each in projects]
        found = pfsd.call("ListRepo", pfs_pb2.ListRepoRequest(projects=wanted, **options))
        return [(info.repo.project.name, info.repo.name) for info in found]

    both = [("list-a", "y"), ("list-a", "z"), ("list-b", "y"), ("list-b", "z")]
    assert listed("list-b", "list-a") == both
    assert listed("list-a") == both[:2]
    assert set(both) <= set(listed())
    assert listed("list-a", "list-b", page=pfs_pb2.RepoPage(page_size=3, page_index=0)) == both[:3]
    assert listed("list-a", "list-b", page=pfs_pb2.RepoPage(page_size=3, page_index=1)) == both[3:]


def test_deleting_a_repo_twice_is_no_error(pfsd, repo):
    """The reply tells which it was; its name is free again."""
    pfsd.write(head(repo), ("a", b"1"))
    request = pfs_pb2.DeleteRepoRequest(repo=repo)
    assert pfsd.call("DeleteRepo", request).deleted
    assert not pfsd.call("DeleteRepo", request).deleted
    pfsd.refused("NOT_FOUND", "InspectRepo", inspect(repo))
    pfsd.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo))
    assert pfsd.commits(repo) == []


def test_a_repo_that_others_are_made_from_is_deleted_by_force(pfsd):
    """The output branch stays, made from nothing."""
    source, made = pfsd.new_repo(), pfsd.new_repo()
    pfsd.write(head(source), ("a", b"1"))
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(made), provenance=[branch(source)]))
    assert "is made from" in pfsd.refused("FAILED_PRECONDITION", "DeleteRepo", pfs_pb2.DeleteRepoRequest(repo=source))
    assert pfsd.call("DeleteRepo", pfs_pb2.DeleteRepoRequest(repo=source, force=True)).deleted
    info = pfsd.call("InspectBranch", pfs_pb2.InspectBranchRequest(branch=branch(made)))
    assert list(info.direct_provenance) == []


def project_request(kind, name, **options):
    return getattr(pfs_pb2, kind)(project=pfs_pb2.Project(name=name), **options)


def test_projects_are_made_described_listed_and_deleted(pfsd):
    """`default` is always there; a project with repos goes by force only."""
    pfsd.call("CreateProject", project_request("CreateProjectRequest", "p1", description="first"))
    assert (
        pfsd.refused("ALREADY_EXISTS", "CreateProject", project_request("CreateProjectRequest", "p1"))
        == "project p1 already exists"
    )
    pfsd.call("CreateProject", project_request("CreateProjectRequest", "p1", description="changed", update=True))
    assert pfsd.call("InspectProject", project_request("InspectProjectRequest", "p1")).description == "changed"
    assert pfsd.call("InspectProjectV2", project_request("InspectProjectV2Request", "p1")).info.project.name == "p1"
    assert {"default", "p1"} <= {info.project.name for info in pfsd.call("ListProject", pfs_pb2.ListProjectRequest())}
    pfsd.call("CreateRepo", create("in-it", "p1"))
    text = pfsd.refused("FAILED_PRECONDITION", "DeleteProject", project_request("DeleteProjectRequest", "p1"))
    assert text == "cannot delete project p1: repo p1/in-it still exists"
    pfsd.call("DeleteProject", project_request("DeleteProjectRequest", "p1", force=True))
    pfsd.refused("NOT_FOUND", "InspectProject", project_request("InspectProjectRequest", "p1"))
    pfsd.refused("NOT_FOUND", "DeleteProject", project_request("DeleteProjectRequest", "p1"))
    pfsd.call("InspectProject", project_request("InspectProjectRequest", "default"))


@pytest.mark.parametrize("name", ["-a", "_a", "x" * 52, "a.b"])
def test_project_names_follow_their_rule(pfsd, name):
    """At most 51 characters, beginning with a letter or digit."""
    pfsd.refused("UNKNOWN", "CreateProject", project_request("CreateProjectRequest", name))


def test_delete_repos_and_delete_all(tmp_path):
    """Those of a project, then everything; `default` is there again."""
    with running_pfsd(tmp_path / "data", tmp_path / "log") as own:
        own.call("CreateProject", project_request("CreateProjectRequest", "p"))
        for project in ("", "p"):
            own.call("CreateRepo", create("r", project))
        reply = own.call("DeleteRepos", pfs_pb2.DeleteReposRequest(projects=[pfs_pb2.Project(name="p")]))
        assert [(each.project.name, each.name) for each in reply.repos] == [("p", "r")]
        assert len(own.call("ListRepo", pfs_pb2.ListRepoRequest())) == 1
        own.call("DeleteAll")
        assert own.call("ListRepo", pfs_pb2.ListRepoRequest()) == []
        names = [info.project.name for info in own.call("ListProject", pfs_pb2.ListProjectRequest())]
        assert names == ["default"]
