"""`POST /bucket`: an object uploaded by an HTML form (PostObject), from a browser that holds no key.

The form is read as it comes: first its fields, which say and sign what may be uploaded, then the file, which is
streamed to the store up to its boundary; what follows the file is read and left aside. Rule: whatever can be refused
is refused when the fields are known, before the first byte of the file is taken. Falcon finds the boundaries.

Source: S3 API reference, "POST Object" and "Browser-Based Uploads Using POST"; RFC 7578.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import falcon
from falcon.media.multipart import BodyPart, MultipartFormHandler

from falcon_s3 import attributes, body, body_headers, checksums, conditions, errors, policy, tags, xml
from falcon_s3.admission import Gatekeeper
from falcon_s3.cors import Origins
from falcon_s3.pfs import FileInfo
from falcon_s3.policy import Policy
from falcon_s3.request import S3Request
from falcon_s3.resources.deletion import check_key
from falcon_s3.rights import Right

MEDIA_TYPE = "multipart/form-data"
# Most bytes of all fields before the file, with their names (S3 API reference, "POST Object").
FIELD_BYTES = 20 << 10
# How much more is read before the file: Falcon reads ahead, and there may be a preamble.
AHEAD_BYTES = 256 << 10
# What a part costs besides its name and value.
PART_BYTES = 64
# The fields that become headers of a write, with acl and tagging, which have other names there.
HEADERS = frozenset((*attributes.KEPT_HEADERS, "content-md5", "x-amz-storage-class"))
HEADER_PREFIXES = (
    attributes.METADATA,
    checksums.PREFIX,
    "x-amz-grant-",
    "x-amz-object-lock-",
    "x-amz-server-side-encryption",
)
# A header's name (RFC 9110 section 5.6.2), in lower case.
TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
FILENAME = "${filename}"
DROPPED_BYTES = 64 << 10


class Form:
    """A form upload, allowed to who signed the policy and may write to the bucket."""

    def __init__(self, gatekeeper: Gatekeeper | None, region: str, origins: Origins):
        self._gatekeeper = gatekeeper
        self._region = region
        self._origins = origins

    def upload(self, req: S3Request, resp: falcon.Response) -> None:
        """PostObject (S3 API)."""
        ref = req.ref
        upload = Upload(req)
        fields = upload.fields
        limits = self._allowed(req, fields)
        key = fields.get("key", "")
        if not key:
            raise errors.InvalidArgument(
                "Bucket POST must contain a field named 'key', before the file.",
                fields={"ArgumentName": "key", "ArgumentValue": ""},
            )
        check_key(key)
        headers = headers_of(fields)
        attributes.refuse_headers(headers, req.place, req.everybody)
        kept = attributes.of_headers(headers)
        check = conditions.put_check(req.lower_headers.get("if-match"), req.lower_headers.get("if-none-match"))
        # Where the file ends its boundary tells, and no length.
        expected = replace(body_headers.expected_of(headers | {"content-length": "0"}), length=None, wire_length=None)
        algorithm = expected.checksum or checksums.algorithm_named(headers.get(checksums.ALGORITHM))
        if algorithm is not None:
            kept[checksums.TYPE] = checksums.FULL_OBJECT
        req.store.check_write(ref, key)
        upload.limits = limits
        content = body.VerifiedBody(upload.read, expected, None, algorithm, kept)
        file = req.store.put_file(ref, key, content, kept, check)
        resp.set_headers(checksums.kept(kept))
        answer(req, resp, fields, file)

    def _allowed(self, req: S3Request, fields: Mapping[str, str]) -> Policy:
        """The policy of the form, which was checked. Raises AccessDenied, and what `policy` raises."""
        if self._gatekeeper is not None and not self._gatekeeper.is_open:
            if req.access_key:
                raise errors.InvalidRequest("Only one auth mechanism allowed: a form is signed in its fields.")
            req.access_key = policy.signer(fields, self._gatekeeper.secret_of, self._region)
            req.admit(self._gatekeeper.admit(req.access_key))
        if req.everybody.is_unlimited(Right.WRITE):
            self._origins.check_change(req.lower_headers)
        req.rights.check_change(req.store, req.place, Right.WRITE)
        if "policy" not in fields:
            return policy.ANYTHING
        if fields.get("bucket", req.bucket) != req.bucket:
            raise errors.AccessDenied("The field bucket names another bucket than the address.")
        found = policy.read(fields["policy"])
        found.check({**fields, "bucket": req.bucket}, time.time())
        return found


class Upload:
    """A form on its way: `fields` by lower-case name, and the file after them."""

    def __init__(self, req: S3Request):
        """Read up to the file. Raises MissingContentLength, PreconditionFailed, and what `_fields` raises."""
        headers = req.lower_headers
        kind = headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != MEDIA_TYPE:
            what = f"Bucket POST must be of the enclosure-type {MEDIA_TYPE}"
            raise errors.PreconditionFailed(what, fields={"Condition": what})
        length = body_headers.number(headers, "content-length")
        if length is None:
            raise errors.MissingContentLength
        self._read = req.open_body()
        self._left = length
        self._room: int | None = FIELD_BYTES + AHEAD_BYTES  # None: the file has begun
        self._length = 0
        self.limits = policy.ANYTHING
        stream: Any = SimpleNamespace(read=self._read_wire)
        handler = MultipartFormHandler()
        handler.parse_options.max_body_part_count = 0  # FIELD_BYTES is the limit
        try:
            self._parts = _named(iter(handler.deserialize(stream, kind, length)))
            self.fields, self._file = _fields(self._parts)
        except falcon.HTTPError as ex:
            raise self._broken() from ex
        self._room = None

    def read(self, size: int) -> bytes:
        """So many bytes of the file; b"" when it has ended as it must.

        Raises EntityTooLarge, EntityTooSmall, IncompleteBody, InvalidArgument, MalformedPOSTRequest.
        """
        chunk = self._file.stream.read(size)
        self._length += len(chunk)
        if not chunk:
            self._end()
        self.limits.check_length(self._length, ended=not chunk)
        return chunk

    def _end(self) -> None:
        """Read what is behind the file, so that the boundary and the end are known to have come."""
        try:
            for name, _ in self._parts:
                if name == "file":
                    raise errors.InvalidArgument("POST requires exactly one file upload per request.")
        except falcon.HTTPError as ex:
            raise self._broken() from ex
        while self._read_wire(DROPPED_BYTES):
            pass
        if self._left:
            raise errors.IncompleteBody

    def _read_wire(self, size: int) -> bytes:
        data = self._read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        if self._room is not None:
            self._room -= len(data)
            if self._room < 0:
                raise errors.MaxPostPreDataLengthExceededError
        return data

    def _broken(self) -> errors.S3Error:
        """Why a form cannot be read: it was cut short, or never was one."""
        if self._left and not self._read_wire(1):
            return errors.IncompleteBody()
        return errors.MalformedPOSTRequest()


def _named(parts: Iterator[BodyPart]) -> Iterator[tuple[str, BodyPart]]:
    """The parts of a form with their lower-case names. Raises MalformedPOSTRequest for one without a name."""
    for part in parts:
        try:
            name = part.name
        except ValueError as ex:
            raise errors.MalformedPOSTRequest("The name of a field is not UTF-8.") from ex
        if not name:
            raise errors.MalformedPOSTRequest("A field of the form has no name.")
        yield name.lower(), part


def _fields(parts: Iterator[tuple[str, BodyPart]]) -> tuple[dict[str, str], BodyPart]:
    """The fields before the file, and the file, whose name stands for ${filename}.

    Raises InvalidArgument for a field that comes twice or is not text, or if there is no file, MalformedPOSTRequest,
    MaxPostPreDataLengthExceededError.
    """
    fields: dict[str, str] = {}
    room = FIELD_BYTES
    for name, part in parts:
        if name == "file":
            if part.filename is None:  # a field of that name, which has no name to give
                return fields, part
            filename = _filename(part.filename)
            return {each: value.replace(FILENAME, filename) for each, value in fields.items()}, part
        room -= len(name) + PART_BYTES
        value = part.stream.read(max(room, 0) + 1)
        room -= len(value)
        if room < 0:
            raise errors.MaxPostPreDataLengthExceededError
        if name in fields:
            raise errors.InvalidArgument(f"The field {name} comes more than once.", fields={"ArgumentName": name})
        try:
            fields[name] = value.decode()
        except UnicodeDecodeError as ex:
            raise errors.InvalidArgument(f"The field {name} is not UTF-8.", fields={"ArgumentName": name}) from ex
    raise errors.InvalidArgument("POST requires exactly one file upload per request.")


def _filename(given: str) -> str:
    """The name of the file without its folders, which some browsers send."""
    name = given.encode(errors="replace").decode()  # some charsets can name what is no character
    return name.replace("\\", "/").rpartition("/")[2]


def headers_of(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields as the headers of a PUT that says the same. Raises InvalidArgument for what no header can hold."""
    headers = {}
    for name, value in fields.items():
        if name == "acl":
            headers["x-amz-acl"] = value
        elif name == "tagging":
            headers[tags.ATTRIBUTE] = tags.header_of(tags.read_tagging(value.encode()))
        elif name in HEADERS or name.startswith(HEADER_PREFIXES):
            text = value.strip()
            if any((character < " " and character != "\t") or character == "\x7f" for character in text):
                raise errors.InvalidArgument(
                    f"The field {name} holds a character that no header can hold.", fields={"ArgumentName": name}
                )
            if not TOKEN.fullmatch(name):
                raise errors.InvalidArgument("The name of a field is no name of a header.")
            headers[name] = attributes.in_ascii(name, text)
    return headers


