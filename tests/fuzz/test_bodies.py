"""Request bodies: any bytes in any pieces give the same content or the same refusal."""

from __future__ import annotations

import contextlib
import io

from hypothesis import strategies as st

from falcon_s3 import body_headers, errors
from falcon_s3.body import VerifiedBody, read_small
from falcon_s3.body_headers import Expected, expected_of
from falcon_s3.sigv4 import ChunkVerifier
from tests.fuzz.examples import fuzz, mutated, repeated

SIGNATURE = b";chunk-signature=" + b"0123456789abcdef" * 4
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"0",
    b"5",
    b"ffffffffffffffff",
    b";",
    b"chunk-signature=",
    SIGNATURE,
    b":",
    b"=",
    b"\0",
]
PIECES += [b"x-amz-checksum-crc32:AAAAAA==\r\n", b"x-amz-trailer-signature:00\r\n", b"a:b\n", b"\xff", b" ", b"x" * 50]


@st.composite
def framed(draw):
    """A body as clients frame it."""
    extension = draw(st.sampled_from([b"", SIGNATURE]))
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    wire = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return wire + b"0" + extension + b"\r\n" + draw(st.sampled_from([b"", *PIECES])) + b"\r\n"


WIRE = st.binary(max_size=300) | framed() | mutated(framed(), PIECES)


@st.composite
def promises(draw):
    framed = draw(st.booleans()) or draw(st.booleans())
    checksum = draw(st.sampled_from([None, "crc32", "sha256", "crc64nvme"]))
    value = draw(st.sampled_from([None, b"\0\0\0\0"])) if checksum else None
    if not framed and checksum:
        value = b"\0\0\0\0"
    length = draw(st.none() | st.integers(0, 200))
    md5, sha256 = draw(st.sampled_from([(None, None), (b"0" * 16, None), (None, b"0" * 32)]))
    return Expected(length, framed, framed and draw(st.booleans()), None, md5, sha256, checksum, value)


def outcome(wire, expected, most):
    """The content, or the class of the refusal, where each read gives at most `most` bytes."""
    file = io.BytesIO(wire)
    verifier = ChunkVerifier(b"key", "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0" * 64)
    whole = VerifiedBody(lambda size: file.read(min(size, most)), expected, verifier)
    try:
        content = b"".join(whole)
        assert len(whole.digests().md5) == 16
        return content
    except errors.S3Error as ex:
        assert not isinstance(ex, errors.InternalError)
        return type(ex)


@fuzz(wire=WIRE, expected=promises(), most=st.integers(1, 20))
def test_a_body_is_the_same_in_any_pieces(wire, expected, most):
    """Broken framing hides other faults that come before it in the same read: of these any may be told."""
    whole = outcome(wire, expected, 1 << 30)
    for pieces in (most, 1):
        found = outcome(wire, expected, pieces)
        assert found == whole or (whole is errors.IncompleteBody and isinstance(found, type))


@fuzz(wire=WIRE, unsigned=st.just(Expected(None, True, False, None, None, None, None, None)))
def test_what_is_framed_is_decoded_or_refused(wire, unsigned):
    whole = outcome(wire, unsigned, 1 << 30)
    assert outcome(wire, unsigned, 1) == whole
    assert isinstance(whole, bytes) or issubclass(whole, errors.S3Error)


HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=70)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-length": HEADER_TEXT | st.sampled_from(["0", "5", "²", "-1", "9" * 30, "0" * 5000, "5368709121"]),
        "content-encoding": HEADER_TEXT | st.sampled_from(["aws-chunked", "gzip, aws-chunked", ",,"]),
        "content-md5": HEADER_TEXT | st.sampled_from(["1B2M2Y8AsgTpgAmY7PhCfg==", "===="]),
        "transfer-encoding": HEADER_TEXT | st.just("chunked"),
        "x-amz-content-sha256": HEADER_TEXT
        | st.sampled_from(["", "UNSIGNED-PAYLOAD", "0" * 64, "0 " * 32, "STREAMING-x", *body_headers.STREAMING]),
        "x-amz-decoded-content-length": HEADER_TEXT | st.sampled_from(["0", "5", "²", "1e3"]),
        "x-amz-trailer": HEADER_TEXT
        | st.sampled_from(["x-amz-checksum-crc32", "x-amz-checksum-", "X-Amz-Checksum-SHA256 "]),
        "x-amz-checksum-crc32": HEADER_TEXT | st.sampled_from(["AAAAAA==", "AAAAAA="]),
        "x-amz-checksum-sha256": HEADER_TEXT,
        "x-amz-checksum-x": HEADER_TEXT,
        "x-amz-sdk-checksum-algorithm": HEADER_TEXT | st.sampled_from(["CRC32", "md4"]),
    },
)


@fuzz(headers=HEADERS, wire=WIRE)
def test_any_headers_of_a_body_are_kept_or_refused(headers, wire):
    with contextlib.suppress(errors.S3Error):
        expected = expected_of(headers)
        file = io.BytesIO(wire)
        assert len(read_small(file.read, expected, 250)) <= 250
    body_headers.stored_encoding(headers.get("content-encoding"))


@fuzz(wire=repeated(PIECES), framed=st.booleans(), slower=20)
def test_long_bodies_are_decoded_or_refused(wire, framed):
    """100 KB byte by byte, the worst that a client can do."""
    for head in (b"", b"0\r\n", b"1\r\nx\r\n"):
        expected = Expected(None, framed, False, None, None, None, None, None)
        assert outcome(head + wire, expected, 1) == outcome(head + wire, expected, 1 << 20)
