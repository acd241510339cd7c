"""AWS Signature Version 4 for S3: by header, by presigned query, and inside aws-chunked bodies.

Pure functions over a request's values; who may ask is told by `secret_of`. Rule: the canonical form is made from
what arrived, decoded and encoded again once: S3 neither normalises a path nor encodes it twice. Rule: signatures
are compared in constant time, and a signing key is derived once for a day and region.

Source: S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from falcon_s3 import errors

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256().hexdigest()
SKEW_SECONDS = 15 * 60
LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600

_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\Z", re.ASCII)
_SPACES = re.compile(" +")

SecretOf = Callable[[str], "str | None"]


class SignedRequest(NamedTuple):
    """What a signature is over: `path` decoded, `query` raw, `headers` by lower-case name."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class ChunkVerifier:
    """Checks the chain of signatures in a signed aws-chunked body; each is over the one before."""

    def __init__(self, signing_key: bytes, timestamp: str, scope: str, seed: str):
        self._key = signing_key
        self._head = f"{timestamp}\n{scope}\n"
        self._previous = seed

    def verify_chunk(self, sha256: str, signature: str) -> None:
        """`sha256` is the hexadecimal digest of the chunk's data. Raises SignatureDoesNotMatch."""
        self._verify("PAYLOAD", f"{EMPTY_SHA256}\n{sha256}", signature)

    def verify_trailers(self, trailers: Mapping[str, str], signature: str) -> None:
        """The trailing headers, without their own signature. Raises SignatureDoesNotMatch."""
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        self._verify("TRAILER", hashlib.sha256(lines.encode()).hexdigest(), signature)

    def _verify(self, kind: str, digests: str, signature: str) -> None:
        text = f"{ALGORITHM}-{kind}\n{self._head}{self._previous}\n{digests}"
        if not _same(_sign(self._key, text), signature):
            raise errors.SignatureDoesNotMatch("The signature of a chunk of the body does not match.")
        self._previous = signature


class Identity(NamedTuple):
    """Who asked. `chunks` checks the body of a request that signs its chunks."""

    access_key: str
    chunks: ChunkVerifier | None


class Claim(NamedTuple):
    """A signature and what it says of itself."""

    access_key: str
    scope: str  # date/region/s3/aws4_request
    timestamp: str
    signed_headers: str
    signature: str
    payload: str


def is_presigned(query: str) -> bool:
    return "X-Amz-Signature=" in query or "X-Amz-Algorithm=" in query


def verify(request: SignedRequest, secret_of: SecretOf, now: float, region: str | None = None) -> Identity:
    """Who signed the request; `now` in seconds since the epoch; `region` None: any region will do.

    Raises AccessDenied (no signature, expired, a header that had to be signed), AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError, InvalidAccessKeyId, InvalidRequest, RequestTimeTooSkewed,
    SignatureDoesNotMatch.
    """
    authorization = request.headers.get("authorization")
    presigned = is_presigned(request.query)
    if authorization is not None and presigned:
        raise errors.InvalidRequest("Only one auth mechanism allowed: a header or query parameters.")
    if authorization is not None:
        claim, query = _from_header(authorization, request, now), request.query
    elif presigned:
        claim, query = _from_query(request, now)
    else:
        raise errors.AccessDenied
    _check_scope(claim, region, presigned)
    secret = secret_of(claim.access_key)
    if secret is None:
        raise errors.InvalidAccessKeyId(fields={"AWSAccessKeyId": claim.access_key})
    key = signing_key(secret, claim.scope)
    canonical = canonical_request(request, query, claim.signed_headers, claim.payload)
    text = f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{hashlib.sha256(canonical).hexdigest()}"
    if not _same(_sign(key, text), claim.signature):
        raise errors.SignatureDoesNotMatch(
            fields={"StringToSign": text, "CanonicalRequest": canonical.decode(errors="replace")}
        )
    chunks = ChunkVerifier(key, claim.timestamp, claim.scope, claim.signature) if STREAMING in claim.payload else None
    return Identity(claim.access_key, chunks)


