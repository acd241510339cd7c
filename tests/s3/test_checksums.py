"""The ten checksums of S3: taken by header and by trailer, compared, kept, and told to who asks."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
import xxhash
from awscrt import checksums as crt

DATA = b"The quick brown fox jumps over the lazy dog"
# Each by itself; tests/unit/test_digests.py holds awscrt against the definition of its CRCs.
SUMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crt.crc32c(data).to_bytes(4, "big"),
    "crc64nvme": lambda data: crt.crc64nvme(data).to_bytes(8, "big"),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
    "md5": lambda data: hashlib.md5(data).digest(),
    "xxhash64": lambda data: xxhash.xxh64(data).digest(),
    "xxhash3": lambda data: xxhash.xxh3_64(data).digest(),
    "xxhash128": lambda data: xxhash.xxh3_128(data).digest(),
}
CRCS = ("crc32", "crc32c", "crc64nvme")
ASK = {"x-amz-checksum-mode": "ENABLED"}


def sum_of(name, data=DATA):
    return base64.b64encode(SUMS[name](data)).decode()


def asked(name, data):
    """What boto3 is told, to send a checksum: it computes all but MD5."""
    return {"ChecksumMD5": sum_of(name, data)} if name == "md5" else {"ChecksumAlgorithm": name.upper()}


def framed(name, data, value):
    """Headers and body of an aws-chunked upload whose checksum comes as a trailer."""
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": f"x-amz-checksum-{name}",
        "Content-Encoding": "aws-chunked",
    }
    chunk = b"%x\r\n%s\r\n" % (len(data), data) if data else b""
    return headers, chunk + f"0\r\nx-amz-checksum-{name}:{value}\r\n\r\n".encode()


def told(answer):
    """The checksum headers of an answer."""
    return {name.lower(): value for name, value in answer.headers.items() if name.lower().startswith("x-amz-checksum-")}


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("where", ["header", "trailer", "asked"])
@pytest.mark.parametrize("data", [DATA, b"", DATA * 30_000], ids=["small", "empty", "large"])
def test_a_checksum_is_kept_and_told(gateway, bucket, name, where, data):
    """On the answer to the write, and to who asks; never on a range of fewer bytes than all."""
    value = sum_of(name, data)
    headers, body = {
        "header": ({f"x-amz-checksum-{name}": value}, data),
        "trailer": framed(name, data, value),
        "asked": ({"x-amz-sdk-checksum-algorithm": name.upper()}, data),
    }[where]
    expected = {f"x-amz-checksum-{name}": value, "x-amz-checksum-type": "FULL_OBJECT"}
    answer = gateway.request("PUT", f"/{bucket}/k", body, headers)
    assert (answer.status, told(answer)) == (200, expected)
    for method in ("GET", "HEAD"):
        for target in (f"/{bucket}/k", f"/{bucket}/k?versionId={answer.headers['x-amz-version-id']}"):
            assert told(gateway.request(method, target, None, ASK)) == expected
        assert told(gateway.request(method, f"/{bucket}/k", None, {"x-amz-checksum-mode": "enabled"})) == expected
        assert told(gateway.request(method, f"/{bucket}/k?partNumber=1", None, ASK)) == expected
        assert told(gateway.request(method, f"/{bucket}/k")) == {}
        if data:
            ranged = gateway.request(method, f"/{bucket}/k", None, ASK | {"Range": "bytes=1-2"})
            assert (ranged.status, told(ranged)) == (206, {})
            ranged = gateway.request(method, f"/{bucket}/k", None, ASK | {"Range": "bytes=0-"})
            assert (ranged.status, told(ranged)) == (206, expected)
        tagged = gateway.request(method, f"/{bucket}/k", None, ASK | {"If-None-Match": answer.headers["ETag"]})
        assert (tagged.status, told(tagged)) == (304, {})


def test_a_write_without_a_checksum_has_none(gateway, bucket):
    assert told(gateway.request("PUT", f"/{bucket}/k", DATA)) == {}
    assert told(gateway.request("GET", f"/{bucket}/k", None, ASK)) == {}


@pytest.mark.needs("attributes")
def test_a_new_version_has_its_own_checksum(gateway, bucket):
    for data, name in ((b"1", "sha1"), (b"2", "crc32"), (b"3", None)):
        gateway.request("PUT", f"/{bucket}/k", data, {f"x-amz-checksum-{name}": sum_of(name, data)} if name else {})
        found = told(gateway.request("GET", f"/{bucket}/k", None, ASK))
        assert set(found) == ({f"x-amz-checksum-{name}", "x-amz-checksum-type"} if name else set())


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("where", ["header", "trailer"])
def test_a_wrong_checksum_stores_nothing(gateway, bucket, unchanged, name, where):
    wrong = sum_of(name, DATA + b"!")
    headers, body = framed(name, DATA, wrong) if where == "trailer" else ({f"x-amz-checksum-{name}": wrong}, DATA)
    with unchanged(bucket):
        assert name.upper() in gateway.request("PUT", f"/{bucket}/k", body, headers).refused(400, "BadDigest")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-md5": "AAAA"},
        {"x-amz-checksum-sha512": "AAAA"},
        {"x-amz-checksum-crc32": "!"},
        {"x-amz-checksum-crc32": ""},
        {"x-amz-checksum-crc32": "AAAAAA=="[:-1]},
        {"x-amz-checksum-sha256": sum_of("sha1")},
        {"x-amz-checksum-crc32": sum_of("crc32"), "x-amz-checksum-sha1": sum_of("sha1")},
        {"x-amz-sdk-checksum-algorithm": "MD4"},
        {"x-amz-trailer": "x-amz-checksum-crc32"},
        {"x-amz-trailer": "x-amz-meta-a"},
    ],
)
def test_what_is_no_checksum_is_refused_before_the_body(gateway, bucket, unchanged, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n{lines}\r\n"
    with unchanged(bucket):
        gateway.send(head.encode(), "PUT").refused(400, "InvalidRequest")


@pytest.mark.parametrize("name", ["md4", "crc16", ""])
def test_a_trailer_of_an_unknown_algorithm_is_refused(gateway, bucket, unchanged, name):
    headers, body = framed(name, DATA, "AAAA")
    with unchanged(bucket):
        gateway.request("PUT", f"/{bucket}/k", body, headers).refused(400, "InvalidRequest")


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("name", SUMS)
def test_a_client_verifies_what_it_reads(s3, bucket, name):
    upper = name.upper()
    sent = s3.put_object(Bucket=bucket, Key="k", Body=DATA, **asked(name, DATA))
    read = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert sent[f"Checksum{upper}"] == read[f"Checksum{upper}"] == sum_of(name)
    assert read["ChecksumType"] == "FULL_OBJECT"
    assert read["Body"].read() == DATA
    whole = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert whole[f"Checksum{upper}"] == sum_of(name)
    described = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum"])
    assert described["Checksum"] == {f"Checksum{upper}": sum_of(name), "ChecksumType": "FULL_OBJECT"}


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("kind", ["FULL_OBJECT", "COMPOSITE"])
def test_the_checksum_of_parts(s3, bucket, name, kind):
    """Over all bytes for the CRCs, and over the parts' checksums for all but CRC64NVME."""
    options = {"Bucket": bucket, "Key": "k"}
    wanted = {"ChecksumAlgorithm": name.upper(), "ChecksumType": kind}
    if (name, kind) == ("crc64nvme", "COMPOSITE") or (name not in CRCS and kind == "FULL_OBJECT"):
        with pytest.raises(s3.exceptions.ClientError, match="InvalidRequest"):
            s3.create_multipart_upload(**options, **wanted)
        return
    upload = s3.create_multipart_upload(**options, **wanted)["UploadId"]
    pieces, field = [b"x" * (5 << 20), DATA], f"Checksum{name.upper()}"
    named = []
    for number, piece in enumerate(pieces, 1):
        part = s3.upload_part(**options, UploadId=upload, PartNumber=number, Body=piece, **asked(name, piece))
        assert part[field] == sum_of(name, piece)
        named.append({"PartNumber": number, "ETag": part["ETag"], field: part[field]})
    done = s3.complete_multipart_upload(**options, UploadId=upload, MultipartUpload={"Parts": named})
    if kind == "FULL_OBJECT":
        expected = sum_of(name, b"".join(pieces))
    else:
        expected = sum_of(name, b"".join(SUMS[name](piece) for piece in pieces)) + "-2"
    assert (done[field], done["ChecksumType"]) == (expected, kind)
    read = s3.get_object(**options, ChecksumMode="ENABLED")
    assert (read[field], read["ChecksumType"]) == (expected, kind)
    parts = s3.get_object_attributes(**options, ObjectAttributes=["ObjectParts"])["ObjectParts"]["Parts"]
    assert [part[field] for part in parts] == [sum_of(name, piece) for piece in pieces]
    assert read["Body"].read() == b"".join(pieces)
