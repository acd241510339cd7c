"""Request bodies from memory: the aws-chunked decoder in both twins, and whole bodies that are verified.

Measured: megabytes of content a second, at best. First `ChunkDecoder` alone, which is given blocks of 256 KiB as a body is
read, for frames from 512 bytes to 1 MiB with a signature each. Then `VerifiedBody` with all it does: frames, MD5,
SHA-256 and a checksum or signatures. Without sockets and disk. Good: at frames of 8 KiB the compiled decoder at
least twice as fast as its twin, and framed bodies of 64 KiB frames at 0.9 of unframed ones.

    python benchmarks/bench_body.py [--quick]
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import io
import zlib
from collections.abc import Mapping

from data import best_seconds, forget_bodies, noise, quick, show

from falcon_s3 import _body_py, _speedups
from falcon_s3.body import FRAMED_READ, ChunkVerifier, VerifiedBody
from falcon_s3.body_headers import expected_of
from falcon_s3.sigv4 import ChunkVerifier as SignedChunks

COMMAND = "python benchmarks/bench_body.py"
SIZE = (4 if quick() else 32) << 20
FRAMES = {"512 B": 512, "8 KiB": 8 << 10, "64 KiB": 64 << 10, "1 MiB": 1 << 20}
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

KEY, TIMESTAMP, SCOPE, SEED = b"k" * 32, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0" * 64


def frames(data: bytes, size: int, *, signed: bool, trailer: bytes = b"") -> bytes:
    """The aws-chunked form of the data; `signed`: with the chain of signatures that starts at SEED."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    previous, wire = SEED, []
    for piece in [*pieces, b""]:
        extension = b""
        if signed:
            digests = f"{hashlib.sha256(b'').hexdigest()}\n{hashlib.sha256(piece).hexdigest()}"
            text = f"AWS4-HMAC-SHA256-PAYLOAD\n{TIMESTAMP}\n{SCOPE}\n{previous}\n{digests}"
            previous = hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
            extension = f";chunk-signature={previous}".encode()
        wire += [b"%x%s\r\n" % (len(piece), extension), piece, b"\r\n" if piece else trailer]
    return b"".join([*wire, b"\r\n"])


def megabytes(seconds: float) -> float:
    return SIZE / seconds / 1e6


def decoder_row(name: str, wire: bytes) -> list[str]:
    blocks = [wire[start : start + FRAMED_READ] for start in range(0, len(wire), FRAMED_READ)]

    def rate(decoder: type[_body_py.ChunkDecoder]) -> float:
        def decode() -> None:
            decoding = decoder()
            for block in blocks:
                decoding.feed(block)
            decoding.finish()

        return megabytes(best_seconds(decode))

    twin = rate(_body_py.ChunkDecoder)
    try:
        compiled = rate(importlib.import_module("falcon_s3._body_c").ChunkDecoder)
    except ImportError:
        return [name, f"{twin:,.0f} MB/s", "-", "-"]
    return [name, f"{twin:,.0f} MB/s", f"{compiled:,.0f} MB/s", f"{compiled / twin:.1f}"]


def body_row(name: str, headers: Mapping[str, str], wire: bytes, *, signed: bool = False) -> list[str]:
    expected = expected_of(headers)

    def take() -> None:
        forget_bodies()
        verifier: ChunkVerifier | None = SignedChunks(KEY, TIMESTAMP, SCOPE, SEED) if signed else None
        body = VerifiedBody(io.BytesIO(wire).read, expected, verifier)
        assert sum(len(chunk) for chunk in body) == SIZE
        body.digests()

    return [name, f"{megabytes(best_seconds(take)):,.0f} MB/s"]


def main() -> None:
    data = noise(SIZE)
    signed = {name: frames(data, size, signed=True) for name, size in FRAMES.items()}
    show(
        f"ChunkDecoder, {SIZE >> 20} MiB in signed frames: {COMMAND}",
        ["frames", "twin", "compiled", "compiled / twin"],
        [decoder_row(name, wire) for name, wire in signed.items()],
    )
    length = {"x-amz-decoded-content-length": str(SIZE)}
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))
    announced = length | {"x-amz-content-sha256": UNSIGNED, "x-amz-trailer": "x-amz-checksum-crc32"}
    trailer = b"x-amz-checksum-crc32:" + crc + b"\r\n"
    plain = {"content-length": str(SIZE)}
    rows = [
        ["MD5 alone", f"{megabytes(best_seconds(lambda: hashlib.md5(data))):,.0f} MB/s"],
        body_row("unframed", plain, data),
        body_row("unframed, with CRC32", plain | {"x-amz-checksum-crc32": crc.decode()}, data),
    ]
    for name, size in FRAMES.items():
        wire = frames(data, size, signed=False, trailer=trailer)
        rows.append(body_row(f"framed by {name}, CRC32 as trailer", announced, wire))
    for name, wire in signed.items():
        rows.append(body_row(f"framed by {name}, signed", length | {"x-amz-content-sha256": SIGNED}, wire, signed=True))
    core = "compiled" if _speedups.compiled else "pure"
    show(f"VerifiedBody, {SIZE >> 20} MiB, {core} core: {COMMAND}", ["body", "content"], rows)


if __name__ == "__main__":
    main()
