"""What an error names beside its code: the elements that programs read, as the S3 API reference has them."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.s3.test_multipart_upload import complete, start


@pytest.mark.parametrize(
    ("method", "target", "body", "code", "element", "value"),
    [
        ("GET", "{bucket}/a%20b", None, "NoSuchKey", "Key", "a b"),
        ("GET", "{bucket}/k?attributes", None, "NoSuchKey", "Key", "k"),
        ("GET", "{bucket}/k?tagging", None, "NoSuchKey", "Key", "k"),
        ("GET", "no.such/k", None, "NoSuchBucket", "BucketName", "no.such"),
        ("PUT", "no.such/k", b"1", "NoSuchBucket", "BucketName", "no.such"),
        ("GET", "no.such", None, "NoSuchBucket", "BucketName", "no.such"),
        ("DELETE", "no.such", None, "NoSuchBucket", "BucketName", "no.such"),
        ("GET", "{bucket}?tagging", None, "NoSuchTagSet", "BucketName", "{bucket}"),
        ("GET", "{bucket}?lifecycle", None, "NoSuchLifecycleConfiguration", "BucketName", "{bucket}"),
        ("GET", "{bucket}/k?uploadId=x", None, "NoSuchUpload", "UploadId", "x"),
        ("PUT", "{bucket}/k?uploadId=x&partNumber=1", b"1", "NoSuchUpload", "UploadId", "x"),
        ("DELETE", "{bucket}/k?uploadId=x", None, "NoSuchUpload", "UploadId", "x"),
    ],
)
def test_what_is_not_there_is_named(gateway, bucket, method, target, body, code, element, value):
    headers = {"x-amz-object-attributes": "ETag"}
    answer = gateway.request(method, f"/{target.format(bucket=bucket)}", body, headers)
    assert (answer.code, answer.text(element)) == (code, value.format(bucket=bucket))


def test_a_bucket_that_is_not_empty_is_named(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"1")
    answer = gateway.request("DELETE", f"/{bucket}")
    answer.refused(409, "BucketNotEmpty")
    assert answer.text("BucketName") == bucket


@pytest.mark.parametrize(
    ("source", "code", "element", "value"),
    [
        ("{bucket}/none", "NoSuchKey", "Key", "none"),
        ("no.such/none", "NoSuchBucket", "BucketName", "no.such"),
    ],
)
def test_of_a_copy_it_is_the_source_that_is_named(gateway, bucket, source, code, element, value):
    given = {"x-amz-copy-source": source.format(bucket=bucket)}
    answer = gateway.request("PUT", f"/{bucket}/copy", None, given)
    assert (answer.code, answer.text(element)) == (code, value)


def test_a_condition_on_what_is_not_there_names_it(gateway, bucket):
    answer = gateway.request("PUT", f"/{bucket}/k", b"1", {"If-Match": '"x"'})
    answer.refused(404, "NoSuchKey")
    assert answer.text("Key") == "k"


def test_a_completion_names_its_upload(gateway, bucket):
    upload = start(gateway, bucket)
    missing = complete(gateway, bucket, upload, (1, '"x"'))
    missing.refused(400, "InvalidPart")
    assert (missing.text("UploadId"), missing.text("PartNumber")) == (upload, "1")
    swapped = complete(gateway, bucket, upload, (2, '"x"'), (1, '"x"'))
    swapped.refused(400, "InvalidPartOrder")
    assert swapped.text("UploadId") == upload


def test_a_digest_is_told_again(gateway, bucket):
    """The one that is none as it came; one that is wrong beside that of what came."""
    answer = gateway.request("PUT", f"/{bucket}/k", b"1", {"Content-MD5": "not base64"})
    answer.refused(400, "InvalidDigest")
    assert answer.text("Content-MD5") == "not base64"
    wrong, right = (base64.b64encode(hashlib.md5(data).digest()).decode() for data in (b"2", b"1"))
    answer = gateway.request("PUT", f"/{bucket}/k", b"1", {"Content-MD5": wrong})
    answer.refused(400, "BadDigest")
    assert (answer.text("ExpectedDigest"), answer.text("CalculatedDigest")) == (wrong, right)


@pytest.mark.parametrize(
    "name", ["", "-aws-kms-key-id", "-context", "-customer-algorithm", "-customer-key", "-customer-key-md5"]
)
def test_who_asks_for_encryption_hears_that_there_is_none_and_what_to_do(gateway, bucket, unchanged, name):
    """Also who names nothing but a key: what comes with one is not kept as it is."""
    name = f"x-amz-server-side-encryption{name}"
    with unchanged(bucket):
        answer = gateway.request("PUT", f"/{bucket}/k", b"1", {name: "AES256"})
    assert "Leave it out" in answer.refused(501, "NotImplemented")
    assert answer.text("Header") == name


def test_a_storage_class_that_there_is_not_is_named(gateway, bucket):
    answer = gateway.request("PUT", f"/{bucket}/k", b"1", {"x-amz-storage-class": "GLACIER"})
    answer.refused(400, "InvalidStorageClass")
    assert answer.text("StorageClassRequested") == "GLACIER"


def test_a_bucket_that_is_there_already_is_named(gateway, bucket):
    answer = gateway.request("PUT", f"/{bucket}")
    answer.refused(409, "BucketAlreadyOwnedByYou")
    assert answer.text("BucketName") == bucket


def test_a_part_that_an_object_has_not_is_named(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"1")
    answer = gateway.request("GET", f"/{bucket}/k?partNumber=2")
    answer.refused(400, "InvalidPart")
    assert (answer.text("PartNumberRequested"), answer.text("ActualPartCount")) == ("2", "1")


@pytest.mark.parametrize(("size", "is_told"), [(100, True), (1000, False)])
def test_what_was_signed_is_told_unless_it_is_long(keyed_gateway, new_signer, size, is_told):
    """With its bytes it takes ten times the room that it had in the request."""
    given = {"Host": "x"} | {f"x-amz-meta-{number}": '"' * size for number in range(40)}
    headers = new_signer(keyed_gateway.access_key, "another").headers("GET", "/", given)
    answer = keyed_gateway.request("GET", "/", headers=headers)
    answer.refused(403, "SignatureDoesNotMatch")
    assert bytes.fromhex(answer.text("StringToSignBytes")).decode() == answer.text("StringToSign")
    canonical = answer.text("CanonicalRequest")
    assert (canonical is not None) is is_told
    if is_told:
        assert bytes.fromhex(answer.text("CanonicalRequestBytes")).decode() == canonical
    else:
        assert len(answer.body) < 40 * size
