"""What a gateway in front of pachd answers otherwise than one on the embedded store, row by row of the README's table."""

import uuid
from urllib.parse import quote

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from botocore.exceptions import ClientError

from tests.s3.pachd import PachdStore
from tests.s3.test_list_objects_v1 import model

# Neighbours in byte order that folders get wrong, and all odd characters that PFS takes.
KEYS = [
    "a b/c",
    "a-b",
    "a.b",
    "a/b",
    "a/c/d",
    "a/c/e",
    "a/c.txt",
    "a0",
    "b%2Fb",
    "b&<>'\"",
    "b\\z",
    "b,;:=$#|~`",
    "c/1",
    "c/2/3",
    "c0/1",
    "z",
]


@pytest.fixture(scope="module")
def gateway(running_pachd, start_gateway):
    with start_gateway(pachd=f"grpc://127.0.0.1:{running_pachd.port}", workers=1) as running:
        yield running
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def listed(gateway):
    bucket = gateway.new_bucket()
    for key in KEYS:
        gateway.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


@pytest.fixture
def head(running_pachd):
    """The head of a bucket's branch, which every commit moves."""
    from falcon_s3 import buckets

    store = PachdStore(f"grpc://127.0.0.1:{running_pachd.port}")
    yield lambda bucket: store.inspect_branch(buckets.parse(bucket)).head
    store.close()


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/c", "a/c/", "b", "c/2/", "none"])
@pytest.mark.parametrize("delimiter", ["", "/", ".", "b", "c/"])
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_pages_are_those_of_sorting_and_splitting(gateway, listed, prefix, delimiter, limit):
    """Both versions of listings, from any page to the next."""
    after, token, version_1, version_2 = "", {}, [], []
    while True:
        keys, folders, last, more = model(KEYS, prefix, delimiter, after, limit)
        first = gateway.s3.list_objects(Bucket=listed, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, Marker=after)
        second = gateway.s3.list_objects_v2(Bucket=listed, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, **token)
        assert first["IsTruncated"] == second["IsTruncated"] == more
        for answer, all_of_it in ((first, version_1), (second, version_2)):
            page = [each["Key"] for each in answer.get("Contents", [])]
            assert (page, [each["Prefix"] for each in answer.get("CommonPrefixes", [])]) == (keys, folders)
            all_of_it += page
        if not more:
            break
        after, token = last, {"ContinuationToken": second["NextContinuationToken"]}
    assert version_1 == version_2


@pytest.mark.parametrize(
    "key, named",
    [
        ("a+b", "+"), ("a@b", "@"), ("a(b", "("), ("a!b", "!"), ("a*b", "*"), ("a?b", "?"), ("a[b", "["), ("a{b", "{"),
        ("a^b", "^"), ("é", "ASCII"), ("😀", "ASCII"), ("a\tb", "ASCII"), ("a/", "slash"), ("/a", "slash"),
        ("a//b", "slash"), ("../a", "relative"), ("a/./b", "relative"),
    ],
)  # fmt: skip
def test_a_key_that_pfs_does_not_take_is_refused_before_its_body(gateway, listed, head, key, named):
    """And is not found; removing it is no error."""
    before = head(listed)
    with gateway.connect() as connection:
        request = f"PUT /{listed}/{quote(key)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n"
        connection.sendall(f"{request}Expect: 100-continue\r\n\r\n".encode())
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    message = gateway.request("PUT", f"/{listed}/{quote(key)}", b"x").refused(400, "InvalidFilePath")
    assert named in message
    with pytest.raises(ClientError, match="InvalidFilePath"):
        gateway.s3.create_multipart_upload(Bucket=listed, Key=key)
    with pytest.raises(ClientError, match="InvalidFilePath"):
        gateway.s3.copy_object(Bucket=listed, Key=key, CopySource=f"{listed}/z")
    gateway.request("GET", f"/{listed}/{quote(key)}").refused(404, "NoSuchKey")
    assert gateway.request("DELETE", f"/{listed}/{quote(key)}").status == 204
    deleted = gateway.s3.delete_objects(Bucket=listed, Delete={"Objects": [{"Key": key}]})
    assert "Errors" not in deleted
    assert head(listed) == before


