"""What a cluster has and this server has not: pipelines, jobs, secrets, a licence. Lists of them are empty.

pachctl asks for some of it on its way to other things: whether a project that is to be deleted has pipelines,
whether all of each kind was deleted. The replies have no fields set, which is what "none" looks like in each of these
messages; so their definitions are not needed. What would make or change such things is refused in words.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs.service.calls import Context, Handler, Service, refusing

# Service -> methods with one empty reply, and methods with none at all.
NOTHING: dict[str, tuple[str, str]] = {
    "pps_v2.API": (
        "ListSecret DeleteAll GetClusterDefaults GetProjectDefaults PipelinesSummary",
        "ListPipeline ListJob ListJobSet ListTask",
    ),
    "enterprise_v2.API": ("GetState PauseStatus", ""),
    "license_v2.API": ("GetActivationCode ListClusters DeleteAll", ""),
    "identity_v2.API": ("DeleteAll", ""),
}


def services() -> list[Service]:
    return [
        Service(name, dict.fromkeys(empty.split(), EMPTY) | dict.fromkeys(none.split(), NONE))
        for name, (empty, none) in NOTHING.items()
    ]


def _empty(_message: bytes, _context: Context) -> bytes:
    return Empty().SerializeToString()


def _none(_message: bytes, _context: Context) -> Iterator[bytes]:
    return iter(())


EMPTY: Handler = grpc.unary_unary_rpc_method_handler(_empty)
NONE: Handler = grpc.unary_stream_rpc_method_handler(_none)


class Rest(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]
    """Services of any other name: refused in words. It must be the last handler."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        method = handler_call_details.method.lstrip("/")
        return refusing(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not served by falcon-s3 pfsd")
