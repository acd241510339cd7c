"""Conditional and ranged requests: header values in, decisions out.

Takes request headers (lower-case names) and the ETag, size and time of what is stored. Gives: whether a read is
answered 304, which bytes of it are sent, and for a write the check that the store runs inside its transaction.

Rule: the order is that of RFC 9110 section 13.2.2, which S3 follows. If-Match, when present, decides alone and
If-Unmodified-Since is not looked at; likewise If-None-Match and If-Modified-Since. Rule: what cannot be
understood (a bad date, a range in an unknown unit, several ranges) is ignored, as RFC 9110 wants and S3 does; a
*write* condition that cannot be understood is refused, for ignoring it could lose data.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from falcon_s3 import errors, pfs

# One member of an ETag list. Clients send them quoted, weak, and (against the RFC) bare.
_ETAG = re.compile(r'(?P<weak>W/)?"(?P<quoted>[^"]*)"|(?P<bare>[^\s,]+)')
# No two runs of spaces may touch: to match them takes quadratic time.
_RANGE = re.compile(r"\s*bytes\s*=\s*(?:([0-9]+)\s*)?-\s*(?:([0-9]+)\s*)?\Z", re.IGNORECASE | re.ASCII)
# Longer numbers than any size has; int() of thousands of digits is slow, and refused by some Pythons.
_DIGITS = 19
# The conditions of a read that is refused unless they hold; the others say that nothing need be sent.
_REFUSING = ("If-Match", "If-Unmodified-Since")
# The condition of an abort: when the upload began.
STARTED = "x-amz-if-match-initiated-time"


def not_modified(headers: Mapping[str, str], etag: str, modified_ms: int) -> bool:
    """Whether a read is answered 304 Not Modified; raises errors.PreconditionFailed for 412.

    `etag` is without quotes. Dates are compared at whole seconds, the precision that HTTP dates have, and an
    If-Modified-Since in the future is ignored (RFC 9110 section 13.1, S3 API GetObject).
    """
    condition = failed(headers, etag, modified_ms)
    if condition is None:
        return False
    if condition in _REFUSING:
        raise errors.PreconditionFailed(fields={"Condition": condition})
    return True


def failed(headers: Mapping[str, str], etag: str, modified_ms: int) -> str | None:
    """The condition of a read that does not hold, by the name of its header; None if all do. As in `not_modified`."""
    modified = modified_ms // 1000
    if_match = headers.get("if-match")
    if if_match is not None:
        if not _matches(if_match, etag, weak=False):
            return "If-Match"
    else:
        unmodified_since = _seconds(headers.get("if-unmodified-since"))
        if unmodified_since is not None and modified > unmodified_since:
            return "If-Unmodified-Since"
    if_none_match = headers.get("if-none-match")
    if if_none_match is not None:
        return "If-None-Match" if _matches(if_none_match, etag, weak=True) else None
    modified_since = _seconds(headers.get("if-modified-since"))
    if modified_since is not None and modified <= modified_since <= time.time():
        return "If-Modified-Since"
    return None


def byte_range(headers: Mapping[str, str], size: int, etag: str, modified_ms: int) -> tuple[int, int] | None:
    """The bytes [start, stop) that a read asks for, or None for all of them, answered 200 and not 206.

    Raises errors.InvalidRange if the one range asked for has no byte in common with an object of `size` bytes.
    Range and If-Range of RFC 9110 sections 14.2 and 13.1.5.
    """
    value = headers.get("range")
    found = None if value is None else _RANGE.match(value)
    if value is None or found is None or not _same_version(headers.get("if-range"), etag, modified_ms):
        return None
    first, last = found.groups()
    if first:
        start, stop = _number(first), min(_number(last) + 1, size) if last else size
        if last and _number(last) < start:
            return None
    elif last:
        start, stop = max(size - _number(last), 0), size
    else:
        return None
    if start >= size:
        raise errors.InvalidRange(
            fields={"RangeRequested": value, "ActualObjectSize": str(size)},
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, stop


def put_check(if_match: str | None, if_none_match: str | None) -> pfs.Check | None:
    """The check for a write under If-Match or If-None-Match; None if it is under no condition.

    The check raises errors.PreconditionFailed, or errors.NoSuchKey for an If-Match when nothing is there. S3 takes
    only `*` in an If-None-Match (S3 user guide, "Conditional writes"); ETags mean what RFC 9110 section 13.1.2 says.
    Raises errors.NotImplemented at once for both headers together, and for an If-None-Match that is neither.
    """
    if if_match is not None and if_none_match is not None:
        raise errors.NotImplemented(
            "Multiple conditional request headers present in the request.",
            fields={"Header": "If-Match,If-None-Match"},
        )
    if if_none_match is not None:
        return _check_none_match(if_none_match)
    if if_match is None:
        return None
    wanted = if_match

    def check_match(file: pfs.FileInfo | None) -> None:
        if file is None:
            raise errors.NoSuchKey
        if not _matches(wanted, file.etag, weak=False):
            raise errors.PreconditionFailed(fields={"Condition": "If-Match"})

    return check_match


def delete_check(etag: str | None, size: str | None, modified: str | None) -> pfs.Check | None:
    """The check for a DELETE under an ETag, a size in bytes or a date; None if it is under no condition.

    It raises errors.PreconditionFailed; where nothing is there it holds, for nothing can be lost. Raises
    errors.InvalidArgument at once for what cannot be understood. The date is one of HTTP or of ISO 8601. Source:
    S3 API, DeleteObject (If-Match, x-amz-if-match-size, x-amz-if-match-last-modified-time) and DeleteObjects.
    """
    if etag is None and size is None and modified is None:
        return None
    seconds = None if modified is None else _moment(modified, "last modified")
    if size is not None and not (size.isascii() and size.isdigit()):
        raise errors.InvalidArgument("The size of a condition must be a whole number of bytes.")

    def check(file: pfs.FileInfo | None) -> None:
        if file is None:
            return
        for name, holds in (
            ("If-Match", etag is None or _matches(etag, file.etag, weak=False)),
            ("x-amz-if-match-size", size is None or _number(size) == file.size),
            ("x-amz-if-match-last-modified-time", seconds is None or file.modified_ms // 1000 == seconds),
        ):
            if not holds:
                raise errors.PreconditionFailed(fields={"Condition": name})

    return check


def check_started(started_ms: int, wanted: str) -> None:
    """Raise PreconditionFailed for an upload that began in another second than is `wanted`, InvalidArgument for no date.

    Source: S3 API, AbortMultipartUpload (x-amz-if-match-initiated-time).
    """
    if started_ms // 1000 != _moment(wanted, "initiated"):
        raise errors.PreconditionFailed(fields={"Condition": STARTED})


def _moment(value: str, what: str) -> int:
    """A date of HTTP or of ISO 8601 in seconds since the epoch; raises InvalidArgument for what is none."""
    seconds = _seconds(value)
    seconds = _iso_seconds(value) if seconds is None else seconds
    if seconds is None:
        raise errors.InvalidArgument(f"The {what} time of a condition must be a date.")
    return seconds


def _check_none_match(unwanted: str) -> pfs.Check:
    # A star among other text, such as "*", was meant as the star: taken for an ETag it would never exclude anything.
    if not _ETAG.search(unwanted) or ("*" in unwanted and unwanted.strip() != "*"):
        raise errors.NotImplemented("If-None-Match on a write must be * or ETags.", fields={"Header": "If-None-Match"})

    def check(file: pfs.FileInfo | None) -> None:
        if file is not None and _matches(unwanted, file.etag, weak=True):
            raise errors.PreconditionFailed(fields={"Condition": "If-None-Match"})

    return check


def _matches(value: str, etag: str, *, weak: bool) -> bool:
    """Whether one of the ETags in the header `value` is `etag`; a weak one counts only if `weak` (RFC 9110 8.8.3.2)."""
    for member in _ETAG.finditer(value):
        if member["bare"] == "*":
            return True
        if (member["quoted"] if member["bare"] is None else member["bare"]) == etag and (weak or not member["weak"]):
            return True
    return False


def _same_version(if_range: str | None, etag: str, modified_ms: int) -> bool:
    """Whether If-Range, if there is one, names the version stored, so that the range may be sent."""
    if if_range is None:
        return True
    # A date first: its comma and spaces would read as several bare ETags.
    moment = _seconds(if_range)
    if moment is not None:
        return moment == modified_ms // 1000
    return if_range.strip() != "*" and _matches(if_range, etag, weak=False)


def _seconds(value: str | None) -> int | None:
    """An HTTP date, in any of the three forms of RFC 9110 section 5.6.7, in seconds since the epoch; None if bad."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # the form of C's asctime() has no zone and means UTC
            moment = moment.replace(tzinfo=timezone.utc)
        return int(moment.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Seconds since the epoch in the form of RFC 9110 section 5.6.7. Much of what is read was written in one second."""
    return formatdate(seconds, usegmt=True)


def _iso_seconds(value: str) -> int | None:
    """A date of ISO 8601, as S3 writes it in documents, in seconds since the epoch; None if bad."""
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.tzinfo is not None else None


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _DIGITS else 10**_DIGITS
