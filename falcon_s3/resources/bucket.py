"""`/bucket` as a thing: made, removed, looked for, and asked where it is."""

from __future__ import annotations

import falcon

from falcon_s3 import body, body_headers, errors, xml, xml_reader
from falcon_s3.pfs import Branch, Commit
from falcon_s3.request import S3Request
from falcon_s3.rights import check_grants

# Whose the objects of a bucket are (S3 API, GetBucketOwnershipControls): there is one owner.
OWNERSHIP = "BucketOwnerEnforced"
# Whose the names of buckets are (S3 API, CreateBucket): everybody's.
NAMESPACE = "global"
# The header that tells where a bucket is.
REGION = "x-amz-bucket-region"
# No CreateBucketConfiguration comes near this.
LARGEST_DOCUMENT = 64 << 10


class Bucket:
    """A branch of a repo, or one commit."""

    def __init__(self, region: str):
        self._region = region

    def create(self, req: S3Request, resp: falcon.Response) -> None:
        """CreateBucket (S3 API): a branch, and its repo if there is none yet."""
        branch = req.ref
        if isinstance(branch, Commit):
            raise errors.InvalidBucketName(
                "A bucket that shows a commit cannot be created; commits are made by writes."
            )
        check_grants(req.lower_headers, req.place, req.everybody)
        if req.lower_headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
            raise errors.NotImplemented("Object lock is not implemented.")
        if req.lower_headers.get("x-amz-object-ownership", OWNERSHIP) != OWNERSHIP:
            raise errors.NotImplemented(f"All objects belong to the owner of the bucket: there is only {OWNERSHIP}.")
        if req.lower_headers.get("x-amz-bucket-namespace", NAMESPACE) != NAMESPACE:
            raise errors.NotImplemented(f"There is one space of names for all buckets: {NAMESPACE}.")
        if req.lower_headers.get("content-length", "0") != "0" or "transfer-encoding" in req.lower_headers:
            expected = body_headers.expected_of(req.lower_headers)
            xml_reader.read_create_bucket(
                body.read_small(req.open_body(), expected, LARGEST_DOCUMENT, req.chunk_verifier)
            )
        req.store.create_branch(branch)
        resp.set_header("Location", f"/{req.bucket}")

    def delete(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteBucket (S3 API): the branch if it shows no file, and the repo with its last branch."""
        branch = req.ref
        if isinstance(branch, Commit):
            raise errors.AccessDenied("A bucket that shows a commit cannot be deleted.")
        req.store.delete_branch(branch, if_empty=True)
        resp.status = 204

    def head(self, req: S3Request, resp: falcon.Response) -> None:
        """HeadBucket (S3 API)."""
        self._find(req)
        resp.set_header(REGION, self._region)

    def location(self, req: S3Request, resp: falcon.Response) -> None:
        """GetBucketLocation (S3 API)."""
        self._find(req)
        resp.data = xml.location(self._region)
        resp.content_type = xml.CONTENT_TYPE

    def versioning(self, req: S3Request, resp: falcon.Response) -> None:
        """GetBucketVersioning (S3 API): always on, for every write is a commit."""
        self._find(req)
        resp.data = xml.versioning()
        resp.content_type = xml.CONTENT_TYPE

    def _find(self, req: S3Request) -> None:
        ref = req.ref
        if isinstance(ref, Branch):
            req.store.inspect_branch(ref)
        else:
            req.store.inspect_commit(ref)
