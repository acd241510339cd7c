"""`POST /bucket?delete`: many objects removed in one commit."""

from __future__ import annotations

import falcon

from falcon_s3 import body, buckets, errors, pfs, xml
from falcon_s3.pfs import Pfs
from falcon_s3.request import S3Request
from falcon_s3.xml import Failure, ObjectIdentifier

LARGEST_DOCUMENT = 2 << 20


class Deletion:
    """The objects that one request names."""

    def __init__(self, pfs: Pfs):
        self._pfs = pfs

    def delete_objects(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteObjects (S3 API): at most 1,000 keys; one commit. What cannot be deleted is told by key."""
        ref = buckets.parse(req.bucket)
        expected = body.expected_of(req.lower_headers)
        document = body.read_small(req.open_body(), expected, LARGEST_DOCUMENT, req.chunk_verifier)
        wanted = xml.read_delete(document)
        deleted: list[ObjectIdentifier] = []
        failures: list[Failure] = []
        for each in wanted.objects:
            refused = refusal(each)
            if refused is None:
                deleted.append(each)
            else:
                failures.append(Failure(each.key, refused.code, refused.message, each.version_id))
        self._pfs.delete_files(ref, [each.key for each in deleted])
        resp.data = xml.delete_result([] if wanted.quiet else deleted, failures)
        resp.content_type = xml.CONTENT_TYPE


def refusal(each: ObjectIdentifier) -> errors.S3Error | None:
    """Why this one object cannot be deleted, if so."""
    if each.version_id is not None:
        return errors.NotImplemented("Deleting a version is not implemented.")
    if each.etag is not None:
        return errors.NotImplemented("Deleting under a condition is not implemented.")
    if len(each.key.encode(errors="replace")) > pfs.PATH_BYTES:
        return errors.KeyTooLongError()
    try:
        pfs.check_path(each.key)
    except pfs.InvalidPath as ex:
        return errors.of(ex)
    return None
