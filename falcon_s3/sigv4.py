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
from collections.abc import Container, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from falcon_s3 import _speedups, errors
from falcon_s3.signature import (
    NO_DATE,
    SKEW_SECONDS,
    VERSION_4,
    Identity,
    SecretOf,
    SignedRequest,
    check_clock,
    is_same,
    seconds,
    seconds_of_date,
    secret_for,
)
from falcon_s3.spelling import canonical_path, decoded, spellings

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256().hexdigest()
LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600

# Longest text that is kept from one request to the next.
KEPT_CHARACTERS = 512
# What is read without its body: a link to it need not say what the body is.
BODILESS = frozenset(("GET", "HEAD", "DELETE"))
# The parameters that sign a link; other X-Amz-* parameters are headers that its maker put there.
FIELDS = frozenset(
    f"X-Amz-{name}" for name in "Algorithm Content-Sha256 Credential Date Expires Signature SignedHeaders".split()
)
# ... but for these: the AWS SDK for JavaScript puts the checksum of an empty body into every link for an upload.
LEFT_IN_LINKS = ("x-amz-checksum-", "x-amz-sdk-", "x-amz-content-sha256", "x-amz-date")
NOT_SIGNED = "There were headers present in the request which were not signed"

EXPIRY = re.compile(r"-?[0-9]{1,9}")
EXPIRY_CHARACTERS = 10
_SPACES = re.compile("  +")


