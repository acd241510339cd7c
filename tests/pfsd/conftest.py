"""A pfsd on real sockets, and ways to talk to it: bare calls, the Python client of Pachyderm, and S3 beside it."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

grpc = pytest.importorskip("grpc", reason="pfsd needs the extra `pachd`")

from google.protobuf.empty_pb2 import Empty  # noqa: E402
from google.protobuf.wrappers_pb2 import BytesValue  # noqa: E402

from falcon_s3.pfs.wire import admin_pb2, pfs_pb2, transaction_pb2, version_pb2  # noqa: E402
from tests.conftest import START_SECONDS, STOP_SECONDS, free_port  # noqa: E402

# Replies that are not named after their method.
REPLIES = {
    "InspectRepo": pfs_pb2.RepoInfo,
    "ListRepo": pfs_pb2.RepoInfo,
    "DeleteRepo": pfs_pb2.DeleteRepoResponse,
    "DeleteRepos": pfs_pb2.DeleteReposResponse,
    "StartCommit": pfs_pb2.Commit,
    "InspectCommit": pfs_pb2.CommitInfo,
    "ListCommit": pfs_pb2.CommitInfo,
    "SubscribeCommit": pfs_pb2.CommitInfo,
    "DropCommit": pfs_pb2.DropCommitResponse,
    "SquashCommit": pfs_pb2.SquashCommitResponse,
    "InspectCommitSet": pfs_pb2.CommitInfo,
    "ListCommitSet": pfs_pb2.CommitSetInfo,
    "InspectBranch": pfs_pb2.BranchInfo,
    "ListBranch": pfs_pb2.BranchInfo,
    "InspectProject": pfs_pb2.ProjectInfo,
    "InspectProjectV2": pfs_pb2.InspectProjectV2Response,
    "ListProject": pfs_pb2.ProjectInfo,
    "InspectFile": pfs_pb2.FileInfo,
    "ListFile": pfs_pb2.FileInfo,
    "WalkFile": pfs_pb2.FileInfo,
    "GlobFile": pfs_pb2.FileInfo,
    "DiffFile": pfs_pb2.DiffFileResponse,
    "GetFile": BytesValue,
    "GetFileTAR": BytesValue,
    "CreateFileSet": pfs_pb2.CreateFileSetResponse,
    "GetFileSet": pfs_pb2.CreateFileSetResponse,
    "ComposeFileSet": pfs_pb2.CreateFileSetResponse,
    "AddFileSet": Empty,
    "RenewFileSet": Empty,
    "ShardFileSet": pfs_pb2.ShardFileSetResponse,
    "FindCommits": pfs_pb2.FindCommitsResponse,
    "WalkCommitProvenance": pfs_pb2.CommitInfo,
    "WalkCommitSubvenance": pfs_pb2.CommitInfo,
    "WalkBranchProvenance": pfs_pb2.BranchInfo,
    "WalkBranchSubvenance": pfs_pb2.BranchInfo,
    "ReposSummary": pfs_pb2.ReposSummaryResponse,
    "Fsck": pfs_pb2.FsckResponse,
    "InspectCluster": admin_pb2.ClusterInfo,
    "GetVersion": version_pb2.Version,
    "StartTransaction": transaction_pb2.Transaction,
    "FinishTransaction": transaction_pb2.TransactionInfo,
    "InspectTransaction": transaction_pb2.TransactionInfo,
    "BatchTransaction": transaction_pb2.TransactionInfo,
    "ListTransaction": transaction_pb2.TransactionInfos,
}
STREAMS = {
    "ListRepo", "ListCommit", "SubscribeCommit", "InspectCommitSet", "ListCommitSet", "ListBranch", "ListProject",
    "ListFile", "WalkFile", "GlobFile", "DiffFile", "GetFile", "GetFileTAR", "Fsck", "FindCommits", "WalkCommitProvenance", "WalkCommitSubvenance",
    "WalkBranchProvenance", "WalkBranchSubvenance",
}  # fmt: skip
UPLOADS = {"ModifyFile", "CreateFileSet"}


@dataclass
class Pfsd:
    """A running server, and the calls to it: `pfsd.call("ListRepo", request)`."""

    port: int
    data: Path
    log: Path
    process: subprocess.Popen
    channel: object = None
    _numbers: itertools.count = field(default_factory=itertools.count)

    def call(self, method, request=None, *, service="pfs_v2.API", transaction=None, timeout=30):
        """The reply, or a list of all replies. UPLOADS take an iterable of messages."""
        full = f"/{service}/{method}"
        reply = REPLIES.get(method, Empty).FromString
        metadata = [("pach-transaction", transaction)] if transaction is not None else []
        options = {"timeout": timeout, "metadata": metadata}
        if method in UPLOADS:
            return self.channel.stream_unary(full, _encode, reply)(iter(request), **options)
        request = Empty() if request is None else request
        if method in STREAMS:
            return list(self.channel.unary_stream(full, _encode, reply)(request, **options))
        return self.channel.unary_unary(full, _encode, reply)(request, **options)

    def refused(self, code, method, request=None, **options):
        """Assert that the call ends with that status code; gives the text."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, request, **options)
        assert caught.value.code() == getattr(grpc.StatusCode, code), caught.value.details()
        return caught.value.details()

    def new_repo(self, project=""):
        """A repo that no other test has; their names are in the order of their making."""
        repo = repo_message(f"t{next(self._numbers):04}-{uuid.uuid4().hex[:8]}", project)
        self.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo))
        return repo

    def write(self, commit, *changes):
        """One ModifyFile stream: ("path", b"content") overwrites, a message is sent as it is."""
        messages = [pfs_pb2.ModifyFileRequest(set_commit=commit)]
        for change in changes:
            if isinstance(change, tuple):
                path, content = change
                messages += [delete(path), add(path, content)]
            else:
                messages.append(change)
        return self.call("ModifyFile", messages)

    def read(self, commit, path, **options):
        request = pfs_pb2.GetFileRequest(file=pfs_pb2.File(commit=commit, path=path), **options)
        return b"".join(message.value for message in self.call("GetFile", request))

    def list(self, commit, path="/", method="ListFile", **options):
        """The paths of a listing."""
        request = {"ListFile": pfs_pb2.ListFileRequest, "WalkFile": pfs_pb2.WalkFileRequest}[method]
        marker = options.pop("marker", None)
        if marker is not None:
            options["paginationMarker"] = pfs_pb2.File(path=marker)
        infos = self.call(method, request(file=pfs_pb2.File(commit=commit, path=path), **options))
        return [info.file.path for info in infos]

    def commits(self, repo):
        """The ids of a repo's commits, newest first."""
        return [info.commit.id for info in self.call("ListCommit", pfs_pb2.ListCommitRequest(repo=repo))]


