"""aws-chunked bodies in every mode clients send: the frames are checked and taken off, never stored."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import time
import zlib

import pytest

from tests.s3.etags import etag_of

UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
FOX = b"The quick brown fox jumps over the lazy dog"


def base64_of(raw):
    return base64.b64encode(raw).decode()


def crc32(data):
    return base64_of(zlib.crc32(data).to_bytes(4, "big"))


def frames(data, size, trailer=b""):
    """The bytes of an unsigned aws-chunked body, in chunks of `size`."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


def unsigned(data, **more):
    headers = {"x-amz-content-sha256": UNSIGNED, "x-amz-decoded-content-length": str(len(data))}
    return headers | {"Content-Encoding": "aws-chunked"} | {name.replace("_", "-"): v for name, v in more.items()}


def put(gateway, bucket, body, headers):
    return gateway.request("PUT", f"/{bucket}/k", body, headers)


def stored(gateway, bucket):
    return gateway.request("GET", f"/{bucket}/k")


@pytest.mark.parametrize("size", [1, 7, 8192, 65_536, 1 << 20, 5_000_000])
@pytest.mark.parametrize("length", [0, 1, 8192, 100_000])
def test_frames_of_any_size_are_taken_off(gateway, bucket, length, size):
    data = os.urandom(length)
    trailer = f"x-amz-checksum-crc32:{crc32(data)}\r\n".encode()
    answer = put(gateway, bucket, frames(data, size, trailer), unsigned(data, x_amz_trailer="x-amz-checksum-crc32"))
    assert answer.status == 200, answer
    assert answer.headers["ETag"] == etag_of(data)
    assert stored(gateway, bucket).body == data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crc32", "QU+jOQ=="),
        ("crc32c", "ImIEBA=="),
        ("sha1", base64_of(hashlib.sha1(FOX).digest())),
        ("sha256", base64_of(hashlib.sha256(FOX).digest())),
        ("crc64nvme", None),
    ],
)
def test_the_checksum_of_a_trailer_is_checked(gateway, bucket, unchanged, name, value):
    if value is None:
        from awscrt import checksums

        value = base64_of(checksums.crc64nvme(FOX).to_bytes(8, "big"))
    name = f"x-amz-checksum-{name}"
    wrong = base64_of(bytes(len(base64.b64decode(value))))
    with unchanged(bucket):
        body = frames(FOX, 10, f"{name}:{wrong}\r\n".encode())
        put(gateway, bucket, body, unsigned(FOX, x_amz_trailer=name)).refused(400, "BadDigest")
    body = frames(FOX, 10, f"{name}: {value} \r\n".encode())
    assert put(gateway, bucket, body, unsigned(FOX, x_amz_trailer=name)).status == 200
    assert stored(gateway, bucket).body == FOX


def test_a_body_without_a_trailer_is_taken_where_none_was_announced(gateway, bucket):
    assert put(gateway, bucket, frames(FOX, 10), unsigned(FOX)).status == 200
    assert stored(gateway, bucket).body == FOX


@pytest.mark.needs("attributes")
@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"Content-Encoding": "aws-chunked"}, None),
        ({"Content-Encoding": "aws-chunked,gzip"}, "gzip"),
        ({"Content-Encoding": "gzip, aws-chunked"}, "gzip"),
        ({"Content-Encoding": "AWS-Chunked"}, None),
        ({"Content-Encoding": "gzip"}, "gzip"),
        ({}, None),
    ],
)
def test_the_framing_is_not_kept_as_an_encoding(gateway, bucket, headers, kept):
    sent = {name: value for name, value in unsigned(FOX).items() if name != "Content-Encoding"} | headers
    assert put(gateway, bucket, frames(FOX, 10), sent).status == 200
    answer = stored(gateway, bucket)
    assert (answer.body, answer.headers["Content-Encoding"]) == (FOX, kept)


def test_frames_split_anywhere_are_put_together(gateway, bucket):
    data = os.urandom(50)
    trailer = f"x-amz-checksum-crc32:{crc32(data)}\r\n".encode()
    body = frames(data, 17, trailer)
    headers = unsigned(data, x_amz_trailer="x-amz-checksum-crc32", Content_Length=str(len(body)), Host="x")
    head = f"PUT /{bucket}/k HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    with gateway.connect() as connection:
        connection.sendall(head.encode())
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
            time.sleep(0.0005)
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
    assert stored(gateway, bucket).body == data


