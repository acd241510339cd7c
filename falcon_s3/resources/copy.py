"""`PUT /bucket/key` with x-amz-copy-source: an object made from another one, without its bytes moving."""

from __future__ import annotations

import falcon

from falcon_s3 import attributes, buckets, checksums, conditions, copies, errors, multipart, pfs, tags, xml
from falcon_s3.attributes import REDIRECT
from falcon_s3.digests import HashedBody
from falcon_s3.pfs import Check, FileInfo, Pfs, Ref
from falcon_s3.request import S3Request
from falcon_s3.resources import slow_answer, version
from falcon_s3.rights import Right


class Copy:
    """The object that a copy makes."""

    def copy_object(self, req: S3Request, resp: falcon.Response) -> None:
        """CopyObject (S3 API): between any two buckets, from any version; from an old one it restores that."""
        headers = req.lower_headers
        ref = req.ref
        if "versionId" in req.query:
            raise errors.InvalidArgument("This operation does not accept a version-id.")
        attributes.refuse_headers(headers, req.place, req.everybody)
        attributes.refuse_lost_text(headers)
        replaced = {name: copies.directive(headers, name) == "REPLACE" for name in (METADATA, TAGGING)}
        check = conditions.put_check(headers.get("if-match"), headers.get("if-none-match"))
        algorithm = checksums.algorithm_named(headers.get(checksums.ALGORITHM))
        given = attributes.of_headers(headers)
        req.store.check_write(ref, req.key)
        source = copies.source_of(headers)
        file = find_source(req, source)
        if (
            (buckets.parse(req.place_of(source.bucket)), source.key, source.version) == (ref, req.key, None)
            and not any(replaced.values())
            and algorithm is None
            and not any(name in headers for name in (STORAGE_CLASS, REDIRECT))
        ):
            raise errors.InvalidRequest(
                "This copy request is illegal because it is trying to copy an object to itself without changing the"
                " object's metadata, storage class, website redirect location or encryption attributes."
            )
        kept = {name: value for name, value in file.attributes.items() if name != tags.ATTRIBUTE}
        if replaced[METADATA]:
            kept = checksums.kept(kept) | {name: value for name, value in given.items() if name != tags.ATTRIBUTE}
        kept.pop(REDIRECT, None)  # S3 API, CopyObject: it is not copied, whatever the directive
        if REDIRECT in given:
            kept[REDIRECT] = given[REDIRECT]
        tagged = given if replaced[TAGGING] else file.attributes
        if tags.ATTRIBUTE in tagged:
            kept[tags.ATTRIBUTE] = tagged[tags.ATTRIBUTE]
        if algorithm is None or checksums.PREFIX + algorithm in kept:
            resp.data, told = self._copied(req, ref, file, kept, check)
            resp.set_headers(told)
            resp.content_type = xml.CONTENT_TYPE
            return

        def compute() -> slow_answer.Done:
            other = {name: value for name, value in kept.items() if name not in checksums.kept(kept)}
            return self._copied(req, ref, file, other | self._computed(req.store, file, algorithm), check)

        slow_answer.answer(req, resp, compute)

    def _copied(
        self, req: S3Request, ref: Ref, file: FileInfo, kept: dict[str, str], check: Check | None
    ) -> slow_answer.Done:
        copy = req.store.copy_file(ref, req.key, file, kept, check)
        return slow_answer.Done(
            multipart.copied("CopyObjectResult", copy.etag, copy.modified_ms, copy.attributes),
            {"x-amz-version-id": copy.commit.id, "x-amz-copy-source-version-id": file.commit.id},
        )

    def _computed(self, store: Pfs, file: FileInfo, algorithm: str) -> dict[str, str]:
        """A checksum that the source does not have: its bytes are read, and not written."""
        found: dict[str, str] = {checksums.TYPE: checksums.FULL_OBJECT}
        for _ in HashedBody(store.open_file(file), algorithm, found):
            pass
        return found


METADATA, TAGGING = "x-amz-metadata-directive", "x-amz-tagging-directive"
# It, or a redirection, whatever it says, makes a copy of an object to itself one that changes something.
STORAGE_CLASS = "x-amz-storage-class"


def find_source(req: S3Request, source: copies.Source) -> FileInfo:
    """The file that a copy is made from.

    Raises AccessDenied, InvalidRequest for a delete marker, PreconditionFailed, and what else `version.find` raises.
    """
    place = req.place_of(source.bucket)
    req.rights.check(place, Right.READ)
    try:
        file = version.find(req.store, buckets.parse(place), source.key, source.version, "GET")
    except pfs.NotFound as ex:  # it is the source that the error is about
        error = errors.of(ex)
        is_key = isinstance(error, errors.NoSuchKey)
        error.fields = {"Key": source.key} if is_key else {"BucketName": source.bucket}
        raise error from ex
    except errors.MethodNotAllowed as ex:  # it is the source that can only be deleted, and not what is written
        raise errors.InvalidRequest(
            "The source of a copy request may not specifically refer to a delete marker by version id."
        ) from ex
    copies.check(req.lower_headers, file.etag, file.modified_ms)
    return file
