"""A request body as verified chunks: what its headers said (`body_headers`) is kept, or refused at the end.

`VerifiedBody` is the body for the store: it decodes aws-chunked framing, cuts to chunks of at most CHUNK_BYTES, and
hashes each byte once; its last step compares length, digests, checksum and signatures, and raises where they differ, so
that the store discards the write. There is nothing to call afterwards and so nothing to forget.

Source: S3 API reference, PutObject and "Checking object integrity".
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from falcon_s3 import errors, pfs
from falcon_s3._speedups import BodyEnd, ChunkDecoder, ChunkEnd
from falcon_s3.body_headers import LARGEST, Expected, bytes_of
from falcon_s3.digests import Hashes

# The chunks of a body that has one slow hash, the MD5: so much stays in the cache of a core on its way from Granian to the
# disk. By two clients that is faster than chunks of 1 MiB, by one a little slower, and it takes less memory. Where there are
# two slow hashes, one goes to threads (`digests`), to which large chunks are handed over less often.
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

    def beginning(self) -> bytes:
        return self._hashes.beginning()

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
        value = bytes_of(trailers[name])
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
            raise errors.BadDigest(
                "The Content-MD5 you specified did not match what we received.",
                fields={
                    "ExpectedDigest": base64.b64encode(expected.md5).decode(),
                    "CalculatedDigest": hashes.base64("md5"),
                },
            )
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
