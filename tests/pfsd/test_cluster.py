"""What clients ask before they work: version, cluster, users, health; and what is not served."""

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2, health_pb2_grpc

from falcon_s3 import __version__
from falcon_s3.pfs.service.absent import NOTHING
from falcon_s3.pfs.wire import admin_pb2, pfs_pb2, version_pb2
from tests.pfsd.conftest import running_pfsd


def test_the_version_is_one_of_pachyderm_2(pfsd):
    """And says what it really is."""
    version = pfsd.call("GetVersion", service="versionpb_v2.API")
    assert (version.major, version.minor) == (2, 11)
    assert __version__ in version.additional


def test_pachctl_is_answered_before_every_command(pfsd):
    """With the same cluster each time, and no warning."""
    request = admin_pb2.InspectClusterRequest(
        client_version=version_pb2.Version(major=2, minor=11), current_project=pfs_pb2.Project(name="default")
    )
    info = pfsd.call("InspectCluster", request, service="admin_v2.API")
    assert info.warnings_ok and not info.warnings and info.id == info.deployment_id != ""
    assert pfsd.call("InspectCluster", service="admin_v2.API").id == info.id


@pytest.mark.parametrize("method", ["WhoAmI", "Authenticate", "GetRoleBinding"])
def test_there_are_no_users(pfsd, method):
    """In the words that clients look for; a token that comes anyway is no error."""
    assert pfsd.refused("UNIMPLEMENTED", method, service="auth_v2.API") == "the auth service is not activated"


def test_the_server_is_healthy(pfsd):
    """As grpc.health.v1 says it."""
    reply = health_pb2_grpc.HealthStub(pfsd.channel).Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("method", ["Egress", "ForgetCommit", "NoSuchMethod"])
def test_what_is_not_served_is_said(pfsd, method):
    """By name."""
    assert pfsd.refused("UNIMPLEMENTED", method) == f"pfs_v2.API/{method} is not served by falcon-s3 pfsd"


def test_clients_of_pachyderm_1_are_told(pfsd):
    """That they are too old."""
    assert "upgrade" in pfsd.refused("UNKNOWN", "ListRepo2", service="pfs.API")


@pytest.mark.parametrize("service, methods", NOTHING.items())
def test_what_a_cluster_has_besides_is_not_here(pfsd, service, methods):
    """Lists are empty, as `pachctl delete project` needs them; what would make something is refused by name."""
    for method in methods[0].split():
        assert pfsd.call(method, service=service) == Empty()
    for method in methods[1].split():
        stream = pfsd.channel.unary_stream(f"/{service}/{method}", Empty.SerializeToString, Empty.FromString)
        assert list(stream(Empty(), timeout=30)) == []
    text = pfsd.refused("UNIMPLEMENTED", "CreatePipelineV2", service=service)
    assert text == f"{service}/CreatePipelineV2 is not served by falcon-s3 pfsd"


@pytest.mark.parametrize("service", ["debug_v2.Debug", "none", ""])
def test_a_service_that_is_not_there_is_said(pfsd, service):
    """In the same words."""
    text = pfsd.refused("UNIMPLEMENTED", "Dump", service=service)
    assert text == f"{service}/Dump is not served by falcon-s3 pfsd".lstrip("/")


def test_a_broken_message_is_no_crash(pfsd):
    """It ends the call and nothing else."""
    call = pfsd.channel.unary_unary("/pfs_v2.API/CreateRepo", None, None)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=30)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "this is no pfs_v2.CreateRepoRequest"
    pfsd.call("GetVersion", service="versionpb_v2.API")


def test_running_calls_end_before_the_server_does(tmp_path):
    """On SIGTERM a call that waits is told, and the port is free again."""
    with running_pfsd(tmp_path / "data", tmp_path / "log") as own:
        repo = own.new_repo()
        call = own.channel.unary_stream(
            "/pfs_v2.API/SubscribeCommit", lambda message: message.SerializeToString(), pfs_pb2.CommitInfo.FromString
        )(pfs_pb2.SubscribeCommitRequest(repo=repo))
        own.call("StartCommit", pfs_pb2.StartCommitRequest(branch=pfs_pb2.Branch(repo=repo, name="master")))
        next(call)
        own.process.terminate()
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert own.process.wait(30) == 0
        assert "Traceback" not in own.log.read_text()


def test_the_store_is_there_after_a_restart(tmp_path):
    """Projects, repos, descriptions and files."""
    with running_pfsd(tmp_path / "data", tmp_path / "log") as own:
        own.call("CreateProject", pfs_pb2.CreateProjectRequest(project=pfs_pb2.Project(name="p")))
        repo = pfs_pb2.Repo(name="r", project=pfs_pb2.Project(name="p"))
        own.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo, description="kept"))
        own.write(pfs_pb2.Commit(repo=repo, id="master"), ("a", b"1"))
    with running_pfsd(tmp_path / "data", tmp_path / "log2") as own:
        (info,) = own.call("ListRepo", pfs_pb2.ListRepoRequest())
        assert (info.repo.project.name, info.description) == ("p", "kept")
        assert own.read(pfs_pb2.Commit(repo=repo, id="master"), "a") == b"1"
