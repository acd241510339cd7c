"""CopyObject: any version of any bucket to any other place, with what is beside the bytes, and without moving them."""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from falcon_s3 import buckets
from falcon_s3.digests import body_of
from falcon_s3.pfs import Branch, Repo
from tests.s3.etags import etag_of
from tests.s3.test_checksums import SUMS, asked

MISSING = "0123456789ab4cdef0123456789abcde"
DATA = b"The quick brown fox"
ETAG = etag_of(DATA)
CRC32 = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
BEFORE, AFTER = formatdate(time.time() - 10_000, usegmt=True), formatdate(time.time() - 1, usegmt=True)


def copy(gateway, source, bucket, key="copy", **headers):
    given = {"x-amz-copy-source": source} | {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("PUT", f"/{bucket}/{key}", None, given)


def head_of(store, bucket):
    return store.inspect_branch(buckets.parse(bucket)).head


@pytest.fixture
def filled(s3, bucket, pachd):
    """A bucket with the object `k` of DATA, and the version of it; tagged, if the store keeps tags."""
    s3.put_object(
        Bucket=bucket,
        Key="k",
        Body=DATA,
        ContentType="text/x",
        CacheControl="no-store",
        Metadata={"a": "1"},
        ChecksumAlgorithm="CRC32",
        **({"Tagging": "t=u"} if pachd is None else {}),
    )
    return bucket


def beside(s3, bucket, key="copy"):
    """What is told of an object beside its bytes."""
    told = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    tagged = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return {
        "type": told["ContentType"],
        "cache": told.get("CacheControl"),
        "metadata": told["Metadata"],
        "crc32": told.get("ChecksumCRC32"),
        "tags": {one["Key"]: one["Value"] for one in tagged},
    }


# --- what a copy is --------------------------------------------------------------------------------------------------


@pytest.mark.needs("attributes")
def test_a_copy_is_one_commit_with_everything_but_a_body(gateway, s3, filled, store):
    before = head_of(store, filled)
    answer = copy(gateway, f"/{filled}/k", filled)
    head = head_of(store, filled)
    assert (answer.status, answer.text("ETag")) == (200, ETAG)
    assert answer.headers["x-amz-version-id"] == head.id
    assert answer.headers["x-amz-copy-source-version-id"] == before.id
    assert store.inspect_commit(head).parent == before
    assert answer.body.count(b"<CopyObjectResult ") == 1
    assert (answer.text("ChecksumCRC32"), answer.text("ChecksumType")) == (CRC32, "FULL_OBJECT")
    read = s3.get_object(Bucket=filled, Key="copy")
    assert (read["Body"].read(), read["ETag"]) == (DATA, ETAG)
    assert read["LastModified"].strftime("%Y-%m-%dT%H:%M:%S") == answer.text("LastModified")[:19]
    assert beside(s3, filled) == beside(s3, filled, "k")


@pytest.mark.needs("books")
def test_no_byte_is_moved(gateway, bucket, store):
    gateway.request("PUT", f"/{bucket}/k", b"m" * 3_000_000)
    before = store.fsck()
    for number in range(5):
        assert copy(gateway, f"{bucket}/k", bucket, f"c{number}").status == 200
    after = store.fsck()
    assert (after.bytes, after.contents, after.problems) == (before.bytes, before.contents, [])
    for key in ("k", "c0", "c1", "c2", "c3"):
        gateway.request("DELETE", f"/{bucket}/{key}")
    assert gateway.request("GET", f"/{bucket}/c4").body == b"m" * 3_000_000


def test_a_body_beside_the_source_is_left_aside(gateway, filled):
    """And does not become the next request of the connection."""
    with gateway.connect() as connection:
        head = (
            f"PUT /{filled}/copy HTTP/1.1\r\nHost: x\r\nx-amz-copy-source: {filled}/k\r\nContent-Length: 3\r\n\r\nabc"
        )
        for _ in range(2):
            connection.sendall(head.encode())
            received = b""
            while not received.endswith(b"</CopyObjectResult>"):
                received += connection.recv(10_000)
            assert received.startswith(b"HTTP/1.1 200")
    assert gateway.request("GET", f"/{filled}/copy").body == DATA


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_copies_of_any_size(gateway, s3, bucket, size):
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(size))
    assert s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})["CopyObjectResult"]
    assert gateway.request("GET", f"/{bucket}/c").body == bytes(size)


