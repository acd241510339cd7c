"""What clients ask a cluster before they work with it: its version, what it is, whether it knows users, its checks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty

from falcon_s3 import __version__
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service.calls import Context, Handler, Service, refusing, streaming, unary
from falcon_s3.pfs.wire import admin_pb2, pfs_pb2, version_pb2

# The newest pachd that there is a release of: its messages are the ones served here.
SPOKEN = (2, 11, 6)
# Services of Pachyderm 1.x, whose clients are told what to do.
OLD_SERVICES = ("pfs.API", "pps.API", "auth.API", "admin.API", "transaction.API", "versionpb.API", "enterprise.API")


def get_version(_request: Empty, _context: Context) -> version_pb2.Version:
    major, minor, micro = SPOKEN
    return version_pb2.Version(major=major, minor=minor, micro=micro, additional=f"-falcon-s3-{__version__}")


def services(data: Path) -> list[Service]:
    """The services around pfs_v2.API, for the store in that folder."""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, data.resolve().as_uri()).hex

    def inspect_cluster(_request: admin_pb2.InspectClusterRequest, _context: Context) -> admin_pb2.ClusterInfo:
        # pachctl asks this before every command, and warns unless the server says that it knows of warnings.
        return admin_pb2.ClusterInfo(id=identity, deployment_id=identity, warnings_ok=True)

    no_users = refusing(grpc.StatusCode.UNIMPLEMENTED, "the auth service is not activated")
    too_old = refusing(
        grpc.StatusCode.UNKNOWN, "this server speaks the interface of Pachyderm 2: upgrade the client to 2.x"
    )
    return [
        Service("versionpb_v2.API", {"GetVersion": unary(Empty, get_version)}),
        Service("admin_v2.API", {"InspectCluster": unary(admin_pb2.InspectClusterRequest, inspect_cluster)}),
        Service("auth_v2.API", {}, missing=no_users),
        *(Service(name, {}, missing=too_old) for name in OLD_SERVICES),
    ]


def checks(store: ExtendedPfs) -> dict[str, Handler]:
    def fsck(request: pfs_pb2.FsckRequest, _context: Context) -> Iterator[pfs_pb2.FsckResponse]:
        """Each thing that does not fit; none if the store is whole."""
        report = store.fsck(repair=request.fix)
        for problem in report.problems:
            yield pfs_pb2.FsckResponse(error=problem)

    return {"Fsck": streaming(pfs_pb2.FsckRequest, fsck)}
