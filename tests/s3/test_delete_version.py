"""DELETE /bucket/key?versionId takes that version out of history for good."""

from __future__ import annotations

import pytest

from falcon_s3.pfs import Branch, Commit, Repo

pytestmark = pytest.mark.needs("versions")

MISSING = "0123456789ab4cdef0123456789abcde"


def versions_of(s3, bucket):
    return [row["VersionId"] for row in s3.list_object_versions(Bucket=bucket).get("Versions", [])]


def test_the_newest_version_goes_and_the_one_before_is_current(gateway, bucket, s3):
    first, second = (s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"1", b"22"))
    answer = s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert (answer["VersionId"], "DeleteMarker" in answer) == (second, False)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert versions_of(s3, bucket) == [first]
    gateway.request("GET", f"/{bucket}/k?versionId={second}").refused(404, "NoSuchVersion")


def test_a_delete_marker_goes_and_the_object_is_back(bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    answer = s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert (answer["VersionId"], answer["DeleteMarker"]) == (marker, True)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_the_last_version_goes_and_the_bucket_is_empty(bucket, s3):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert versions_of(s3, bucket) == []
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("version", [MISSING, "null"])
def test_a_version_that_is_not_there_is_no_error_and_changes_nothing(gateway, bucket, s3, unchanged, version):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    with unchanged(bucket):
        assert gateway.request("DELETE", f"/{bucket}/k?versionId={version}").status == 204


@pytest.mark.parametrize("version", ["", "x", MISSING[:-1], MISSING + "0", MISSING.upper()])
def test_what_names_no_version_is_refused(gateway, bucket, s3, unchanged, version):
    """As by a script whose variable is empty: it would be told that something was deleted."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    with unchanged(bucket):
        gateway.request("DELETE", f"/{bucket}/k?versionId={version}").refused(400, "InvalidArgument")


def test_a_removal_is_told_in_the_log(gateway, bucket, s3):
    version = s3.put_object(Bucket=bucket, Key="secret plan", Body=b"1")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="secret plan", VersionId=version)
    [line] = [line for line in gateway.log.read_text().splitlines() if version in line]
    assert "'secret plan'" in line
    assert bucket in line


def test_a_condition_that_does_not_hold_keeps_the_version(gateway, bucket, s3, unchanged):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    target = f"/{bucket}/k?versionId={version}"
    for headers in ({"If-Match": '"0"'}, {"x-amz-if-match-size": "2"}):
        with unchanged(bucket):
            gateway.request("DELETE", target, headers=headers).refused(412, "PreconditionFailed")
    assert gateway.request("DELETE", target, headers={"If-Match": "*", "x-amz-if-match-size": "1"}).status == 204
    assert versions_of(s3, bucket) == []


def test_what_takes_no_write_loses_no_version(gateway, bucket, s3, store):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    gateway.request("DELETE", f"/{version}.{bucket}/k?versionId={version}").refused(403, "AccessDenied")
    repo = Repo("default", bucket.partition(".")[2])
    store.create_branch(Branch(repo, "output"), Commit(repo, version), [Branch(repo, "master")])
    refused = gateway.request("DELETE", f"/output.{repo.name}/k?versionId={version}")
    refused.refused(400, "WriteToOutputBranch")
    assert versions_of(s3, bucket) == [version]


def test_a_bucket_that_is_not_there_is_not_found(gateway):
    gateway.request("DELETE", f"/none/k?versionId={MISSING}").refused(404, "NoSuchBucket")
