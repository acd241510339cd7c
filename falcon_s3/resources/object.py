"""`/bucket/key`: an object read, written and removed.

What a client says of an object in headers is kept beside it as attributes and sent again with it; `attributes` says
what is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import falcon

from falcon_s3 import attributes, body, body_headers, checksums, conditions, errors, multipart, pfs
from falcon_s3.conditions import http_date
from falcon_s3.deferral import DEFERRAL, VERSION, Deferral, Starts
from falcon_s3.pfs import FileInfo
from falcon_s3.request import S3Request
from falcon_s3.resources import version
from falcon_s3.rights import ALL, Right

# What is served up to this size goes out in one piece.
ONE_PIECE_BYTES = 256 << 10
# Says that a body is a piece of the object (RFC 9110 section 14.5), as of curl, which goes on with an upload so (`-C`).
PIECE = "content-range"
# The parameters that say what a header of the answer is (S3 API, GetObject).
OVERRIDES = {f"response-{name}": name for name in attributes.DESCRIBING}


class Object:
    """A file of a branch's head or of a commit.

    `starts` is the store where that can start a write: then a server that can may answer later.
    """

    def __init__(self, starts: Starts | None = None):
        self._starts = starts

    def get(self, req: S3Request, resp: falcon.Response) -> None:
        """GetObject (S3 API)."""
        for left in reversed(range(version.TRIES)):
            try:
                self._get(req, resp)
            except pfs.Changed:
                if not left:
                    raise
            else:
                return

    def _get(self, req: S3Request, resp: falcon.Response) -> None:
        file = version.asked_for(req)
        wanted = self._answer(req, resp, file)
        if wanted is None:
            return
        start, stop = wanted
        chunks = req.store.open_file(file, start, stop)
        if stop - start <= ONE_PIECE_BYTES:
            resp.data = b"".join(chunks)
        else:
            resp.stream = chunks

    def head(self, req: S3Request, resp: falcon.Response) -> None:
        """HeadObject (S3 API): what get answers, without the bytes."""
        self._answer(req, resp, version.asked_for(req))

    def _answer(self, req: S3Request, resp: falcon.Response, file: FileInfo) -> tuple[int, int] | None:
        """Set status and headers; gives the bytes [start, stop) to be sent, None for an answer without any."""
        headers, kept = req.lower_headers, file.attributes
        attributes.refuse_key(headers)
        overrides = override(req)
        answer = {
            "ETag": f'"{file.etag}"',
            "Last-Modified": http_date(file.modified_ms // 1000),
            "x-amz-version-id": file.commit.id,
        }
        if conditions.not_modified(headers, file.etag, file.modified_ms):
            resp.set_headers(answer | {name: kept[name] for name in kept.keys() & attributes.CACHE_HEADERS})
            resp.status = 304
            return None
        checksum = kept
        if "partNumber" in req.query:
            wanted, checksum = self._part(req, resp, file)
        else:
            wanted = conditions.byte_range(headers, file.size, file.etag, file.modified_ms)
            # S3 has no checksum of less than all, and clients would hold it against the bytes.
            if wanted is not None and wanted != (0, file.size):
                checksum = {}
        start, stop = (0, file.size) if wanted is None else wanted
        answer["Accept-Ranges"] = "bytes"
        answer["Content-Type"] = attributes.DEFAULT_CONTENT_TYPE
        answer["Content-Length"] = str(stop - start)
        resp.set_headers(answer)
        if kept:
            resp.set_headers(attributes.told(kept))
        if checksum and headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            resp.set_headers(checksums.kept(checksum))
        resp.set_headers(overrides)
        if wanted is not None:
            resp.status = 206
            if stop > start:  # of a part of no bytes there is nothing that a Content-Range could say
                resp.set_header("Content-Range", f"bytes {start}-{stop - 1}/{file.size}")
        return start, stop

    def _part(
        self, req: S3Request, resp: falcon.Response, file: FileInfo
    ) -> tuple[tuple[int, int] | None, Mapping[str, str]]:
        """The bytes of the part that partNumber names, and its checksum; a file in one piece is its part 1."""
        if "range" in req.lower_headers:
            raise errors.InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        number = multipart.part_number(req.query["partNumber"])
        parts = req.store.parts_of(file)
        count = max(len(parts), 1)
        if number > count:
            raise errors.InvalidPart(
                f"The object has {count} parts.",
                fields={"PartNumberRequested": str(number), "ActualPartCount": str(count)},
            )
        if not parts:
            return (0, file.size) if file.size else None, file.attributes
        resp.set_header("x-amz-mp-parts-count", str(len(parts)))
        start = sum(part.size for part in parts[: number - 1])
        part = parts[number - 1]
        kind = file.attributes.get(checksums.TYPE)
        checksum = {**part.attributes, **({checksums.TYPE: kind} if kind else {})}
        return (start, start + part.size) if file.size else None, checksum

    def put(self, req: S3Request, resp: falcon.Response) -> None:
        """PutObject (S3 API): everything that can be refused is refused before the body is read."""
        ref = req.ref
        headers = req.lower_headers
        if "versionId" in req.query:
            raise errors.InvalidArgument("This operation does not accept a version-id.")
        attributes.refuse_headers(headers, req.place, req.everybody)
        attributes.refuse_lost_text(headers)
        if PIECE in headers:
            raise errors.NotImplemented(
                "The header Content-Range is not implemented: an object is written as a whole, and what came before is"
                " not kept. Send all of it, or in parts.",
                fields={"Header": "Content-Range"},
            )
        kept = attributes.of_headers(headers)
        check = conditions.put_check(headers.get("if-match"), headers.get("if-none-match"))
        expected = body_headers.expected_of(headers)
        algorithm = expected.checksum or checksums.algorithm_named(headers.get("x-amz-sdk-checksum-algorithm"))
        if algorithm is not None:
            kept[checksums.TYPE] = checksums.FULL_OBJECT
        if check is not None:  # here to spare the upload; what counts is the check inside the write
            req.store.check_write(ref, req.key)
            check(current(req))
        deferral: Deferral | None = req.env.get(DEFERRAL)
        if deferral is not None and deferral.failure is not None:
            raise deferral.failure
        content = body.VerifiedBody(req.open_body(), expected, req.chunk_verifier, algorithm, kept)
        if deferral is not None and self._starts is req.store:
            deferral.started = self._starts.start_put(ref, req.key, content, kept, check)
            etag, version_id = deferral.started.etag, VERSION
        else:
            file = req.store.put_file(ref, req.key, content, kept, check)
            etag, version_id = file.etag, file.commit.id
        resp.set_header("ETag", f'"{etag}"')
        resp.set_header("x-amz-version-id", version_id)
        for name, value in checksums.kept(kept).items():
            resp.set_header(name, value)

    def delete(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteObject (S3 API): removing what is not there succeeds too. With a versionId that version is lost for good."""
        req.rights.check_change(req.store, req.place, Right.PURGE if "versionId" in req.query else Right.WRITE)
        ref = req.ref
        resp.status = 204
        if "versionId" in req.query:
            version.check(req.query["versionId"])
            self._delete_version(req, resp, ref, req.query["versionId"])
            return
        commit = req.store.delete_files(ref, [req.key], delete_check(req.lower_headers))
        if commit is not None:
            resp.set_header("x-amz-version-id", commit.id)
            resp.set_header("x-amz-delete-marker", "true")

    def _delete_version(self, req: S3Request, resp: falcon.Response, ref: pfs.Ref, name: str) -> None:
        """Take one version out of history for good; one that is not there is no error."""
        [removed] = req.store.delete_versions(ref, [(req.key, name)], delete_check(req.lower_headers))
        resp.set_header("x-amz-version-id", name)
        if removed is not None:
            version.log_removal(req, [removed])
            if removed.is_removal:
                resp.set_header("x-amz-delete-marker", "true")


