"""The body of a request: frames taken off, digests taken, and the whole verified; from memory."""

from __future__ import annotations

import io

import pytest
from bench_body import KEY, SCOPE, SEED, SIGNED, TIMESTAMP, frames
from data import forget_bodies

from falcon_s3 import _speedups
from falcon_s3.body import FRAMED_READ, VerifiedBody
from falcon_s3.body_headers import expected_of
from falcon_s3.digests import Hashes
from falcon_s3.sigv4 import ChunkVerifier

SIZE = 1 << 20
DATA = bytes(range(256)) * (SIZE // 256)
WIRES = {size: frames(DATA, size, signed=True) for size in (8 << 10, 64 << 10)}


@pytest.mark.parametrize("size", WIRES)
def test_frames(benchmark, size):
    """1 MiB in signed aws-chunked frames of that many bytes, decoded; signatures are not looked at."""
    blocks = [WIRES[size][start : start + FRAMED_READ] for start in range(0, len(WIRES[size]), FRAMED_READ)]

    def decode() -> None:
        decoder = _speedups.ChunkDecoder()
        for block in blocks:
            decoder.feed(block)
        decoder.finish()

    benchmark(decode)


@pytest.mark.parametrize("size", WIRES)
def test_signed_body(benchmark, size):
    """The same with every signature verified, MD5 and SHA-256 taken."""
    expected = expected_of({"x-amz-decoded-content-length": str(SIZE), "x-amz-content-sha256": SIGNED})

    def take() -> int:
        forget_bodies()
        body = VerifiedBody(io.BytesIO(WIRES[size]).read, expected, ChunkVerifier(KEY, TIMESTAMP, SCOPE, SEED))
        return sum(map(len, body))

    assert benchmark(take) == SIZE


@pytest.mark.parametrize("size", [4096, SIZE])
def test_plain_body(benchmark, size):
    """A body without frames, of which the store's digests are taken."""
    expected = expected_of({"content-length": str(size)})

    def take() -> int:
        forget_bodies()
        body = VerifiedBody(io.BytesIO(DATA[:size]).read, expected)
        taken = sum(map(len, body))
        body.digests()
        return taken

    assert benchmark(take) == size


@pytest.mark.parametrize("checksum", [None, "crc32", "crc64nvme", "sha256"])
def test_digests(benchmark, checksum):
    """4 KiB hashed for the store, and for one checksum more."""

    def take() -> object:
        hashes = Hashes(checksum)
        hashes.update(DATA[:4096])
        return hashes.finish()

    benchmark(take)
