"""A pfsd that knows users, as pachd does when its auth is on: tokens, what each may do, and words for who may not.

The errors are those of Pachyderm (src/auth/auth.go).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import grpc

from falcon_s3.pfs.service import Server
from falcon_s3.pfs.wire import auth_pb2
from tests.conftest import free_port

CHANGES = {
    "CreateRepo", "DeleteRepo", "CreateBranch", "DeleteBranch", "StartCommit", "FinishCommit", "ModifyFile",
    "DropCommitSet", "CreateProject", "BatchTransaction",
}  # fmt: skip
# No right is needed for AddFileSet and ClearCommit, though they change what an open commit shows.
# Answered without a token (src/internal/middleware/auth/interceptor.go).
OPEN = {"GetVersion", "InspectCluster"}


def ends(code, text):
    """A handler that ends a call of any kind with an error."""

    def run(_message, context):
        context.abort(code, text)

    return grpc.stream_unary_rpc_method_handler(run)


@dataclass
class Users(grpc.ServerInterceptor):
    """`names` by token; `readers` may change nothing. With `is_on` False auth is off. Counts what was called."""

    names: dict[str, str]
    readers: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)
    is_on: bool = True
    called: list[tuple[str, str]] = field(default_factory=list)  # method and token

    def intercept_service(self, continuation, handler_call_details):
        method = handler_call_details.method.rpartition("/")[2]
        token = dict(handler_call_details.invocation_metadata).get("authn-token", "")
        self.called.append((method, token))
        if not self.is_on or method in OPEN:
            return continuation(handler_call_details)
        if token in self.expired:
            return ends(grpc.StatusCode.INTERNAL, "token expiration is in the past")
        if token not in self.names:
            text = (
                "provided auth token is corrupted or has expired (try logging in again)"
                if token
                else "no authentication token (try logging in)"
            )
            return ends(grpc.StatusCode.UNAUTHENTICATED, text)
        name = self.names[token]
        if method == "WhoAmI":
            return grpc.unary_unary_rpc_method_handler(
                lambda _message, _context: auth_pb2.WhoAmIResponse(username=name).SerializeToString()
            )
        if method == "Authorize":
            return grpc.unary_unary_rpc_method_handler(
                lambda message, _context: self._authorize(name, message).SerializeToString()
            )
        if method in CHANGES and name in self.readers:
            return ends(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{name} is not authorized to perform this operation - needs permissions [REPO_WRITE] on REPO",
            )
        return continuation(handler_call_details)

    def _authorize(self, name, message):
        request = auth_pb2.AuthorizeRequest.FromString(message)
        missing = [
            each for each in request.permissions if each != auth_pb2.Permission.REPO_READ and name in self.readers
        ]
        return auth_pb2.AuthorizeResponse(authorized=not missing, missing=missing, principal=name)


@contextlib.contextmanager
def running(data, interceptor):
    """A pfsd behind `interceptor`; gives its address."""
    port = free_port()
    server = Server(f"127.0.0.1:{port}", data, [interceptor])
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(1)
