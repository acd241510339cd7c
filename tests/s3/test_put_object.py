"""PUT /bucket/key stores bytes that were checked, in one commit, or nothing."""

from __future__ import annotations

import base64
import hashlib
import socket
import zlib

import pytest

from falcon_s3 import buckets
from falcon_s3.pfs import is_commit_id
from tests.s3.etags import etag_of

DATA = b"The quick brown fox jumps over the lazy dog"
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
SHA256 = hashlib.sha256(DATA).hexdigest()


def test_a_write_is_one_commit_and_says_which(gateway, bucket, store):
    before = store.inspect_branch(buckets.parse(bucket)).head
    answer = gateway.request("PUT", f"/{bucket}/k", DATA)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["ETag"] == etag_of(DATA)
    head = store.inspect_branch(buckets.parse(bucket)).head
    assert answer.headers["x-amz-version-id"] == head.id
    assert is_commit_id(head.id)
    assert store.inspect_commit(head).parent == before


def test_the_last_write_is_what_is_read(s3, bucket):
    for body in (b"one", b"", b"three"):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_what_was_stored_beside_the_old_bytes_goes_with_them(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Metadata={"a": "b"}, ContentType="text/x", CacheControl="no-store")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    answer = s3.head_object(Bucket=bucket, Key="k")
    assert (answer["Metadata"], answer["ContentType"], "CacheControl" in answer) == ({}, "binary/octet-stream", False)


