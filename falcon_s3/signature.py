"""What both versions of a signature share: what is signed, who signed it, and when."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from falcon_s3 import errors
from falcon_s3.attributes import METADATA, in_ascii
from falcon_s3.body import ChunkVerifier

# How far a client's clock may be off (S3 API reference, "Error responses", RequestTimeTooSkewed).
SKEW_SECONDS = 15 * 60
NO_DATE = "AWS authentication requires a valid Date or x-amz-date header"
# 9999-12-31T23:59:59Z, the last that Python's dates can hold, in seconds since the epoch.
LAST_SECOND = 253402300799
# Longest date that is read.
DATE_CHARACTERS = 64

# What `_speedups.claims_of` tells of a query, as bits: which signature is in it, and whether a session's token is.
VERSION_4, VERSION_2, SESSION = 1, 2, 4
# The longest text that is told to who signed another one, in bytes: it comes from the client, and takes ten times as
# much in a document. S3 takes 8 KiB of headers, and a policy of 20 KiB.
TOLD_BYTES = 32 << 10

_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
# What can be the name and the value of a header (RFC 9110 sections 5.6.2 and 5.5), in ASCII: servers differ in the rest.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

SecretOf = Callable[[str], "str | None"]


class SignedRequest(NamedTuple):
    """What a signature is over: `path` decoded, `query` raw, `headers` by lower-case name.

    `bucket` is the one that the host names; "" if the path names it.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    bucket: str = ""


class Identity(NamedTuple):
    """Who asked: "" for nobody. `chunks` checks the body of a request that signs its chunks.

    `headers` are those that a signed link carries in its query.
    """

    access_key: str
    chunks: ChunkVerifier | None = None
    headers: Mapping[str, str] = {}


def headers_of_link(found: Mapping[str, str]) -> dict[str, str]:
    """The headers that a link carries in its query, by lower-case name; metadata may be any text.

    Raises InvalidArgument for what is no header: it would be kept, and then spoil the answers that repeat it.
    """
    headers = {}
    for name, value in found.items():
        lower, text = name.lower(), value.strip(" \t")
        if lower.startswith(METADATA) and text.isprintable():
            text = in_ascii(lower, text)
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(text)):
            raise errors.InvalidArgument(
                f"The query parameter {name} cannot be a header: it must be one line of ASCII.",
                fields={"ArgumentName": name},
            )
        headers[lower] = text
    return headers


def is_same(ours: str, theirs: str) -> bool:
    """Whether two signatures are equal, told in constant time."""
    return theirs.isascii() and hmac.compare_digest(ours, theirs)  # which takes ASCII alone


def mismatch(
    access_key: str, signature: str, text: str, canonical: bytes | None = None
) -> errors.SignatureDoesNotMatch:
    """What is told of a signature that is another than that of `text`, and of the canonical form behind that.

    The bytes show what letters do not, as S3's do. What is longer than TOLD_BYTES is left out.
    """
    fields = {"AWSAccessKeyId": access_key, "SignatureProvided": signature}
    for name, signed in (("StringToSign", text.encode()), ("CanonicalRequest", canonical)):
        if signed is not None and len(signed) <= TOLD_BYTES:
            fields |= {name: signed.decode(), f"{name}Bytes": signed.hex(" ")}
    return errors.SignatureDoesNotMatch(fields=fields)


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


def seconds_of_date(text: str) -> int | None:
    """A date of RFC 9110 or RFC 5322 in seconds since the epoch; None if it is not one, or not of 1970 to 9999."""
    if len(text) > DATE_CHARACTERS:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000", and the form of C's asctime(), mean UTC
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = int(moment.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return seconds if 0 <= seconds <= LAST_SECOND else None  # its zone may lead out of the years there are


def check_clock(moment: int, text: str, now: float) -> None:
    """`text` is how the client wrote it. Raises RequestTimeTooSkewed, which tells both times, as S3's does."""
    if abs(now - moment) > SKEW_SECONDS:
        raise errors.RequestTimeTooSkewed(
            fields={
                "RequestTime": text,
                "ServerTime": iso_time(now),
                "MaxAllowedSkewMilliseconds": str(SKEW_SECONDS * 1000),
            }
        )


def iso_time(moment: float) -> str:
    """Seconds since the epoch as documents have them: 2026-11-23T08:00:00Z."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def secret_for(access_key: str, secret_of: SecretOf) -> str:
    """Raises InvalidAccessKeyId."""
    secret = secret_of(access_key)
    if secret is None:
        raise errors.InvalidAccessKeyId(fields={"AWSAccessKeyId": access_key})
    return secret
