"""boto3, as it comes: a client with an address, a region and a key."""

from __future__ import annotations

import base64
import urllib.request
import zlib

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET


def configured(gateway, secret):
    """A client that knows a gateway, and its key with this secret."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=gateway.url,
        region_name=REGION,
        aws_access_key_id=gateway.access_key,
        aws_secret_access_key=secret,
    )


@pytest.fixture
def client(keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def test_buckets_are_listed_with_the_dates_of_their_creation(client, bucket, created):
    """`list_buckets` gives each branch and when it was created."""
    listed = {each["Name"]: each["CreationDate"] for each in client.list_buckets()["Buckets"]}
    assert listed[bucket] == created(bucket)


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(client, repo, branches):
    """`create_bucket` creates the repo with its first branch, and another branch beside it."""
    client.create_bucket(Bucket=f"master.{repo}-new")
    client.create_bucket(Bucket=f"dev.{repo}-new")
    client.get_waiter("bucket_exists").wait(Bucket=f"dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(client, repo, branches):
    """`delete_bucket` removes one branch, and with the last branch the repo."""
    client.create_bucket(Bucket=f"dev.{repo}")
    client.delete_bucket(Bucket=f"master.{repo}")
    assert branches(repo) == ["dev"]
    client.delete_bucket(Bucket=f"dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(client, bucket, put, stored):
    """`delete_bucket` is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        client.delete_bucket(Bucket=bucket)
    assert stored(bucket) == {"a": b"1"}


def test_bytes_of_all_kinds_are_put(client, bucket, stored):
    """`put_object` stores bytes under any name."""
    for path, content in FILES.items():
        client.put_object(Bucket=bucket, Key=path, Body=content)
    assert stored(bucket) == FILES


def test_bytes_of_all_kinds_are_got(client, bucket, put):
    """`get_object` gives the bytes of any object."""
    put(bucket, FILES)
    assert {path: client.get_object(Bucket=bucket, Key=path)["Body"].read() for path in FILES} == FILES


def test_files_of_all_kinds_are_uploaded(client, bucket, folder, stored):
    """`upload_file` stores every file of a folder under its name, byte for byte."""
    for path in FILES:
        client.upload_file(str(folder / path), bucket, path)
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(client, bucket, put, tmp_path):
    """`download_file` writes every object into a file, byte for byte."""
    put(bucket, FILES)
    for path, content in FILES.items():
        client.download_file(bucket, path, str(tmp_path / "down"))
        assert (tmp_path / "down").read_bytes() == content


