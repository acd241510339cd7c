"""Tags of objects: set with a write or later, told as a document, counted on reads, kept for each version."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from falcon_s3 import buckets
from falcon_s3.pfs import Branch, Commit, Repo

pytestmark = pytest.mark.needs("attributes")

MISSING = "0123456789ab4cdef0123456789abcde"


def document(*pairs):
    rows = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs)
    return f"<Tagging><TagSet>{rows}</TagSet></Tagging>".encode()


def tags(s3, bucket, key="k", **options):
    found = s3.get_object_tagging(Bucket=bucket, Key=key, **options)["TagSet"]
    return {one["Key"]: one["Value"] for one in found}


@pytest.fixture
def filled(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="a=1&b=", Metadata={"m": "n"}, ContentType="text/x")
    return bucket


def test_tags_are_set_replaced_and_removed_without_a_commit(gateway, s3, filled, store):
    head = store.inspect_branch(buckets.parse(filled)).head
    version = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    assert tags(s3, filled) == {"a": "1", "b": ""}
    wanted = {"ü 中": "x 1", "empty": "", "+-=._:/@": "+-=._:/@"}
    pairs = [{"Key": key, "Value": value} for key, value in wanted.items()]
    assert s3.put_object_tagging(Bucket=filled, Key="k", Tagging={"TagSet": pairs})["VersionId"] == version
    assert tags(s3, filled) == wanted
    answer = gateway.request("GET", f"/{filled}/k")
    assert (answer.headers["x-amz-tagging-count"], answer.headers["x-amz-meta-m"]) == ("3", "n")
    assert gateway.request("HEAD", f"/{filled}/k").headers["x-amz-tagging-count"] == "3"
    removed = gateway.request("DELETE", f"/{filled}/k?tagging")
    assert (removed.status, removed.body, removed.headers["x-amz-version-id"]) == (204, b"", version)
    assert tags(s3, filled) == {}
    read = gateway.request("GET", f"/{filled}/k")
    assert (read.headers["x-amz-tagging-count"], read.headers["Content-Type"]) == (None, "text/x")
    assert (read.body, read.headers["x-amz-meta-m"]) == (b"1", "n")
    assert store.inspect_branch(buckets.parse(filled)).head == head


@pytest.mark.parametrize("body", [document(), b"<Tagging/>", b"<Tagging><TagSet/></Tagging>"])
def test_a_document_without_tags_removes_them(gateway, s3, filled, body):
    assert gateway.request("PUT", f"/{filled}/k?tagging", body).status == 200
    assert tags(s3, filled) == {}


def test_an_object_without_tags_has_an_empty_set(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"1")
    answer = gateway.request("GET", f"/{bucket}/k?tagging")
    assert (answer.status, answer.text("TagSet"), answer.texts("Tag")) == (200, "", [])
    assert gateway.request("GET", f"/{bucket}/k").headers["x-amz-tagging-count"] is None


def test_each_version_has_its_own_tags(s3, filled):
    first = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    second = s3.put_object(Bucket=filled, Key="k", Body=b"2")["VersionId"]
    assert (tags(s3, filled), tags(s3, filled, VersionId=first)) == ({}, {"a": "1", "b": ""})
    answer = s3.put_object_tagging(
        Bucket=filled, Key="k", VersionId=first, Tagging={"TagSet": [{"Key": "old", "Value": "1"}]}
    )
    assert answer["VersionId"] == first
    assert (tags(s3, filled), tags(s3, filled, VersionId=first)) == ({}, {"old": "1"})
    assert s3.get_object_tagging(Bucket=filled, Key="k")["VersionId"] == second
    assert tags(s3, f"{first}.{filled}") == {"old": "1"}
    s3.delete_object_tagging(Bucket=filled, Key="k", VersionId=first)
    assert tags(s3, filled, VersionId=first) == {}


def test_a_branch_of_the_same_commit_shows_the_same_version(s3, filled, store):
    """Tags belong to the version, wherever it shows."""
    branch = buckets.parse("dev." + filled.partition(".")[2])
    store.create_branch(branch, store.inspect_branch(buckets.parse(filled)).head)
    s3.put_object_tagging(Bucket=filled, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert tags(s3, buckets.name_of(branch)) == {"c": "3"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedXML"),
        (b"x", "MalformedXML"),
        (b"<Delete/>", "MalformedXML"),
        (b"<Tagging><Tag/></Tagging>", "MalformedXML"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><Tagging>&b;</Tagging>", "MalformedXML"),
        (document(("a", "1"), ("a", "2")), "InvalidTag"),
        (document(("", "1")), "InvalidTag"),
        (document(("aws:a", "1")), "InvalidTag"),
        (document(("a,b", "1")), "InvalidTag"),
        (document(("a", "&lt;")), "InvalidTag"),
        (document(("k" * 129, "1")), "InvalidTag"),
        (document(("k", "v" * 257)), "InvalidTag"),
        (document(*((n, n) for n in range(11))), "InvalidTag"),
        (b" " * (65 << 10), "EntityTooLarge"),
    ],
)
def test_tags_that_cannot_be_change_nothing(gateway, s3, filled, body, code):
    gateway.request("PUT", f"/{filled}/k?tagging", body).refused(400, code)
    assert tags(s3, filled) == {"a": "1", "b": ""}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("a=%FF", "InvalidArgument"),
        ("a=1&a=2", "InvalidArgument"),
        ("=", "InvalidArgument"),
        ("aws:a=1", "InvalidTag"),
        ("a=%00", "InvalidTag"),
        ("a=1,b=2", "InvalidTag"),
        ("&".join(f"{number}=" for number in range(11)), "InvalidTag"),
    ],
)
def test_a_write_with_tags_that_cannot_be_is_refused(gateway, filled, unchanged, header, code):
    with unchanged(filled):
        gateway.request("PUT", f"/{filled}/new", b"1", {"x-amz-tagging": header}).refused(400, code)


def test_as_many_and_as_long_tags_as_there_may_be(s3, filled):
    wanted = {f"{number:0128d}": "ü" * 256 for number in range(10)}
    pairs = [{"Key": key, "Value": value} for key, value in wanted.items()]
    s3.put_object_tagging(Bucket=filled, Key="k", Tagging={"TagSet": pairs})
    assert tags(s3, filled) == wanted


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("{}/none?tagging", 404, "NoSuchKey"),
        ("{}/k?tagging&versionId=" + MISSING, 404, "NoSuchVersion"),
        ("{}/k?tagging&versionId=x", 400, "InvalidArgument"),
        ("no.such/k?tagging", 404, "NoSuchBucket"),
    ],
)
def test_what_is_not_there_has_no_tags(gateway, filled, target, status, code):
    target = f"/{target.format(filled)}"
    for method, body in (("GET", None), ("PUT", document(("a", "1"))), ("DELETE", None)):
        gateway.request(method, target, body).refused(status, code)
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n"
    gateway.send(head.encode(), "PUT").refused(status, code)  # before the document is sent


@pytest.mark.parametrize("named", [True, False])
def test_a_delete_marker_has_no_tags(s3, gateway, filled, named):
    """Whether it is named, or the newest version: S3 API, GetObjectTagging."""
    marker = s3.delete_object(Bucket=filled, Key="k")["VersionId"]
    version = f"&versionId={marker}" if named else ""
    for method, body in (("GET", None), ("PUT", document(("a", "1"))), ("DELETE", None)):
        answer = gateway.request(method, f"/{filled}/k?tagging{version}", body)
        answer.refused(405, "MethodNotAllowed")
        assert (answer.text("Method"), answer.text("ResourceType")) == (method, "DeleteMarker")
        assert (answer.headers["x-amz-delete-marker"], answer.headers["x-amz-version-id"]) == ("true", marker)


def test_a_document_is_verified(gateway, s3, filled):
    headers = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    gateway.request("PUT", f"/{filled}/k?tagging", document(("c", "1")), headers).refused(400, "BadDigest")
    assert tags(s3, filled) == {"a": "1", "b": ""}


def test_a_client_is_told_what_is_wrong(s3, filled):
    with pytest.raises(ClientError) as caught:
        s3.put_object_tagging(Bucket=filled, Key="k", Tagging={"TagSet": [{"Key": "aws:x", "Value": ""}]})
    assert caught.value.response["Error"]["Code"] == "InvalidTag"


def test_what_takes_no_write_takes_no_tags(gateway, s3, bucket, store):
    """The bucket of a finished commit and an output branch."""
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=b")["VersionId"]
    repo = Repo("default", bucket.partition(".")[2])
    store.create_branch(Branch(repo, "output"), Commit(repo, version), [Branch(repo, "master")])
    for target, status, code in (
        (f"/{version}.{bucket}/k?tagging", 403, "AccessDenied"),
        (f"/output.{repo.name}/k?tagging", 400, "WriteToOutputBranch"),
    ):
        gateway.request("PUT", target, b"<Tagging><TagSet/></Tagging>").refused(status, code)
        gateway.request("DELETE", target).refused(status, code)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
