"""`commit.branch.repo` shows one commit for ever; it is written only while that commit is open."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError

from falcon_s3 import buckets

MISSING = "0123456789ab4cdef0123456789abcde"


@pytest.fixture
def history(bucket, s3):
    """The bucket, and the ids of the commits that wrote "1", "2", and deleted the file."""
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
    s3.put_object(Bucket=bucket, Key="k2", Body=b"3")
    s3.delete_object(Bucket=bucket, Key="k")
    return bucket, *ids


def test_each_commit_shows_its_files(gateway, s3, history):
    bucket, first, second = history
    for commit, content in ((first, b"1"), (second, b"2")):
        for name in (f"{commit}.{bucket}", f"{commit}.{bucket.partition('.')[2]}", f"{commit}.{bucket}.default"):
            assert s3.get_object(Bucket=name, Key="k")["Body"].read() == content
            assert [row["Key"] for row in s3.list_objects_v2(Bucket=name)["Contents"]] == ["k"]
            assert gateway.request("HEAD", f"/{name}").status == 200
            assert s3.head_object(Bucket=name, Key="k")["VersionId"] == commit
    gateway.request("GET", f"/{first}.{bucket}/k2").refused(404, "NoSuchKey")


def test_commits_are_no_buckets_of_the_list(s3, history):
    _, first, _ = history
    assert not [one for one in s3.list_buckets()["Buckets"] if one["Name"].startswith(first)]


@pytest.mark.parametrize(("method", "target"), [("PUT", "/k"), ("PUT", "/new"), ("DELETE", "/k"), ("DELETE", "")])
def test_a_finished_commit_is_read_only(gateway, history, unchanged, method, target):
    bucket, first, _ = history
    with unchanged(bucket):
        answer = gateway.request(method, f"/{first}.{bucket}{target}", b"x" if method == "PUT" else None)
        assert (answer.status, answer.code) == (403, "AccessDenied") or (target == "" and 400 <= answer.status < 500)
        assert answer.code
    assert gateway.request("GET", f"/{first}.{bucket}/k").body == b"1"


def test_many_deletions_from_a_finished_commit_are_refused(gateway, history, unchanged):
    bucket, first, _ = history
    with unchanged(bucket):
        body = b"<Delete><Object><Key>k</Key></Object></Delete>"
        answer = gateway.request("POST", f"/{first}.{bucket}?delete", body)
        assert "AccessDenied" in answer.texts("Code")
    assert gateway.request("GET", f"/{first}.{bucket}/k").body == b"1"


def test_an_open_commit_is_written_by_its_own_name_and_by_its_branch(s3, bucket, store):
    commit = store.start_commit(buckets.parse(bucket))
    name = f"{commit.id}.{bucket}"
    s3.put_object(Bucket=name, Key="a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="b", Body=b"2")
    for shown in (name, bucket):
        assert [row["Key"] for row in s3.list_objects_v2(Bucket=shown)["Contents"]] == ["a", "b"]
    s3.delete_object(Bucket=name, Key="b")
    store.finish_commit(commit)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=name, Key="c", Body=b"3")


def test_the_objects_of_an_open_commit_have_a_date(s3, bucket, store):
    """One that stays as it is, by whatever is asked: HEAD, GET, lists, and the answer to a copy."""
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    commit = store.start_commit(buckets.parse(bucket))
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    copied = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")["CopyObjectResult"]["LastModified"]
    for shown in (f"{commit.id}.{bucket}", bucket):
        rows = s3.list_objects_v2(Bucket=shown)["Contents"] + s3.list_objects(Bucket=shown)["Contents"]
        dates = [copied, *(row["LastModified"] for row in rows)]
        for method in (s3.head_object, s3.get_object):
            dates += [method(Bucket=shown, Key="a")["LastModified"] for _ in range(2)]
        assert len(dates) == 9
        assert before < min(dates) <= max(dates) < before + timedelta(minutes=5)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("form", [f"/{MISSING}.{{}}/k", f"/{MISSING}.none/k", "/{}.none.{}/k"])
def test_a_commit_that_is_not_there_is_no_bucket(gateway, history, method, form):
    bucket, first, _ = history
    target = form.format(bucket) if MISSING in form else f"/{first}.none/k"
    gateway.request(method, target, b"x" if method == "PUT" else None).refused(404, "NoSuchBucket")


def test_a_commit_of_another_repo_is_no_bucket_here(gateway, history):
    _, first, _ = history
    other = gateway.new_bucket()
    gateway.request("GET", f"/{first}.{other}/k").refused(404, "NoSuchBucket")
    gateway.request("GET", f"/{first}.{other}").refused(404, "NoSuchBucket")


def test_pages_of_a_commit_do_not_move(s3, bucket):
    for key in "abcd":
        commit = s3.put_object(Bucket=bucket, Key=key, Body=b"1")["VersionId"]
    first = s3.list_objects_v2(Bucket=f"{commit}.{bucket}", MaxKeys=2)
    s3.delete_object(Bucket=bucket, Key="c")
    s3.put_object(Bucket=bucket, Key="bb", Body=b"1")
    rest = s3.list_objects_v2(Bucket=f"{commit}.{bucket}", ContinuationToken=first["NextContinuationToken"])
    assert [row["Key"] for row in rest["Contents"]] == ["c", "d"]
