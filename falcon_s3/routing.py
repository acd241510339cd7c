"""S3Router: the path and the query of a request, and the one table of everything S3 can be asked.

A path is `/`, `/bucket` or `/bucket/key`, and below a virtual host `/` or `/key`; S3 tells its operations apart by the
verb and by *sub-resources*, query parameters such as `?versioning`. `app` gives the responders of what is answered;
this module knows the rest of the S3 API by name. Rule: it fails closed. A sub-resource that nothing answers is 501
NotImplemented whatever the verb, and so is a parameter this module has never heard of: an operation from next year
must not run as a plain PUT. Only what reads may have remarks, which S3 leaves aside. In a signed link a condition
counts as a header, and is refused where none would be looked at. Our own endpoints live below `/~/`, since `~` is in no
bucket name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import falcon

from falcon_s3 import _sign_py, buckets, errors, pfs, xml
from falcon_s3.request import S3Request, parse_query
from falcon_s3.spelling import path_of

Responder = Callable[[S3Request, falcon.Response], None]

# Behind a sub-resource: the bytes come from another object, which this header names.
COPY = "+copy"
SOURCE = "x-amz-copy-source"
SERVICE, BUCKET, OBJECT, OWN = "service", "bucket", "object", "own"

# Parameters that say how an operation is done, never which one; X-Amz-* and the last ones belong to `auth`.
PLAIN = frozenset(
    "allow-unordered list-type prefix delimiter marker max-keys encoding-type start-after continuation-token fetch-owner"
    " max-buckets bucket-region versionId key-marker version-id-marker upload-id-marker max-uploads max-parts"
    " part-number-marker response-content-type response-content-language response-expires"
    " response-cache-control response-content-disposition response-content-encoding"
    " AWSAccessKeyId Expires Signature content-type content-md5"
    # Which the AWS SDK for JavaScript 2 repeats in its links, and S3 does not heed: the headers count.
    " Content-Type Content-MD5 Content-Disposition Content-Encoding Content-Language Content-Length Cache-Control"
    " bucket key etag".split()  # which PostObject adds to the address that it redirects to, and that may be ours
)
# What S3 leaves aside in any request, but for X-Amz-* (S3 user guide, "Amazon S3 server access log format", "Custom
# access log information"); SDKs say there which operation they mean.
REMARK = "x-"
# The longest query whose reading is kept from one request to the next, because clients choose it.
KEPT_CHARACTERS = 1024
# Who a client expects to own the bucket, and the one it copies from.
EXPECTED_OWNERS = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
# Every sub-resource of the S3 API, to name what is refused.
SUB_RESOURCES = frozenset(
    "abac accelerate acl analytics annotation attributes cors delete encryption intelligent-tiering inventory"
    " legal-hold lifecycle location logging metadataConfiguration metadataInventoryTable metadataJournalTable"
    " metadataTable metrics notification object-lock ownershipControls partNumber policy policyStatus"
    " publicAccessBlock renameObject replication requestPayment restore retention select session tagging torrent"
    " uploadId uploads versioning versions website".split()
)
# The conditions that a signed link may carry in its query, in any case: headers for who follows it.
CONDITIONS = frozenset(("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"))
# Which of them each operation looks at, as headers: elsewhere one would be passed over.
ETAGS = frozenset(("if-match", "if-none-match"))
CONDITIONAL: Mapping[tuple[str, str, str], frozenset[str]] = {
    **{(OBJECT, verb, sub): CONDITIONS for verb in ("GET", "HEAD") for sub in ("", "partNumber")},
    (OBJECT, "PUT", ""): ETAGS,
    (OBJECT, "PUT", COPY): ETAGS,
    (OBJECT, "POST", "uploadId"): ETAGS,
    (OBJECT, "DELETE", ""): frozenset(("if-match",)),
}
# Those that hold up a write; If-Modified-Since is of reads alone (RFC 9110 section 13.1.3).
OF_WRITES = CONDITIONS - {"if-modified-since"}
# Beside which other a condition is not looked at (section 13.2.2).
LIFTED_BY = {"if-unmodified-since": "if-match", "if-modified-since": "if-none-match"}
READS = frozenset(("GET", "HEAD"))
# What means something in its own case alone, so that in another it is a mistake and no remark; and what would change
# which bytes are sent.
MEANT = frozenset(name.lower() for name in PLAIN | SUB_RESOURCES) | {"range", "if-range"}


class S3Router:
    """A Falcon router over a table of operations: (shape, verb, sub-resource or "") -> responder.

    `places`: the buckets that are shown, with the full name of each; None: all, by their full names.
    """

    def __init__(
        self,
        operations: Mapping[tuple[str, str, str], Responder],
        domains: tuple[str, ...] = (),
        places: Mapping[str, str] | None = None,
    ):
        self._operations = operations
        self._domains = domains
        self._places = places

    def find(self, uri: str, req: S3Request) -> tuple[object, dict[str, Responder], dict[str, Any], None]:
        """The responder of a request, whose bucket, key and query this sets.

        Raises AccessDenied, NoSuchBucket, InvalidURI, InvalidBucketName, KeyTooLongError, NotImplemented, MethodNotAllowed.
        """
        shape = split_path(req, self._domains)
        req.place = req.bucket
        if self._places is not None:
            req.places = self._places
            req.place = req.place_of(req.bucket) if shape in (BUCKET, OBJECT) else ""
        check_owner(req.lower_headers)
        sub = ""
        if shape == OWN:
            sub = req.key
        elif query := req.env["QUERY_STRING"]:
            req.query = parse_query(query)
            names = tuple(req.query)
            sub = (sub_resource if len(query) <= KEPT_CHARACTERS else sub_resource.__wrapped__)(names)
        copy = COPY if req.method == "PUT" and SOURCE in req.lower_headers else ""
        sub += copy
        responder = self._operations.get((shape, req.method, sub))
        if responder is None and (req.method in READS or _sign_py.SIGNATURE in req.query):
            sub = sub_resource_beside_remarks(req.method, req.query) + copy
            responder = self._operations.get((shape, req.method, sub))
            if responder is not None:
                take_conditions(req, (shape, req.method, sub))
        if responder is None:
            raise refusal(shape, req.method, sub)
        if req.method not in READS:
            refuse_conditions(req.lower_headers, (shape, req.method, sub))
        return self, {req.method: responder}, {}, None


def split_path(req: S3Request, domains: tuple[str, ...] = ()) -> str:
    """Set the request's bucket and key from its path, byte for byte; gives the path's shape.

    A host below one of the domains names the bucket, and all of the path is the key. WSGI hands on the path
    percent-decoded, as Latin-1 (PEP 3333); `//`, `.` and `..` are literal key text.
    """
    path = req.env["PATH_INFO"]
    if not path.isascii():
        path = path_of(path)
    if "\0" in path:
        raise errors.InvalidURI("A NUL character cannot be part of a key.")
    if domains:
        req.bucket = buckets.of_host(req.env.get("HTTP_HOST", ""), domains)
    if req.bucket:
        req.key = path[1:]
    else:
        req.bucket, _, req.key = path[1:].partition("/")
        if req.bucket == "~":
            return OWN
    if not req.bucket:
        if req.key:
            raise errors.InvalidBucketName
        return SERVICE
    if not req.key:
        return BUCKET
    if len(req.key) > pfs.PATH_BYTES // 4 and len(req.key.encode()) > pfs.PATH_BYTES:
        raise errors.KeyTooLongError(fields={"MaxSizeAllowed": str(pfs.PATH_BYTES)})
    return OBJECT


def check_owner(headers: Mapping[str, str]) -> None:
    """Raise AccessDenied where a client expects another owner than all buckets have.

    S3 user guide, "Verifying bucket ownership with bucket owner condition".
    """
    for name in EXPECTED_OWNERS:
        if name in headers and headers[name] != xml.OWNER.id:
            raise errors.AccessDenied(f"The bucket is not owned by whom {name} says: the owner is {xml.OWNER.id}.")


@lru_cache(maxsize=256)
def sub_resource(names: tuple[str, ...]) -> str:
    """What a query of these parameters asks for besides the plain object, bucket or service: "" for nothing."""
    for name in names:
        if name.lower() in CONDITIONS:  # none is ever passed over
            return name
    if "uploadId" in names:  # a partNumber beside it says which part
        return "uploadId"
    unknown = ""
    for name in names:
        if name in SUB_RESOURCES:
            return name
        if not unknown and name not in PLAIN and not name.startswith(REMARK) and name[:6].lower() != "x-amz-":
            unknown = name
    return unknown


def sub_resource_beside_remarks(method: str, query: Mapping[str, str]) -> str:
    """The same without what is left aside, and without the conditions in a signed link.

    Where a request reads, a parameter nobody knows is a remark if it has a value, as what names an operation has not.
    """
    is_signed, is_read = _sign_py.SIGNATURE in query, method in READS

    def is_aside(name: str, value: str) -> bool:
        lower = name.lower()
        return is_signed if lower in CONDITIONS else is_read and value != "" and lower not in MEANT

    return sub_resource.__wrapped__(tuple(name for name, value in query.items() if not is_aside(name, value)))


def take_conditions(req: S3Request, operation: tuple[str, str, str]) -> None:
    """Make the conditions in a signed link headers, which count more than those of who follows it.

    Raises NotImplemented for one that would be passed over, or that a header of who follows the link would lift.
    """
    shape, verb, _ = operation
    found = {name.lower(): value for name, value in req.query.items() if name.lower() in CONDITIONS}
    for name in found:
        if name not in CONDITIONAL.get(operation, ()):
            raise refusal(shape, verb, name)
        other = LIFTED_BY.get(name, name)
        if other in req.lower_headers and other not in found:
            raise errors.NotImplemented(
                f"The header {other} is not implemented beside the {name} of a signed URL.", fields={"Header": other}
            )
    if found:
        req.lower_headers = {**req.lower_headers, **found}


def refuse_conditions(headers: Mapping[str, str], operation: tuple[str, str, str]) -> None:
    """Raise NotImplemented for a condition of a write that it does not look at: what it was to keep would be gone.

    A part of an upload, say, takes the place of nothing.
    """
    looked_at = CONDITIONAL.get(operation)
    if looked_at is None or OF_WRITES.isdisjoint(headers):
        return
    for name in (OF_WRITES - looked_at) & headers.keys():
        if LIFTED_BY.get(name) not in headers:
            raise errors.NotImplemented(
                f"The header {name} is not implemented with {operation[1]}.", fields={"Header": name}
            )


def refusal(shape: str, verb: str, sub: str) -> errors.S3Error:
    """Why nothing answers: the operation is not there, or the verb means nothing here."""
    if shape == OWN:
        return errors.NoSuchKey("There is no such endpoint below /~/.")
    if sub.endswith(COPY):
        return errors.NotImplemented(
            f"The header {SOURCE} is not implemented with this: what is copied becomes an object, or a part of an upload.",
            fields={"Header": SOURCE},
        )
    if sub:
        return errors.NotImplemented(f"{verb} with ?{sub} is not implemented.", fields={"Header": sub})
    return errors.MethodNotAllowed(fields={"Method": verb, "ResourceType": shape.upper()})
