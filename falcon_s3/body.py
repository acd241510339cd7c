"""A request body as verified chunks: what the headers promise is parsed first, and kept or refused at the end.

`expected_of` reads the headers and refuses, before a byte is read, what cannot come out right. `VerifiedBody` is
the body for the store: it decodes aws-chunked framing, cuts to chunks of at most CHUNK_BYTES, and hashes each byte
once; its last step compares length, digests, checksum and signatures, and raises where they differ, so that the
store discards the write. There is nothing to call afterwards and so nothing to forget.

Source: S3 API reference, PutObject and "Checking object integrity".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from falcon_s3 import errors, pfs
from falcon_s3._speedups import BodyEnd, ChunkDecoder, ChunkEnd
from falcon_s3.digests import CHECKSUMS, Hashes

# The most that one PUT can hold (S3 user guide, "Uploading objects").
LARGEST = 5 << 30
# The chunks of a body that has one slow hash, the MD5: so much stays in the cache of a core on its way from Granian to the
# disk. With as many clients as cores that is faster than chunks of 1 MiB whose MD5 goes to a thread (`digests`), and costs
# less of the processor; one client alone is a little slower. Where there are two slow hashes, threads win.
CACHED_BYTES = 256 << 10
# How much is read at a time from a framed body: pieces are joined to chunks after decoding.
FRAMED_READ = 256 << 10
# How many pieces wait to be joined: a client may frame each byte, and a small piece weighs more than its bytes.
MOST_PIECES = 4096

Read = Callable[[int], bytes]


class ChunkVerifier(Protocol):
    """What `sigv4` gives for a body whose chunks are signed."""

    def verify_chunk(self, sha256: str, signature: str) -> None: ...
    def verify_trailers(self, trailers: Mapping[str, str], signature: str) -> None: ...


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


# The streaming payloads, and whether their chunks are signed.
STREAMING = {
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": False,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": True,
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": True,
}


BAD_PAYLOAD = f"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, {', '.join(STREAMING)}, or a valid sha256 value."


def number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise errors.InvalidArgument(f"{name} must be a whole number of bytes.")
    return int(text)


def _content_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    digest = _base64(text)
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
    value = _base64(text)
    if value is None or len(value) != len(CHECKSUMS[name]().digest()):
        raise errors.InvalidRequest(f"Value for {prefix}{name} header is invalid.")
    return name, value


def _base64(text: str) -> bytes | None:
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


class VerifiedBody:
    """The body of a request, for the store. Raises at its end what `expected` was not kept.

    BadDigest, EntityTooLarge, IncompleteBody, InvalidRequest, SignatureDoesNotMatch, XAmzContentSHA256Mismatch.
    """

    def __init__(
        self,
        read: Read,
        expected: Expected,
        verifier: ChunkVerifier | None = None,
        algorithm: str | None = None,
        attributes: dict[str, str] | None = None,
    ):
        self._read = read
        self._expected = expected
        self._verifier = verifier if expected.signed else None
        self._algorithm = algorithm or expected.checksum
        self._attributes = attributes
        self._hashes = Hashes(self._algorithm, expected.checksum, "sha256" if expected.sha256 else None)
        self._most = pfs.CHUNK_BYTES if self._hashes.is_for_threads() else CACHED_BYTES

    def digests(self) -> pfs.Digests:
        return self._hashes.finish()

    def __iter__(self) -> Iterator[bytes]:
        length = self._expected.length
        left = LARGEST if length is None else length
        value = self._expected.checksum_value
        trailers: dict[str, str] = {}
        for chunk in self._framed(trailers) if self._expected.framed else self._plain():
            left -= len(chunk)
            if left < 0 and length is None:
                raise errors.EntityTooLarge
            if left < 0:
                raise errors.InvalidRequest("The body is longer than x-amz-decoded-content-length says.")
            self._hashes.update(chunk)
            yield chunk
        if left and length is not None:
            raise errors.IncompleteBody
        if self._expected.framed:
            value = self._trailing(trailers) or value
        self._compare(value)
        if self._algorithm is not None and self._attributes is not None:
            self._attributes[f"x-amz-checksum-{self._algorithm}"] = self._hashes.base64(self._algorithm)

    def _trailing(self, trailers: Mapping[str, str]) -> bytes | None:
        """The checksum at the end of a framed body: what was announced must come, and nothing else."""
        expected = self._expected
        announced = expected.checksum is not None and expected.checksum_value is None
        name = f"x-amz-checksum-{expected.checksum}"
        if set(trailers) != ({name} if announced else set()):
            raise errors.MalformedTrailerError
        if not announced:
            return None
        value = _base64(trailers[name])
        if not value:
            raise errors.InvalidRequest(f"Value for {name} trailing header is invalid.")
        return value

    def _compare(self, checksum_value: bytes | None) -> None:
        expected, hashes = self._expected, self._hashes
        if expected.sha256 is not None and hashes.digest("sha256") != expected.sha256:
            raise errors.XAmzContentSHA256Mismatch(
                fields={
                    "ClientComputedContentSHA256": expected.sha256.hex(),
                    "S3ComputedContentSHA256": hashes.digest("sha256").hex(),
                }
            )
        if expected.md5 is not None and hashes.digest("md5") != expected.md5:
            raise errors.BadDigest("The Content-MD5 you specified did not match what we received.")
        if checksum_value is not None and expected.checksum is not None:
            if hashes.digest(expected.checksum) != checksum_value:
                raise errors.BadDigest(
                    f"The {expected.checksum.upper()} you specified did not match the calculated checksum."
                )

    def _plain(self) -> Iterator[bytes]:
        left = self._expected.length
        while left is None or left > 0:
            chunk = self._read(self._most if left is None else min(left, self._most))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk

    def _framed(self, trailers: dict[str, str]) -> Iterator[bytes]:
        """The content in chunks; fills `trailers` at the end."""
        decoder = ChunkDecoder()
        signed = hashlib.sha256()
        pieces: list[bytes] = []
        held = 0
        try:
            for block in self._blocks():
                for event in decoder.feed(block) if block else decoder.finish():
                    if isinstance(event, bytes):
                        if self._verifier is not None:
                            signed.update(event)
                        if held + len(event) > self._most:
                            yield b"".join(pieces)
                            pieces, held = [], 0
                        pieces.append(event)
                        held += len(event)
                        if len(pieces) == MOST_PIECES:
                            pieces = [b"".join(pieces)]
                    elif isinstance(event, ChunkEnd):
                        if self._verifier is not None:
                            self._verifier.verify_chunk(signed.hexdigest(), event.signature)
                            signed = hashlib.sha256()
                    elif isinstance(event, BodyEnd):
                        trailers.update(event.trailers)
        except ValueError as ex:
            raise errors.IncompleteBody(f"The aws-chunked body is not valid: {ex}.") from ex
        signature = trailers.pop("x-amz-trailer-signature", None)
        if self._verifier is not None and trailers:
            self._verifier.verify_trailers(trailers, signature or "")
        if held:
            yield b"".join(pieces)

    def _blocks(self) -> Iterator[bytes]:
        """The body as it comes, then b"" for its end."""
        left = self._expected.wire_length
        while left is None or left > 0:
            block = self._read(FRAMED_READ if left is None else min(FRAMED_READ, left))
            if not block:
                break
            if left is not None:
                left -= len(block)
            yield block
        yield b""


def read_small(read: Read, expected: Expected, limit: int, verifier: ChunkVerifier | None = None) -> bytes:
    """A whole body of at most `limit` bytes, verified. Raises EntityTooLarge, and what VerifiedBody raises."""
    if expected.length is not None and expected.length > limit:
        raise errors.EntityTooLarge(fields={"MaxSizeAllowed": str(limit)})
    whole = bytearray()
    for chunk in VerifiedBody(read, expected, verifier):
        whole += chunk
        if len(whole) > limit:
            raise errors.EntityTooLarge(fields={"MaxSizeAllowed": str(limit)})
    return bytes(whole)
