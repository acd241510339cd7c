"""The Python client of Pachyderm 2.12 as its users write it, on a gateway with pfsd beside it."""

import io
import tarfile

import pytest

grpc = pytest.importorskip("grpc", reason="pfsd needs the extra `pachd`")
sdk = pytest.importorskip("pachyderm_sdk", reason="pachyderm-sdk is not installed")
from pachyderm_sdk import Client  # noqa: E402
from pachyderm_sdk.api import pfs  # noqa: E402
from pachyderm_sdk.errors import AuthServiceNotActivated  # noqa: E402

from tests.pfsd.conftest import running_both  # noqa: E402

# Said where Python knows it (3.10.12, 3.11.4, 3.12): from 3.12 on it warns without it.
FILTER = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


@pytest.fixture(scope="module")
def both(start_gateway):
    """A gateway and pfsd on one folder."""
    with running_both(start_gateway) as found:
        yield found


@pytest.fixture(scope="module")
def client(both):
    return Client(host="127.0.0.1", port=both[1].port)


@pytest.fixture(scope="module")
def beside(both):
    """A boto3 client."""
    return both[0].s3


@pytest.fixture
def repo(both):
    return both[1].new_repo()


@pytest.fixture
def master(client, repo):
    """A branch of a new repo, as the client names it."""
    return pfs.Branch.from_uri(f"{repo.name}@master")


def test_the_tutorial(client, beside):
    """A repo, a commit with some files, reading them, an overwrite, the history."""
    repo = pfs.Repo.from_uri("images")
    assert client.get_version().major == 2
    client.pfs.create_repo(repo=repo, description="pictures")
    assert client.pfs.repo_exists(repo) and not client.pfs.repo_exists(pfs.Repo.from_uri("none"))
    branch = pfs.Branch.from_uri("images@master")
    with client.pfs.commit(branch=branch) as commit:
        file = commit.put_file_from_bytes(path="/liberty.png", data=b"a picture")
        commit.put_file_from_file(path="/dir/large", file=io.BytesIO(bytes(25 << 20)))
    assert commit.wait().details.size_bytes == 9 + (25 << 20)
    assert [info.commit.id for info in commit.wait_all()] == [commit.id]
    assert client.pfs.commit_exists(commit) and client.pfs.branch_exists(branch)
    assert client.pfs.path_exists(file) and client.pfs.path_exists(pfs.File.from_uri("images@master:/dir"))
    assert not client.pfs.path_exists(pfs.File.from_uri("images@master:/none"))
    with client.pfs.pfs_file(file) as opened:
        assert opened.read() == b"a picture"
    with client.pfs.pfs_file(pfs.File.from_uri("images@master:/dir/large")) as opened:
        assert len(opened.read()) == 25 << 20
    assert beside.get_object(Bucket="master.images", Key="liberty.png")["Body"].read() == b"a picture"

    with client.pfs.commit(branch=branch) as second:
        second.put_file_from_bytes(path="/liberty.png", data=b" and more", append=True)
        second.delete_file(path="/dir/large")
    paths = [info.file.path for info in client.pfs.list_file(file=pfs.File.from_uri("images@master:/"))]
    assert paths == ["/liberty.png"]
    infos = list(client.pfs.list_commit(repo=repo))
    assert [info.commit.id for info in infos] == [second.id, commit.id]
    assert infos[0].parent_commit.id == commit.id
    assert client.pfs.inspect_repo(repo=repo).details.size_bytes == len(b"a picture and more")
    with client.pfs.pfs_file(pfs.File.from_uri(f"images@{commit.id}:/liberty.png")) as opened:
        assert opened.read() == b"a picture"
    client.pfs.delete_repo(repo=repo, force=True)
    assert not client.pfs.repo_exists(repo)


def test_projects(client):
    """A repo in a project of its own."""
    project = pfs.Project(name="research")
    client.pfs.create_project(project=project, description="ours")
    assert client.pfs.project_exists(project) and not client.pfs.project_exists(pfs.Project(name="none"))
    client.pfs.create_repo(repo=pfs.Repo.from_uri("research/data"))
    (info,) = client.pfs.list_repo(projects=[project])
    assert str(info.repo) == "research/data"
    assert "research" in [info.project.name for info in client.pfs.list_project()]
    client.pfs.delete_project(project=project, force=True)