def answer(req: S3Request, resp: falcon.Response, fields: Mapping[str, str], file: FileInfo) -> None:
    """Send the browser on, or say 204, 200 or 201 as the form wants."""
    etag = f'"{file.etag}"'
    resp.set_header("x-amz-version-id", file.commit.id)
    resp.set_header("ETag", etag)
    following = fields.get("success_action_redirect") or fields.get("redirect", "")
    target = redirection(following, req.bucket, file.path, etag)
    if target is not None:
        resp.status = 303
        resp.set_header("Location", target)
        return
    path = quote(file.path) if req.path == "/" else f"{quote(req.bucket)}/{quote(file.path)}"
    location = f"{req.prefix}/{path}"
    resp.set_header("Location", location)
    wanted = fields.get("success_action_status")
    resp.status = {"200": 200, "201": 201}.get(wanted or "", 204)
    if resp.status == 201:
        resp.data = xml.post_response(location, req.bucket, file.path, etag)
        resp.content_type = xml.CONTENT_TYPE


def redirection(url: str, bucket: str, key: str, etag: str) -> str | None:
    """The URL with what was uploaded in its query; None for what is no URL, which S3 leaves aside."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc or not (url.isascii() and url.isprintable()):
        return None
    query = f"bucket={quote(bucket)}&key={quote(key)}&etag={quote(etag)}"
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
