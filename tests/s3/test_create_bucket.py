"""PUT /bucket creates a branch, and its repo and project where they are missing."""

from __future__ import annotations

import pytest

from falcon_s3.pfs import Branch, Repo

COMMIT = "0123456789ab4cdef0123456789abcde"


@pytest.mark.parametrize(
    ("form", "branch", "project"),
    [
        ("{}", "master", "default"),
        ("master.{}", "master", "default"),
        ("Dev_2.{}", "Dev_2", "default"),
        ("dev.{}.default", "dev", "default"),
        ("dev.{}.research", "dev", "research"),
    ],
)
def test_a_new_bucket_is_a_branch(gateway, store, form, branch, project):
    repo = gateway.new_bucket().partition(".")[2] + "-new"
    name = form.format(repo)
    answer = gateway.request("PUT", f"/{name}", b"")
    assert (answer.status, answer.body, answer.headers["Location"]) == (200, b"", f"/{name}")
    created = Branch(Repo(project, repo), branch)
    assert store.inspect_branch(created).branch == created
    assert gateway.request("GET", f"/{name}").texts("Key") == []


def test_a_slash_behind_the_name_is_no_key(gateway):
    name = gateway.new_bucket() + "-b"
    assert gateway.request("PUT", f"/{name}/", b"").status == 200
    assert gateway.request("HEAD", f"/{name}").status == 200
    assert gateway.request("HEAD", f"/{name}/").status == 200


def test_a_second_branch_joins_the_repo_and_starts_empty(gateway, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    dev = "dev." + bucket.partition(".")[2]
    s3.create_bucket(Bucket=dev)
    assert "Contents" not in s3.list_objects_v2(Bucket=dev)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_bucket_that_exists_is_owned_already_and_stays(gateway, bucket, s3, unchanged):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    with unchanged(bucket):
        gateway.request("PUT", f"/{bucket}", b"").refused(409, "BucketAlreadyOwnedByYou")
        # The same branch by its other names.
        gateway.request("PUT", f"/{bucket.partition('.')[2]}", b"").refused(409, "BucketAlreadyOwnedByYou")
        gateway.request("PUT", f"/{bucket}.default", b"").refused(409, "BucketAlreadyOwnedByYou")


@pytest.mark.parametrize(
    "name",
    [
        "a..b",
        ".b",
        "a.",
        "a.b.c.d",
        "has%20space",
        "caf%C3%A9",
        "a!b",
        "a.b.-project",
        "a" * 256,
        "a%0Ab",
        COMMIT,
        f"{COMMIT}.a.b.c.d",
        f"{COMMIT}.{COMMIT}.repo",
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "DELETE"])
def test_a_name_that_pfs_does_not_take_is_a_bad_request(gateway, method, name):
    answer = gateway.request(method, f"/{name}", b"" if method == "PUT" else None)
    if method == "HEAD":
        assert (answer.status, answer.body) == (400, b"")
    else:
        answer.refused(400, "InvalidBucketName")


def test_a_commit_is_not_created_by_naming_it(gateway, bucket):
    answer = gateway.request("PUT", f"/{COMMIT}.{bucket}", b"")
    assert 400 <= answer.status < 500
    assert answer.code


def test_a_region_may_be_asked_for(gateway, bucket):
    body = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
    assert gateway.request("PUT", f"/{bucket}-a", body).status == 200
    assert gateway.s3.create_bucket(Bucket=f"{bucket}-b", CreateBucketConfiguration={"LocationConstraint": "EU"})


@pytest.mark.parametrize(
    "body",
    [b"<CreateBucketConfiguration>", b"<Other/>", b"not XML", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\xff\0"],
)
def test_a_body_that_is_no_configuration_creates_nothing(gateway, bucket, body):
    gateway.request("PUT", f"/{bucket}-c", body).refused(400, "MalformedXML")
    assert gateway.request("HEAD", f"/{bucket}-c").status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-bucket-object-lock-enabled": "true"},
        {"x-amz-object-ownership": "ObjectWriter"},
        {"x-amz-bucket-namespace": "account-regional"},
    ],
)
def test_a_bucket_that_is_to_be_more_is_refused_and_not_made(gateway, bucket, headers):
    gateway.request("PUT", f"/{bucket}-d", b"", headers).refused(501, "NotImplemented")
    assert gateway.request("HEAD", f"/{bucket}-d").status == 404
