"""AWS Signature Version 2 for S3: HMAC-SHA1, by header and by query; boto3 still makes its links so by default.

Pure functions over a request's values; who may ask is told by `secret_of`. A signature of this version covers the
verb, the path, the sub-resources, the date, the type and MD5 of the body, and Amazon's headers: nothing else of the
query, and no body.

Source: S3 developer guide, "Signing and authenticating REST requests" (RESTAuthentication).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from falcon_s3 import _speedups, errors
from falcon_s3.signature import (
    NO_DATE,
    VERSION_2,
    Identity,
    SecretOf,
    SignedRequest,
    check_clock,
    is_same,
    iso_time,
    mismatch,
    seconds_of_date,
    secret_for,
)
from falcon_s3.spelling import parameters, spellings

SCHEME = "AWS "
# The parameters that belong to the resource and are therefore signed: those that clients sign, botocore above all.
# Newer sub-resources are not among them, since no client of this version knows them.
SIGNED_PARAMETERS = frozenset(
    "accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics notification"
    " object-lock partNumber policy replication requestPayment response-cache-control response-content-disposition"
    " response-content-encoding response-content-language response-content-type response-expires restore select"
    " select-type storageClass tagging torrent uploadId uploads versionId versioning versions website".split()
)


class Claim(NamedTuple):
    """A signature and what it says of itself. `date` is the line that is signed in the place of the date."""

    access_key: str
    signature: str
    date: str
    headers: Mapping[str, str]  # with those that a link carries in its query
    hoisted: Mapping[str, str]  # only those


def is_presigned(query: str) -> bool:
    """Whether the query claims to carry a signature of this version."""
    return _speedups.claims_of(query) & VERSION_2 != 0


def verify(request: SignedRequest, secret_of: SecretOf, now: float) -> Identity:
    """Who signed the request; `now` in seconds since the epoch.

    Raises AccessDenied (no date, expired), InvalidAccessKeyId, InvalidArgument (not of the form `AWS key:signature`),
    InvalidRequest, RequestTimeTooSkewed, SignatureDoesNotMatch.
    """
    claim = _from_query(request, now) if is_presigned(request.query) else _from_header(request, now)
    secret = secret_for(claim.access_key, secret_of)
    shown = ""
    for path in paths(request):
        resource = canonical_resource(request.bucket, path, request.query)
        text = string_to_sign(request.method, claim.date, claim.headers, resource)
        if is_same(sign(secret, text), claim.signature):
            if claim.headers.get("x-amz-content-sha256", "").startswith("STREAMING-AWS4-"):
                raise errors.InvalidRequest("A body that is signed in chunks needs Signature Version 4.")
            return Identity(claim.access_key, None, claim.hoisted)
        shown = shown or text
    raise mismatch(claim.access_key, claim.signature, shown)


def paths(request: SignedRequest) -> Iterator[str]:
    """The path as it may have been signed: a bucket alone is signed with a slash, even if it is sent without one."""
    is_bucket = not request.bucket and len(request.path) > 1 and "/" not in request.path[1:]
    for path in spellings(request.path, request.bucket):
        if is_bucket:
            yield f"{path}/"
        yield path


def sign(secret: str, text: str) -> str:
    """The signature of a text, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def string_to_sign(method: str, date: str, headers: Mapping[str, str], resource: str) -> str:
    """`headers` by lower-case name; those sent more than once are joined by commas, as servers do."""
    standard = [headers.get(name, "").strip() for name in ("content-md5", "content-type")]
    return "\n".join([method, *standard, date, *_amazon_headers(headers), resource])


def _amazon_headers(headers: Mapping[str, str]) -> Iterable[str]:
    return [f"{name}:{value.strip()}" for name, value in sorted(headers.items()) if name.startswith("x-amz-")]


def canonical_resource(bucket: str, path: str, query: str) -> str:
    """`bucket` is the one that the host names, or ""; `path` is as the client wrote it.

    Values are signed decoded, so one with & in it may read as two parameters: a link for an old version would be good for the
    newest too, with its versionId hidden in another value. Raises SignatureDoesNotMatch for such.
    """
    signed = sorted((name, value) for name, value in parameters(query) if name in SIGNED_PARAMETERS)
    for name, value in signed:
        if any(part.partition("=")[0] in SIGNED_PARAMETERS for part in value.split("&")[1:]):
            raise errors.SignatureDoesNotMatch(
                f"The value of {name} reads as another parameter in what is signed: use Signature Version 4."
            )
    text = "&".join(f"{name}={value}" if value else name for name, value in signed)
    return f"{f'/{bucket}' if bucket else ''}{path}{f'?{text}' if text else ''}"


def _from_header(request: SignedRequest, now: float) -> Claim:
    headers = request.headers
    access_key, _, signature = headers["authorization"].removeprefix(SCHEME).strip().rpartition(":")
    if not (access_key and signature):
        raise errors.InvalidArgument(
            "AWS authorization header is invalid. Expected AwsAccessKeyId:signature",
            fields={"ArgumentName": "Authorization"},
        )
    amazon = headers.get("x-amz-date")
    text = headers.get("date", "") if amazon is None else amazon
    moment = seconds_of_date(text)
    if moment is None:
        raise errors.AccessDenied(NO_DATE)
    check_clock(moment, text, now)
    # A date among Amazon's headers is signed there, and leaves its own line empty.
    return Claim(access_key, signature, text.strip() if amazon is None else "", headers, {})


def carried(query: str) -> dict[str, str]:
    """The headers in the query of a link, which signs them as if they were sent."""
    return {
        name: value
        for name, value in parameters(query)
        if name.startswith("x-amz-") or name in ("content-type", "content-md5")
    }


def _from_query(request: SignedRequest, now: float) -> Claim:
    fields = dict(parameters(request.query))
    hoisted = carried(request.query)
    access_key, signature, expires = (fields.get(name, "") for name in ("AWSAccessKeyId", "Signature", "Expires"))
    if not (access_key and signature and expires):
        raise errors.AccessDenied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        )
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        raise errors.AccessDenied(f"Invalid date (should be seconds since epoch): {expires}")
    if now > int(expires):
        raise errors.AccessDenied(
            "Request has expired", fields={"Expires": iso_time(int(expires)), "ServerTime": iso_time(now)}
        )
    return Claim(access_key, signature, expires, {**hoisted, **request.headers}, hoisted)