def test_what_is_uploaded_again_is_overwritten(client, bucket, folder, put, stored):
    """`upload_file` replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    client.upload_file(str(folder / "small.txt"), bucket, "k e+y")
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_folder_is_listed(client, bucket, put):
    """`list_objects_v2` with prefix and delimiter gives files and folders."""
    put(bucket, TREE)
    answer = client.list_objects_v2(Bucket=bucket, Prefix="pets", Delimiter="/")
    assert [(row["Key"], row["Size"]) for row in answer["Contents"]] == [("pets.txt", 4)]
    assert [row["Prefix"] for row in answer["CommonPrefixes"]] == ["pets/"]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_a_bucket_is_listed_page_by_page(client, bucket, put, operation):
    """Both listings walked by a paginator give each object once, in order, whatever its name."""
    put(bucket, dict.fromkeys(FILES, b"12"))
    pages = client.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert [(row["Key"], row["Size"]) for page in pages for row in page["Contents"]] == [(p, 2) for p in sorted(FILES)]


def test_one_file_is_removed(client, bucket, put, stored):
    """`delete_object` removes the object of that name and no other."""
    put(bucket, TREE)
    client.delete_object(Bucket=bucket, Key="pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed_at_once(client, bucket, put, stored):
    """`delete_objects` removes all that it names, whatever the names, and says so of each."""
    put(bucket, {"keep": b"1"} | dict.fromkeys(FILES, b"2"))
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": path} for path in FILES]})
    assert {row["Key"] for row in answer["Deleted"]} == set(FILES)
    assert list(stored(bucket)) == ["keep"]


def test_a_large_file_is_uploaded_in_parts(client, bucket, large, stored, parts):
    """`upload_file` sends what is larger than 8 MiB in parts, several at once."""
    client.upload_file(str(large), bucket, "large.bin")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 3


def test_a_large_file_is_downloaded_in_ranges(client, bucket, large, tmp_path):
    """`download_file` fetches what is larger than 8 MiB in ranges, several at once."""
    client.upload_file(str(large), bucket, "large.bin")
    client.download_file(bucket, "large.bin", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == LARGE


def test_an_upload_that_is_given_up_leaves_nothing(client, bucket, stored):
    """Parts are listed while they wait, and gone with their upload."""
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    client.upload_part(**upload, PartNumber=7, Body=b"part")
    assert [(part["PartNumber"], part["Size"]) for part in client.list_parts(**upload)["Parts"]] == [(7, 4)]
    assert [each["Key"] for each in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
    client.abort_multipart_upload(**upload)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    assert stored(bucket) == {}


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_an_object_is_copied(client, bucket, repo, put, stored, content):
    """`copy` makes another object of the same bytes, on another branch too, in parts if it is large."""
    put(bucket, {"a +&/ä": content})
    client.create_bucket(Bucket=f"dev.{repo}")
    client.copy({"Bucket": bucket, "Key": "a +&/ä"}, f"dev.{repo}", "b")
    assert stored(f"dev.{repo}")["b"] == content


def test_metadata_is_replaced_by_a_copy_onto_itself(client, bucket):
    """`copy_object` onto itself with REPLACE sets other metadata; COPY, which would change nothing, is refused."""
    here = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}
    client.put_object(Bucket=bucket, Key="k", Body=b"1", Metadata={"colour": "brown"})
    client.copy_object(**here, Metadata={"colour": "black"}, MetadataDirective="REPLACE")
    assert client.head_object(Bucket=bucket, Key="k")["Metadata"] == {"colour": "black"}
    with pytest.raises(ClientError, match="InvalidRequest"):
        client.copy_object(**here)


def test_versions_are_listed_and_got(client, bucket, put):
    """`list_object_versions` shows each write and removal of a file; `get_object` gives an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    client.delete_object(Bucket=bucket, Key="cat")
    shown = client.list_object_versions(Bucket=bucket)
    old = [client.get_object(Bucket=bucket, Key="cat", VersionId=row["VersionId"]) for row in shown["Versions"]]
    assert [each["Body"].read() for each in old] == [b"second", b"first"]
    assert [(row["Key"], row["IsLatest"]) for row in shown["DeleteMarkers"]] == [("cat", True)]


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_links_download_and_upload(client, keyed_gateway, bucket, stored, signature):
    """Links that `generate_presigned_url` makes, with either signature, are used by a client without a key."""
    client = keyed_gateway.client(signature_version=signature)
    link = client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a +&ä"})
    urllib.request.urlopen(urllib.request.Request(link, data=b"a cat", method="PUT", headers={"Content-Type": ""}))
    assert stored(bucket) == {"a +&ä": b"a cat"}
    link = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a +&ä"})
    assert urllib.request.urlopen(link).read() == b"a cat"


def test_the_checksum_that_is_sent_by_default_is_kept(client, bucket):
    """`put_object` sends a CRC32 unasked; it is shown to who asks for it."""
    client.put_object(Bucket=bucket, Key="k", Body=b"a cat")
    expected = base64.b64encode(zlib.crc32(b"a cat").to_bytes(4, "big")).decode()
    assert client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == expected


def test_tags_are_kept(client, bucket):
    """Tags given with an object are shown, replaced and removed."""
    of = {"Bucket": bucket, "Key": "k"}
    client.put_object(**of, Body=b"1", Tagging="kind=a+cat")
    assert client.get_object_tagging(**of)["TagSet"] == [{"Key": "kind", "Value": "a cat"}]
    client.put_object_tagging(**of, Tagging={"TagSet": [{"Key": "kind", "Value": "a dog"}]})
    assert client.get_object_tagging(**of)["TagSet"] == [{"Key": "kind", "Value": "a dog"}]
    client.delete_object_tagging(**of)
    assert client.get_object_tagging(**of)["TagSet"] == []


def test_one_of_two_writers_wins(client, bucket, stored):
    """`put_object(IfNoneMatch="*")` is for who comes first; `IfMatch` for who knows what is there."""
    first = client.put_object(Bucket=bucket, Key="lock", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="lock", Body=b"2", IfNoneMatch="*")
    client.put_object(Bucket=bucket, Key="lock", Body=b"3", IfMatch=first["ETag"])
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="lock", Body=b"4", IfMatch=first["ETag"])
    assert stored(bucket) == {"lock": b"3"}


def test_an_output_branch_is_not_written(client, output, stored):
    """A write to a branch with provenance is refused, and the reason is in the exception."""
    with pytest.raises(ClientError, match=OUTPUT_BRANCH):
        client.put_object(Bucket=output, Key="new", Body=b"1")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        configured(keyed_gateway, WRONG_SECRET).list_buckets()


def test_without_a_key_everybody_is_let_in(gateway):
    """An unsigned client writes and reads where the gateway has no key."""
    bucket = gateway.new_bucket()
    client = boto3.session.Session().client(
        "s3", endpoint_url=gateway.url, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )
    client.put_object(Bucket=bucket, Key="cat.txt", Body=b"a cat")
    assert client.get_object(Bucket=bucket, Key="cat.txt")["Body"].read() == b"a cat"