def test_files_in_every_way(client, master, tmp_path):
    """Directories put and got, walks, globs, archives, copies, differences."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "one.txt").write_text("1")
    (tmp_path / "in" / "sub" / "two.txt").write_text("22")
    with client.pfs.commit(branch=master) as commit:
        commit.put_files(source=tmp_path / "in", path="/up")
        commit.copy_file(src=pfs.File(commit=commit, path="/up/one.txt"), dst="/copied.txt")
    root = pfs.File(commit=commit, path="/")
    walked = [(info.file.path, info.size_bytes) for info in client.pfs.walk_file(file=root)]
    assert walked == [
        ("/", 4), ("/copied.txt", 1), ("/up/", 3), ("/up/one.txt", 1), ("/up/sub/", 2), ("/up/sub/two.txt", 2),
    ]  # fmt: skip
    globbed = client.pfs.glob_file(commit=commit, pattern="/up/**.txt")
    assert [info.file.path for info in globbed] == ["/up/one.txt", "/up/sub/two.txt"]
    with client.pfs.pfs_tar_file(pfs.File(commit=commit, path="/up")) as archive:
        archive.extractall(tmp_path / "out", **FILTER)
    assert (tmp_path / "out" / "up" / "sub" / "two.txt").read_text() == "22"
    assert [reply.new_file.file.path for reply in client.pfs.diff_file(new_file=root)][:2] == ["/", "/copied.txt"]


def test_branches(client, master):
    """A branch at an old commit, and one made from another repo."""
    with client.pfs.commit(branch=master) as first:
        first.put_file_from_bytes(path="/a", data=b"1")
    with client.pfs.commit(branch=master) as second:
        second.put_file_from_bytes(path="/a", data=b"2")
    fix = pfs.Branch(repo=master.repo, name="fix")
    client.pfs.create_branch(branch=fix, head=first)
    assert client.pfs.inspect_branch(branch=fix).head.id == first.id
    made = pfs.Repo.from_uri(f"{master.repo.name}-made")
    client.pfs.create_repo(repo=made)
    output = pfs.Branch(repo=made, name="master")
    client.pfs.create_branch(branch=output, provenance=[master])
    assert [each.repo.name for each in client.pfs.inspect_branch(branch=output).provenance] == [master.repo.name]
    names = [info.branch.name for info in client.pfs.list_branch(repo=master.repo)]
    assert names == ["fix", "master"]
    client.pfs.delete_branch(branch=fix)
    assert not client.pfs.branch_exists(fix)


def test_transactions(client):
    """All at once, or, when the block raises, nothing."""
    one, two = pfs.Repo.from_uri("in-one"), pfs.Repo.from_uri("in-two")
    with client.transaction.transaction() as transaction:
        client.pfs.create_repo(repo=one)
        commit = client.pfs.start_commit(branch=pfs.Branch(repo=one, name="master"))
        assert commit.id == transaction.id
    assert client.pfs.commit_exists(pfs.Commit(repo=one, id=transaction.id))
    with pytest.raises(RuntimeError), client.transaction.transaction():
        client.pfs.create_repo(repo=two)
        raise RuntimeError
    assert not client.pfs.repo_exists(two)
    client.pfs.finish_commit(commit=pfs.Commit(repo=one, id=transaction.id))


def test_errors_are_those_that_users_catch(client, master):
    """Missing files, users that are not there, empty files."""
    with client.pfs.commit(branch=master) as commit:
        file = commit.put_file_from_bytes(path="/empty", data=b"")
    with client.pfs.pfs_file(file) as opened:
        assert opened.read() == b""
    with pytest.raises(ValueError, match="PFSFile") as caught:
        client.pfs.pfs_file(pfs.File(commit=commit, path="/none"))
    assert caught.value.__cause__.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(AuthServiceNotActivated):
        client.auth.who_am_i()
    with pytest.raises(grpc.RpcError) as caught:
        client.pfs.create_repo(repo=master.repo)
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS


def test_what_s3_writes_is_seen_at_once(client, beside):
    """Through a client that was there before."""
    beside.create_bucket(Bucket="seen")
    beside.put_object(Bucket="seen", Key="a/b", Body=b"from S3")
    with client.pfs.pfs_file(pfs.File.from_uri("seen@master:/a/b")) as opened:
        assert opened.read() == b"from S3"
    with client.pfs.commit(branch=pfs.Branch.from_uri("seen@master")) as commit:
        beside.put_object(Bucket="seen", Key="c", Body=b"into the same commit")
    info = client.pfs.inspect_file(file=pfs.File(commit=commit, path="/c"))
    assert info.size_bytes == len(b"into the same commit")