def test_frames_inside_chunked_transfer_encoding_are_taken_off(gateway, bucket):
    body = frames(FOX, 10)
    outer = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 9]), body[at : at + 9]) for at in range(0, len(body), 9))
    headers = unsigned(FOX, Transfer_Encoding="chunked")
    assert put(gateway, bucket, outer + b"0\r\n\r\n", headers).status == 200
    assert stored(gateway, bucket).body == FOX


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"3\r\nabc",
        b"3\r\nabc\r\n",
        b"3\r\nabc\r\n0",
        b"3\r\nab\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"x\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"0_3\r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b"2\r\nab\r\n0\r\n\r\n",
        b"4\r\nabcd\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"f" * 40 + b"\r\nabc\r\n0\r\n\r\n",
        b"7fffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"a" * 100_000,
        b"3" + b";x" * 50_000 + b"\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\nmore",
        b"3\r\nabc\r\n0\r\n" + b"x-a:b\r\n" * 20_000 + b"\r\n",
        b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
        b"abc",
    ],
)
def test_a_body_that_is_not_framed_as_said_stores_nothing(gateway, bucket, unchanged, body):
    """The decoded length says three bytes; whatever comes instead is the client's error."""
    with unchanged(bucket):
        answer = put(gateway, bucket, body, unsigned(b"abc"))
        assert 400 <= answer.status < 500, answer
        assert answer.code


@pytest.mark.parametrize(
    ("name", "trailer", "code"),
    [
        ("x-amz-checksum-crc32", b"", "MalformedTrailerError"),
        ("x-amz-checksum-crc32", b"x-amz-checksum-sha1:AAAA\r\n", "MalformedTrailerError"),
        ("", b"x-amz-checksum-crc32:QU+jOQ==\r\n", "MalformedTrailerError"),
        (
            "x-amz-checksum-crc32",
            b"x-amz-checksum-crc32:QU+jOQ==\r\nx-amz-checksum-sha1:AAAA\r\n",
            "MalformedTrailerError",
        ),
        ("x-amz-checksum-crc32", b"x-amz-checksum-crc32:\r\n", "InvalidRequest"),
        ("x-amz-checksum-crc32", b"x-amz-checksum-crc32:!!\r\n", "InvalidRequest"),
        ("x-amz-checksum-md4", b"x-amz-checksum-md4:AAAA\r\n", "InvalidRequest"),
        ("x-amz-meta-late", b"x-amz-meta-late:1\r\n", "InvalidRequest"),
    ],
)
def test_a_trailer_that_is_not_the_one_announced_stores_nothing(gateway, bucket, unchanged, name, trailer, code):
    with unchanged(bucket):
        answer = put(gateway, bucket, frames(FOX, 10, trailer), unsigned(FOX, x_amz_trailer=name))
        answer.refused(400, code)


@pytest.mark.parametrize("length", ["", "x", "-1", "+3", "3.0", "1_0", str(5 * 2**30 + 1), None])
def test_a_decoded_length_that_is_none_is_refused(gateway, bucket, unchanged, length):
    headers = unsigned(b"abc") | {"x-amz-decoded-content-length": length}
    with unchanged(bucket):
        answer = put(gateway, bucket, frames(b"abc", 3), {n: v for n, v in headers.items() if v is not None})
        assert 400 <= answer.status < 500, answer
        assert answer.code


@pytest.mark.parametrize("names", [("crc32", "Crc32Checksum"), ("sha256", "Sha256Checksum"), ("sha1", "Sha1Checksum")])
@pytest.mark.parametrize("length", [0, 10, 3_000_000])
def test_a_body_framed_by_botocore_is_read(gateway, bucket, names, length):
    """What botocore sends over TLS, written by its own code."""
    from botocore import httpchecksum

    data = os.urandom(length)
    header = f"x-amz-checksum-{names[0]}"
    wrapper = httpchecksum.AwsChunkedWrapper(
        io.BytesIO(data), checksum_cls=getattr(httpchecksum, names[1]), checksum_name=header
    )
    assert put(gateway, bucket, wrapper.read(), unsigned(data, x_amz_trailer=header)).status == 200
    assert stored(gateway, bucket).body == data


@pytest.mark.needs("no signature")
@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER])
def test_signed_frames_are_taken_off_where_nobody_signs(gateway, bucket, new_signer, mode):
    """minio-go and older SDKs send signed frames to any server over plain HTTP; without a key they only frame."""
    signer = new_signer("any", "any")
    body, headers = signed_body(signer, bucket, FOX, mode, 10)
    assert put(gateway, bucket, body, headers).status == 200
    assert stored(gateway, bucket).body == FOX


def signed_body(signer, bucket, data, mode, size, *, host="127.0.0.1", change=None):
    """(body, headers) of a PUT in signed chunks of `size`; `change` may replace frames before they are joined."""
    headers = {"host": host, "x-amz-decoded-content-length": str(len(data)), "content-encoding": "aws-chunked"}
    if mode == SIGNED_TRAILER:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    headers = signer.headers("PUT", f"/{bucket}/k", headers, mode)
    pieces = [signer.chunk(data[start : start + size]) for start in range(0, len(data), size)] + [signer.chunk(b"")]
    if mode == SIGNED_TRAILER:
        pieces.append(signer.trailer("x-amz-checksum-crc32", crc32(data)))
    pieces.append(b"\r\n")
    pieces = change(pieces) if change else pieces
    return b"".join(pieces), headers


