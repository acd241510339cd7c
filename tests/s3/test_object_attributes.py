"""GetObjectAttributes: what is told of an object without reading it."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

MISSING = "0123456789ab4cdef0123456789abcde"
EVERYTHING = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
PIECES = [b"a" * (5 << 20), b"b" * (5 << 20), b"c"]


def crc(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def ask(gateway, target, names="ETag", **headers):
    given = {"x-amz-object-attributes": names} if names is not None else {}
    return gateway.request("GET", target, None, given | {n.replace("_", "-"): v for n, v in headers.items()})


@pytest.fixture(scope="module")
def filled(gateway):
    """A bucket with `plain`, and `parts` of PIECES with composite checksums."""
    bucket, s3 = gateway.new_bucket(), gateway.s3
    s3.put_object(Bucket=bucket, Key="plain", Body=b"abc", ChecksumAlgorithm="SHA256")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm="CRC32")["UploadId"]
    named = []
    for number, piece in enumerate(PIECES, 1):
        part = s3.upload_part(
            Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32"
        )
        named.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": named})
    return bucket


@pytest.mark.needs("attributes")
def test_everything_of_an_object_in_one_piece(s3, filled):
    told = s3.get_object_attributes(Bucket=filled, Key="plain", ObjectAttributes=EVERYTHING)
    head = s3.head_object(Bucket=filled, Key="plain")
    assert told["ETag"] == hashlib.md5(b"abc").hexdigest()
    sha256 = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert told["Checksum"] == {"ChecksumSHA256": sha256, "ChecksumType": "FULL_OBJECT"}
    assert (told["StorageClass"], told["ObjectSize"]) == ("STANDARD", 3)
    assert (told["VersionId"], told["LastModified"]) == (head["VersionId"], head["LastModified"])
    assert "ObjectParts" not in told


@pytest.mark.needs("parts")
def test_everything_of_an_object_of_parts(s3, filled):
    told = s3.get_object_attributes(Bucket=filled, Key="parts", ObjectAttributes=EVERYTHING)
    assert told["ETag"] == s3.head_object(Bucket=filled, Key="parts")["ETag"].strip('"')
    joined = b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in PIECES)
    # GetObjectAttributes alone tells it without the number of parts behind it.
    assert told["Checksum"] == {"ChecksumCRC32": crc(joined), "ChecksumType": "COMPOSITE"}
    head = s3.head_object(Bucket=filled, Key="parts", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc(joined) + "-3"
    assert told["ObjectSize"] == sum(map(len, PIECES))
    found = told["ObjectParts"]
    assert (found["TotalPartsCount"], found["IsTruncated"], found["MaxParts"]) == (3, False, 1000)
    assert found["Parts"] == [
        {"PartNumber": number, "Size": len(piece), "ChecksumCRC32": crc(piece)}
        for number, piece in enumerate(PIECES, 1)
    ]


@pytest.mark.needs("parts")
def test_parts_are_told_in_pages(s3, filled):
    marker, numbers = 0, []
    for page in range(3):
        told = s3.get_object_attributes(
            Bucket=filled, Key="parts", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=marker
        )["ObjectParts"]
        numbers += [part["PartNumber"] for part in told["Parts"]]
        assert (told["TotalPartsCount"], told["PartNumberMarker"], told["MaxParts"]) == (3, marker, 1)
        assert told["IsTruncated"] == (page < 2)
        marker = told["NextPartNumberMarker"]
    assert numbers == [1, 2, 3]
    behind = s3.get_object_attributes(
        Bucket=filled, Key="parts", ObjectAttributes=["ObjectParts"], PartNumberMarker=10
    )["ObjectParts"]
    assert (behind["NextPartNumberMarker"], behind["IsTruncated"], "Parts" in behind) == (0, False, False)


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("name", EVERYTHING)
def test_only_what_is_asked_for_is_told(gateway, filled, name):
    answer = ask(gateway, f"/{filled}/parts?attributes", name)
    assert answer.status == 200
    assert [each for each in EVERYTHING if f"<{each}>".encode() in answer.body] == [name]
    assert answer.headers["Last-Modified"]
    assert len(answer.headers["x-amz-version-id"]) == 32


@pytest.mark.needs("attributes")
def test_names_come_together_in_one_header(gateway, filled):
    answer = ask(gateway, f"/{filled}/plain?attributes", " ETag ,ObjectSize")
    assert (answer.text("ETag"), answer.text("ObjectSize")) == (hashlib.md5(b"abc").hexdigest(), "3")
    assert b"StorageClass" not in answer.body


@pytest.mark.needs("attributes")
def test_names_come_in_a_header_each(gateway, filled):
    """As the Go SDK sends them."""
    lines = "x-amz-object-attributes: ETag\r\nx-amz-object-attributes: ObjectSize\r\n"
    answer = gateway.send(f"GET /{filled}/plain?attributes HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    assert (answer.text("ETag"), answer.text("ObjectSize")) == (hashlib.md5(b"abc").hexdigest(), "3")


@pytest.mark.parametrize("names", ["etag", "Everything", "ETag,Owner", "ETag,,", "x" * 5000])
def test_what_no_object_has_is_refused(gateway, filled, names):
    answer = ask(gateway, f"/{filled}/plain?attributes", names)
    answer.refused(400, "InvalidArgument")
    assert (answer.text("ArgumentName"), answer.text("ArgumentValue")) == ("x-amz-object-attributes", names)


@pytest.mark.parametrize("names", [None, "", " "])
def test_who_asks_for_no_attribute_is_refused(gateway, filled, names):
    ask(gateway, f"/{filled}/plain?attributes", names).refused(400, "InvalidRequest")


@pytest.mark.parametrize("value", ["-1", "a", "1.5", "9" * 5000])
def test_a_page_that_cannot_be_is_refused(gateway, filled, value):
    for name in ("x_amz_max_parts", "x_amz_part_number_marker"):
        answer = ask(gateway, f"/{filled}/parts?attributes", "ObjectParts", **{name: value})
        answer.refused(400, "InvalidArgument")


@pytest.mark.needs("attributes")
def test_each_version_is_told_of(gateway, s3, bucket):
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    answer = ask(gateway, f"/{bucket}/k?attributes&versionId={old}", "ObjectSize")
    assert (answer.text("ObjectSize"), answer.headers["x-amz-version-id"]) == ("3", old)
    assert ask(gateway, f"/{old}.{bucket}/k?attributes", "ObjectSize").text("ObjectSize") == "3"
    ask(gateway, f"/{bucket}/k?attributes").refused(404, "NoSuchKey")
    ask(gateway, f"/{bucket}/k?attributes&versionId={marker}").refused(405, "MethodNotAllowed")
    ask(gateway, f"/{bucket}/k?attributes&versionId={MISSING}").refused(404, "NoSuchVersion")
    ask(gateway, f"/{bucket}/k?attributes&versionId=x").refused(400, "InvalidArgument")
    ask(gateway, "/no.such/k?attributes").refused(404, "NoSuchBucket")
