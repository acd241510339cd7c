"""DELETE /bucket/key removes a file in a commit of its own, and is content if there is none."""

from __future__ import annotations

import pytest

from falcon_s3 import buckets


def test_a_deleted_object_is_gone_and_its_version_stays(gateway, bucket, s3):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    answer = gateway.request("DELETE", f"/{bucket}/k")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-amz-version-id"] not in (None, version)
    gateway.request("GET", f"/{bucket}/k").refused(404, "NoSuchKey")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == b"1"


@pytest.mark.parametrize("key", ["none", "a", "a/", "a/b/c", "A/B"])
def test_a_key_that_is_not_there_is_deleted_without_a_commit(gateway, bucket, unchanged, key):
    gateway.request("PUT", f"/{bucket}/a/b", b"1")
    with unchanged(bucket):
        assert gateway.request("DELETE", f"/{bucket}/{key}").status == 204


@pytest.mark.needs("paths")
def test_only_that_key_is_deleted(s3, bucket):
    keys = ["a", "a/", "a/b", "a//b", "a0"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    for key in list(keys):
        s3.delete_object(Bucket=bucket, Key=key)
        keys.remove(key)
        assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])] == sorted(keys)


def test_a_bucket_that_is_not_there_is_not_found(gateway):
    gateway.request("DELETE", "/none/k").refused(404, "NoSuchBucket")


def test_a_deletion_is_one_commit(gateway, bucket, store, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    before = store.inspect_branch(buckets.parse(bucket)).head
    answer = gateway.request("DELETE", f"/{bucket}/k")
    head = store.inspect_branch(buckets.parse(bucket)).head
    assert store.inspect_commit(head).parent == before
    assert answer.headers["x-amz-version-id"] == head.id


@pytest.mark.parametrize("etag", ['"0"', "0", 'W/"c4ca4238a0b923820dcc509a6f75849b"'])
def test_a_condition_that_does_not_hold_keeps_the_object(gateway, bucket, s3, unchanged, etag):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    with unchanged(bucket):
        answer = gateway.request("DELETE", f"/{bucket}/k", headers={"If-Match": etag})
        assert (answer.status, answer.code) in ((412, "PreconditionFailed"), (501, "NotImplemented"))
