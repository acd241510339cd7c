"""Request bodies: what headers promise, and that a body ends only if it was kept."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import itertools
import tracemalloc
import zlib

import pytest
from awscrt import checksums
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import body, errors, pfs
from falcon_s3.body import CACHED_BYTES, VerifiedBody, read_small
from falcon_s3.body_headers import Expected, expected_of, stored_encoding

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
FOX = b"The quick brown fox jumps over the lazy dog"
SHA256 = hashlib.sha256(FOX).hexdigest()
LARGEST = 5 << 30

# Each checksum by itself, not from falcon_s3.digests.
SUMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: checksums.crc32c(data).to_bytes(4, "big"),
    "crc64nvme": lambda data: checksums.crc64nvme(data).to_bytes(8, "big"),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


def base64_of(raw):
    return base64.b64encode(raw).decode()


def md5_of(data):
    return base64_of(hashlib.md5(data).digest())


def sum_of(name, data=FOX):
    return base64_of(SUMS[name](data))


def frames(data, size=16, trailer="", signature=""):
    """The aws-chunked form of the data, in chunks of `size`."""
    extension = f";chunk-signature={signature}".encode() if signature else b""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    wire = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    return wire + b"0" + extension + b"\r\n" + trailer.encode("latin-1") + b"\r\n"


def framed(length=len(FOX), payload=UNSIGNED, **more):
    """The headers of a framed body; names of `more` with underscores."""
    headers = {"x-amz-content-sha256": payload, "x-amz-decoded-content-length": str(length)}
    return headers | {name.replace("_", "-"): value for name, value in more.items()}


class Input:
    """A body as it comes from a server: at most `most` bytes at a time, and everything asked for is remembered."""

    def __init__(self, data, most=1 << 30):
        self._file = io.BytesIO(data)
        self._most = most
        self.asked = []

    def __call__(self, size):
        assert size > 0
        self.asked.append(size)
        return self._file.read(min(size, self._most))

    @property
    def left(self):
        return len(self._file.getbuffer()) - self._file.tell()


class Signatures:
    """Remembers what is to be verified, and refuses the signature `bad`."""

    def __init__(self):
        self.chunks, self.trailers = [], []

    def verify_chunk(self, sha256, signature):
        self.chunks.append((sha256, signature))
        if signature == "bad":
            raise errors.SignatureDoesNotMatch("chunk")

    def verify_trailers(self, trailers, signature):
        self.trailers.append((dict(trailers), signature))
        if signature == "bad":
            raise errors.SignatureDoesNotMatch("trailers")


def taken(headers, wire, most=1 << 30, verifier=None):
    """The content of a body that is as its headers say; its digests are compared."""
    verified = VerifiedBody(Input(wire, most), expected_of(headers), verifier)
    chunks = list(verified)
    assert all(0 < len(chunk) <= pfs.CHUNK_BYTES and type(chunk) is bytes for chunk in chunks)
    data = b"".join(chunks)
    digests = verified.digests()
    assert digests.md5 == hashlib.md5(data).digest()
    assert digests.sha256 in (None, hashlib.sha256(data).digest())
    return data


def refused(headers, wire, error, text="", most=1 << 30, verifier=None):
    """The headers are taken, and the body raises this error instead of ending."""
    verified = VerifiedBody(Input(wire, most), expected_of(headers), verifier)
    with pytest.raises(errors.S3Error) as caught:
        list(verified)
    assert caught.type is error
    assert text in str(caught.value)
    return caught.value


# --- what headers promise --------------------------------------------------------------------------------------------

CHUNKED = {"transfer-encoding": "chunked"}
PROMISES = [
    ({"content-length": "0"}, Expected(0, False, False, 0, None, None, None, None)),
    ({"content-length": "7"}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": "007"}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": str(LARGEST)}, Expected(LARGEST, False, False, LARGEST, None, None, None, None)),
    ({"content-length": "7", "x-amz-content-sha256": ""}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": "7", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": "7", "x-amz-content-sha256": SHA256}, Expected(7, False, False, 7, None, bytes.fromhex(SHA256), None, None)),
    ({"content-length": "7", "x-amz-content-sha256": SHA256.upper()}, Expected(7, False, False, 7, None, bytes.fromhex(SHA256), None, None)),
    ({"content-length": "7", "content-md5": md5_of(FOX)}, Expected(7, False, False, 7, hashlib.md5(FOX).digest(), None, None, None)),
    ({"content-length": "7", "content-md5": f" {md5_of(FOX)} "}, Expected(7, False, False, 7, hashlib.md5(FOX).digest(), None, None, None)),
    ({"content-length": "7", "x-amz-decoded-content-length": "5"}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": "7", "content-encoding": "aws-chunked"}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": "7", "content-encoding": "gzip", "x-amz-decoded-content-length": "5"}, Expected(7, False, False, 7, None, None, None, None)),
    ({"content-length": "9", "content-encoding": "aws-chunked", "x-amz-decoded-content-length": "5"}, Expected(5, True, False, 9, None, None, None, None)),
    ({"content-length": "9", "content-encoding": "gzip , AWS-Chunked", "x-amz-decoded-content-length": "5"}, Expected(5, True, False, 9, None, None, None, None)),
    ({"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "5"}, Expected(5, True, False, None, None, None, None, None)),
    (framed(5), Expected(5, True, False, None, None, None, None, None)),
    (framed(5, content_length="9"), Expected(5, True, False, 9, None, None, None, None)),
    (framed(5, content_length=""), Expected(5, True, False, None, None, None, None, None)),
    (framed(5, SIGNED), Expected(5, True, True, None, None, None, None, None)),
    (framed(5, SIGNED_TRAILER), Expected(5, True, True, None, None, None, None, None)),
    (framed(0, content_length="5"), Expected(0, True, False, 5, None, None, None, None)),
    (framed(LARGEST), Expected(LARGEST, True, False, None, None, None, None, None)),
    (framed(5, content_md5=md5_of(FOX)), Expected(5, True, False, None, hashlib.md5(FOX).digest(), None, None, None)),
    *(({"content-length": "7", f"x-amz-checksum-{name}": sum_of(name)}, Expected(7, False, False, 7, None, None, name, SUMS[name](FOX))) for name in SUMS),
    *((framed(5, x_amz_trailer=f"x-amz-checksum-{name}"), Expected(5, True, False, None, None, None, name, None)) for name in SUMS),
    *((framed(5, **{f"x_amz_checksum_{name}": sum_of(name)}), Expected(5, True, False, None, None, None, name, SUMS[name](FOX))) for name in SUMS),
    (CHUNKED | {"x-amz-content-sha256": SHA256}, Expected(None, False, False, None, None, bytes.fromhex(SHA256), None, None)),
    (CHUNKED | {"content-md5": md5_of(FOX)}, Expected(None, False, False, None, hashlib.md5(FOX).digest(), None, None, None)),
    *((CHUNKED | {f"x-amz-checksum-{name}": sum_of(name)}, Expected(None, False, False, None, None, None, name, SUMS[name](FOX))) for name in SUMS),
    (framed(5, x_amz_trailer=" X-Amz-Checksum-CRC32 "), Expected(5, True, False, None, None, None, "crc32", None)),
    (framed(5, x_amz_trailer=""), Expected(5, True, False, None, None, None, None, None)),
    ({"content-length": "7", "x-amz-checksum-mode": "ENABLED", "x-amz-checksum-type": "a", "x-amz-checksum-algorithm": "b"}, Expected(7, False, False, 7, None, None, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "expected"), PROMISES)
def test_what_the_headers_say_is_read(headers, expected):
    """The length of the content, its framing, its digests and its checksum."""
    assert expected_of(headers) == expected


ONE = {"content-length": "1"}
BAD_PAYLOADS = [
    "a",
    SHA256[:-1],
    SHA256 + "0",
    SHA256[:-2],
    SHA256[:-1] + "g",
    f"{SHA256[:-4]}    ",
    "é" * 64,
    " " * 64,
]
BAD_PAYLOADS += [
    "unsigned-payload",
    "STREAMING-",
    "STREAMING-UNSIGNED-PAYLOAD",
    "STREAMING-X",
    SIGNED.lower(),
    SIGNED[:-8],
]
REFUSALS = [
    ({}, errors.MissingContentLength, ""),
    ({"content-length": ""}, errors.MissingContentLength, ""),
    (CHUNKED, errors.MissingContentLength, ""),
    (CHUNKED | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, errors.MissingContentLength, ""),
    (CHUNKED | {"x-amz-content-sha256": UNSIGNED}, errors.MissingContentLength, ""),
    ({"x-amz-content-sha256": SHA256}, errors.MissingContentLength, ""),
    ({"x-amz-decoded-content-length": "5"}, errors.MissingContentLength, ""),
    ({"x-amz-content-sha256": UNSIGNED, "content-length": "9"}, errors.MissingContentLength, ""),
    *(
        ({"content-length": text}, errors.InvalidArgument, "content-length must be a whole number")
        for text in ("-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "1,1", "one", "\u0661", "\xb2", "1" * 19, "9" * 5000)
    ),
    *(
        (framed(text), errors.InvalidArgument, "x-amz-decoded-content-length must be a whole number")
        for text in ("-1", "1.0", "abc", "1" * 19)
    ),
    (framed(5, content_length="-1"), errors.InvalidArgument, "content-length must be"),
    ({"content-length": str(LARGEST + 1)}, errors.EntityTooLarge, "5 GiB"),
    ({"content-length": "9" * 18}, errors.EntityTooLarge, "5 GiB"),
    (framed(LARGEST + 1, content_length="9"), errors.EntityTooLarge, "5 GiB"),
    *(
        (ONE | {"content-md5": text}, errors.InvalidDigest, "")
        for text in ("", "*", "abc", "é", base64_of(b"15 bytes long!!"), base64_of(b"seventeen bytes!!"), md5_of(FOX)[:-1])
    ),
    (ONE | {"content-md5": hashlib.md5(FOX).hexdigest()}, errors.InvalidDigest, ""),
    *(
        (ONE | {"x-amz-content-sha256": text}, errors.InvalidArgument, "x-amz-content-sha256 must be")
        for text in BAD_PAYLOADS
    ),
    *(
        (framed(5, payload), errors.NotImplemented, payload)
        for payload in ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER")
    ),
    *(
        (ONE | {f"x-amz-checksum-{name}": text}, errors.InvalidRequest, f"Value for x-amz-checksum-{name} header is invalid")
        for name in SUMS
        for text in ("", "*", "é", "AAA", base64_of(b"a"), base64_of(SUMS[name](FOX) + b"a"), SUMS[name](FOX).hex() + "=")
    ),
    (ONE | {"x-amz-checksum-md4": "AAAA"}, errors.InvalidRequest, "algorithm md4 is not supported"),
    (ONE | {"x-amz-checksum-": "AAAA"}, errors.InvalidRequest, "is not supported"),
    (ONE | {"x-amz-checksum-crc32": sum_of("crc32"), "x-amz-checksum-sha1": sum_of("sha1")}, errors.InvalidRequest, "single"),
    (framed(5, x_amz_checksum_crc32=sum_of("crc32"), x_amz_trailer="x-amz-checksum-crc32"), errors.InvalidRequest, "single"),
    (framed(5, x_amz_trailer="x-amz-checksum-md4"), errors.InvalidRequest, "algorithm md4 is not supported"),
    (framed(5, x_amz_trailer="x-amz-meta-a"), errors.InvalidRequest, "x-amz-trailer header is not supported"),
    (framed(5, x_amz_trailer="x-amz-checksum-crc32,x-amz-checksum-sha1"), errors.InvalidRequest, "is not supported"),
    (ONE | {"x-amz-trailer": "x-amz-checksum-crc32"}, errors.InvalidRequest, "needs a body in aws-chunked encoding"),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "error", "text"), REFUSALS)
def test_headers_that_cannot_come_right_are_refused_before_a_byte_is_read(headers, error, text):
    """Each with the code that S3 has for it."""
    with pytest.raises(errors.S3Error) as caught:
        expected_of(headers)
    assert caught.type is error
    assert text in str(caught.value)


def test_what_is_too_large_is_told():
    """The client learns the size that it proposed and the largest."""
    with pytest.raises(errors.EntityTooLarge) as caught:
        expected_of({"content-length": str(LARGEST + 1)})
    assert caught.value.fields == {"ProposedSize": str(LARGEST + 1), "MaxSizeAllowed": str(LARGEST)}


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        ("", None),
        ("aws-chunked", None),
        ("AWS-Chunked", None),
        (" aws-chunked , ", None),
        ("gzip", "gzip"),
        ("gzip,aws-chunked", "gzip"),
        ("aws-chunked, gzip", "gzip"),
        ("aws-chunked, gzip ,br", "gzip, br"),
        ("deflate, gzip", "deflate, gzip"),
        ("aws-chunked-2", "aws-chunked-2"),
    ],
)
def test_the_framing_is_not_an_encoding_of_the_content(value, stored):
    """What is stored as Content-Encoding is what the content has when it is fetched."""
    assert stored_encoding(value) == stored


# --- bodies that are as promised -------------------------------------------------------------------------------------

MIB = pfs.CHUNK_BYTES


@pytest.mark.parametrize("size", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 5])
@pytest.mark.parametrize("most", [10_007, 1 << 30])
def test_a_body_without_framing_is_partas_it_is(size, most):
    """In chunks of at most 1 MiB, however much a read gives; no read asks for more than there is."""
    data = bytes(range(251)) * (size // 251 + 1)
    source = Input(data, most)  # which has more: the next request
    verified = VerifiedBody(source, expected_of({"content-length": str(size)}))
    assert b"".join(verified) == data[:size]
    assert source.left == len(data) - size
    assert max(source.asked, default=0) <= MIB


@pytest.mark.parametrize(
    ("headers", "most"),
    [
        ({}, CACHED_BYTES),
        ({"content-md5": md5_of(bytes(3 * MIB))}, CACHED_BYTES),
        ({"x-amz-content-sha256": hashlib.sha256(bytes(3 * MIB)).hexdigest()}, MIB),
        ({"x-amz-checksum-crc32": sum_of("crc32", bytes(3 * MIB))}, CACHED_BYTES),
        ({"x-amz-checksum-sha1": sum_of("sha1", bytes(3 * MIB))}, MIB),
    ],
)
def test_more_is_read_at_a_time_where_there_are_two_hashes(headers, most):
    """What fits into the cache of a core, or what is worth the way to the threads."""
    source = Input(bytes(3 * MIB))
    chunks = list(VerifiedBody(source, expected_of({"content-length": str(3 * MIB), **headers})))
    assert set(source.asked) == {most}
    assert set(map(len, chunks)) == {most}


@pytest.mark.parametrize("size", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB + 5])
@pytest.mark.parametrize("frame", [4096, 65_536, 300_000, 4 * MIB])
@pytest.mark.parametrize("most", [10_007, 1 << 30])
@pytest.mark.parametrize("known", [True, False])
def test_a_framed_body_is_partwithout_its_frames(size, frame, most, known):
    """Frames shorter and longer than chunks and reads, with and without a Content-Length."""
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    wire = frames(data, frame)
    length = {"content_length": str(len(wire))} if known else {}
    source = Input(wire + (b"GET / HTTP/1.1" if known else b""), most)
    verified = VerifiedBody(source, expected_of(framed(size, **length)))
    chunks = list(verified)
    assert b"".join(chunks) == data
    assert all(0 < len(chunk) <= MIB for chunk in chunks)
    assert len(chunks) <= -(-size // (CACHED_BYTES // 2)), "chunks are joined"
    assert source.left == (14 if known else 0)
    assert verified.digests().md5 == hashlib.md5(data).digest()


KEPT = {
    "MD5": ({"content-length": "43", "content-md5": md5_of(FOX)}, FOX),
    "SHA-256": ({"content-length": "43", "x-amz-content-sha256": SHA256}, FOX),
    "MD5 of a framed body": (framed(content_md5=md5_of(FOX)), frames(FOX)),
    "everything": ({"content-length": "43", "content-md5": md5_of(FOX), "x-amz-content-sha256": SHA256, "x-amz-checksum-sha1": sum_of("sha1")}, FOX),
    "no trailer": (framed(), frames(FOX)),
    "no last line": (framed(), frames(FOX)[:-2]),
    "a trailer in capitals": (framed(x_amz_trailer="x-amz-checksum-crc32"), frames(FOX, 9, f"X-AMZ-Checksum-CRC32: {sum_of('crc32')} \r\n")),
    "a trailer that ends with LF": (framed(x_amz_trailer="x-amz-checksum-crc32"), frames(FOX, 9, f"x-amz-checksum-crc32:{sum_of('crc32')}\n")),
    "a signature of trailers that nobody asked for": (framed(), frames(FOX, 9, "x-amz-trailer-signature:a\r\n")),
    "signatures and no key": (framed(payload=SIGNED), frames(FOX, 9, signature="bad")),
} | {
    f"{name} in {where}": each
    for name in SUMS
    for where, each in {
        "a header": ({"content-length": "43", f"x-amz-checksum-{name}": sum_of(name)}, FOX),
        "a header of a framed body": (framed(**{f"x_amz_checksum_{name}": sum_of(name)}), frames(FOX)),
        "a trailer": (framed(x_amz_trailer=f"x-amz-checksum-{name}"), frames(FOX, 9, f"x-amz-checksum-{name}:{sum_of(name)}\r\n")),
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("most", [1, 1 << 30])
@pytest.mark.parametrize("name", KEPT)
def test_a_body_that_is_as_promised_ends(name, most):
    """Every digest and checksum, wherever it stands, in one read and in reads of one byte."""
    headers, wire = KEPT[name]
    assert taken(headers, wire, most) == FOX


@given(
    data=st.binary(max_size=3000),
    frame=st.integers(1, 4000),
    most=st.integers(1, 5000),
    name=st.sampled_from(list(SUMS)),
)
def test_any_body_comes_through(data, frame, most, name):
    """Whatever it holds, however it is framed and read."""
    wire = frames(data, frame, f"x-amz-checksum-{name}:{sum_of(name, data)}\r\n")
    assert taken(framed(len(data), x_amz_trailer=f"x-amz-checksum-{name}"), wire, most) == data


# --- the checksum that is kept ---------------------------------------------------------------------------------------


def kept_of(headers, wire, algorithm):
    """What a body leaves among the attributes; until it ended it leaves nothing."""
    attributes = {}
    verified = VerifiedBody(Input(wire), expected_of(headers), None, algorithm, attributes)
    data = b""
    for chunk in verified:
        assert attributes == {}
        data += chunk
    assert data == FOX
    assert verified.digests().md5 == hashlib.md5(FOX).digest()
    return attributes


@pytest.mark.parametrize("name", SUMS)
def test_a_checksum_is_kept_whether_it_was_sent_or_asked_for(name):
    """By header, by trailer, framed or not."""
    header, plain = f"x-amz-checksum-{name}", {"content-length": "43"}
    expected = {header: sum_of(name)}
    assert kept_of(plain, FOX, name) == expected
    assert kept_of(plain | {header: sum_of(name)}, FOX, None) == expected
    assert kept_of(plain | {header: sum_of(name)}, FOX, name) == expected
    assert kept_of(framed(), frames(FOX), name) == expected
    assert kept_of(framed(x_amz_trailer=header), frames(FOX, 9, f"{header}:{sum_of(name)}\r\n"), None) == expected


def test_a_checksum_that_nobody_wants_is_not_kept():
    assert kept_of({"content-length": "43", "content-md5": md5_of(FOX)}, FOX, None) == {}
    assert kept_of(framed(), frames(FOX), None) == {}


@pytest.mark.parametrize("name", SUMS)
def test_a_checksum_of_a_body_that_is_wrong_is_not_kept(name):
    attributes = {}
    headers = {"content-length": "43", f"x-amz-checksum-{name}": sum_of(name)}
    with pytest.raises(errors.BadDigest):
        list(VerifiedBody(Input(FOX[:-1] + b"c"), expected_of(headers), None, None, attributes))
    assert attributes == {}


# --- bodies that are not ---------------------------------------------------------------------------------------------

OTHER = FOX[:-1] + b"c"
CRC = {"x_amz_trailer": "x-amz-checksum-crc32"}
TRAILER = f"x-amz-checksum-crc32:{sum_of('crc32')}\r\n"

BROKEN = {
    "nothing of a body": ({"content-length": "1"}, b"", errors.IncompleteBody, ""),
    "a short body": ({"content-length": "44"}, FOX, errors.IncompleteBody, ""),
    "a body short of gigabytes": ({"content-length": str(LARGEST)}, FOX, errors.IncompleteBody, ""),
    "a short body with a wrong digest": ({"content-length": "44", "content-md5": md5_of(b"")}, FOX, errors.IncompleteBody, ""),
    "a wrong MD5": ({"content-length": "43", "content-md5": md5_of(OTHER)}, FOX, errors.BadDigest, "Content-MD5"),
    "a wrong MD5 of nothing": ({"content-length": "0", "content-md5": md5_of(FOX)}, b"", errors.BadDigest, "Content-MD5"),
    "a wrong SHA-256": ({"content-length": "43", "x-amz-content-sha256": SHA256}, OTHER, errors.XAmzContentSHA256Mismatch, ""),
    "a wrong MD5 and SHA-256": ({"content-length": "43", "x-amz-content-sha256": SHA256, "content-md5": md5_of(FOX)}, OTHER, errors.XAmzContentSHA256Mismatch, ""),
    "a wrong MD5 of a framed body": (framed(content_md5=md5_of(OTHER)), frames(FOX), errors.BadDigest, "Content-MD5"),
    "no frames": (framed(), FOX + b"\r\n", errors.IncompleteBody, "not a hexadecimal number"),
    "no byte of a framed body": (framed(), b"", errors.IncompleteBody, "ends before its last chunk"),
    "no byte of a framed body of nothing": (framed(0), b"", errors.IncompleteBody, "ends before its last chunk"),
    "a frame that is cut": (framed(), frames(FOX)[:30], errors.IncompleteBody, "ends before its last chunk"),
    "no last frame": (framed(), frames(FOX)[:-5], errors.IncompleteBody, "ends before its last chunk"),
    "a frame too long": (framed(), b"140000001\r\n" + FOX, errors.IncompleteBody, "a chunk is too long"),
    "bytes behind the last frame": (framed(), frames(FOX) + b"x", errors.IncompleteBody, "behind the end"),
    "bytes behind the last frame that count": (framed(content_length="500"), frames(FOX) + b"x", errors.IncompleteBody, "behind the end"),
    "a Content-Length that cuts the frames": (framed(content_length="30"), frames(FOX), errors.IncompleteBody, "ends before its last chunk"),
    "a Content-Length of nothing": (framed(content_length="0"), frames(FOX), errors.IncompleteBody, "ends before its last chunk"),
    "frames with less than was said": (framed(44), frames(FOX), errors.IncompleteBody, ""),
    "frames with more than was said": (framed(42), frames(FOX), errors.InvalidRequest, "longer than x-amz-decoded-content-length"),
    "frames with more than nothing": (framed(0), frames(FOX), errors.InvalidRequest, "longer than x-amz-decoded-content-length"),
    "a trailer without a colon": (framed(**CRC), frames(FOX, 9, "hello\r\n"), errors.IncompleteBody, "no colon"),
    "no trailer": (framed(**CRC), frames(FOX), errors.MalformedTrailerError, ""),
    "another trailer": (framed(**CRC), frames(FOX, 9, f"x-amz-checksum-sha1:{sum_of('sha1')}\r\n"), errors.MalformedTrailerError, ""),
    "one trailer more": (framed(**CRC), frames(FOX, 9, TRAILER + "a:b\r\n"), errors.MalformedTrailerError, ""),
    "a trailer nobody announced": (framed(), frames(FOX, 9, TRAILER), errors.MalformedTrailerError, ""),
    "a trailer beside the header": (framed(x_amz_checksum_crc32=sum_of("crc32")), frames(FOX, 9, TRAILER), errors.MalformedTrailerError, ""),
    "an empty trailer": (framed(**CRC), frames(FOX, 9, "x-amz-checksum-crc32:\r\n"), errors.InvalidRequest, "x-amz-checksum-crc32 trailing header is invalid"),
    "a trailer that is not base64": (framed(**CRC), frames(FOX, 9, "x-amz-checksum-crc32:*\r\n"), errors.InvalidRequest, "trailing header is invalid"),
    "a trailer that is not ASCII": (framed(**CRC), frames(FOX, 9, "x-amz-checksum-crc32:\xe9\r\n"), errors.InvalidRequest, "trailing header is invalid"),
    "a trailer of another length": (framed(**CRC), frames(FOX, 9, "x-amz-checksum-crc32:AAAA\r\n"), errors.BadDigest, "CRC32"),
    "the trailer of other data": (framed(**CRC), frames(OTHER, 9, TRAILER), errors.BadDigest, "CRC32"),
    "a trailer and then another": (framed(**CRC), frames(FOX, 9, TRAILER + "X-Amz-Checksum-Crc32:AAAAAA==\r\n"), errors.BadDigest, "CRC32"),
} | {
    f"a wrong {name} in {where}": each
    for name in SUMS
    for where, each in {
        "a header": ({"content-length": "43", f"x-amz-checksum-{name}": sum_of(name)}, OTHER, errors.BadDigest, name.upper()),
        "a header of a framed body": (framed(**{f"x_amz_checksum_{name}": sum_of(name)}), frames(OTHER), errors.BadDigest, name.upper()),
        "a trailer": (framed(x_amz_trailer=f"x-amz-checksum-{name}"), frames(OTHER, 9, f"x-amz-checksum-{name}:{sum_of(name)}\r\n"), errors.BadDigest, name.upper()),
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("most", [1, 1 << 30])
@pytest.mark.parametrize("name", BROKEN)
def test_a_body_that_is_not_as_promised_raises_instead_of_ending(name, most):
    """What its headers say is in order, so that only the bytes can tell."""
    headers, wire, error, text = BROKEN[name]
    refused(headers, wire, error, text, most)


def test_both_digests_are_told():
    """A client that computed another SHA-256 sees both."""
    error = refused({"content-length": "43", "x-amz-content-sha256": SHA256}, OTHER, errors.XAmzContentSHA256Mismatch)
    assert error.fields == {
        "ClientComputedContentSHA256": SHA256,
        "S3ComputedContentSHA256": hashlib.sha256(OTHER).hexdigest(),
    }


@given(data=st.data(), frame=st.integers(1, 50), most=st.integers(1, 500))
def test_a_damaged_body_never_ends_as_other_content(data, frame, most):
    """A byte changed, lost or put in: an error, or it was in nothing but the spelling of the frames."""
    wire = frames(FOX, frame, TRAILER)
    at = data.draw(st.integers(0, len(wire) - 1))
    changed = wire[:at] + data.draw(st.binary(max_size=2)) + wire[at + data.draw(st.integers(0, 2)) :]
    try:
        assert taken(framed(**CRC), changed, most) == FOX
    except errors.S3Error as ex:
        assert type(ex) in (
            errors.IncompleteBody,
            errors.BadDigest,
            errors.InvalidRequest,
            errors.MalformedTrailerError,
        )


def test_what_is_read_first_is_partbefore_the_error():
    """A check at the end does not hold the body back."""
    data = bytes(3 * MIB)
    chunks = iter(VerifiedBody(Input(data), expected_of({"content-length": str(3 * MIB), "content-md5": md5_of(b"")})))
    count = 3 * MIB // CACHED_BYTES
    assert [len(next(chunks)) for _ in range(count)] == [CACHED_BYTES] * count
    with pytest.raises(errors.BadDigest):
        next(chunks)


@pytest.mark.parametrize("headers", [{"content-length": "5"}, framed(5), framed(5, content_length="10")])
def test_nothing_is_read_before_it_is_asked_for(headers):
    """A body that is refused for other reasons is never begun."""
    source = Input(b"")
    iter(VerifiedBody(source, expected_of(headers)))
    assert source.asked == []


@pytest.mark.parametrize("headers", [{"content-length": "0"}, framed(0, content_length="0")])
def test_a_body_of_no_bytes_is_not_read(headers):
    """A server may wait for bytes that are not announced."""
    source = Input(b"more")
    with pytest.raises(errors.IncompleteBody) if "x-amz-content-sha256" in headers else contextlib.nullcontext():
        list(VerifiedBody(source, expected_of(headers)))
    assert source.asked == []


@pytest.mark.parametrize("headers", [{"content-length": "5"}, framed(5)])
def test_an_error_of_the_connection_is_passed_on(headers):
    """Who is to blame for it is for others to say."""

    def broken(_):
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        list(VerifiedBody(broken, expected_of(headers)))


# --- signed chunks ---------------------------------------------------------------------------------------------------


def signed_frames(chunks, signatures, trailer=""):
    pairs = itertools.zip_longest(chunks, signatures, fillvalue=b"")
    wire = b"".join(
        b"%x;chunk-signature=%s\r\n" % (len(chunk), signature.encode()) + (chunk + b"\r\n" if chunk else b"")
        for chunk, signature in pairs
    )
    return wire + trailer.encode() + b"\r\n"


@pytest.mark.parametrize("most", [1, 7, 1 << 30])
def test_every_chunk_is_verified_over_its_own_bytes(most):
    """However the reads cut it, and the last one over nothing."""
    chunks = [FOX[:10], FOX[10:11], FOX[11:]]
    verifier = Signatures()
    wire = signed_frames(chunks, ["a", "b", "c", "d"])
    assert taken(framed(payload=SIGNED), wire, most, verifier) == FOX
    assert verifier.chunks == [(hashlib.sha256(chunk).hexdigest(), name) for chunk, name in zip([*chunks, b""], "abcd")]
    assert verifier.trailers == []


@pytest.mark.parametrize("number", range(4))
def test_a_wrong_signature_of_a_chunk_is_refused(number):
    """Of the first, of one between and of the last."""
    signatures = ["a", "b", "c", "d"]
    signatures[number] = "bad"
    wire = signed_frames([FOX[:10], FOX[10:11], FOX[11:]], signatures)
    refused(framed(payload=SIGNED), wire, errors.SignatureDoesNotMatch, "chunk", verifier=Signatures())


def test_a_chunk_without_a_signature_is_verified_too():
    """Leaving signatures out does not leave the check out."""
    verifier = Signatures()
    assert taken(framed(payload=SIGNED), frames(FOX, 43), verifier=verifier) == FOX
    assert verifier.chunks == [(SHA256, ""), (hashlib.sha256(b"").hexdigest(), "")]


@pytest.mark.parametrize(
    ("trailer", "signature"),
    [("x-amz-trailer-signature:s\r\n", "s"), ("X-Amz-Trailer-Signature: s \r\n", "s"), ("", "")],
)
def test_trailers_are_verified_without_their_own_signature(trailer, signature):
    """Which is empty where it was left out."""
    verifier = Signatures()
    wire = signed_frames([FOX], ["a", "b"], TRAILER + trailer)
    assert taken(framed(payload=SIGNED_TRAILER, **CRC), wire, verifier=verifier) == FOX
    assert verifier.trailers == [({"x-amz-checksum-crc32": sum_of("crc32")}, signature)]


def test_a_wrong_signature_of_the_trailers_is_refused():
    """Also where the checksum in them is right."""
    wire = signed_frames([FOX], ["a", "b"], TRAILER + "x-amz-trailer-signature:bad\r\n")
    headers = framed(payload=SIGNED_TRAILER, **CRC)
    refused(headers, wire, errors.SignatureDoesNotMatch, "trailers", verifier=Signatures())


def test_chunks_that_are_not_to_be_signed_are_not_verified():
    """In unsigned framing the signature of the request is all there is."""
    verifier = Signatures()
    assert taken(framed(), frames(FOX, 9, signature="bad"), verifier=verifier) == FOX
    assert taken({"content-length": "43"}, FOX, verifier=verifier) == FOX
    assert (verifier.chunks, verifier.trailers) == ([], [])


# --- memory, and small bodies ----------------------------------------------------------------------------------------


def repeated(piece, times):
    """A source of a body that never was in memory."""
    left = times * len(piece)
    block = piece * (-(-body.FRAMED_READ // len(piece)) + 1)

    def read(size):
        nonlocal left
        start = (times * len(piece) - left) % len(piece)
        part = block[start : start + min(size, left)]
        left -= len(part)
        return part

    return read


@pytest.mark.parametrize(
    ("piece", "content", "most"),
    [
        # One byte would be no test of what pieces weigh: the interpreter has those at hand.
        pytest.param(b"2\r\nxx\r\n", 2, 12 << 20, id="two bytes"),
        pytest.param(b"1000\r\n" + b"x" * 4096 + b"\r\n", 4096, 5 << 20, id="4 KiB"),
        pytest.param(b"40000\r\n" + b"x" * (256 << 10) + b"\r\n", 256 << 10, 5 << 20, id="256 KiB"),
    ],
)
def test_a_framed_body_is_never_held_whole(piece, content, most):
    """What is held at a time is bounded, also where every two bytes have their own frame."""
    total = 1 << 19 if content == 2 else 32 << 20
    read = repeated(piece, total // content)
    last = iter([b"0\r\n\r\n"])
    verified = VerifiedBody(lambda size: read(size) or next(last, b""), expected_of(framed(total)))
    tracemalloc.start()
    try:
        assert sum(len(chunk) for chunk in verified) == total
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_a_line_that_never_ends_is_not_kept():
    """Nor is it read to its end."""
    source = Input(b"1" * (8 << 20))
    with pytest.raises(errors.IncompleteBody, match="too long"):
        list(VerifiedBody(source, expected_of(framed(5))))
    assert len(source.asked) == 1


@pytest.mark.parametrize(
    ("headers", "wire", "limit"),
    [
        ({"content-length": "43"}, FOX, 43),
        ({"content-length": "43"}, FOX, 1000),
        ({"content-length": "0"}, b"", 0),
        (framed(), frames(FOX), 43),
    ],
)
def test_a_small_body_is_read_whole(headers, wire, limit):
    """Up to the limit, which counts the content and not its frames."""
    assert read_small(Input(wire), expected_of(headers), limit) == (FOX if limit else b"")


@pytest.mark.parametrize("headers", [{"content-length": "43"}, framed(), {"content-length": str(LARGEST)}])
def test_a_small_body_that_is_too_large_is_refused_unread(headers):
    """Before the first read, with the limit in the answer."""
    source = Input(FOX)
    with pytest.raises(errors.EntityTooLarge) as caught:
        read_small(source, expected_of(headers), 42)
    assert (caught.value.fields, source.asked) == ({"MaxSizeAllowed": "42"}, [])


@pytest.mark.parametrize(
    ("headers", "wire", "error"),
    [
        ({"content-length": "44"}, FOX, errors.IncompleteBody),
        ({"content-length": "43", "content-md5": md5_of(OTHER)}, FOX, errors.BadDigest),
        (framed(10), frames(FOX), errors.InvalidRequest),
    ],
)
def test_a_small_body_is_verified(headers, wire, error):
    """As any other."""
    with pytest.raises(error):
        read_small(Input(wire), expected_of(headers), 1000)


def test_a_small_body_of_signed_chunks_is_verified():
    """Requests with documents may be signed chunk by chunk, too."""
    wire = signed_frames([FOX], ["bad", "b"])
    with pytest.raises(errors.SignatureDoesNotMatch):
        read_small(Input(wire), expected_of(framed(payload=SIGNED)), 1000, Signatures())
