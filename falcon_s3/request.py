"""S3Request: one request, typed: what is asked for, by whom, and how its body is read."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import falcon

from falcon_s3 import _speedups, buckets, errors
from falcon_s3.admission import Admission
from falcon_s3.attributes import METADATA
from falcon_s3.pfs import Pfs, Ref
from falcon_s3.rights import ALL, Rights
from falcon_s3.spelling import headers_as_signed

logger = logging.getLogger(__name__)

REQUEST_ID = "x-amz-request-id"
# A host, and perhaps a port (RFC 9110 section 7.2). Without a comma: a server makes one line of several Host lines so.
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+;=:\[\]-]+")


def new_id() -> str:
    """What tells one request from all others, in its answer and in the log: 16 hexadecimal digits."""
    return random.getrandbits(64).to_bytes(8, "big").hex().upper()


def is_host(text: str) -> bool:
    """Whether this can be the value of one Host header."""
    return _HOST.fullmatch(text) is not None


OF_BUCKETS = (
    "BucketAlreadyOwnedByYou",
    "BucketNotEmpty",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchCORSConfiguration",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "NoSuchWebsiteConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "ReplicationConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
)
# What an error repeats of the request, unless it says it itself: the element, and where it comes from (S3 API reference,
# the answers of each operation).
REPEATED: Mapping[str, tuple[str, Callable[[S3Request], str]]] = {
    **dict.fromkeys(OF_BUCKETS, ("BucketName", lambda req: req.bucket)),
    "InvalidDigest": ("Content-MD5", lambda req: req.lower_headers.get("content-md5", "")),
    **dict.fromkeys(
        ("InvalidPart", "InvalidPartOrder", "NoSuchUpload"), ("UploadId", lambda req: req.query.get("uploadId", ""))
    ),
    "NoSuchKey": ("Key", lambda req: req.key),
}


class S3Request(falcon.Request):
    """Falcon's request with what the walk through the gateway adds, each set once, by the module named.

    Attributes:
        request_id: 16 hexadecimal digits, on every answer (here).
        query: the query parameters, decoded; the last of a repeated one counts (here).
        lower_headers: header values by lower-case name, metadata under the names that were signed (here).
        bucket, key: from the path; empty where the path has none (routing).
        place: the bucket by its full name, `[commit.][branch.]repo[.project]` (routing).
        places: the full names of buckets where only some are shown; None: all (routing).
        is_reading: whether some of the body was asked for, which invites a client that waits for 100 Continue (here).
        access_key: whose signature was verified; "" for nobody's (auth).
        rights: what whoever asks may do; without a gatekeeper everything (auth).
        everybody: what those may do who do not sign; without a gatekeeper everything (auth).
        store: what the request reads and writes (app; auth, where whoever asks has a view of their own).
        chunk_verifier: checks the signatures inside a signed aws-chunked body; None if there are none (auth).
    """

    __slots__ = (
        "access_key",
        "bucket",
        "chunk_verifier",
        "everybody",
        "is_reading",
        "key",
        "lower_headers",
        "place",
        "places",
        "query",
        "request_id",
        "rights",
        "store",
    )

    bucket: str
    key: str
    query: Mapping[str, str]
    store: Pfs

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None):
        # What Falcon itself asks of every request; the rest is made when it is asked for, which it hardly ever is.
        self.env = env
        self.options = options or falcon.RequestOptions()
        self.method = env["REQUEST_METHOD"]
        path = env["PATH_INFO"] or "/"
        self.path = path if path.isascii() else path.encode("latin-1").decode(errors="replace")
        self.is_websocket = False
        self.uri_template = None
        self.request_id = new_id()
        self.bucket = ""
        self.key = ""
        self.place = ""
        self.places: Mapping[str, str] | None = None
        self.is_reading = False
        self.access_key = ""
        self.rights: Rights = ALL
        self.everybody: Rights = ALL
        self.chunk_verifier: Any = None
        headers = _speedups.headers_of(env)
        self.lower_headers: Mapping[str, str] = headers_as_signed(headers, env["QUERY_STRING"], METADATA)
        self.query = {}

    @property
    def ref(self) -> Ref:
        """The branch or commit that the bucket shows, whether it exists or not. Raises pfs.InvalidName."""
        return buckets.parse(self.place)

    def place_of(self, bucket: str) -> str:
        """A bucket by its full name. Raises NoSuchBucket where only some are shown, and this is none of them."""
        if self.places is None:
            return bucket
        if bucket not in self.places:
            raise errors.NoSuchBucket
        return self.places[bucket]

    def admit(self, admission: Admission) -> None:
        """Whoever asks is let in."""
        self.rights, self.everybody, store = admission
        if store is not None:
            self.store = store

    def told_of(self, ex: BaseException) -> errors.S3Error:
        """What the client is told of an error. One that nobody foresaw is written down."""
        error = errors.of(ex)
        if isinstance(error, errors.InternalError):
            logger.error("request %s: %s %s failed", self.request_id, self.method, self.path, exc_info=ex)
        if error.code in REPEATED:
            name, told = REPEATED[error.code]
            text = told(self)
            error.fields = {name: text, **error.fields} if text else error.fields
        return error

    def __getattr__(self, name: str) -> Any:
        super().__init__(self.env, self.options)
        return object.__getattribute__(self, name)

    def open_body(self) -> Callable[[int], bytes]:
        """A function that reads so many bytes of the body, fewer only at its end. Until it is called nothing is read."""
        read: Callable[[int], bytes] = self.env["wsgi.input"].read

        def reading(size: int) -> bytes:
            self.is_reading = True
            return read(size)

        return reading


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query string, decoded; raises InvalidURI for what is not UTF-8."""
    try:
        return _speedups.parse_query(query)
    except UnicodeError as ex:
        raise errors.InvalidURI from ex