@pytest.mark.needs("paths")
@pytest.mark.parametrize(
    "key", ["ü 😀", "a+b", "a%2Fb", "100%", "a//b", "/a", "a/", "..", "a?versionId=b", "a&b=c#d", "'\""]
)
def test_keys_of_any_letters_are_copied(s3, gateway, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=DATA)
    s3.copy_object(Bucket=bucket, Key=f"{key}-1", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key=f"{key}-1")["Body"].read() == DATA
    for number, source in enumerate([quote(f"{bucket}/{key}"), quote(f"/{bucket}/{key}", safe="")]):
        assert copy(gateway, source, bucket, f"raw{number}").status == 200, source
        assert gateway.request("GET", f"/{bucket}/raw{number}").body == DATA


@pytest.mark.needs("paths")
def test_a_source_that_was_not_encoded_is_utf8_or_refused(gateway, s3, bucket):
    """Granian hands on an empty text for such a header: then nothing is copied, and never another object."""
    s3.put_object(Bucket=bucket, Key="ü 😀", Body=DATA)
    answer = copy(gateway, f"{bucket}/ü 😀", bucket)
    if answer.status == 200:
        assert gateway.request("GET", f"/{bucket}/copy").body == DATA
    else:
        answer.refused(400, "InvalidArgument")


# --- where from, and where to ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{name}", "dev.{name}", "master.{name}.proj", "{name}-2", "master.{name}-3.proj2"])
def test_copies_go_between_branches_repos_and_projects(gateway, s3, filled, form):
    other = form.format(name=filled.partition(".")[2])
    if form != "{name}":
        s3.create_bucket(Bucket=other)
    for source, target, key in ((filled, other, "there"), (other, filled, "back")):
        assert copy(gateway, f"{source}/{'k' if source == filled else 'there'}", target, key).status == 200
        assert gateway.request("GET", f"/{target}/{key}").body == DATA
        assert beside(s3, target, key) == beside(s3, filled, "k")


def test_a_copy_of_an_old_version_restores_it(gateway, s3, filled):
    old = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    known = beside(s3, filled, "k")
    new = s3.put_object(Bucket=filled, Key="k", Body=b"new")["VersionId"]
    s3.delete_object(Bucket=filled, Key="k")
    copy(gateway, f"{filled}/k", filled).refused(404, "NoSuchKey")
    answer = copy(gateway, f"{filled}/k?versionId={old}", filled, "k")
    assert (answer.status, answer.headers["x-amz-copy-source-version-id"]) == (200, old)
    assert gateway.request("GET", f"/{filled}/k").body == DATA
    assert beside(s3, filled, "k") == known
    source = {"Bucket": filled, "Key": "k", "VersionId": new}
    assert s3.copy_object(Bucket=filled, Key="k", CopySource=source)["CopySourceVersionId"] == new
    assert gateway.request("GET", f"/{filled}/k").body == b"new"


def test_a_commit_is_copied_from_by_its_bucket(gateway, s3, filled):
    old = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    s3.put_object(Bucket=filled, Key="k", Body=b"new")
    assert copy(gateway, f"{old}.{filled}/k", filled, "k").status == 200
    assert gateway.request("GET", f"/{filled}/k").body == DATA
    copy(gateway, f"{filled}/k", f"{old}.{filled}", "x").refused(403, "AccessDenied")


def test_a_copy_into_an_open_commit_joins_it(gateway, filled, store):
    commit = store.start_commit(buckets.parse(filled))
    for place, key in ((f"{commit.id}.{filled}", "a"), (filled, "b")):
        answer = copy(gateway, f"{filled}/k", place, key)
        assert (answer.status, answer.headers["x-amz-version-id"]) == (200, commit.id)
    store.finish_commit(commit)
    assert gateway.request("GET", f"/{filled}").texts("Key") == ["a", "b", "k"]


