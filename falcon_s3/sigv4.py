"""AWS Signature Version 4 for S3: by header, by presigned query, and inside aws-chunked bodies.

Pure functions over a request's values; who may ask is told by `secret_of`. Rule: the canonical form is made from
what arrived, decoded and encoded again once: S3 neither normalises a path nor encodes it twice. Rule: signatures
are compared in constant time, and what every request of a client repeats is worked out once: the signing key of a
day and region, the time of a second, the head of the Authorization header. What is kept so is short and bounded,
because clients choose it.

Source: S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
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

# Longest text that is kept from one request to the next.
KEPT_CHARACTERS = 512
# What is read without its body: a link to it need not say what the body is.
BODILESS = frozenset(("GET", "HEAD", "DELETE"))
NOT_SIGNED = "There were headers present in the request which were not signed"

_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_SPACES = re.compile("  +")
# What is its own canonical form. In a path that arrives decoded: unreserved characters (RFC 3986 section 2.3) and
# slashes; in a query, as most clients write it: these without slashes, and %XX for any byte but theirs.
_CANONICAL_PATH = re.compile(r"[A-Za-z0-9/._~-]*")
_CANONICAL = re.compile(
    r"[A-Za-z0-9._~-]*(?:%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])[A-Za-z0-9._~-]*)*"
)

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


class Credential(NamedTuple):
    """What the Authorization header says before its signature."""

    access_key: str
    scope: str
    signed_headers: str
    names: frozenset[str]  # of signed_headers


def is_presigned(query: str) -> bool:
    """Whether the query claims to carry a signature; only such a parameter does, not one inside a value."""
    if "X-Amz-" not in query:
        return False
    query = f"&{query}"
    return "&X-Amz-Signature=" in query or "&X-Amz-Algorithm=" in query


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
    head, found, signature = authorization.rpartition("Signature=")
    if not found:
        head, signature = authorization, ""
    if "," in signature:  # nearly all clients write it last
        signature, _, rest = signature.partition(",")
        head = f"{head}{rest},"
    read = _credential if len(head) <= KEPT_CHARACTERS else _credential.__wrapped__
    access_key, scope, signed, names = read(head)
    if not signature:
        raise errors.AuthorizationHeaderMalformed
    headers = request.headers
    payload = headers.get("x-amz-content-sha256")
    if payload is None:
        raise errors.InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    for name in headers:
        if name not in names and (name.startswith("x-amz-") or name == "host"):
            raise errors.AccessDenied(NOT_SIGNED, fields={"HeadersNotSigned": name})
    if "host" not in names:
        raise errors.AccessDenied(NOT_SIGNED, fields={"HeadersNotSigned": "host"})
    timestamp = headers.get("x-amz-date", "")
    moment = seconds(timestamp)
    if moment is None:
        raise errors.AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    if abs(now - moment) > SKEW_SECONDS:
        raise errors.RequestTimeTooSkewed(fields={"RequestTime": timestamp})
    return Claim(access_key, scope, timestamp, signed, signature.strip(), payload)


@lru_cache(maxsize=256)
def _credential(head: str) -> Credential:
    """`head` is the Authorization header without its signature: the same from request to request."""
    algorithm, _, rest = head.partition(" ")
    if algorithm != ALGORITHM:
        raise errors.InvalidRequest(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    access_key, _, scope = fields.get("Credential", "").partition("/")
    signed = fields.get("SignedHeaders", "")
    if not (access_key and scope and signed):
        raise errors.AuthorizationHeaderMalformed
    return Credential(access_key, scope, signed, frozenset(signed.split(";")))


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
        raise errors.AccessDenied(NOT_SIGNED, fields={"HeadersNotSigned": "host"})
    if moment > now + SKEW_SECONDS:
        raise errors.AccessDenied("Request is not yet valid")
    if now > moment + int(expires):
        raise errors.AccessDenied("Request has expired", fields={"X-Amz-Expires": expires})
    payload = _payload_of_link(request, fields.get("X-Amz-Content-Sha256"))
    return Claim(access_key, scope, timestamp, signed, signature, payload), "&".join(kept)


def _payload_of_link(request: SignedRequest, signed: str | None) -> str:
    """What the signature says of the body; `signed` is said by the link itself.

    A body is checked against its headers, so a link that names a digest needs the header that names it too.
    """
    header = request.headers.get("x-amz-content-sha256")
    if signed is None:
        return UNSIGNED if header is None else header
    if signed not in (UNSIGNED, header) and request.method not in BODILESS:
        raise errors.AuthorizationQueryParametersError(
            "X-Amz-Content-Sha256 must be UNSIGNED-PAYLOAD, or repeated in the header x-amz-content-sha256"
        )
    return signed


def _check_scope(claim: Claim, region: str | None, presigned: bool) -> None:
    parts = claim.scope.split("/")
    if len(parts) == 4 and parts[0] == claim.timestamp[:8] and parts[2:] == ["s3", "aws4_request"]:
        if len(claim.scope) <= KEPT_CHARACTERS and region in (None, parts[1]):
            return
        message = f"The region '{parts[1]}' is wrong; expecting '{region}'"
    else:
        message = "The credential must have the form <access key>/<date>/<region>/s3/aws4_request, with the same date"
    fields = {"Region": region} if region else {}
    if presigned:
        raise errors.AuthorizationQueryParametersError(message, fields=fields)
    raise errors.AuthorizationHeaderMalformed(message, fields=fields)


def canonical_request(request: SignedRequest, query: str, signed_headers: str, payload: str) -> bytes:
    method, path, _, headers = request
    lines = []
    for name in signed_headers.split(";"):
        value = headers.get(name)
        if value is None:  # a server may answer this one itself and keep it from us
            value = "100-continue" if name == "expect" else ""
        value = value.strip()
        lines.append(f"{name}:{_SPACES.sub(' ', value) if '  ' in value else value}\n")
    if not _CANONICAL_PATH.fullmatch(path):
        path = quote(path, safe="/-_.~")
    canonical = canonical_query(query) if query else ""
    return f"{method}\n{path}\n{canonical}\n{''.join(lines)}\n{signed_headers}\n{payload}".encode()


def canonical_query(query: str) -> str:
    canonical = _CANONICAL.fullmatch
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((name if canonical(name) else _encoded(name), value if canonical(value) else _encoded(value)))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")


@lru_cache(maxsize=1024)
def signing_key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _seconds(timestamp: str) -> int | None:
    found = _TIMESTAMP.fullmatch(timestamp)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp())
    except ValueError:
        return None


def seconds(timestamp: str) -> int | None:
    """A time such as 20261123T080000Z in seconds since the epoch; None if it is not one."""
    return _seconds(timestamp) if len(timestamp) == 16 else None


def _sign(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
