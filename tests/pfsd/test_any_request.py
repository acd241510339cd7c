"""Whatever a request holds, it is answered or refused in words: nothing makes the server fail."""

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from falcon_s3.pfs.service.transactions import METHODS
from falcon_s3.pfs.wire import pfs_pb2
from tests.pfs.remote import is_repeated
from tests.pfsd.conftest import REPLIES, STREAMS, head, running_pfsd

TEXTS = ["", "/", "..", "\0", "^", "master^9", ".1", "~", "*(", "[", "ä\U0001f600", "x" * 5000, "default", "a@b:/c"]
NUMBERS = [0, -1, 1, 2**31 - 1, 2**63 - 1, -(2**63)]
PFS = [method for method in REPLIES if hasattr(pfs_pb2, f"{method}Request")] + sorted(METHODS)
SHORT = {"SubscribeCommit"}  # what never ends by itself


def filled(kind, number, depth=0):
    """A message with something in every field, the same for the same number."""
    message = kind()
    for index, field in enumerate(message.DESCRIPTOR.fields):
        value = None
        if field.type == FieldDescriptor.TYPE_STRING:
            value = TEXTS[(number + index) % len(TEXTS)]
        elif field.type in {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_INT32}:
            value = NUMBERS[(number + index) % len(NUMBERS)]
            value = max(min(value, 2**31 - 1), -(2**31)) if field.type == FieldDescriptor.TYPE_INT32 else value
        elif field.type == FieldDescriptor.TYPE_BOOL:
            value = bool((number >> index) & 1)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth < 5 and (number + index) % 4:
            inner = filled(field.message_type._concrete_class, number + index, depth + 1)
            if is_repeated(field):
                getattr(message, field.name).append(inner)
            else:
                getattr(message, field.name).CopyFrom(inner)
        if value is None or getattr(message, field.name):
            continue
        if is_repeated(field):
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server of these tests alone: they delete what they find."""
    folder = tmp_path_factory.mktemp("any")
    with running_pfsd(folder / "data", folder / "log") as server:
        yield server
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-4000:]


@pytest.mark.parametrize("method", sorted(set(PFS)))
def test_any_request_is_answered(own, method):
    """Empty, about nothing, and about a repo that is there with everything else at random."""
    repo = own.new_repo()
    own.write(head(repo), ("a/b", b"1"))
    kind = METHODS[method][0] if method in METHODS else getattr(pfs_pb2, f"{method}Request")
    for number in range(-1, 2 * len(TEXTS)):
        request = kind() if number < 0 else filled(kind, number)
        if number % 3:
            for name in ("repo", "commit", "branch", "file", "new_file", "to"):
                if isinstance(getattr(request, name, None), Message):
                    _aim(getattr(request, name), repo)
        try:
            own.call(method, request, timeout=0.2 if method in SHORT else 30)
        except grpc.RpcError as ex:
            wanted = {grpc.StatusCode.DEADLINE_EXCEEDED} if method in SHORT else set()
            refusals = {"UNKNOWN", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
            assert ex.code() in wanted or ex.code().name in refusals, (request, ex)
            assert ex.details(), request
    assert method in STREAMS or own.call("Fsck", pfs_pb2.FsckRequest()) == []


def _aim(message, repo):
    """Let the message be about the repo."""
    names = message.DESCRIPTOR.fields_by_name
    if message.DESCRIPTOR.name == "Repo":
        message.CopyFrom(repo)
    for name in ("repo", "branch", "commit"):
        if name in names:
            _aim(getattr(message, name), repo)
    if message.DESCRIPTOR.name == "Branch" and len(message.name) % 2:
        message.name = "master"
