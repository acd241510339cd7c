"""GET /bucket?versions lists every version of every object, the removed ones too."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.needs("versions")


@pytest.fixture
def filled(bucket, s3):
    """Three versions of `a`, a removed `d/x`, and two objects in folders."""
    versions = [s3.put_object(Bucket=bucket, Key="a", Body=b"1" * size)["VersionId"] for size in (1, 2, 3)]
    for key in ("b/y", "b/z", "d/x"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    marker = s3.delete_object(Bucket=bucket, Key="d/x")["VersionId"]
    return bucket, versions, marker


def test_a_client_sees_every_version_and_delete_marker(s3, filled):
    bucket, versions, marker = filled
    answer = s3.list_object_versions(Bucket=bucket)
    rows = [(row["Key"], row["VersionId"], row["IsLatest"], row["Size"]) for row in answer["Versions"][:3]]
    assert rows == [("a", versions[2], True, 3), ("a", versions[1], False, 2), ("a", versions[0], False, 1)]
    assert [row["Key"] for row in answer["Versions"][3:]] == ["b/y", "b/z", "d/x"]
    [removed] = answer["DeleteMarkers"]
    assert (removed["Key"], removed["VersionId"], removed["IsLatest"]) == ("d/x", marker, True)
    assert answer["Versions"][-1]["IsLatest"] is False
    head = s3.head_object(Bucket=bucket, Key="a", VersionId=versions[0])
    assert (answer["Versions"][2]["ETag"], answer["Versions"][2]["LastModified"].replace(microsecond=0)) == (
        head["ETag"],
        head["LastModified"],
    )
    assert answer["IsTruncated"] is False
    assert answer["Name"] == bucket


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000])
def test_pages_of_any_size_have_all_rows_once(s3, filled, size):
    bucket, _, _ = filled
    whole = s3.list_object_versions(Bucket=bucket)
    wanted = [(row["Key"], row["VersionId"]) for kind in ("Versions", "DeleteMarkers") for row in whole[kind]]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
    found = []
    for page in pages:
        rows = page.get("Versions", []) + page.get("DeleteMarkers", [])
        assert len(rows) <= size
        found += [(row["Key"], row["VersionId"]) for row in rows]
    assert sorted(found) == sorted(wanted)


def test_folders_prefixes_and_pages_go_together(s3, filled):
    bucket, versions, _ = filled
    answer = s3.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [row["Prefix"] for row in answer["CommonPrefixes"]] == ["b/", "d/"]
    assert len(answer["Versions"]) == 3
    first = s3.list_object_versions(Bucket=bucket, Delimiter="/", MaxKeys=4)
    assert (first["IsTruncated"], first["NextKeyMarker"], "NextVersionIdMarker" in first) == (True, "b/", False)
    second = s3.list_object_versions(Bucket=bucket, Delimiter="/", KeyMarker="b/")
    assert [row["Prefix"] for row in second["CommonPrefixes"]] == ["d/"]
    assert "Versions" not in second
    only = s3.list_object_versions(Bucket=bucket, Prefix="b/z")
    assert [row["Key"] for row in only["Versions"]] == ["b/z"]
    behind = s3.list_object_versions(Bucket=bucket, KeyMarker="a", VersionIdMarker=versions[1], MaxKeys=1)
    assert [row["VersionId"] for row in behind["Versions"]] == [versions[0]]


def test_keys_are_encoded_when_asked_for(gateway, bucket, s3):
    s3.put_object(Bucket=bucket, Key="a b/ü\x01", Body=b"")
    answer = gateway.request("GET", f"/{bucket}?versions&encoding-type=url&delimiter=%20")
    assert (answer.text("EncodingType"), answer.texts("Prefix")[1]) == ("url", "a%20")
    answer = gateway.request("GET", f"/{bucket}?versions&encoding-type=url")
    assert answer.text("Key") == "a%20b/%C3%BC%01"
    assert gateway.request("GET", f"/{bucket}?versions").text("Key") == "a b/ü\ufffd"


def test_the_bucket_of_a_commit_lists_the_versions_up_to_it(gateway, filled, s3):
    bucket, versions, _ = filled
    answer = gateway.request("GET", f"/{versions[1]}.{bucket}?versions")
    assert answer.texts("VersionId") == [versions[1], versions[0]]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("versions&version-id-marker=0123456789ab4cdef0123456789abcde", 400, "InvalidArgument"),
        ("versions&key-marker=a&version-id-marker=0123456789ab4cdef0123456789abcde", 400, "InvalidArgument"),
        ("versions&key-marker=a&version-id-marker=null", 400, "InvalidArgument"),
        ("versions&max-keys=-1", 400, "InvalidArgument"),
        ("versions&max-keys=x", 400, "InvalidArgument"),
        ("versions&encoding-type=x", 400, "InvalidArgument"),
    ],
)
def test_what_makes_no_sense_is_refused(gateway, filled, query, status, code):
    answer = gateway.request("GET", f"/{filled[0]}?{query}")
    assert (answer.status, answer.code) == (status, code)


def test_no_key_is_asked_for_and_none_comes(gateway, filled):
    answer = gateway.request("GET", f"/{filled[0]}?versions&max-keys=0")
    assert (answer.status, answer.texts("Version"), answer.text("IsTruncated")) == (200, [], "false")


def test_a_bucket_that_is_not_there_is_not_found(gateway):
    gateway.request("GET", "/none?versions").refused(404, "NoSuchBucket")
    gateway.request("GET", f"/{'0' * 12}4{'0' * 19}.master.none?versions").refused(404, "NoSuchBucket")