def _from_header(authorization: str, request: SignedRequest, now: float) -> Claim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise errors.InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    access_key, _, scope = parts.get("Credential", "").partition("/")
    signed, signature = parts.get("SignedHeaders", ""), parts.get("Signature", "")
    if not (access_key and scope and signed and signature):
        raise errors.AuthorizationHeaderMalformed
    headers = request.headers
    payload = headers.get("x-amz-content-sha256")
    if payload is None:
        raise errors.InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    names = signed.split(";")
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in names]
    if unsigned or "host" not in names:
        raise errors.AccessDenied(
            "There were headers present in the request which were not signed",
            fields={"HeadersNotSigned": ", ".join(unsigned or ["host"])},
        )
    timestamp = headers.get("x-amz-date", "")
    moment = seconds(timestamp)
    if moment is None:
        raise errors.AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    if abs(now - moment) > SKEW_SECONDS:
        raise errors.RequestTimeTooSkewed(fields={"RequestTime": timestamp})
    return Claim(access_key, scope, timestamp, signed, signature, payload)


def _from_query(request: SignedRequest, now: float) -> tuple[Claim, str]:
    """The claim of a presigned request, and its query without the signature."""
    fields: dict[str, str] = {}
    kept = []
    for part in request.query.split("&"):
        name, _, value = part.partition("=")
        fields[name] = unquote_to_bytes(value).decode(errors="replace")
        if name != "X-Amz-Signature":
            kept.append(part)
    if fields.get("X-Amz-Algorithm") != ALGORITHM:
        raise errors.AuthorizationQueryParametersError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    access_key, _, scope = fields.get("X-Amz-Credential", "").partition("/")
    signed, signature = fields.get("X-Amz-SignedHeaders", ""), fields.get("X-Amz-Signature", "")
    timestamp, expires = fields.get("X-Amz-Date", ""), fields.get("X-Amz-Expires", "")
    moment = seconds(timestamp)
    if not (access_key and scope and signed and signature) or moment is None:
        raise errors.AuthorizationQueryParametersError(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature,"
            " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if not (expires.isascii() and expires.isdigit() and len(expires) < 10) or int(expires) > LONGEST_EXPIRY_SECONDS:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be a number of seconds up to 604800")
    if "host" not in signed.split(";"):
        raise errors.AccessDenied("There were headers present in the request which were not signed")
    if moment > now + SKEW_SECONDS:
        raise errors.AccessDenied("Request is not yet valid")
    if now > moment + int(expires):
        raise errors.AccessDenied("Request has expired", fields={"X-Amz-Expires": expires})
    payload = fields.get("X-Amz-Content-Sha256") or request.headers.get("x-amz-content-sha256", UNSIGNED)
    return Claim(access_key, scope, timestamp, signed, signature, payload), "&".join(kept)


def _check_scope(claim: Claim, region: str | None, presigned: bool) -> None:
    parts = claim.scope.split("/")
    if len(parts) == 4 and parts[0] == claim.timestamp[:8] and parts[2:] == ["s3", "aws4_request"]:
        if region is None or parts[1] == region:
            return
        message = f"The region '{parts[1]}' is wrong; expecting '{region}'"
    else:
        message = "The credential must have the form <access key>/<date>/<region>/s3/aws4_request, with the same date"
    fields = {"Region": region} if region else {}
    if presigned:
        raise errors.AuthorizationQueryParametersError(message, fields=fields)
    raise errors.AuthorizationHeaderMalformed(message, fields=fields)


def canonical_request(request: SignedRequest, query: str, signed_headers: str, payload: str) -> bytes:
    headers = request.headers
    lines = []
    for name in signed_headers.split(";"):
        value = headers.get(name)
        if value is None:  # a server may answer this one itself and keep it from us
            value = "100-continue" if name == "expect" else ""
        lines.append(f"{name}:{_SPACES.sub(' ', value.strip())}\n")
    path = quote(request.path, safe="/-_.~")
    canonical = canonical_query(query) if query else ""
    return f"{request.method}\n{path}\n{canonical}\n{''.join(lines)}\n{signed_headers}\n{payload}".encode()


def canonical_query(query: str) -> str:
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_encoded(name), _encoded(value)))
    pairs.sort()
    return "&".join(f"{name}={value}" for name, value in pairs)


def _encoded(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")


@lru_cache(maxsize=1024)
def signing_key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def seconds(timestamp: str) -> int | None:
    """A time such as 20261123T080000Z in seconds since the epoch; None if it is not one."""
    found = _TIMESTAMP.match(timestamp)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    return calendar.timegm((year, month, day, hour, minute, second))


def _sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