class Mac:
    """HMAC-SHA256 under one key (RFC 2104). What depends on the key alone is hashed once: 1.9 us a text, and not 4.2."""

    def __init__(self, key: bytes):
        block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, text: str) -> str:
        """In hexadecimal."""
        inner = self._inner.copy()
        inner.update(text.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class ChunkVerifier:
    """Checks the chain of signatures in a signed aws-chunked body; each is over the one before."""

    def __init__(self, signing_key: bytes, timestamp: str, scope: str, seed: str):
        self._mac = Mac(signing_key)
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
        if not is_same(self._mac.sign(text), signature):
            raise errors.SignatureDoesNotMatch("The signature of a chunk of the body does not match.")
        self._previous = signature


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
    """Whether the query claims to carry a signature."""
    return _speedups.claims_of(query) & VERSION_4 != 0


def verify(request: SignedRequest, secret_of: SecretOf, now: float, region: str | None = None) -> Identity:
    """Who signed the request; `now` in seconds since the epoch; `region` None: any region will do.

    Raises AccessDenied (expired, a header that had to be signed), AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError, InvalidAccessKeyId, InvalidRequest, RequestTimeTooSkewed,
    SignatureDoesNotMatch.
    """
    presigned = is_presigned(request.query)
    hoisted: Mapping[str, str] = {}
    if presigned:
        claim, query, hoisted = _from_query(request, now)
    else:
        claim = _from_header(request.headers.get("authorization", ""), request, now)
        query = _speedups.canonical_query(request.query) if request.query else ""
    _check_scope(claim, region, presigned)
    secret = secret_for(claim.access_key, secret_of)
    _check_signature(request, query, claim, _mac(secret, claim.scope))
    if STREAMING not in claim.payload:
        return Identity(claim.access_key, None, hoisted)
    key = signing_key(secret, claim.scope)
    return Identity(claim.access_key, ChunkVerifier(key, claim.timestamp, claim.scope, claim.signature), hoisted)


def _check_signature(request: SignedRequest, query: str, claim: Claim, mac: Mac) -> None:
    """Raises SignatureDoesNotMatch, which shows what S3 itself signs.

    Some clients sign the path as they sent it, older versions of curl among them, so other spellings are tried.
    """
    rest = canonical_rest(request, query, claim.signed_headers, claim.payload)

    def texts(path: str) -> tuple[str, str]:
        canonical = f"{request.method}\n{path}\n{rest}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return canonical, f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{digest}"

    canonical, text = texts(canonical_path(request.path))
    if is_same(mac.sign(text), claim.signature):
        return
    for path in spellings(request.path, request.bucket):
        if is_same(mac.sign(texts(path)[1]), claim.signature):
            return
    raise errors.SignatureDoesNotMatch(fields={"StringToSign": text, "CanonicalRequest": canonical})


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
    _check_signed(headers, names)
    timestamp, moment = _moment(headers)
    check_clock(moment, timestamp, now)
    return Claim(access_key, scope, timestamp, signed, signature.strip(), payload)


def _check_signed(headers: Mapping[str, str], names: Container[str]) -> None:
    """Raises AccessDenied unless the host and every header of Amazon's is signed."""
    missing = [name for name in headers if name not in names and name.startswith("x-amz-")]
    if "host" not in names:
        missing.append("host")
    if missing:
        raise errors.AccessDenied(NOT_SIGNED, fields={"HeadersNotSigned": ", ".join(missing)})


def _moment(headers: Mapping[str, str]) -> tuple[str, int]:
    """When the request was signed: the text that is signed, and seconds since the epoch. Raises AccessDenied."""
    timestamp = headers.get("x-amz-date")
    if timestamp is None:
        timestamp = headers.get("date", "")
        moment = seconds_of_date(timestamp)
        if moment is not None:
            return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y%m%dT%H%M%SZ"), moment
    moment = seconds(timestamp)
    if moment is None:
        raise errors.AccessDenied(NO_DATE)
    return timestamp, moment


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
    if not (access_key and scope and _is_list(signed)):
        raise errors.AuthorizationHeaderMalformed
    return Credential(access_key, scope, signed, frozenset(signed.split(";")))


def _is_list(signed_headers: str) -> bool:
    """Whether these are names, each once: a long header named again and again would make a text of gigabytes."""
    names = signed_headers.split(";")
    return signed_headers != "" and len(names) == len(set(names))


def _from_query(request: SignedRequest, now: float) -> tuple[Claim, str, dict[str, str]]:
    """The claim of a presigned request, its query without the signature, and the headers that the query carries."""
    found, query = _speedups.link_of(request.query)
    if _unquoted(found.get("X-Amz-Algorithm", "")) != ALGORITHM:
        raise errors.AuthorizationQueryParametersError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    written, names = found.get("X-Amz-Credential", ""), found.get("X-Amz-SignedHeaders", "")
    read = _credential_of_link
    credential = (read if len(written) + len(names) <= KEPT_CHARACTERS else read.__wrapped__)(written, names)
    timestamp, signature = _unquoted(found.get("X-Amz-Date", "")), _unquoted(found.get("X-Amz-Signature", ""))
    moment = seconds(timestamp)
    if credential is None or not signature or moment is None:
        raise errors.AuthorizationQueryParametersError(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature,"
            " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    expires = _unquoted(found.get("X-Amz-Expires", ""))
    valid = _expiry(expires) if len(expires) <= EXPIRY_CHARACTERS else None
    if valid is None:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be a number of seconds up to 604800")
    _check_signed(request.headers, credential.names)
    if moment > now + SKEW_SECONDS:
        raise errors.AccessDenied("Request is not yet valid")
    if expires.startswith("-") or now > moment + valid:
        raise errors.AccessDenied("Request has expired", fields={"X-Amz-Expires": expires})
    digest = found.get("X-Amz-Content-Sha256")
    payload = _payload_of_link(request, None if digest is None else _unquoted(digest))
    claim = Claim(credential.access_key, credential.scope, timestamp, credential.signed_headers, signature, payload)
    return claim, query, {} if found.keys() <= FIELDS else _hoisted(found)


def _hoisted(found: Mapping[str, str]) -> dict[str, str]:
    """The headers among the parameters of a link."""
    lower = {name.lower(): value for name, value in found.items() if name not in FIELDS}
    return {name: decoded(value) for name, value in lower.items() if not name.startswith(LEFT_IN_LINKS)}


@lru_cache(maxsize=256)
def _credential_of_link(credential: str, signed_headers: str) -> Credential | None:
    """What two parameters of a link say, as they are written there: the same from request to request; None: nothing."""
    access_key, _, scope = _unquoted(credential).partition("/")
    signed = _unquoted(signed_headers)
    if not (access_key and scope and _is_list(signed)):
        return None
    # That header is in the line of the payload.
    return Credential(access_key, scope, signed, frozenset(("x-amz-content-sha256", *signed.split(";"))))


@lru_cache(maxsize=256)
def _expiry(text: str) -> int | None:
    """For how many seconds a link is good; None: it does not say so."""
    return int(text) if EXPIRY.fullmatch(text) and int(text) <= LONGEST_EXPIRY_SECONDS else None


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="replace") if "%" in text else text


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
    is_short = len(claim.scope) <= KEPT_CHARACTERS
    date, signed_for = (_parts if is_short else _parts.__wrapped__)(claim.scope)
    if date == claim.timestamp[:8]:
        if is_short and region in (None, signed_for):
            return
        message = f"The region '{signed_for}' is wrong; expecting '{region}'"
    else:
        message = "The credential must have the form <access key>/<date>/<region>/s3/aws4_request, with the same date"
    fields = {"Region": region} if region else {}
    headers = {"x-amz-bucket-region": region} if region else {}  # for an answer without a document, to HEAD
    if presigned:
        raise errors.AuthorizationQueryParametersError(message, fields=fields, headers=headers)
    raise errors.AuthorizationHeaderMalformed(message, fields=fields, headers=headers)


@lru_cache(maxsize=256)
def _parts(scope: str) -> tuple[str, str]:
    """The date and the region of a scope; "" for those of one that is malformed."""
    parts = scope.split("/")
    return (parts[0], parts[1]) if len(parts) == 4 and parts[2:] == ["s3", "aws4_request"] else ("", "")


def canonical_rest(request: SignedRequest, query: str, signed_headers: str, payload: str) -> str:
    """The canonical request after its path; `query` in canonical form."""
    lines = []
    for name in signed_headers.split(";"):
        value = request.headers.get(name)
        if value is None:  # a server may answer this one itself and keep it from us
            value = "100-continue" if name == "expect" else ""
        value = value.strip()
        lines.append(f"{name}:{_SPACES.sub(' ', value) if '  ' in value else value}\n")
    return f"{query}\n{''.join(lines)}\n{signed_headers}\n{payload}"


@lru_cache(maxsize=1024)
def signing_key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _mac(secret: str, scope: str) -> Mac:
    return Mac(signing_key(secret, scope))
