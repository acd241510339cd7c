"""The source of a copy: which object, under which conditions, and which of its bytes.

Source: S3 API, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from falcon_s3 import conditions, errors

PREFIX = "x-amz-copy-source"
_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})\Z")


class Source(NamedTuple):
    bucket: str
    key: str
    version: str | None


def source_of(headers: Mapping[str, str]) -> Source:
    """The object that x-amz-copy-source names: `bucket/key` in URL encoding, with or without a leading slash.

    A space may come as `+`, as in a query (s5cmd sends it so), and a plus only as `%2B`, as S3 has it. What a client
    did not encode is UTF-8 all the same, which WSGI hands on as Latin-1. Raises InvalidArgument.
    """
    text = headers.get(PREFIX, "")
    path, mark, version = text.rpartition("?versionId=")
    if not mark:
        path, version = text, ""
    try:
        decoded = unquote_to_bytes(path.replace("+", " ").encode("latin-1")).decode()
        bucket, _, key = decoded.removeprefix("/").partition("/")
    except UnicodeError:
        bucket = key = ""
    if not bucket or not key or "\0" in key or (mark and not version):
        raise errors.InvalidArgument(
            "Invalid copy source object key: it must be bucket/key, URL-encoded.",
            fields={"ArgumentName": PREFIX, "ArgumentValue": text},
        )
    return Source(bucket, key, version if mark else None)


def check(headers: Mapping[str, str], etag: str, modified_ms: int) -> None:
    """Raise PreconditionFailed unless the source is as the x-amz-copy-source-if- headers want it."""
    given = {
        name.removeprefix(f"{PREFIX}-"): value for name, value in headers.items() if name.startswith(f"{PREFIX}-if-")
    }
    failed = conditions.failed(given, etag, modified_ms) if given else None
    if failed is not None:
        raise errors.PreconditionFailed(fields={"Condition": f"{PREFIX}-{failed}"})


def directive(headers: Mapping[str, str], name: str) -> str:
    """The value of x-amz-metadata-directive or x-amz-tagging-directive: COPY or REPLACE. Raises InvalidArgument."""
    value = headers.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise errors.InvalidArgument(
            f"Unknown {name.removeprefix('x-amz-').replace('-', ' ')}.",
            fields={"ArgumentName": name, "ArgumentValue": value},
        )
    return value


def byte_range(headers: Mapping[str, str], size: int) -> tuple[int, int]:
    """The bytes [start, stop) of the source that x-amz-copy-source-range names: `bytes=first-last`, or all.

    Raises InvalidArgument for another form, InvalidRange for bytes that are not there.
    """
    text = headers.get(f"{PREFIX}-range")
    if text is None:
        return 0, size
    found = _RANGE.match(text)
    if found is None or int(found[1]) > int(found[2]):
        raise errors.InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the"
            " zero-based offsets of the first and last bytes to copy",
            fields={"ArgumentName": f"{PREFIX}-range", "ArgumentValue": text},
        )
    start, stop = int(found[1]), int(found[2]) + 1
    if stop > size:
        raise errors.InvalidRange(
            f"Range specified is not valid for source object of size: {size}",
            fields={"RangeRequested": text, "ActualObjectSize": str(size)},
        )
    return start, stop
