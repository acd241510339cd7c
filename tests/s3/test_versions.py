"""x-amz-version-id is the commit, and `versionId` reads what that commit shows."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

MISSING = "0123456789ab4cdef0123456789abcde"


@pytest.fixture
def history(bucket, s3):
    return bucket, [s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"1", b"22", b"333")]


def test_every_version_is_read_again(s3, history):
    bucket, versions = history
    s3.delete_object(Bucket=bucket, Key="k")
    for version, body in zip(versions, (b"1", b"22", b"333"), strict=True):
        answer = s3.get_object(Bucket=bucket, Key="k", VersionId=version)
        assert (answer["Body"].read(), answer["VersionId"]) == (body, version)
        head = s3.head_object(Bucket=bucket, Key="k", VersionId=version)
        assert (head["ContentLength"], head["VersionId"], head["ETag"]) == (len(body), version, answer["ETag"])


def test_a_version_is_read_in_part_and_under_conditions(gateway, s3, history):
    bucket, (_, second, _) = history
    target = f"/{bucket}/k?versionId={second}"
    assert gateway.request("GET", target, headers={"Range": "bytes=1-"}).body == b"2"
    etag = s3.head_object(Bucket=bucket, Key="k", VersionId=second)["ETag"]
    assert gateway.request("GET", target, headers={"If-None-Match": etag}).status == 304
    assert gateway.request("GET", target, headers={"If-Match": '"0"'}).status == 412


def test_reads_and_writes_name_the_commit(s3, history):
    bucket, versions = history
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == versions[-1]
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == versions[-1]
    assert len(set(versions)) == 3


def test_a_later_commit_shows_files_that_earlier_ones_wrote(s3, history):
    bucket, versions = history
    later = s3.put_object(Bucket=bucket, Key="other", Body=b"x")["VersionId"]
    answer = s3.get_object(Bucket=bucket, Key="k", VersionId=later)
    assert answer["Body"].read() == b"333"
    assert answer["VersionId"] in (later, versions[-1])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("version", "codes"),
    [
        (MISSING, {"NoSuchVersion"}),
        ("null", {"NoSuchVersion", "InvalidArgument"}),
        ("x", {"NoSuchVersion", "InvalidArgument"}),
        (MISSING.upper(), {"NoSuchVersion", "InvalidArgument"}),
        ("", {"InvalidArgument", "NoSuchVersion"}),
        ("a" * 2000, {"NoSuchVersion", "InvalidArgument"}),
    ],
)
def test_a_version_that_is_none_is_refused_and_not_the_newest(gateway, history, method, version, codes):
    bucket, _ = history
    answer = gateway.request(method, f"/{bucket}/k?versionId={version}")
    assert answer.status in (400, 404)
    if method == "GET":
        assert answer.code in codes


def test_a_commit_before_the_file_has_no_such_version(gateway, bucket, s3):
    before = s3.put_object(Bucket=bucket, Key="other", Body=b"x")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    gateway.request("GET", f"/{bucket}/k?versionId={before}").refused(404, "NoSuchVersion")


@pytest.mark.needs("versions")
def test_a_delete_marker_cannot_be_read_and_says_what_it_is(gateway, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    newest = gateway.request("GET", f"/{bucket}/k")
    newest.refused(404, "NoSuchKey")
    named = gateway.request("GET", f"/{bucket}/k?versionId={marker}")
    named.refused(405, "MethodNotAllowed")
    assert named.headers["Allow"] == "DELETE"
    [told] = s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]
    assert parsedate_to_datetime(named.headers["Last-Modified"]) == told["LastModified"].replace(microsecond=0)
    for answer in (newest, named, gateway.request("HEAD", f"/{bucket}/k")):
        assert answer.headers["x-amz-delete-marker"] == "true"
        assert answer.headers["x-amz-version-id"] == marker


def test_a_version_of_another_repo_is_none_here(gateway, history):
    _, (version, *_) = history
    other = gateway.new_bucket()
    gateway.request("PUT", f"/{other}/k", b"x")
    gateway.request("GET", f"/{other}/k?versionId={version}").refused(404, "NoSuchVersion")


@pytest.mark.parametrize("bucket", ["no.such", "0123456789ab4cdef0123456789abcde.no.such"])
def test_of_a_bucket_that_is_not_there_no_version_is_asked_for(gateway, bucket):
    target = f"/{bucket}/k?versionId=0123456789ab4cdef0123456789abcde"
    gateway.request("GET", target).refused(404, "NoSuchBucket")


def test_a_version_is_never_written(gateway, history, unchanged):
    bucket, (version, *_) = history
    with unchanged(bucket):
        gateway.request("PUT", f"/{bucket}/k?versionId={version}", b"x").refused(400, "InvalidArgument")
