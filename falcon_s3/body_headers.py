"""What the headers of a request say of its body: length, framing, digests; refused is what cannot come out right.

It is looked at before a byte of the body is read; `body` compares it with what comes.

Source: S3 API reference, PutObject and "Checking object integrity".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from falcon_s3 import errors
from falcon_s3.digests import CHECKSUMS

# The most that one PUT can hold (S3 user guide, "Uploading objects").
LARGEST = 5 << 30

# The streaming payloads, and whether their chunks are signed.
STREAMING = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": False,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": True,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": True,
}

BAD_PAYLOAD = f"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, {', '.join(STREAMING)}, or a valid sha256 value."


@dataclass(frozen=True, slots=True)
class Expected:
    """What the headers say of the body."""

    length: int | None  # of the content, in bytes, without framing; None: what has the digest
    framed: bool  # aws-chunked
    signed: bool  # its chunks carry signatures
    wire_length: int | None  # with framing; None: to the end of the transfer encoding
    md5: bytes | None
    sha256: bytes | None
    checksum: str | None  # its name in CHECKSUMS
    checksum_value: bytes | None  # None: it comes as a trailer


def expected_of(headers: Mapping[str, str]) -> Expected:
    """Read the headers (lower-case names) of a request with a body.

    Raises EntityTooLarge, InvalidArgument, InvalidDigest, InvalidRequest, MissingContentLength, NotImplemented.
    """
    payload = headers.get("x-amz-content-sha256", "")
    encodings = [part.strip().lower() for part in headers.get("content-encoding", "").split(",")]
    streaming = payload.startswith("STREAMING-")
    if payload.startswith("STREAMING-AWS4-ECDSA-"):
        raise errors.NotImplemented(f"x-amz-content-sha256 {payload} is not implemented.")
    if streaming and payload not in STREAMING:
        raise errors.InvalidArgument(BAD_PAYLOAD)
    framed = streaming or ("aws-chunked" in encodings and "x-amz-decoded-content-length" in headers)
    wire_length = number(headers, "content-length")
    length = number(headers, "x-amz-decoded-content-length") if framed else wire_length
    if length is not None and length > LARGEST:
        raise errors.EntityTooLarge(
            "Your proposed upload exceeds the maximum allowed size of 5 GiB.",
            fields={"ProposedSize": str(length), "MaxSizeAllowed": str(LARGEST)},
        )
    checksum, value = _checksum(headers)
    if checksum is not None and value is None and not framed:
        raise errors.InvalidRequest("x-amz-trailer needs a body in aws-chunked encoding.")
    md5 = _content_md5(headers.get("content-md5"))
    sha256 = None if streaming or not payload or payload == "UNSIGNED-PAYLOAD" else _sha256(payload)
    # Where the transfer encoding alone ends a body, a connection that broke looks like its end (to Granian, that is):
    # only a digest tells.
    if length is None and (framed or "transfer-encoding" not in headers or not (md5 or sha256 or value)):
        raise errors.MissingContentLength
    return Expected(length, framed, streaming and STREAMING[payload], wire_length, md5, sha256, checksum, value)


def number(headers: Mapping[str, str], name: str) -> int | None:
    """The bytes that a header counts; None where it is missing or empty. Raises InvalidArgument."""
    text = headers.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise errors.InvalidArgument(f"{name} must be a whole number of bytes.")
    return int(text)


def _content_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    digest = bytes_of(text)
    if digest is None or len(digest) != 16:
        raise errors.InvalidDigest
    return digest


def _sha256(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32 or len(text) != 64:
        raise errors.InvalidArgument(BAD_PAYLOAD)
    return digest


def _checksum(headers: Mapping[str, str]) -> tuple[str | None, bytes | None]:
    """The one checksum a request may carry, by header or, value None, by trailer."""
    prefix = "x-amz-checksum-"
    found = {
        name.removeprefix(prefix): value
        for name, value in headers.items()
        if name.startswith(prefix)
        and name not in ("x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm")
    }
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    if trailer and not trailer.startswith(prefix):
        raise errors.InvalidRequest("The value specified in the x-amz-trailer header is not supported.")
    if not (found or trailer):
        return None, None
    if len(found) + bool(trailer) > 1:
        raise errors.InvalidRequest(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    ((name, text),) = found.items() or [(trailer.removeprefix(prefix), "")]
    if name not in CHECKSUMS:
        raise errors.InvalidRequest(f"The checksum algorithm {name} is not supported: use {', '.join(CHECKSUMS)}.")
    if trailer:
        return name, None
    value = bytes_of(text)
    if value is None or len(value) != len(CHECKSUMS[name]().digest()):
        raise errors.InvalidRequest(f"Value for {prefix}{name} header is invalid.")
    return name, value


def bytes_of(text: str) -> bytes | None:
    """What a text in base64 stands for; None if it is none."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None


def stored_encoding(value: str | None) -> str | None:
    """The Content-Encoding of the content itself: aws-chunked was only for the way."""
    if value is None:
        return None
    kept = [part.strip() for part in value.split(",") if part.strip().lower() not in ("aws-chunked", "")]
    return ", ".join(kept) or None