@pytest.mark.needs("output commits")
def test_an_output_branch_is_copied_from_and_not_to(gateway, filled, store, unchanged):
    branch = Branch(Repo("default", filled.partition(".")[2] + "-out"), "master")
    store.create_branch(branch, provenance=[buckets.parse(filled)])
    store.start_commit(branch)
    store.put_file(branch, "made", body_of([b"by a pipeline"]))
    store.finish_commit(branch)
    output = buckets.name_of(branch)
    with unchanged(output):
        copy(gateway, f"{filled}/k", output).refused(400, "WriteToOutputBranch")
    assert copy(gateway, f"{output}/made", filled).status == 200
    assert gateway.request("GET", f"/{filled}/copy").body == b"by a pipeline"


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("{}/none", 404, "NoSuchKey"),
        ("{}/k/", 404, "NoSuchKey"),
        ("{}/" + "x" * 2000, 404, "NoSuchKey"),
        ("no.such/k", 404, "NoSuchBucket"),
        (MISSING + ".{}/k", 404, "NoSuchBucket"),
        ("no.such.bucket.at.all/k", 400, "InvalidBucketName"),
        ("UPPER%20CASE/k", 400, "InvalidBucketName"),
        ("{}/k?versionId=" + MISSING, 404, "NoSuchVersion"),
        ("{}/none?versionId=" + MISSING, 404, "NoSuchVersion"),
        ("no.such/k?versionId=" + MISSING, 404, "NoSuchBucket"),
        ("{}/k?versionId=x", 400, "InvalidArgument"),
        ("{}/k?versionId=", 400, "InvalidArgument"),
        ("{}/k?versionId=null", 404, "NoSuchVersion"),
        ("{}", 400, "InvalidArgument"),
        ("{}/", 400, "InvalidArgument"),
        ("", 400, "InvalidArgument"),
        ("/", 400, "InvalidArgument"),
        ("{}/%FF", 400, "InvalidArgument"),
        ("{}/%00", 400, "InvalidArgument"),
    ],
)
def test_a_source_that_is_not_there_is_told_and_nothing_written(gateway, filled, unchanged, source, status, code):
    with unchanged(filled):
        copy(gateway, source.format(filled), filled).refused(status, code)


@pytest.mark.needs("versions")
def test_a_delete_marker_is_no_source(gateway, s3, filled, unchanged):
    marker = s3.delete_object(Bucket=filled, Key="k")["VersionId"]
    with unchanged(filled):
        copy(gateway, f"{filled}/k?versionId={marker}", filled).refused(400, "InvalidRequest")
        answer = copy(gateway, f"{filled}/k", filled)
        answer.refused(404, "NoSuchKey")
        assert answer.headers["x-amz-delete-marker"] == "true"


@pytest.mark.parametrize(
    ("place", "status", "code"),
    [("no.such/k", 404, "NoSuchBucket"), (f"{MISSING}.no.such/k", 404, "NoSuchBucket")],
)
def test_a_target_that_is_not_there_is_told(gateway, filled, place, status, code):
    bucket, _, key = place.partition("/")
    copy(gateway, f"{filled}/k", bucket, key).refused(status, code)
    copy(gateway, f"{filled}/none", bucket, key).refused(status, code)


# --- directives ------------------------------------------------------------------------------------------------------

OLD = {"type": "text/x", "cache": "no-store", "metadata": {"a": "1"}, "crc32": CRC32, "tags": {"t": "u"}}
GIVEN = {"Content_Type": "text/y", "x_amz_meta_b": "2", "x_amz_tagging": "v=w"}
NEW = {"type": "text/y", "cache": None, "metadata": {"b": "2"}}


@pytest.mark.needs("attributes")
@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        ({}, OLD),
        ({"x_amz_metadata_directive": "COPY", "x_amz_tagging_directive": "COPY"}, OLD),
        ({"x_amz_metadata_directive": "REPLACE"}, OLD | NEW),
        ({"x_amz_tagging_directive": "REPLACE"}, OLD | {"tags": {"v": "w"}}),
        (
            {"x_amz_metadata_directive": "REPLACE", "x_amz_tagging_directive": "REPLACE"},
            OLD | NEW | {"tags": {"v": "w"}},
        ),
    ],
)
def test_directives_say_what_is_copied(gateway, s3, filled, directives, expected):
    assert copy(gateway, f"{filled}/k", filled, **directives, **GIVEN).status == 200
    assert beside(s3, filled) == expected
    assert beside(s3, filled, "k") == OLD


@pytest.mark.needs("attributes")
def test_what_is_replaced_by_nothing_is_gone(gateway, s3, filled):
    both = {"x_amz_metadata_directive": "REPLACE", "x_amz_tagging_directive": "REPLACE"}
    assert copy(gateway, f"{filled}/k", filled, **both).status == 200
    expected = {"type": "binary/octet-stream", "cache": None, "metadata": {}, "crc32": CRC32, "tags": {}}
    assert beside(s3, filled) == expected


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("source", ["k", "k?versionId={}"])
def test_an_object_is_copied_onto_itself_where_that_changes_something(gateway, s3, filled, unchanged, source):
    version = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    source = f"{filled}/{source.format(version)}"
    for name in ("metadata", "tagging"):
        assert copy(gateway, source, filled, "k", **{f"x_amz_{name}_directive": "REPLACE"}, **GIVEN).status == 200
        source = f"{filled}/k"
    assert beside(s3, filled, "k") == OLD | NEW | {"tags": {"v": "w"}}
    assert gateway.request("GET", f"/{filled}/k").body == DATA
    for name in (filled, filled.partition(".")[2]):  # two names of the same bucket
        with unchanged(filled):
            assert "to itself" in copy(gateway, f"/{name}/k", filled, "k").refused(400, "InvalidRequest")


