"""What a request says of its signature of Version 4: in the Authorization header, or in the query of a link.

It is read here and not believed: `sigv4` compares the signature. What every request of a client repeats is read once
and kept: the head of the Authorization header, the terms of a link. What is kept so is short and bounded, because
clients choose it.

Source: S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from falcon_s3 import _sign_py, errors
from falcon_s3.signature import NO_DATE, SKEW_SECONDS, check_clock, iso_time, seconds, seconds_of_date
from falcon_s3.spelling import decoded

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
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
MALFORMED_CREDENTIAL = (
    "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting"
    ' "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)
NOT_SIGNED = "There were headers present in the request which were not signed"

# What a request says of its signature: access key, scope, timestamp, signed headers, signature, what is signed of its
# body, and the region of the scope; None: this is no scope, or one of another day.
Claim = tuple[str, str, str, str, str, str, "str | None"]

EXPIRY = re.compile(r"-?[0-9]{1,9}")


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


def from_header(headers: Mapping[str, str], now: float) -> Claim:
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


def from_link(link: _sign_py.Link, method: str, headers: Mapping[str, str], now: float) -> Claim:
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
        fields = {"X-Amz-Expires": _unquoted(terms.split("&")[3]), "ServerTime": iso_time(now)}
        if ends > 0:
            fields["Expires"] = iso_time(ends)
        raise errors.AccessDenied("Request has expired", fields=fields)
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
    if credential and not (access_key and scope):
        raise errors.AuthorizationQueryParametersError(MALFORMED_CREDENTIAL)
    if not (credential and _is_list(signed)) or moment is None:
        raise errors.AuthorizationQueryParametersError(INCOMPLETE)
    expiry = _unquoted(expires)
    if not EXPIRY.fullmatch(expiry) or int(expiry) > LONGEST_EXPIRY_SECONDS:
        raise errors.AuthorizationQueryParametersError("X-Amz-Expires must be a number of seconds up to 604800")
    ends = float("-inf") if expiry.startswith("-") else moment + int(expiry)
    # The header that tells the payload's digest is in the line of the payload.
    names = frozenset(("x-amz-content-sha256", *signed.split(";")))
    region = _region_of(scope, timestamp)
    return Terms(access_key, scope, timestamp, signed, names, moment - SKEW_SECONDS, ends, region)


def hoisted_headers(others: Mapping[str, str]) -> dict[str, str]:
    """The headers among the parameters of a link; `others` are those of Amazon's that do not sign it."""
    lower = {decoded(name).lower(): value for name, value in others.items()}
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


def wrong_scope(scope: str, timestamp: str, region: str | None, presigned: bool) -> errors.S3Error:
    """What is wrong with a scope."""
    date, signed_for = parts_of(scope)
    message = f"The region '{signed_for}' is wrong; expecting '{region}'"
    if date != timestamp[:8]:
        message = "The credential must have the form <access key>/<date>/<region>/s3/aws4_request, with the same date"
    fields = {"Region": region} if region else {}
    headers = {"x-amz-bucket-region": region} if region else {}  # for an answer without a document, to HEAD
    if presigned:
        return errors.AuthorizationQueryParametersError(message, fields=fields, headers=headers)
    return errors.AuthorizationHeaderMalformed(message, fields=fields, headers=headers)


def parts_of(scope: str) -> tuple[str, str | None]:
    """The date and the region of a scope; "" and None for what is none."""
    parts = scope.split("/")
    return (parts[0], parts[1]) if len(parts) == 4 and parts[2:] == ["s3", "aws4_request"] else ("", None)


def _region_of(scope: str, timestamp: str) -> str | None:
    """Which region a scope is for; None: this is none, or one of another day, or too long to be kept."""
    date, region = parts_of(scope)
    return region if date == timestamp[:8] and len(scope) <= KEPT_CHARACTERS else None