def test_the_type_is_that_of_the_name(gateway, listed):
    """There is no place for what a client says: not the type, nor metadata, nor a checksum, which is verified."""
    bucket = gateway.new_bucket()
    written = gateway.s3.put_object(
        Bucket=bucket, Key="a.html", Body=b"x", ContentType="text/x", Metadata={"a": "b"}, ChecksumAlgorithm="SHA256"
    )
    told = gateway.s3.head_object(Bucket=bucket, Key="a.html", ChecksumMode="ENABLED")
    wrong = {"x-amz-checksum-sha256": "A" * 43 + "="}

    assert "ChecksumSHA256" in written
    assert (told["ContentType"], told["Metadata"], "ChecksumSHA256" in told) == ("text/html", {}, False)
    gateway.request("PUT", f"/{bucket}/b", b"x", wrong).refused(400, "BadDigest")
    assert gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_the_etag_is_the_hash_of_pfs_and_good_for_conditions(gateway):
    bucket = gateway.new_bucket()
    etag = gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]

    assert len(etag) == 66  # 32 bytes in hexadecimal, and the quotes
    assert gateway.s3.head_object(Bucket=bucket, Key="k")["ETag"] == etag
    assert gateway.s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ETag"] == etag
    assert gateway.request("GET", f"/{bucket}/k", headers={"If-None-Match": etag}).status == 304
    gateway.request("PUT", f"/{bucket}/k", b"2", {"If-None-Match": "*"}).refused(412, "PreconditionFailed")
    gateway.request("PUT", f"/{bucket}/k", b"2", {"If-Match": etag.replace("1", "2")}).refused(
        412, "PreconditionFailed"
    )
    assert gateway.request("PUT", f"/{bucket}/k", b"2", {"If-Match": etag}).status == 200
    gateway.request("PUT", f"/{bucket}/k", b"3", {"If-Match": etag}).refused(412, "PreconditionFailed")


TAGS = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"


@pytest.mark.parametrize(
    "method, target, body, headers",
    [
        ("PUT", "new", b"x", {"x-amz-tagging": "a=b"}),
        ("POST", "new?uploads", None, {"x-amz-tagging": "a=b"}),
        ("PUT", "z?tagging", TAGS, {}),
        ("DELETE", "z?tagging", None, {}),
        ("DELETE", "z?versionId=0123456789ab4cdef0123456789abcde", None, {}),
        ("GET", "?versions", None, {}),
    ],
)
def test_what_pfs_has_no_place_for_is_refused(gateway, listed, head, method, target, body, headers):
    """Tags, and the versions of a key; the message says why."""
    before = head(listed)
    target = f"/{listed}{target if target.startswith('?') else '/' + target}"
    assert "PFS" in gateway.request(method, target, body, headers).refused(501, "NotImplemented")
    assert head(listed) == before


def test_versions_to_be_deleted_are_told_of_by_key(gateway):
    """And the other objects of the request go."""
    bucket = gateway.new_bucket()
    version = gateway.s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    gateway.s3.put_object(Bucket=bucket, Key="b", Body=b"1")
    answer = gateway.s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "a", "VersionId": version}, {"Key": "b"}]}
    )

    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("a", "NotImplemented")]
    assert [each["Key"] for each in answer["Deleted"]] == ["b"]
    assert [each["Key"] for each in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]


def test_old_versions_are_read(gateway):
    """By the commit that wrote them, and in the bucket of that commit."""
    bucket = gateway.new_bucket()
    first = gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"22")

    assert gateway.s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    assert gateway.s3.get_object(Bucket=f"{first}.{bucket}", Key="k")["Body"].read() == b"1"
    gateway.request("PUT", f"/{first}.{bucket}/k", b"3").refused(403, "AccessDenied")
    unknown = "0123456789ab4cdef0123456789abcde"
    gateway.request("GET", f"/{bucket}/k?versionId={unknown}").refused(404, "NoSuchVersion")
    gateway.request("GET", f"/{unknown}.{bucket}/k").refused(404, "NoSuchBucket")


def test_uploads_under_way_are_listed_and_aborted(gateway):
    """By key and age, in pages; what is aborted is no more, and no upload shows as a bucket."""
    bucket = gateway.new_bucket()
    started = [
        (key, gateway.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
        for key in ("b/1", "a", "b/2", "a")
    ]
    wanted = sorted(started, key=lambda each: each[0])
    found, marker = [], {}
    while True:
        page = gateway.s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1, **marker)
        found += [(each["Key"], each["UploadId"]) for each in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert found == wanted
    folders = gateway.s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")["CommonPrefixes"]
    assert [each["Prefix"] for each in folders] == ["b/"]
    assert [
        each["Name"] for each in gateway.s3.list_buckets()["Buckets"] if bucket.partition(".")[2] in each["Name"]
    ] == [bucket]
    for key, upload in started:
        gateway.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        gateway.request("DELETE", f"/{bucket}/{key}?uploadId={upload}").refused(404, "NoSuchUpload")
    assert "Uploads" not in gateway.s3.list_multipart_uploads(Bucket=bucket)


def test_an_output_branch_takes_no_writes(gateway, running_pachd):
    """What a pipeline makes is read as any other bucket."""
    from falcon_s3 import buckets
    from falcon_s3.pfs import Branch, Repo

    store = PachdStore(f"grpc://127.0.0.1:{running_pachd.port}")
    branch = Branch(Repo("default", f"t{uuid.uuid4().hex[:8]}"), "master")
    store.create_branch(branch, provenance=[buckets.parse(gateway.new_bucket())])
    store.close()
    bucket = buckets.name_of(branch)
    for method, target in (("PUT", "/k"), ("POST", "/k?uploads")):
        gateway.request(method, f"/{bucket}{target}", b"x" if method == "PUT" else None).refused(
            400, "WriteToOutputBranch"
        )
    assert gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
