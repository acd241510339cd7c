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

from falcon_s3 import _sign_py, _speedups, errors
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
)
from falcon_s3.spelling import decoded, spellings

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_EMPTY = hashlib.sha256()  # to be copied, which is quicker than to make one
EMPTY_SHA256 = _EMPTY.hexdigest()
LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600

# Longest text that is kept from one request to the next.
KEPT_CHARACTERS = 512
# What is read without its body: a link to it need not say what the body is.
BODILESS = frozenset(("GET", "HEAD", "DELETE"))
# Parameters of a link that do not sign it are headers that its maker put there, but for these: the AWS SDK for
# JavaScript puts the checksum of an empty body into every link for an upload.
LEFT_IN_LINKS = ("x-amz-checksum-", "x-amz-sdk-", "x-amz-content-sha256", "x-amz-date")
INCOMPLETE = (
    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature,"
    " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
)
NOT_SIGNED = "There were headers present in the request which were not signed"

# What a request says of its signature: access key, scope, timestamp, signed headers, signature, what is signed of its
# body, and the region of the scope; None: this is no scope, or one of another day.
Claim = tuple[str, str, str, str, str, str, "str | None"]

EXPIRY = re.compile(r"-?[0-9]{1,9}")


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


class Credential(NamedTuple):
    """What the Authorization header says before its signature."""

    access_key: str
    scope: str
    signed_headers: str
    names: frozenset[str]  # of signed_headers
    date: str  # of the scope
    region: str | None  # of the scope; None: this is no scope


class Terms(NamedTuple):
    """What a link says besides its signature and what it is for: the same in many links, and whenever it is followed."""

    access_key: str
    scope: str
    timestamp: str
    signed_headers: str
    names: frozenset[str]  # of signed_headers
    begins: float  # good from here, in seconds since the epoch
    ends: float  # to here
    region: str | None  # of the scope; None: this is no scope, or one of another day


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
        link, others = _speedups.link_of(request.query)
        claim, query = _from_link(link, request.method, request.headers, now), link[3]
        hoisted = _hoisted(others) if others else others
    else:
        claim = _from_header(request.headers, now)
        query = _speedups.canonical_query(request.query) if request.query else ""
    access_key, scope, timestamp, signed_headers, signature, payload, signed_for = claim
    if signed_for is None or (region is not None and region != signed_for):
        raise _wrong_scope(scope, timestamp, region, presigned)
    secret = secret_of(access_key)
    if secret is None:
        raise errors.InvalidAccessKeyId(fields={"AWSAccessKeyId": access_key})
    canonical = _speedups.canonical_request(
        request.method, request.path, query, request.headers, signed_headers, payload
    )
    head = f"{ALGORITHM}\n{timestamp}\n{scope}\n"
    mac = _mac(secret, scope)
    if not is_same(mac.sign(head + _sha256(canonical)), signature):
        _check_spellings(request, canonical, head, mac, signature)
    if STREAMING not in payload:
        return Identity(access_key, None, hoisted)
    return Identity(access_key, ChunkVerifier(signing_key(secret, scope), timestamp, scope, signature), hoisted)


def reader(
    method: str,
    path: str,
    headers: Mapping[str, str],
    link: _sign_py.Link,
    secret_of: SecretOf,
    now: float,
    region: str | None,
) -> str | None:
    """Whose signature is good, of a request as most clients sign it, whose body is not signed in chunks: the access key.

    For what comes often and is small, so in the fewest steps. None, or what `verify` raises: `verify` says whether it is good.
    """
    claim = _from_header(headers, now) if link[0] is None else _from_link(link, method, headers, now)
    access_key, scope, timestamp, signed_headers, signature, payload, signed_for = claim
    secret = secret_of(access_key)
    if secret is None or signed_for is None or (region is not None and region != signed_for):
        return None
    canonical = _speedups.canonical_request(method, path, link[3], headers, signed_headers, payload)
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{_sha256(canonical)}"
    return access_key if is_same(_mac(secret, scope).sign(text), signature) else None


def _check_spellings(request: SignedRequest, canonical: bytes, head: str, mac: Mac, signature: str) -> None:
    """Raises SignatureDoesNotMatch, which shows what S3 itself signs.

    Some clients sign the path as they sent it, older versions of curl among them, so other spellings are tried.
    """
    method, _, rest = canonical.split(b"\n", 2)
    for path in spellings(request.path, request.bucket):
        if is_same(mac.sign(head + _sha256(b"\n".join((method, path.encode(), rest)))), signature):
            return
    raise errors.SignatureDoesNotMatch(
        fields={"StringToSign": head + _sha256(canonical), "CanonicalRequest": canonical.decode()}
    )


def _sha256(text: bytes) -> str:
    """In hexadecimal."""
    hashed = _EMPTY.copy()
    hashed.update(text)
    return hashed.hexdigest()


def _from_header(headers: Mapping[str, str], now: float) -> Claim:
    """What the Authorization header says, and the time in another."""
    authorization = headers.get("authorization", "")
    head, found, signature = authorization.rpartition("Signature=")
    if not found:
        head, signature = authorization, ""
    if "," in signature:  # nearly all clients write it last
        signature, _, rest = signature.partition(",")
        head = f"{head}{rest},"
    read = _credential if len(head) <= KEPT_CHARACTERS else _credential.__wrapped__
    access_key, scope, signed, names, date, region = read(head)
    if not signature:
        raise errors.AuthorizationHeaderMalformed
    payload = headers.get("x-amz-content-sha256")
    if payload is None:
        raise errors.InvalidRequest("Missing required header for this request: x-amz-content-sha256")
    _check_signed(headers, names)
    timestamp, moment = _moment(headers)
    check_clock(moment, timestamp, now)
    region = region if date == timestamp[:8] else None
    return access_key, scope, timestamp, signed, signature.strip(), payload, region


