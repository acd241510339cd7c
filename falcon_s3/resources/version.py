"""One version of an object, as requests name it: looked for, and taken leave of."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from falcon_s3 import errors, pfs
from falcon_s3.conditions import http_date
from falcon_s3.pfs import Commit, FileInfo, FileVersion, Pfs, Ref
from falcon_s3.request import S3Request

logger = logging.getLogger(__name__)

# The version that S3 has where versioning never was; here it always is.
NO_VERSION = "null"
# How often an object is looked for to which somebody writes, in an open commit, while it is read or tagged.
TRIES = 5


def asked_for(req: S3Request) -> FileInfo:
    """The version that a request for an object names, or the newest. Raises what `find` raises."""
    return find(req.store, req.ref, req.key, req.query.get("versionId"), req.method)


def find(store: Pfs, ref: Ref, key: str, version: str | None, method: str) -> FileInfo:
    """A version of an object; None: the newest.

    Raises NoSuchVersion where a version names none, InvalidArgument where it cannot be one, MethodNotAllowed for a
    delete marker; what `Pfs.inspect_file` raises.
    """
    if version is None:
        return store.inspect_file(ref, key)
    check(version)
    try:
        return store.inspect_version(Commit(ref.repo, version), key)
    except pfs.NotFound as ex:
        require_bucket(store, ref)
        if isinstance(ex, pfs.FileRemoved) and ex.commit.id == version:
            raise only_deletable(ex, method) from None
        raise missing(key, version) from None


def missing(key: str, version: str) -> errors.NoSuchVersion:
    return errors.NoSuchVersion(fields={"Key": key, "VersionId": version})


def only_deletable(ex: pfs.FileRemoved, method: str) -> errors.MethodNotAllowed:
    """What is told of a delete marker to who asks for the object that it is not."""
    return errors.MethodNotAllowed(
        "The version is a delete marker, which can only be deleted.",
        fields={"Method": method, "ResourceType": "DeleteMarker"},
        headers={
            "Allow": "DELETE",
            "Last-Modified": http_date(ex.removed_ms // 1000),
            "x-amz-delete-marker": "true",
            "x-amz-version-id": ex.commit.id,
        },
    )


def is_name(version: str) -> bool:
    """Whether a version can have this name, be it there or not."""
    return version == NO_VERSION or pfs.is_commit_id(version)


def check(version: str) -> None:
    """Raise InvalidArgument for the name of no version: its deletion would do nothing, and say that it had."""
    if not is_name(version):
        raise errors.InvalidArgument(
            "Invalid version id specified" if version else "Version id cannot be the empty string",
            fields={"ArgumentName": "versionId", "ArgumentValue": version},
        )


def require_bucket(store: Pfs, ref: Ref) -> None:
    """Raise BranchNotFound or CommitNotFound unless the bucket is there."""
    if isinstance(ref, Commit):
        store.inspect_commit(ref)
    else:
        store.inspect_branch(ref)


def log_removal(req: S3Request, removed: Iterable[FileVersion]) -> None:
    """What history has lost for good is told to the operator."""
    for one in removed:
        logger.warning(
            "request %s: version %s of %r in %s was removed for good%s",
            req.request_id,
            one.commit,
            one.path,
            req.bucket,
            " (a delete marker)" if one.is_removal else "",
        )