def _encode(message):
    return message.SerializeToString()


def repo_message(name, project=""):
    return pfs_pb2.Repo(name=name, project=pfs_pb2.Project(name=project) if project else None)


def branch(repo, name="master"):
    return pfs_pb2.Branch(repo=repo, name=name)


def head(repo, name="master"):
    """The commit that a branch points at, as older clients name it."""
    return pfs_pb2.Commit(branch=branch(repo, name))


def add(path, content):
    return pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path=path, raw=BytesValue(value=content)))


def delete(path):
    return pfs_pb2.ModifyFileRequest(delete_file=pfs_pb2.DeleteFile(path=path))


def copy(source, source_path, path, **options):
    file = pfs_pb2.File(commit=source, path=source_path)
    return pfs_pb2.ModifyFileRequest(copy_file=pfs_pb2.CopyFile(dst=path, src=file, **options))


@contextlib.contextmanager
def running_pfsd(data, log, *arguments, port=None, under=()):
    """A pfsd as its own process on a free port, ended by SIGTERM, which it must obey; `under` is a command that runs it."""
    environment = {name: value for name, value in os.environ.items() if not re.match(r"FALCON_S3_(?!PURE)", name)}
    port = port or free_port()
    command = [sys.executable, "-m", "falcon_s3", "pfsd", "--listen", f"127.0.0.1:{port}", "--data", str(data)]
    with log.open("wb") as output:
        process = subprocess.Popen([*under, *command, *arguments], env=environment, stdout=output, stderr=output)
    server = Pfsd(port, Path(data), log, process)
    try:
        wait_until_ready(server)
        size = [("grpc.max_receive_message_length", 20 << 20), ("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=size) as server.channel:
            yield server
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"pfsd did not end on SIGTERM:\n{log.read_text()[-4000:]}")


@contextlib.contextmanager
def running_both(start_gateway, engine="granian", **options):
    """A gateway with pfsd beside it, as `serve --grpc` runs them; gives both."""
    port = free_port()
    arguments = [*options.pop("arguments", []), "--grpc", f"127.0.0.1:{port}"]
    with start_gateway(workers=1, engine=engine, arguments=arguments, **options) as gateway:
        server = Pfsd(port, gateway.data, gateway.log, gateway.process)
        wait_until_ready(server)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as server.channel:
            yield gateway, server


def wait_until_ready(server):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.process.poll() is None:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=1)
            except grpc.FutureTimeoutError:
                continue
            return
    pytest.fail(f"pfsd did not start:\n{server.log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def pfsd_data(tmp_path_factory):
    return tmp_path_factory.mktemp("pfsd") / "data"


@pytest.fixture(scope="session")
def pfsd(pfsd_data):
    """The server that most tests talk to."""
    with running_pfsd(pfsd_data, pfsd_data.parent / "log") as server:
        yield server
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-4000:]


@pytest.fixture(scope="session")
def beside(pfsd, start_gateway):
    """A gateway on the same folder; gives its boto3 client."""
    with start_gateway(data=pfsd.data) as running:
        yield running.s3


@pytest.fixture
def repo(pfsd):
    return pfsd.new_repo()
