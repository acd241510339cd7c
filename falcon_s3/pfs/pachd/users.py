"""Who asks, and whom: the user of a token, and whether there is a pachd of a version whose words we speak."""

from __future__ import annotations

import grpc
from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import Branch, Denied, PfsError, Repo, Unavailable
from falcon_s3.pfs.pachd import failures, methods, names
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.pachd.failures import Code
from falcon_s3.pfs.wire import auth_pb2

_NOTHING = Branch(names.FILE_SETS, "")


def who_am_i(calls: Calls) -> str | None:
    """The name of the user; None where pachd knows no users. Raises Denied for a token that is none, Unavailable."""
    try:
        reply: auth_pb2.WhoAmIResponse = calls.read(methods.WHO_AM_I, auth_pb2.WhoAmIRequest())
    except grpc.RpcError as ex:
        if failures.NO_AUTH in failures.text_of(ex) or failures.code_of(ex) is Code.UNIMPLEMENTED:
            return None
        raise failures.meaning(ex, _NOTHING) from ex
    return reply.username


def check_rights(calls: Calls, repo: Repo) -> None:
    """Raise Denied unless the user may write to the repo, whether it is there or not, or there are no users."""
    resource = auth_pb2.Resource(type=auth_pb2.REPO, name=f"{repo.project}/{repo.name}")
    request = auth_pb2.AuthorizeRequest(resource=resource, permissions=[auth_pb2.REPO_WRITE])
    try:
        reply: auth_pb2.AuthorizeResponse = calls.read(methods.AUTHORIZE, request)
    except grpc.RpcError as ex:
        error = failures.meaning(ex, Branch(repo, ""))
        if isinstance(error, Denied | Unavailable):
            raise error from ex
        return  # it does not know; the write itself will
    if not reply.authorized:
        raise Denied(
            f"{reply.principal} is not authorized to perform this operation - needs permissions [REPO_WRITE] on REPO"
            f" {resource.name}"
        )


def check_version(calls: Calls) -> None:
    """Raise Unavailable if nothing answers, PfsError if what answers is no pachd of version 2."""
    where = calls.channel.address
    try:
        version = calls.read(methods.GET_VERSION, Empty())
    except grpc.RpcError as ex:
        error = failures.meaning(ex, _NOTHING)
        if isinstance(error, Unavailable):
            raise Unavailable(f"no pachd answers at {where}: {failures.text_of(ex)}") from ex
        if isinstance(error, Denied):
            raise error from ex
        if _is_old(calls):
            raise PfsError(f"the pachd at {where} is of version 1; falcon-s3 speaks with 2.x only") from ex
        raise PfsError(f"what answers at {where} is no pachd: {failures.text_of(ex)}") from ex
    if version.major != 2:
        raise PfsError(f"the pachd at {where} is of version {version.major}; falcon-s3 speaks with 2.x only")


def _is_old(calls: Calls) -> bool:
    try:
        calls.read(methods.GET_VERSION_1, Empty())
    except grpc.RpcError:
        return False
    return True
