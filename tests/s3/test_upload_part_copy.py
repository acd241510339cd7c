"""UploadPartCopy: parts from the bytes of other objects, whole or in ranges."""

from __future__ import annotations

import base64
import hashlib
import zlib
from email.utils import formatdate

import pytest

from tests.s3.test_checksums import SUMS, asked

MIB = 1 << 20
MISSING = "0123456789ab4cdef0123456789abcde"
DATA = bytes(range(256)) * (6 * MIB // 256)


def quoted(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def crc(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def start(gateway, bucket, **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("POST", f"/{bucket}/k?uploads", None, given).text("UploadId")


def copy_part(gateway, bucket, upload, number, source, **headers):
    given = {"x-amz-copy-source": source} | {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("PUT", f"/{bucket}/k?partNumber={number}&uploadId={upload}", None, given)


def parts(gateway, bucket, upload):
    listed = gateway.request("GET", f"/{bucket}/k?uploadId={upload}")
    return list(zip(listed.texts("PartNumber"), listed.texts("ETag"), strict=True))


@pytest.fixture(scope="module")
def source(gateway):
    """A bucket with the object `source` of DATA, which replaced another one."""
    bucket = gateway.new_bucket("src")
    gateway.request("PUT", f"/{bucket}/source", b"old")
    gateway.request("PUT", f"/{bucket}/source", DATA)
    return bucket


@pytest.mark.needs("parts")
def test_an_object_is_put_together_from_others(s3, gateway, bucket, source, store):
    """In ranges, whole and beside a part that is sent; from another repo."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    place = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    origin = {"Bucket": source, "Key": "source"}
    ranged = s3.upload_part_copy(**place, PartNumber=1, CopySource=origin, CopySourceRange=f"bytes=1-{5 * MIB}")
    whole = s3.upload_part_copy(**place, PartNumber=2, CopySource=origin)
    sent = s3.upload_part(**place, PartNumber=3, Body=b"end")
    bodies = [DATA[1 : 5 * MIB + 1], DATA, b"end"]
    etags = [ranged["CopyPartResult"]["ETag"], whole["CopyPartResult"]["ETag"], sent["ETag"]]
    assert etags == [quoted(body) for body in bodies]
    assert whole["CopySourceVersionId"] == s3.head_object(Bucket=source, Key="source")["VersionId"]
    assert ranged["CopyPartResult"]["LastModified"]
    before = store.inspect_branch(store_ref(bucket)).head
    named = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": named})
    assert store.inspect_commit(store.inspect_branch(store_ref(bucket)).head).parent == before
    assert gateway.request("GET", f"/{bucket}/k").body == b"".join(bodies)
    assert gateway.request("GET", f"/{bucket}/k?partNumber=1").body == bodies[0]


def store_ref(bucket):
    from falcon_s3 import buckets

    return buckets.parse(bucket)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("bytes=0-0", DATA[:1]),
        ("bytes=100-299", DATA[100:300]),
        (f"bytes={len(DATA) - 1}-{len(DATA) - 1}", DATA[-1:]),
        (f"bytes=0-{len(DATA) - 1}", DATA),
        (f"bytes={MIB - 1}-{MIB}", DATA[MIB - 1 : MIB + 1]),
    ],
)
def test_ranges_are_first_and_last_byte(gateway, bucket, source, text, body):
    upload = start(gateway, bucket)
    answer = copy_part(gateway, bucket, upload, 1, f"/{source}/source", x_amz_copy_source_range=text)
    assert (answer.status, answer.text("ETag")) == (200, quoted(body))
    assert b"<CopyPartResult " in answer.body
    assert parts(gateway, bucket, upload) == [("1", quoted(body))]


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("bytes=0-", 400, "InvalidArgument"),
        ("bytes=-5", 400, "InvalidArgument"),
        ("bytes=5-3", 400, "InvalidArgument"),
        ("bytes=0-1,3-4", 400, "InvalidArgument"),
        ("0-4", 400, "InvalidArgument"),
        ("bytes=a-b", 400, "InvalidArgument"),
        (f"bytes=0-{'9' * 5000}", 400, "InvalidArgument"),
        (f"bytes=0-{len(DATA)}", 416, "InvalidRange"),
        (f"bytes={len(DATA)}-{len(DATA)}", 416, "InvalidRange"),
    ],
)
def test_a_range_that_cannot_be_copied_is_refused(gateway, bucket, source, text, status, code):
    upload = start(gateway, bucket)
    answer = copy_part(gateway, bucket, upload, 1, f"/{source}/source", x_amz_copy_source_range=text)
    answer.refused(status, code)
    assert parts(gateway, bucket, upload) == []


@pytest.mark.needs("versions")
def test_an_old_version_is_copied(gateway, s3, bucket, source):
    versions = s3.list_object_versions(Bucket=source, Prefix="source")["Versions"]
    old = versions[1]["VersionId"]
    upload = start(gateway, bucket)
    answer = copy_part(gateway, bucket, upload, 1, f"{source}/source?versionId={old}")
    assert (answer.text("ETag"), answer.headers["x-amz-copy-source-version-id"]) == (quoted(b"old"), old)
    answer = copy_part(gateway, bucket, upload, 1, f"{old}.{source}/source")
    assert answer.text("ETag") == quoted(b"old")
    assert parts(gateway, bucket, upload) == [("1", quoted(b"old"))]


def test_an_empty_object_is_an_empty_part(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/empty", b"")
    upload = start(gateway, bucket)
    assert copy_part(gateway, bucket, upload, 1, f"{bucket}/empty").text("ETag") == quoted(b"")


def test_a_part_is_copied_from_the_object_that_it_will_replace(gateway, s3, bucket):
    """As clients append: the old object is the first part of the new one."""
    gateway.request("PUT", f"/{bucket}/k", DATA)
    upload = start(gateway, bucket)
    first = copy_part(gateway, bucket, upload, 1, f"{bucket}/k").text("ETag")
    second = gateway.request("PUT", f"/{bucket}/k?partNumber=2&uploadId={upload}", b"more").headers["ETag"]
    named = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate((first, second), 1)]
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": named})
    assert gateway.request("GET", f"/{bucket}/k").body == DATA + b"more"


def test_parts_of_an_object_of_parts_are_copied_across_its_borders(gateway, s3, bucket):
    upload = start(gateway, bucket)
    etags = [
        gateway.request("PUT", f"/{bucket}/k?partNumber={number}&uploadId={upload}", body).headers["ETag"]
        for number, body in enumerate((DATA, b"end"), 1)
    ]
    named = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": named})
    upload = start(gateway, bucket)
    text = f"bytes={len(DATA) - 2}-{len(DATA) + 1}"
    answer = copy_part(gateway, bucket, upload, 1, f"{bucket}/k", x_amz_copy_source_range=text)
    assert answer.text("ETag") == quoted(DATA[-2:] + b"en")


@pytest.mark.parametrize("algorithm", [name.upper() for name in SUMS])
def test_a_copied_part_has_the_checksum_of_its_upload(gateway, s3, bucket, source, algorithm):
    upload = start(gateway, bucket, x_amz_checksum_algorithm=algorithm)
    answer = copy_part(gateway, bucket, upload, 1, f"{source}/source", x_amz_copy_source_range="bytes=0-99")
    sent = s3.put_object(Bucket=bucket, Key="same", Body=DATA[:100], **asked(algorithm.lower(), DATA[:100]))
    assert answer.text(f"Checksum{algorithm}") == sent[f"Checksum{algorithm}"]
    listed = gateway.request("GET", f"/{bucket}/k?uploadId={upload}")
    assert listed.texts(f"Checksum{algorithm}") == [sent[f"Checksum{algorithm}"]]
    assert copy_part(gateway, bucket, start(gateway, bucket), 1, f"{source}/source").texts("ChecksumCRC32") == []


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ("{}/none", 404, "NoSuchKey"),
        ("no.such/source", 404, "NoSuchBucket"),
        ("{}/source?versionId=" + MISSING, 404, "NoSuchVersion"),
        ("{}/source?versionId=x", 400, "InvalidArgument"),
        ("{}", 400, "InvalidArgument"),
        ("", 400, "InvalidArgument"),
    ],
)
def test_a_source_that_is_not_there_is_told(gateway, bucket, source, form, status, code):
    upload = start(gateway, bucket)
    copy_part(gateway, bucket, upload, 1, form.format(source)).refused(status, code)
    assert parts(gateway, bucket, upload) == []


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x_amz_copy_source_if_match": '"x"'}, 412, "PreconditionFailed"),
        ({"x_amz_copy_source_if_none_match": "ETAG"}, 412, "PreconditionFailed"),
        ({"x_amz_copy_source_if_unmodified_since": formatdate(0, usegmt=True)}, 412, "PreconditionFailed"),
        ({"x_amz_copy_source_server_side_encryption_customer_algorithm": "AES256"}, 501, "NotImplemented"),
        ({"x_amz_server_side_encryption_customer_algorithm": "AES256"}, 501, "NotImplemented"),
        ({"x_amz_source_expected_bucket_owner": "1" * 12}, 403, "AccessDenied"),
    ],
)
def test_a_condition_that_does_not_hold_copies_nothing(gateway, bucket, source, headers, status, code):
    upload = start(gateway, bucket)
    etag = gateway.request("HEAD", f"/{source}/source").headers["ETag"]  # that of a long file is pachd's affair
    headers = {name: value.replace("ETAG", etag) for name, value in headers.items()}
    copy_part(gateway, bucket, upload, 1, f"{source}/source", **headers).refused(status, code)
    assert parts(gateway, bucket, upload) == []
    good = copy_part(gateway, bucket, upload, 1, f"{source}/source", x_amz_copy_source_if_match=etag)
    assert good.status == 200


def test_an_upload_that_is_not_there_is_told_first(gateway, bucket, source):
    copy_part(gateway, bucket, "x", 1, f"{source}/source").refused(404, "NoSuchUpload")
    copy_part(gateway, bucket, "x", 1, f"{source}/none").refused(404, "NoSuchUpload")
    copy_part(gateway, "no.such", "x", 1, f"{source}/source").refused(404, "NoSuchBucket")
    upload = start(gateway, bucket)
    for number in (0, 10_001, "a"):
        copy_part(gateway, bucket, upload, number, f"{source}/source").refused(400, "InvalidArgument")
