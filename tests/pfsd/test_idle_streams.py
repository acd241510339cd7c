"""Streams of changes that are begun and then send nothing: they hold nobody up, and go when their clients vanish."""

import queue
import time

import pytest

from falcon_s3.pfs import service
from falcon_s3.pfs.service import calls
from falcon_s3.pfs.wire import pfs_pb2
from tests.conftest import free_port
from tests.pachd.proxy import Proxy
from tests.pfsd.conftest import Empty, grpc, head

# As many as there were threads, and one more.
MANY = 65


def sending(channel):
    return channel.stream_unary("/pfs_v2.API/ModifyFile", pfs_pb2.ModifyFileRequest.SerializeToString, Empty.FromString)


def begun(channel, repo):
    """A stream that has said where its changes go, and is silent; gives the call."""
    messages = queue.SimpleQueue()
    messages.put(pfs_pb2.ModifyFileRequest(set_commit=head(repo)))
    return sending(channel).future(iter(messages.get, None))


def is_let_in(channel, repo):
    """Whether there is room for one more stream."""
    try:
        sending(channel)(iter([pfs_pb2.ModifyFileRequest(set_commit=head(repo))]), timeout=30)
    except grpc.RpcError as ex:
        # Where the machine has much to do, its own connection may be taken for one that is gone.
        assert ex.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}, ex
        return False
    return True


def eventually(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_streams_that_send_nothing_hold_nobody_up(pfsd, repo):
    silent = [begun(pfsd.channel, repo) for _ in range(MANY)]
    try:
        pfsd.write(head(repo), ("a", b"1"))
        assert pfsd.read(head(repo), "a") == b"1"
        assert not any(call.done() for call in silent)
    finally:
        for call in silent:
            call.cancel()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A server with room for one stream, which gives up clients that are silent for two seconds; gives its port."""
    monkeypatch.setattr(calls, "SENDERS", 1)
    quick = dict.fromkeys(("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"), 1000)
    monkeypatch.setattr(service, "OPTIONS", [(name, quick.get(name, value)) for name, value in service.OPTIONS])
    port = free_port()
    server = service.Server(f"127.0.0.1:{port}", tmp_path / "data")
    server.start()
    yield port
    server.stop(0)


def test_the_stream_of_a_client_that_vanished_leaves_its_room(small):
    """Its connection is never closed: the network is gone, or the machine."""
    repo = pfs_pb2.Repo(name="r")
    with Proxy(("127.0.0.1", small)) as proxy, grpc.insecure_channel(f"127.0.0.1:{small}") as near:
        create = near.unary_unary("/pfs_v2.API/CreateRepo", pfs_pb2.CreateRepoRequest.SerializeToString, None)
        create(pfs_pb2.CreateRepoRequest(repo=repo), timeout=30)
        with grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as far:
            silent = [begun(far, repo)]

            def is_held():
                if silent[-1].done():  # who looked whether it is in was in its place
                    silent.append(begun(far, repo))
                return not is_let_in(near, repo)

            eventually(is_held)
            proxy.stalled = True
            eventually(lambda: is_let_in(near, repo))
