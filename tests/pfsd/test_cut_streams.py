"""A stream of changes that breaks off, because its client gives up or dies, is no change."""

import queue
import time

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import Empty, add, branch, delete, grpc, head


def stream(channel, method, reply):
    messages = queue.Queue()
    call = channel.stream_unary(f"/pfs_v2.API/{method}", pfs_pb2.ModifyFileRequest.SerializeToString, reply)
    return call.future(iter(messages.get, None)), messages


@pytest.mark.parametrize("lost", [False, True], ids=["cancelled", "connection-lost"])
def test_a_stream_that_breaks_off_makes_no_commit(pfsd, repo, lost):
    """As often as it is tried: grpc tells of the end of such a stream before it tells that the client has gone."""
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repo)))
    before = pfsd.commits(repo)
    for number in range(100 if lost else 1200):
        own = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.insecure_channel(f"127.0.0.1:{pfsd.port}", options=own) if lost else pfsd.channel
        call, messages = stream(channel, "ModifyFile", Empty.FromString)
        messages.put(pfs_pb2.ModifyFileRequest(set_commit=head(repo)))
        messages.put(delete("a"))
        messages.put(add("a", b"x" * 16385))
        time.sleep(number % 5 / 500)
        if lost:
            channel.close()
        else:
            call.cancel()
        messages.put(None)
    pfsd.write(head(repo), ("b", b"1"))  # what came before has been dealt with, or is as old as this
    assert pfsd.commits(repo)[1:] == before
