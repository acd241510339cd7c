"""`/bucket/key`: an object read, written and removed.

What a client says of an object in headers is kept beside it as attributes, under the header's lower-case name,
and sent again with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from email.utils import formatdate

import falcon

from falcon_s3 import body, buckets, conditions, errors, pfs
from falcon_s3.pfs import Commit, FileInfo, FileVersion, Pfs, Ref
from falcon_s3.request import S3Request

logger = logging.getLogger(__name__)

# The version that S3 has where versioning never was; here it always is.
NO_VERSION = "null"
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
# Kept as they are (S3 API, PutObject); Content-Encoding loses aws-chunked first.
KEPT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
# Those that a 304 repeats (RFC 9110 section 15.4.5).
CACHE_HEADERS = frozenset(("cache-control", "expires"))
METADATA = "x-amz-meta-"
# Most bytes of user metadata, names without the prefix and values together (S3 user guide, "Object metadata").
METADATA_BYTES = 2048
# Header values on a write that would promise what is not kept, by header; None: any value.
REFUSED_HEADERS: Mapping[str, frozenset[str] | None] = {
    "x-amz-copy-source": None,
    "x-amz-object-lock-legal-hold": None,
    "x-amz-object-lock-mode": None,
    "x-amz-object-lock-retain-until-date": None,
    "x-amz-server-side-encryption": None,
    "x-amz-server-side-encryption-customer-algorithm": None,
    "x-amz-tagging": None,
    "x-amz-website-redirect-location": None,
    "x-amz-write-offset-bytes": None,
}
GRANTED_ACLS = frozenset(("", "private", "bucket-owner-full-control", "bucket-owner-read"))
# What is served up to this size goes out in one piece.
ONE_PIECE_BYTES = 256 << 10


class Object:
    """A file of a branch's head or of a commit."""

    def __init__(self, pfs: Pfs):
        self._pfs = pfs

    def get(self, req: S3Request, resp: falcon.Response) -> None:
        """GetObject (S3 API)."""
        file = self._find(req)
        wanted = self._answer(req, resp, file)
        if wanted is None:
            return
        start, stop = wanted
        chunks = self._pfs.open_file(file, start, stop)
        if stop - start <= ONE_PIECE_BYTES:
            resp.data = b"".join(chunks)
        else:
            resp.stream = chunks

    def head(self, req: S3Request, resp: falcon.Response) -> None:
        """HeadObject (S3 API): what get answers, without the bytes."""
        self._answer(req, resp, self._find(req))

    def _find(self, req: S3Request) -> FileInfo:
        """The version asked for. Raises NoSuchVersion where a versionId names none."""
        ref = buckets.parse(req.bucket)
        version = req.query.get("versionId")
        if version is None:
            return self._pfs.inspect_file(ref, req.key)
        if version != NO_VERSION and not pfs.is_commit_id(version):
            raise errors.InvalidArgument(
                "Invalid version id specified", fields={"ArgumentName": "versionId", "ArgumentValue": version}
            )
        try:
            return self._pfs.inspect_version(Commit(ref.repo, version), req.key)
        except pfs.NotFound as ex:
            require_bucket(self._pfs, ref)
            if isinstance(ex, pfs.FileRemoved) and ex.commit.id == version:
                raise errors.MethodNotAllowed(
                    "The version is a delete marker, which can only be deleted.",
                    fields={"Method": req.method, "ResourceType": "DeleteMarker"},
                    headers={"Allow": "DELETE", "x-amz-delete-marker": "true", "x-amz-version-id": version},
                ) from None
            raise errors.NoSuchVersion(fields={"Key": req.key, "VersionId": version}) from None

    def _answer(self, req: S3Request, resp: falcon.Response, file: FileInfo) -> tuple[int, int] | None:
        """Set status and headers; gives the bytes [start, stop) to be sent, None for an answer without any."""
        headers = req.lower_headers
        resp.set_header("ETag", f'"{file.etag}"')
        resp.set_header("Last-Modified", formatdate(file.modified_ms // 1000, usegmt=True))
        resp.set_header("x-amz-version-id", file.commit.id)
        if conditions.not_modified(headers, file.etag, file.modified_ms):
            for name in file.attributes.keys() & CACHE_HEADERS:
                resp.set_header(name, file.attributes[name])
            resp.status = 304
            return None
        wanted = conditions.byte_range(headers, file.size, file.etag, file.modified_ms)
        start, stop = (0, file.size) if wanted is None else wanted
        resp.set_header("Accept-Ranges", "bytes")
        resp.content_type = file.attributes.get("content-type", DEFAULT_CONTENT_TYPE)
        for name, value in file.attributes.items():
            resp.set_header(name, value)
        for name, value in req.query.items():
            if name.startswith("response-"):
                resp.set_header(name.removeprefix("response-"), header_value(value))
        if wanted is not None:
            resp.status = 206
            resp.set_header("Content-Range", f"bytes {start}-{stop - 1}/{file.size}")
        resp.content_length = stop - start
        return start, stop

    def put(self, req: S3Request, resp: falcon.Response) -> None:
        """PutObject (S3 API): everything that can be refused is refused before the body is read."""
        ref = buckets.parse(req.bucket)
        headers = req.lower_headers
        if "versionId" in req.query:
            raise errors.InvalidArgument("This operation does not accept a version-id.")
        refuse_headers(headers)
        attributes = attributes_of(headers)
        check = conditions.put_check(headers.get("if-match"), headers.get("if-none-match"))
        expected = body.expected_of(headers)
        self._pfs.check_write(ref, req.key)
        if check is not None:  # here to spare the upload; what counts is the check inside the write
            check(self._current(ref, req.key))
        content = body.VerifiedBody(req.open_body(), expected, req.chunk_verifier)
        file = self._pfs.put_file(ref, req.key, content, attributes, check)
        resp.set_header("ETag", f'"{file.etag}"')
        resp.set_header("x-amz-version-id", file.commit.id)

    def _current(self, ref: Ref, key: str) -> FileInfo | None:
        try:
            return self._pfs.inspect_file(ref, key)
        except pfs.FileNotFound:
            return None

    def delete(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteObject (S3 API): removing what is not there succeeds too. With a versionId that version is lost for good."""
        ref = buckets.parse(req.bucket)
        resp.status = 204
        if "versionId" in req.query:
            self._delete_version(req, resp, ref, req.query["versionId"])
            return
        commit = self._pfs.delete_files(ref, [req.key], delete_check(req.lower_headers))
        if commit is not None:
            resp.set_header("x-amz-version-id", commit.id)
            resp.set_header("x-amz-delete-marker", "true")

    def _delete_version(self, req: S3Request, resp: falcon.Response, ref: Ref, version: str) -> None:
        """Take one version out of history for good; one that is not there is no error."""
        [removed] = self._pfs.delete_versions(ref, [(req.key, version)], delete_check(req.lower_headers))
        resp.set_header("x-amz-version-id", version)
        if removed is not None:
            log_removal(req, [removed])
            if removed.is_removal:
                resp.set_header("x-amz-delete-marker", "true")


def delete_check(headers: Mapping[str, str]) -> pfs.Check | None:
    return conditions.delete_check(
        headers.get("if-match"),
        headers.get("x-amz-if-match-size"),
        headers.get("x-amz-if-match-last-modified-time"),
    )


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


def require_bucket(store: Pfs, ref: Ref) -> None:
    """Raise BranchNotFound or CommitNotFound unless the bucket is there."""
    if isinstance(ref, Commit):
        store.inspect_commit(ref)
    else:
        store.inspect_branch(ref)


def refuse_headers(headers: Mapping[str, str]) -> None:
    """Raise NotImplemented or InvalidStorageClass for what a client wants kept and we would drop."""
    for name in REFUSED_HEADERS:
        if name in headers:
            raise errors.NotImplemented(f"The header {name} is not implemented.", fields={"Header": name})
    if headers.get("x-amz-storage-class", "STANDARD") != "STANDARD":
        raise errors.InvalidStorageClass
    if headers.get("x-amz-acl", "") not in GRANTED_ACLS:
        raise errors.NotImplemented("Access control lists are not implemented.", fields={"Header": "x-amz-acl"})
    for name in headers:
        if name.startswith("x-amz-grant-"):
            raise errors.NotImplemented("Access control lists are not implemented.", fields={"Header": name})


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """What is kept of the headers; raises MetadataTooLarge."""
    kept = {name: headers[name] for name in KEPT_HEADERS if headers.get(name)}
    if "content-encoding" in kept:
        encoding = body.stored_encoding(kept.pop("content-encoding"))
        if encoding:
            kept["content-encoding"] = encoding
    length = 0
    for name, value in headers.items():
        if name.startswith(METADATA):
            kept[name] = value
            length += len(name) - len(METADATA) + len(value)
    if length > METADATA_BYTES:
        raise errors.MetadataTooLarge(fields={"Size": str(length), "MaxSizeAllowed": str(METADATA_BYTES)})
    return kept


def header_value(text: str) -> str:
    """A header's value from a query; raises InvalidArgument for what cannot stand in a header (RFC 9110, 5.5)."""
    if not text.isprintable() or not text.isascii():
        raise errors.InvalidArgument("A response- parameter holds a character that no header can hold.")
    return text
