"""boto3, as it comes: a client with an address, a region and a key."""

from __future__ import annotations

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.clients.files import FILES, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET


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
