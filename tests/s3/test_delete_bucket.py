"""DELETE /bucket deletes an empty branch, and the repo with its last branch."""

from __future__ import annotations

import pytest

from falcon_s3 import buckets
from falcon_s3.pfs import BranchNotFound


def test_an_empty_bucket_goes(gateway, bucket, s3, store):
    answer = gateway.request("DELETE", f"/{bucket}")
    assert (answer.status, answer.body) == (204, b"")
    assert gateway.request("HEAD", f"/{bucket}").status == 404
    assert bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    with pytest.raises(BranchNotFound):
        store.inspect_branch(buckets.parse(bucket))


def test_a_bucket_with_files_stays(gateway, bucket, s3, unchanged):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"1")
    with unchanged(bucket):
        gateway.request("DELETE", f"/{bucket}").refused(409, "BucketNotEmpty")
    s3.delete_object(Bucket=bucket, Key="a/b")
    assert gateway.request("DELETE", f"/{bucket}").status == 204


def test_a_bucket_that_is_not_there_is_not_found(gateway, bucket):
    assert gateway.request("DELETE", f"/{bucket}").status == 204
    gateway.request("DELETE", f"/{bucket}").refused(404, "NoSuchBucket")


@pytest.mark.needs("books")
def test_the_repo_goes_with_its_last_branch(bucket, s3, store):
    repo = buckets.parse(bucket).repo
    s3.create_bucket(Bucket=f"dev.{repo.name}")
    s3.delete_bucket(Bucket=bucket)
    assert repo in [one.repo for one in store.list_repos()]
    s3.delete_bucket(Bucket=f"dev.{repo.name}")
    assert repo not in [one.repo for one in store.list_repos()]


def test_a_bucket_can_be_made_again_and_is_empty(gateway, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_bucket_of_a_commit_is_not_deleted(gateway, bucket, s3, unchanged):
    commit = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k")
    with unchanged(bucket):
        answer = gateway.request("DELETE", f"/{commit}.{bucket}")
        assert 400 <= answer.status < 500
        assert answer.code