@pytest.fixture
def keyed_bucket(keyed_gateway):
    return keyed_gateway.new_bucket()


def read_back(keyed_gateway, bucket):
    return keyed_gateway.s3.get_object(Bucket=bucket, Key="k")["Body"].read()


@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER])
@pytest.mark.parametrize(
    ("length", "size"), [(0, 10), (43, 10), (200_000, 8192), (300_000, 65_536), (3_000_000, 1 << 20)]
)
def test_signed_frames_are_checked_and_taken_off(keyed_gateway, keyed_bucket, signer, mode, length, size):
    data = os.urandom(length)
    body, headers = signed_body(signer, keyed_bucket, data, mode, size)
    answer = put(keyed_gateway, keyed_bucket, body, headers)
    assert answer.status == 200, answer
    assert read_back(keyed_gateway, keyed_bucket) == data


def flip(piece):
    """The same frame with its last byte of data changed."""
    at = len(piece) - 3
    return piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]


CHANGES = {
    "data of the first chunk": lambda pieces: [flip(pieces[0]), *pieces[1:]],
    "data of a later chunk": lambda pieces: [*pieces[:2], flip(pieces[2]), *pieces[3:]],
    "order": lambda pieces: [pieces[1], pieces[0], *pieces[2:]],
    "a chunk twice": lambda pieces: [pieces[0], pieces[0], *pieces[2:]],
    "a signature": lambda pieces: [pieces[0].replace(b"signature=", b"signature=0", 1), *pieces[1:]],
    "a signature gone": lambda pieces: [b"a\r\n" + pieces[0].partition(b"\r\n")[2], *pieces[1:]],
    "the last signature": lambda pieces: [
        b"0;chunk-signature=" + b"0" * 64 + b"\r\n" if piece.startswith(b"0;") else piece for piece in pieces
    ],
}


@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER])
@pytest.mark.parametrize("name", CHANGES)
def test_signed_frames_that_were_changed_store_nothing(keyed_gateway, keyed_bucket, signer, mode, name):
    keyed_gateway.s3.put_object(Bucket=keyed_bucket, Key="k", Body=b"old")
    body, headers = signed_body(signer, keyed_bucket, FOX, mode, 10, change=CHANGES[name])
    answer = put(keyed_gateway, keyed_bucket, body, headers)
    assert answer.status in (400, 403), answer
    assert answer.code in ("SignatureDoesNotMatch", "IncompleteBody", "InvalidRequest", "InvalidArgument")
    if "signature gone" not in name:
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert read_back(keyed_gateway, keyed_bucket) == b"old"


def test_a_signed_trailer_that_ends_as_those_of_minio_go(keyed_gateway, keyed_bucket, signer):
    """minio-go ends the checksum with LF CRLF, and its signature follows."""

    def ended(pieces):
        return [*pieces[:-2], pieces[-2].replace(b"\r\n", b"\n\r\n", 1), pieces[-1]]

    body, headers = signed_body(signer, keyed_bucket, FOX, SIGNED_TRAILER, 10, change=ended)
    answer = put(keyed_gateway, keyed_bucket, body, headers)
    assert answer.status == 200, answer
    assert read_back(keyed_gateway, keyed_bucket) == FOX


def test_a_signed_trailer_that_was_changed_stores_nothing(keyed_gateway, keyed_bucket, signer):
    def other_signature(pieces):
        return [*pieces[:-2], pieces[-2][:-66] + b"0" * 64 + b"\r\n", pieces[-1]]

    body, headers = signed_body(signer, keyed_bucket, FOX, SIGNED_TRAILER, 10, change=other_signature)
    answer = put(keyed_gateway, keyed_bucket, body, headers)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert "Contents" not in keyed_gateway.s3.list_objects_v2(Bucket=keyed_bucket)


def test_unsigned_frames_with_a_signed_head_are_read(keyed_gateway, keyed_bucket, signer):
    trailer = f"x-amz-checksum-crc32:{crc32(FOX)}\r\n".encode()
    headers = {
        "host": "x",
        "x-amz-decoded-content-length": str(len(FOX)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
    }
    signed = signer.headers("PUT", f"/{keyed_bucket}/k", headers, UNSIGNED)
    assert put(keyed_gateway, keyed_bucket, frames(FOX, 10, trailer), signed).status == 200
    assert read_back(keyed_gateway, keyed_bucket) == FOX