@pytest.mark.needs("attributes")
def test_to_name_a_storage_class_or_a_redirection_is_a_change(gateway, s3, filled, unchanged):
    """Though it be the same as before; and the conditions on what is there count all the same."""
    standard = {"x_amz_storage_class": "STANDARD"}
    assert copy(gateway, f"{filled}/k", filled, "k", **standard).status == 200
    with unchanged(filled):
        answer = copy(gateway, f"{filled}/k", filled, "k", If_None_Match="*", **standard)
        answer.refused(412, "PreconditionFailed")
        assert answer.text("Condition") == "If-None-Match"
    assert copy(gateway, f"{filled}/k", filled, "k", If_Match=ETAG, **standard).status == 200
    assert beside(s3, filled, "k") == OLD
    assert copy(gateway, f"{filled}/k", filled, "k", x_amz_website_redirect_location="/x").status == 200
    assert beside(s3, filled, "k") == OLD
    assert s3.head_object(Bucket=filled, Key="k")["WebsiteRedirectLocation"] == "/x"


@pytest.mark.needs("attributes")
def test_a_redirection_is_not_copied(gateway, s3, filled):
    """It belongs to one object (S3 API, CopyObject, x-amz-website-redirect-location)."""
    s3.put_object(Bucket=filled, Key="r", Body=DATA, WebsiteRedirectLocation="/x")
    assert copy(gateway, f"{filled}/r", filled, "c").status == 200
    assert "WebsiteRedirectLocation" not in s3.head_object(Bucket=filled, Key="c")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x_amz_metadata_directive": "MOVE"}, 400, "InvalidArgument"),
        ({"x_amz_metadata_directive": "replace"}, 400, "InvalidArgument"),
        ({"x_amz_tagging_directive": ""}, 400, "InvalidArgument"),
        ({"x_amz_checksum_algorithm": "MD4"}, 400, "InvalidRequest"),
        ({"x_amz_storage_class": "GLACIER"}, 400, "InvalidStorageClass"),
        ({"x_amz_website_redirect_location": "x"}, 400, "InvalidRedirectLocation"),
        ({"x_amz_server_side_encryption": "AES256"}, 501, "NotImplemented"),
        ({"x_amz_copy_source_server_side_encryption_customer_algorithm": "AES256"}, 501, "NotImplemented"),
        ({"x_amz_acl": "log-delivery-write"}, 501, "NotImplemented"),
        ({"x_amz_tagging": "aws:a=1", "x_amz_tagging_directive": "REPLACE"}, 400, "InvalidTag"),
        ({"x_amz_meta_a": "v" * 2100, "x_amz_metadata_directive": "REPLACE"}, 400, "MetadataTooLarge"),
        ({"If_Match": "*", "If_None_Match": "*"}, 501, "NotImplemented"),
        ({"x_amz_source_expected_bucket_owner": "1" * 12}, 403, "AccessDenied"),
        ({"x_amz_expected_bucket_owner": "1" * 12}, 403, "AccessDenied"),
    ],
)
def test_what_cannot_be_done_is_refused(gateway, filled, unchanged, headers, status, code):
    with unchanged(filled):
        copy(gateway, f"{filled}/k", filled, **headers).refused(status, code)


@pytest.mark.parametrize("target", ["", "/", "/copy?acl"])
def test_only_an_object_is_a_copy(gateway, filled, unchanged, target):
    with unchanged(filled):
        answer = gateway.request("PUT", f"/{filled}{target}", None, {"x-amz-copy-source": f"{filled}/k"})
        assert "x-amz-copy-source" in answer.refused(501, "NotImplemented")
    assert answer.text("Header") == "x-amz-copy-source"


