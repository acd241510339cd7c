"""The buckets of a job: what of S3 is answered on them, and what is refused.

Inputs are read-only, the output is write-only, no bucket is made or removed, and there are no versions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import falcon

from falcon_s3 import buckets, errors, job, pfs, xml
from falcon_s3.job import OUT, JobPfs
from falcon_s3.request import S3Request
from falcon_s3.rights import Right

Responder = Callable[[S3Request, falcon.Response], None]

# What tells of versions.
VERSION_HEADERS = ("x-amz-version-id", "x-amz-copy-source-version-id", "x-amz-delete-marker")


class JobBuckets:
    """The buckets of one job."""

    def __init__(self, described: job.Job):
        self._job = described
        self._output = described.output

    def within(self, verb: str, responder: Responder) -> Responder:
        """What answers that verb on a bucket or object, as far as the job lets it."""
        is_change = verb not in ("GET", "HEAD")

        def respond(req: S3Request, resp: falcon.Response) -> None:
            if is_change and req.bucket != OUT:
                raise errors.AccessDenied(f"Access Denied: {req.bucket} is an input of the job, and cannot be changed.")
            if "versionId" in req.query:
                raise errors.NotImplemented("There are no versions in the buckets of a job.")
            req.store = cast("pfs.Pfs", JobPfs(req.store, self._output))
            responder(req, resp)
            for name in VERSION_HEADERS:
                resp.delete_header(name)

        return respond

    def list_buckets(self, req: S3Request, resp: falcon.Response) -> None:
        """ListBuckets (S3 API): those of the job whose commits are there, each with the time of its commit."""
        named = []
        for name, place in sorted(self._job.places.items()):
            ref = buckets.parse(place)
            assert isinstance(ref, pfs.Commit)
            if req.rights.allows(place, Right.READ):
                try:
                    named.append((name, req.store.inspect_commit(ref).started_ms))
                except pfs.NotFound:
                    continue
        resp.data = xml.list_all_my_buckets(named)
        resp.content_type = xml.CONTENT_TYPE

    def create(self, req: S3Request, resp: falcon.Response) -> None:
        """CreateBucket (S3 API): those of the job are there."""
        raise errors.BucketAlreadyOwnedByYou

    def delete(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteBucket (S3 API)."""
        raise errors.AccessDenied("Access Denied: the buckets of a job cannot be deleted.")

    def versioning(self, req: S3Request, resp: falcon.Response) -> None:
        """GetBucketVersioning (S3 API): there never was any."""
        resp.data = xml.versioning("")
        resp.content_type = xml.CONTENT_TYPE
