"""`/bucket/key?uploads` and `?uploadId`: objects put together from parts."""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import quote

import falcon

from falcon_s3 import attributes, body, body_headers, checksums, conditions, copies, errors, multipart, pfs, xml
from falcon_s3.digests import HashedBody
from falcon_s3.pfs import FileInfo, Ref
from falcon_s3.request import S3Request
from falcon_s3.resources import slow_answer
from falcon_s3.resources.copy import find_source
from falcon_s3.resources.listing import limit, url_encode

# A list of 10,000 parts, each with its checksum, is smaller.
LARGEST_DOCUMENT = 8 << 20
MOST_PARTS = MOST_UPLOADS = 1000


class Uploads:
    """Multipart uploads into a branch or an open commit."""

    def create(self, req: S3Request, resp: falcon.Response) -> None:
        """CreateMultipartUpload (S3 API)."""
        headers = req.lower_headers
        attributes.refuse_headers(headers, req.place, req.everybody)
        attributes.refuse_lost_text(headers)
        kept = attributes.of_headers(headers) | checksums.of_upload(headers)
        upload = req.store.start_upload(req.ref, req.key, kept)
        for name in (checksums.ALGORITHM, checksums.TYPE):
            if name in kept:
                resp.set_header(name, kept[name].upper())
        resp.data = multipart.initiated(req.bucket, upload)
        resp.content_type = xml.CONTENT_TYPE

    def put_part(self, req: S3Request, resp: falcon.Response) -> None:
        """UploadPart (S3 API). Nothing of a part is seen before the upload is completed."""
        ref, number = self._place(req)
        expected = body_headers.expected_of(req.lower_headers)
        wanted = self._algorithm(ref, req)
        algorithm = expected.checksum or wanted
        if wanted is not None and algorithm != wanted:
            raise errors.InvalidRequest(
                f"Checksum Type mismatch occurred, expected checksum Type: {wanted}, actual checksum Type: {algorithm}"
            )
        kept: dict[str, str] = {}
        content = body.VerifiedBody(req.open_body(), expected, req.chunk_verifier, algorithm, kept)
        part = req.store.put_part(ref, req.key, req.query["uploadId"], number, content, kept)
        resp.set_header("ETag", f'"{part.etag}"')
        for name, value in checksums.kept(kept).items():
            resp.set_header(name, value)

    def copy_part(self, req: S3Request, resp: falcon.Response) -> None:
        """UploadPartCopy (S3 API): a part from the bytes of another object, or some of them."""
        ref, number = self._place(req)
        algorithm = self._algorithm(ref, req)
        file = find_source(req, copies.source_of(req.lower_headers))
        start, stop = copies.byte_range(req.lower_headers, file.size)
        if stop - start > body_headers.LARGEST:
            raise errors.InvalidRequest("The specified copy range is larger than 5 GiB.")

        def copy() -> slow_answer.Done:
            kept: dict[str, str] = {}
            content = HashedBody(req.store.open_file(file, start, stop), algorithm, kept)
            part = req.store.put_part(ref, req.key, req.query["uploadId"], number, content, kept)
            return slow_answer.Done(
                multipart.copied("CopyPartResult", part.etag, part.modified_ms, part.attributes),
                {"x-amz-copy-source-version-id": file.commit.id},
            )

        slow_answer.answer(req, resp, copy)

    def _place(self, req: S3Request) -> tuple[Ref, int]:
        """Where a part goes. Raises InvalidArgument for a number that no part has, and what `refuse_headers` raises."""
        attributes.refuse_headers(req.lower_headers, req.place, req.everybody)
        if "partNumber" not in req.query:
            raise errors.InvalidArgument("A part needs a partNumber.", fields={"ArgumentName": "partNumber"})
        return req.ref, multipart.part_number(req.query["partNumber"])

    def _algorithm(self, ref: Ref, req: S3Request) -> str | None:
        """The checksum that each part of the upload has. Raises UploadNotFound."""
        upload = req.store.inspect_upload(ref, req.key, req.query["uploadId"])
        return upload.attributes.get(checksums.ALGORITHM)

    def list_parts(self, req: S3Request, resp: falcon.Response) -> None:
        """ListParts (S3 API)."""
        ref, upload = req.ref, req.query["uploadId"]
        behind = multipart.marker(req.query, "part-number-marker")
        most = limit(req.query, "max-parts", MOST_PARTS)
        found = req.store.inspect_upload(ref, req.key, upload)
        page = multipart.page_of(req.store.list_parts(ref, req.key, upload), behind, most)
        resp.data = multipart.list_parts_result(req.bucket, found, page)
        resp.content_type = xml.CONTENT_TYPE

    def list_uploads(self, req: S3Request, resp: falcon.Response) -> None:
        """ListMultipartUploads (S3 API): by key, the oldest first."""
        query = req.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        key_marker, upload_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
        encoded, most = url_encode(query), limit(query, "max-uploads", MOST_UPLOADS)
        after_upload = upload_marker if key_marker else ""  # S3 looks at it only with a key
        listed = req.store.list_uploads(req.ref, prefix, key_marker, after_upload, delimiter)
        uploads = list(islice(listed, most + 1)) if most else []
        page = multipart.UploadsPage(
            req.bucket,
            prefix,
            delimiter,
            key_marker,
            upload_marker,
            most,
            len(uploads) > most,
            encoded,
            uploads[:most],
        )
        resp.data = multipart.list_uploads_result(page)
        resp.content_type = xml.CONTENT_TYPE

    def complete(self, req: S3Request, resp: falcon.Response) -> None:
        """CompleteMultipartUpload (S3 API): one commit; no byte is written again. Completing twice is no error."""
        ref, upload, headers = req.ref, req.query["uploadId"], req.lower_headers
        check = conditions.put_check(headers.get("if-match"), headers.get("if-none-match"))
        try:
            found = req.store.inspect_upload(ref, req.key, upload)
        except pfs.UploadNotFound:  # the same request came before
            slow_answer.answer(req, resp, lambda: _completed(req, req.store.inspect_finished(ref, req.key, upload)))
            return
        document = body.read_small(req.open_body(), document_expected(headers), LARGEST_DOCUMENT, req.chunk_verifier)
        named = multipart.read_complete(document)
        slow_answer.answer(req, resp, lambda: _completed(req, self._finish(req, ref, found, named, check)))

    def _finish(
        self, req: S3Request, ref: Ref, upload: pfs.Upload, named: list[multipart.NamedPart], check: pfs.Check | None
    ) -> FileInfo:
        """The file that the upload becomes, of the parts that the request names."""
        try:
            parts = multipart.chosen(named, req.store.list_parts(ref, req.key, upload.id))
            kept = {name: value for name, value in upload.attributes.items() if not name.startswith(checksums.PREFIX)}
            kept |= multipart.checksum_of(upload.attributes, parts, req.lower_headers)
            wanted = [(part.number, part.etag) for part in parts]
            return req.store.finish_upload(ref, req.key, upload.id, wanted, multipart.etag_of(parts), kept, check)
        except pfs.UploadNotFound:  # the same request came at the same time
            return req.store.inspect_finished(ref, req.key, upload.id)

    def abort(self, req: S3Request, resp: falcon.Response) -> None:
        """AbortMultipartUpload (S3 API): of one that was completed, whose object stays, it is no error."""
        ref, upload, started = req.ref, req.query["uploadId"], req.lower_headers.get(conditions.STARTED)
        try:
            if started is not None:  # when an upload began never changes
                conditions.check_started(req.store.inspect_upload(ref, req.key, upload).started_ms, started)
            req.store.abort_upload(ref, req.key, upload)
        except pfs.UploadNotFound:  # programs clean up behind a completion too, and S3 lets them
            req.store.inspect_finished(ref, req.key, upload)
        resp.status = 204


def _completed(req: S3Request, file: FileInfo) -> slow_answer.Done:
    document = multipart.completed(req.bucket, f"{req.prefix}{quote(req.path)}", file)
    return slow_answer.Done(document, {"x-amz-version-id": file.commit.id})


def document_expected(headers: Any) -> body_headers.Expected:
    """What the headers say of the document: its checksum headers are of the object that it completes."""
    return body_headers.expected_of(
        {name: value for name, value in headers.items() if not name.startswith(checksums.PREFIX)}
    )