def _check_signed(headers: Mapping[str, str], names: Container[str]) -> None:
    """Raises AccessDenied unless the host and every header of Amazon's is signed."""
    if "host" in names:
        for name in headers:
            if name not in names and name.startswith("x-amz-"):
                break
        else:
            return
    missing = [name for name in headers if name not in names and name.startswith("x-amz-")]
    if "host" not in names:
        missing.append("host")
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
    date = scope[:8]
    return Credential(access_key, scope, signed, frozenset(signed.split(";")), date, _region_of(scope, date))


def _is_list(signed_headers: str) -> bool:
    """Whether these are names, each once: a long header named again and again would make a text of gigabytes."""
    names = signed_headers.split(";")
    return signed_headers != "" and len(names) == len(set(names))


def _from_link(link: _sign_py.Link, method: str, headers: Mapping[str, str], now: float) -> Claim:
    """What the parameters of a link say."""
    text, signature, digest, _ = link
    terms = text or ""
    access_key, scope, timestamp, signed_headers, names, begins, ends, region = (
        _terms(terms) if len(terms) <= KEPT_CHARACTERS else _terms.__wrapped__(terms)
    )
    if not signature:
        raise errors.AuthorizationQueryParametersError(INCOMPLETE)
    _check_signed(headers, names)
    if now < begins:
        raise errors.AccessDenied("Request is not yet valid")
    if now > ends:
        raise errors.AccessDenied("Request has expired", fields={"X-Amz-Expires": _unquoted(terms.split("&")[3])})
    if "%" in signature:
        signature = _unquoted(signature)
    if digest is None:
        payload = headers.get("x-amz-content-sha256", UNSIGNED)
    else:
        payload = _digest_of_link(method, headers, _unquoted(digest))
    return access_key, scope, timestamp, signed_headers, signature, payload, region


@lru_cache(maxsize=256)
def _terms(text: str) -> Terms:
    """What the five `_sign_py.TERMS` of a link say."""
    algorithm, credential, date, expires, signed_headers = text.split("&")
    if _unquoted(algorithm) != ALGORITHM:
        raise errors.AuthorizationQueryParametersError('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    access_key, _, scope = _unquoted(credential).partition("/")
    timestamp, signed = _unquoted(date), _unquoted(signed_headers)
    moment = seconds(timestamp)
    if not (access_key and scope and _is_list(signed)) or moment is None:
        raise errors.AuthorizationQueryParametersError(INCOMPLETE)
    expiry = _unquoted(expires)
    if not EXPIRY.fullmatch(expiry) or int(expiry) > LONGEST_EXPIRY_SECONDS:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be a number of seconds up to 604800")
    ends = float("-inf") if expiry.startswith("-") else moment + int(expiry)
    # The header that tells the payload's digest is in the line of the payload.
    names = frozenset(("x-amz-content-sha256", *signed.split(";")))
    region = _region_of(scope, timestamp)
    return Terms(access_key, scope, timestamp, signed, names, moment - SKEW_SECONDS, ends, region)


def _hoisted(others: Mapping[str, str]) -> dict[str, str]:
    """The headers among the parameters of a link; `others` are those of Amazon's that do not sign it."""
    lower = {name.lower(): value for name, value in others.items()}
    return {name: decoded(value) for name, value in lower.items() if not name.startswith(LEFT_IN_LINKS)}


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="replace") if "%" in text else text


def _digest_of_link(method: str, headers: Mapping[str, str], signed: str) -> str:
    """What the signature says of the body; `signed` is said by the link itself.

    A body is checked against its headers, so a link that names a digest needs the header that names it too.
    """
    if signed not in (UNSIGNED, headers.get("x-amz-content-sha256")) and method not in BODILESS:
        raise errors.AuthorizationQueryParametersError(
            "X-Amz-Content-Sha256 must be UNSIGNED-PAYLOAD, or repeated in the header x-amz-content-sha256"
        )
    return signed


def _wrong_scope(scope: str, timestamp: str, region: str | None, presigned: bool) -> errors.S3Error:
    """What is wrong with a scope."""
    date, signed_for = _parts(scope)
    message = f"The region '{signed_for}' is wrong; expecting '{region}'"
    if date != timestamp[:8]:
        message = "The credential must have the form <access key>/<date>/<region>/s3/aws4_request, with the same date"
    fields = {"Region": region} if region else {}
    headers = {"x-amz-bucket-region": region} if region else {}  # for an answer without a document, to HEAD
    if presigned:
        return errors.AuthorizationQueryParametersError(message, fields=fields, headers=headers)
    return errors.AuthorizationHeaderMalformed(message, fields=fields, headers=headers)


def _parts(scope: str) -> tuple[str, str | None]:
    """The date and the region of a scope; "" and None for what is none."""
    parts = scope.split("/")
    return (parts[0], parts[1]) if len(parts) == 4 and parts[2:] == ["s3", "aws4_request"] else ("", None)


def _region_of(scope: str, timestamp: str) -> str | None:
    """Which region a scope is for; None: this is none, or one of another day, or too long to be kept."""
    date, region = _parts(scope)
    return region if date == timestamp[:8] and len(scope) <= KEPT_CHARACTERS else None


@lru_cache(maxsize=1024)
def signing_key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _mac(secret: str, scope: str) -> Mac:
    return Mac(signing_key(secret, scope))
