"""Checksums: which there are, and that of the whole from those of its parts, against a computation over the bytes."""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import checksums, errors

ALL = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5", "xxhash64", "xxhash3", "xxhash128")
XXHASHES = {"xxhash64": xxhash.xxh64, "xxhash3": xxhash.xxh3_64, "xxhash128": xxhash.xxh3_128}
NEWEST = ("SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
POLYNOMIALS = {"crc32": 0xEDB88320, "crc32c": 0x82F63B78, "crc64nvme": 0x9A6C9329AC4BC9B5}


@functools.cache
def table(polynomial):
    rows = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        rows.append(value)
    return rows


def independent(name, data):
    """The checksum as its definition has it: the CRCs byte by byte, the others of hashlib and xxhash."""
    if name in XXHASHES:
        return XXHASHES[name](data).digest()
    if name not in POLYNOMIALS:
        return hashlib.new(name, data).digest()
    rows, width = table(POLYNOMIALS[name]), 64 if "64" in name else 32
    value = ones = (1 << width) - 1
    for byte in data:
        value = value >> 8 ^ rows[(value ^ byte) & 255]
    return (value ^ ones).to_bytes(width // 8, "big")


def coded(raw):
    return base64.b64encode(raw).decode()


def pairs(name, pieces):
    return [(coded(independent(name, piece)), len(piece)) for piece in pieces]


def test_the_independent_computation_gives_the_published_values():
    """Of the catalogue of CRC algorithms."""
    for name, value in (("crc32", "cbf43926"), ("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")):
        assert independent(name, b"123456789").hex() == value


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.sampled_from(["crc32", "crc32c", "crc64nvme"]))
def test_the_checksum_of_all_bytes_follows_from_those_of_the_parts(pieces, name):
    """Also of empty parts, first, between and last."""
    assert checksums.whole(name, "FULL_OBJECT", pairs(name, pieces)) == coded(independent(name, b"".join(pieces)))


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6), st.sampled_from(ALL))
def test_a_composite_checksum_is_of_the_checksums_with_their_number(pieces, name):
    joined = b"".join(independent(name, piece) for piece in pieces)
    expected = f"{coded(independent(name, joined))}-{len(pieces)}"
    assert checksums.whole(name, "COMPOSITE", pairs(name, pieces)) == expected


@pytest.mark.parametrize("size", [5 << 20, (5 << 20) + 1, 5 << 30, 1 << 40])
def test_parts_of_real_sizes_combine(size):
    """A CRC of zero bytes is known without the bytes: appending them is the same as appending them twice by half."""
    if size > 1 << 25:
        half = coded(independent("crc32", b"")), 0
        zeros = [(coded(zlib.crc32(bytes(1 << 20)).to_bytes(4, "big")), 1 << 20)]
        while zeros[-1][1] < size:
            value = checksums.whole("crc32", "FULL_OBJECT", [zeros[-1], zeros[-1]])
            zeros.append((value, 2 * zeros[-1][1]))
        assert checksums.whole("crc32", "FULL_OBJECT", [half, zeros[-1]]) == zeros[-1][0]
        assert checksums.whole("crc32", "FULL_OBJECT", [zeros[-2], zeros[-3], zeros[-3]]) == zeros[-1][0]
    else:
        data = [bytes(size), b"x" * size]
        values = [(coded(zlib.crc32(one).to_bytes(4, "big")), len(one)) for one in data]
        whole = coded(zlib.crc32(b"".join(data)).to_bytes(4, "big"))
        assert checksums.whole("crc32", "FULL_OBJECT", values) == whole


@pytest.mark.parametrize(
    ("text", "found"), [(None, None), ("", None), *((name.upper(), name) for name in ALL), *((x, x) for x in ALL)]
)
def test_algorithms_are_named_in_any_case(text, found):
    assert checksums.algorithm_named(text) == found


@pytest.mark.parametrize("text", ["MD4", "CRC-32", "CRC32 ", "XXH3", "ü", "x" * 9999])
def test_an_unknown_algorithm_is_refused_with_those_that_are(text):
    with pytest.raises(errors.InvalidRequest, match="CRC32, CRC32C, CRC64NVME, SHA1, SHA256"):
        checksums.algorithm_named(text)


@pytest.mark.parametrize(
    ("algorithm", "kind", "kept"),
    [
        ("CRC32", None, "COMPOSITE"),
        ("CRC32", "COMPOSITE", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT", "FULL_OBJECT"),
        ("crc32c", None, "COMPOSITE"),
        ("CRC32C", "full_object", "FULL_OBJECT"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT", "FULL_OBJECT"),
        ("SHA1", None, "COMPOSITE"),
        ("SHA256", "COMPOSITE", "COMPOSITE"),
        ("SHA256", "", "COMPOSITE"),
        *((name, None, "COMPOSITE") for name in NEWEST),
    ],
)
def test_an_upload_has_an_algorithm_and_a_type(algorithm, kind, kept):
    headers = {"x-amz-checksum-algorithm": algorithm} | ({} if kind is None else {"x-amz-checksum-type": kind})
    assert checksums.of_upload(headers) == {
        "x-amz-checksum-algorithm": algorithm.lower(),
        "x-amz-checksum-type": kept,
    }


def test_an_upload_may_have_none():
    assert checksums.of_upload({}) == {}
    assert checksums.of_upload({"x-amz-checksum-algorithm": ""}) == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-algorithm": "SHA1", "x-amz-checksum-type": "FULL_OBJECT"},
        {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
        {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "HALF"},
        *({"x-amz-checksum-algorithm": name, "x-amz-checksum-type": "FULL_OBJECT"} for name in NEWEST),
        {"x-amz-checksum-algorithm": "MD4"},
    ],
)
def test_a_type_that_the_algorithm_does_not_have_is_refused(headers):
    with pytest.raises(errors.InvalidRequest):
        checksums.of_upload(headers)


@pytest.mark.parametrize(
    ("attributes", "kept", "value"),
    [
        ({}, {}, None),
        ({"etag": "x", "x-amz-meta-x-amz-checksum-crc32": "x"}, {}, None),
        ({"x-amz-checksum-crc32": "v"}, {"x-amz-checksum-crc32": "v"}, ("crc32", "v")),
        (
            {"x-amz-checksum-sha1": "v", "x-amz-checksum-type": "COMPOSITE", "x-amz-checksum-algorithm": "sha1"},
            {"x-amz-checksum-sha1": "v", "x-amz-checksum-type": "COMPOSITE"},
            ("sha1", "v"),
        ),
        ({"x-amz-checksum-type": "COMPOSITE"}, {"x-amz-checksum-type": "COMPOSITE"}, None),
    ],
)
def test_what_is_kept_of_a_checksum(attributes, kept, value):
    assert checksums.kept(attributes) == kept
    assert checksums.value_of(attributes) == value


def test_elements_are_named_as_s3_names_them():
    assert [checksums.element(name) for name in ALL] == [
        "ChecksumCRC32",
        "ChecksumCRC32C",
        "ChecksumCRC64NVME",
        "ChecksumSHA1",
        "ChecksumSHA256",
        "ChecksumSHA512",
        "ChecksumMD5",
        "ChecksumXXHASH64",
        "ChecksumXXHASH3",
        "ChecksumXXHASH128",
    ]