def test_a_target_has_no_version(gateway, filled, unchanged):
    with unchanged(filled):
        copy(gateway, f"{filled}/k", filled, f"c?versionId={MISSING}").refused(400, "InvalidArgument")


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "holds"),
    [
        ({"if_match": ETAG}, True),
        ({"if_match": ETAG.strip('"')}, True),
        ({"if_match": '"x"'}, False),
        ({"if_none_match": '"x"'}, True),
        ({"if_none_match": ETAG}, False),
        ({"if_modified_since": BEFORE}, True),
        ({"if_unmodified_since": BEFORE}, False),
        ({"if_match": ETAG, "if_unmodified_since": BEFORE}, True),
        ({"if_none_match": ETAG, "if_modified_since": BEFORE}, False),
    ],
)
def test_the_source_may_be_under_conditions(gateway, filled, unchanged, headers, holds):
    given = {f"x_amz_copy_source_{name}": value for name, value in headers.items()}
    if holds:
        assert copy(gateway, f"{filled}/k", filled, **given).status == 200
    else:
        with unchanged(filled):
            answer = copy(gateway, f"{filled}/k", filled, **given)
            answer.refused(412, "PreconditionFailed")
        names = [name.replace("_", "-") for name in given]
        assert answer.text("Condition").lower() in names


def test_the_target_may_be_under_conditions(gateway, filled, unchanged):
    with unchanged(filled):
        copy(gateway, f"{filled}/k", filled, If_Match=ETAG).refused(404, "NoSuchKey")
    assert copy(gateway, f"{filled}/k", filled, If_None_Match="*").status == 200
    with unchanged(filled):
        copy(gateway, f"{filled}/k", filled, If_None_Match="*").refused(412, "PreconditionFailed")
        copy(gateway, f"{filled}/k", filled, If_Match='"x"').refused(412, "PreconditionFailed")
    assert copy(gateway, f"{filled}/k", filled, If_Match=ETAG).status == 200


def test_of_many_conditional_copies_exactly_one_succeeds(gateway, filled, store):
    before = head_of(store, filled)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: copy(gateway, f"{filled}/k", filled, If_None_Match="*"), range(12)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 11
    assert store.inspect_commit(head_of(store, filled)).parent == before


# --- checksums and parts ---------------------------------------------------------------------------------------------


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("algorithm", [name.upper() for name in SUMS])
def test_a_checksum_is_computed_where_it_is_asked_for(gateway, s3, filled, algorithm):
    """It takes the place of the one that the source has."""
    answer = s3.copy_object(
        Bucket=filled, Key="copy", CopySource={"Bucket": filled, "Key": "k"}, ChecksumAlgorithm=algorithm
    )
    told = s3.head_object(Bucket=filled, Key="copy", ChecksumMode="ENABLED")
    sent = s3.put_object(Bucket=filled, Key="same", Body=DATA, **asked(algorithm.lower(), DATA))
    name = f"Checksum{algorithm}"
    assert answer["CopyObjectResult"][name] == told[name] == sent[name]
    assert told["ChecksumType"] == "FULL_OBJECT"
    assert {each for each in told if each.startswith("Checksum")} == {name, "ChecksumType"}
    assert told["Metadata"] == {"a": "1"}


@pytest.mark.needs("attributes")
def test_a_checksum_alone_is_a_change_of_the_object_itself(gateway, s3, filled):
    assert copy(gateway, f"{filled}/k", filled, "k", x_amz_checksum_algorithm="SHA256").status == 200
    told = s3.head_object(Bucket=filled, Key="k", ChecksumMode="ENABLED")
    assert told["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(DATA).digest()).decode()


@pytest.mark.needs("parts")
def test_a_copy_of_parts_keeps_them(s3, gateway, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"a": "1"})["UploadId"]
    bodies = [b"a" * (5 << 20), b"b" * 100]
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=n, Body=b)["ETag"]}
        for n, b in enumerate(bodies, 1)
    ]
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    answer = copy(gateway, f"{bucket}/k", bucket)
    assert answer.text("ETag") == done["ETag"]
    gateway.request("DELETE", f"/{bucket}/k?versionId={done['VersionId']}")
    assert gateway.request("GET", f"/{bucket}/copy").body == b"".join(bodies)
    part = gateway.request("GET", f"/{bucket}/copy?partNumber=2")
    assert (part.body, part.headers["x-amz-mp-parts-count"], part.headers["x-amz-meta-a"]) == (bodies[1], "2", "1")


def test_a_client_is_told_what_failed(s3, filled):
    with pytest.raises(ClientError) as caught:
        s3.copy_object(Bucket=filled, Key="c", CopySource={"Bucket": filled, "Key": "none"})
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.copy_object(Bucket=filled, Key="c", CopySource=f"{filled}/k", CopySourceIfMatch='"x"')