@pytest.mark.needs("paths")
def test_a_key_and_the_keys_below_it_are_beside_each_other(s3, bucket):
    for key in ("a", "a/", "a/b", "a/b/c"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in ("a", "a/", "a/b", "a/b/c"):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-MD5": MD5},
        {"x-amz-content-sha256": SHA256},
        {"x-amz-content-sha256": SHA256.upper()},
        {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()},
        {"x-amz-checksum-crc32c": "ImIEBA=="},
        {"x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(DATA).digest()).decode()},
        {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(DATA).digest()).decode()},
        {"x-amz-checksum-crc32": "QU+jOQ==", "x-amz-sdk-checksum-algorithm": "CRC32"},
        {"Content-MD5": MD5, "x-amz-content-sha256": SHA256},
    ],
)
def test_a_digest_that_is_right_is_taken(gateway, bucket, headers):
    answer = gateway.request("PUT", f"/{bucket}/k", DATA, headers)
    assert answer.status == 200, answer
    assert gateway.request("GET", f"/{bucket}/k").body == DATA


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-MD5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"Content-MD5": "garbage"}, "InvalidDigest"),
        ({"Content-MD5": base64.b64encode(bytes(15)).decode()}, "InvalidDigest"),
        ({"Content-MD5": hashlib.md5(DATA).hexdigest()}, "InvalidDigest"),
        ({"x-amz-content-sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
        ({"x-amz-content-sha256": "0" * 63}, "InvalidArgument"),
        ({"x-amz-content-sha256": "STREAMING-WHATEVER"}, "InvalidArgument"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
        ({"x-amz-checksum-crc32c": "AAAAAA=="}, "BadDigest"),
        ({"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, "BadDigest"),
        ({"x-amz-checksum-sha1": base64.b64encode(bytes(20)).decode()}, "BadDigest"),
        ({"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"x-amz-checksum-crc32": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "!"}, "InvalidRequest"),
    ],
)
@pytest.mark.parametrize("repeat", [1, 30_000])
def test_a_digest_that_is_wrong_stores_nothing(gateway, bucket, unchanged, headers, code, repeat):
    gateway.request("PUT", f"/{bucket}/k", b"old")
    with unchanged(bucket):
        answer = gateway.request("PUT", f"/{bucket}/k", DATA * repeat, headers)
        assert answer.status == 400
        assert answer.code in (code, "InvalidArgument" if code == "InvalidRequest" else code)
    assert gateway.request("GET", f"/{bucket}/k").body == b"old"


@pytest.mark.parametrize(
    "name",
    ["STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"],
)
def test_a_signature_of_another_kind_is_not_implemented(gateway, bucket, unchanged, name):
    with unchanged(bucket):
        headers = {"x-amz-content-sha256": name, "x-amz-decoded-content-length": "3"}
        gateway.request("PUT", f"/{bucket}/k", b"abc", headers).refused(501, "NotImplemented")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"])
def test_a_client_that_sends_checksums_is_served(s3, bucket, algorithm):
    s3.put_object(Bucket=bucket, Key="k", Body=DATA, ChecksumAlgorithm=algorithm)
    assert s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["Body"].read() == DATA


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-tagging": "a=b"},
        {"x-amz-acl": "public-read"},
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"x-amz-object-lock-mode": "COMPLIANCE"},
        {"x-amz-website-redirect-location": "/"},
        {"x-amz-write-offset-bytes": "3"},
    ],
)
def test_a_header_that_asks_for_more_never_fails_the_server(gateway, bucket, headers):
    answer = gateway.request("PUT", f"/{bucket}/k", DATA, headers)
    assert answer.status in (200, 400, 501)


def test_a_piece_does_not_take_the_place_of_the_whole(gateway, bucket, unchanged):
    """curl -C goes on with an upload so: the object would be its end alone."""
    gateway.request("PUT", f"/{bucket}/k", DATA)
    with unchanged(bucket):
        answer = gateway.request(
            "PUT", f"/{bucket}/k", DATA[9:], {"Content-Range": f"bytes 9-{len(DATA) - 1}/{len(DATA)}"}
        )
        assert "Content-Range" in answer.refused(501, "NotImplemented")
    assert gateway.request("GET", f"/{bucket}/k").body == DATA


def test_a_redirection_to_no_address_is_refused(gateway, bucket):
    headers = {"x-amz-website-redirect-location": "other"}
    gateway.request("PUT", f"/{bucket}/k", DATA, headers).refused(400, "InvalidRedirectLocation")
    gateway.request("GET", f"/{bucket}/k").refused(404, "NoSuchKey")


def test_a_write_to_nowhere_is_refused(gateway):
    gateway.request("PUT", "/none/k", DATA).refused(404, "NoSuchBucket")


CHUNKED = "PUT /{}/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nx-amz-content-sha256: {}\r\n\r\n"


def test_a_body_without_a_length_is_known_by_its_digest(gateway, bucket):
    data = bytes(3_000_000)
    head = CHUNKED.format(bucket, hashlib.sha256(data).hexdigest()).encode()
    answer = gateway.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
    assert (answer.status, answer.headers["ETag"]) == (200, etag_of(data))
    assert gateway.request("GET", f"/{bucket}/k").body == data


@pytest.mark.parametrize("rest", [b"", b"3\r\nab", b"3\r\nabd\r\n0\r\n\r\n", b"0\r\n\r\n"])
def test_a_body_without_a_length_that_is_cut_short_is_not_stored(gateway, bucket, unchanged, rest):
    head = CHUNKED.format(bucket, hashlib.sha256(b"abcabc").hexdigest()).encode()
    with unchanged(bucket), gateway.connect() as connection:
        connection.sendall(head + b"3\r\nabc\r\n" + rest)
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in connection.recv(10_000)


def test_a_length_or_a_digest_must_be_said(gateway, bucket, unchanged):
    with unchanged(bucket):
        data = (
            f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()
        )
        gateway.send(data).refused(411, "MissingContentLength")


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked"])
def test_a_body_with_another_transfer_coding_is_refused(gateway, bucket, unchanged, coding):
    """Its bytes would be stored as they are on their way."""
    head = CHUNKED.format(bucket, hashlib.sha256(b"abc").hexdigest()).replace(": chunked", f": {coding}")
    with unchanged(bucket):
        answer = gateway.send(head.encode() + b"3\r\nabc\r\n0\r\n\r\n")
        if gateway.engine == "granian":
            answer.refused(501, "NotImplemented")
        assert answer.status in (400, 501)


def test_a_refused_body_without_an_end_ends_the_connection(gateway, bucket, unchanged):
    """What may go on for ever is not read to its end."""
    head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with unchanged(bucket):
        answer = gateway.send(head + b"%x\r\n%s\r\n" % (2 << 20, bytes(2 << 20)))
        answer.refused(411, "MissingContentLength")
        assert answer.headers["Connection"] == "close"


def test_a_write_without_length_or_body(gateway, bucket):
    answer = gateway.send(f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.status == 411 or gateway.request("GET", f"/{bucket}/k").body == b""


def test_more_than_five_gibibytes_are_refused_before_they_are_sent(gateway, bucket, unchanged):
    with unchanged(bucket):
        head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {5 * 2**30 + 1}\r\nExpect: 100-continue\r\n\r\n"
        gateway.send(head.encode()).refused(400, "EntityTooLarge")


def test_metadata_over_two_kilobytes_is_refused(gateway, bucket, unchanged):
    with unchanged(bucket):
        answer = gateway.request("PUT", f"/{bucket}/k", DATA, {"x-amz-meta-a": "v" * 2100})
        answer.refused(400, "MetadataTooLarge")


UNDERSCORES = {"my_key": "1", "my-other_key": "2", "_": "3", "a-b": "4"}


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("kind", ["gateway", "keyed_gateway"])
def test_names_of_metadata_keep_their_underscores(request, kind):
    """However the object is written, and whether anybody looks at signatures or not."""
    gateway = request.getfixturevalue(kind)
    s3, bucket = gateway.s3, gateway.new_bucket()
    s3.put_object(Bucket=bucket, Key="put", Body=DATA, Metadata=UNDERSCORES)
    source, target = {"Bucket": bucket, "Key": "put"}, {"Bucket": bucket, "Key": "copied"}
    s3.copy_object(CopySource=source, **target, Metadata={"new_key": "5"}, MetadataDirective="REPLACE")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", Metadata=UNDERSCORES)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=DATA)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    asked = {"Bucket": bucket, "Key": "linked", "Metadata": UNDERSCORES}
    link = gateway.client(signature_version="s3v4").generate_presigned_url("put_object", asked)
    headers = {f"x-amz-meta-{name}": value for name, value in UNDERSCORES.items()}
    assert gateway.request("PUT", link.removeprefix(gateway.url), DATA, headers).status == 200
    told = {
        row["Key"]: s3.head_object(Bucket=bucket, Key=row["Key"])
        for row in s3.list_objects_v2(Bucket=bucket)["Contents"]
    }
    assert {key: answer["Metadata"] for key, answer in told.items()} == {
        "put": UNDERSCORES,
        "copied": {"new_key": "5"},
        "parts": UNDERSCORES,
        "linked": UNDERSCORES,
    }


@pytest.mark.needs("attributes", "unequal keys")
def test_of_an_unsigned_name_nobody_knows_the_underscores(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", DATA, {"x-amz-meta-my_key": "1"})
    assert gateway.s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"my-key": "1"}


def test_small_writes_on_one_connection_do_not_mix(gateway, bucket):
    with gateway.connect() as connection:
        for number in range(30):
            body = str(number).encode() * (number * 1000)
            head = f"PUT /{bucket}/k{number} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(10_000)
            assert received.startswith(b"HTTP/1.1 200")
    for number in range(30):
        assert gateway.request("GET", f"/{bucket}/k{number}").body == str(number).encode() * (number * 1000)