def current(req: S3Request) -> FileInfo | None:
    """What the key shows now, if anything."""
    try:
        return version.asked_for(req)
    except pfs.FileNotFound:
        return None


def delete_check(headers: Mapping[str, str]) -> pfs.Check | None:
    """The condition of a DELETE, if there is one."""
    return conditions.delete_check(
        headers.get("if-match"),
        headers.get("x-amz-if-match-size"),
        headers.get("x-amz-if-match-last-modified-time"),
    )


def override(req: S3Request) -> dict[str, str]:
    """The headers that a request wants to be other ones.

    Not in the name of nobody, as on S3 (GetObject): else anybody could make links to an object that all may read, in which
    it is a page. Raises InvalidRequest, InvalidArgument.
    """
    found = {OVERRIDES[name]: header_value(name, value) for name, value in req.query.items() if name in OVERRIDES}
    if found and not req.access_key and req.rights != ALL:
        raise errors.InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    return found


def header_value(name: str, text: str) -> str:
    """A header's value from a query; raises InvalidArgument for what cannot stand in a header (RFC 9110, 5.5)."""
    if name == "response-content-disposition":
        text = attributes.disposition_in_ascii(text)
    if not text.isprintable() or not text.isascii():
        raise errors.InvalidArgument(
            f"The parameter {name} holds a character that no header can hold.",
            fields={"ArgumentName": name, "ArgumentValue": text},
        )
    return text
