"""minio, the Python client of MinIO, as it comes: an address without TLS and a key."""

from __future__ import annotations

import io
import urllib.request

import pytest
from minio import Minio
from minio.commonconfig import REPLACE, ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, TREE, WRONG_SECRET


def configured(gateway, secret):
    """A client that knows a gateway, and its key with this secret."""
    return Minio(f"127.0.0.1:{gateway.port}", access_key=gateway.access_key, secret_key=secret, secure=False)


@pytest.fixture
def client(keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def put_bytes(client, bucket, path, content):
    client.put_object(bucket, path, io.BytesIO(content), len(content))


def get_bytes(client, bucket, path):
    response = client.get_object(bucket, path)
    try:
        return response.read()
    finally:
        response.close()
        response.release_conn()


def test_buckets_are_listed_with_the_dates_of_their_creation(client, bucket, created):
    """`list_buckets` gives each branch and when it was created."""
    assert {each.name: each.creation_date for each in client.list_buckets()}[bucket] == created(bucket)


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(client, repo, branches):
    """`make_bucket` creates the repo with its first branch, and another branch beside it."""
    client.make_bucket(f"master.{repo}-new")
    assert not client.bucket_exists(f"dev.{repo}-new")
    client.make_bucket(f"dev.{repo}-new")
    assert client.bucket_exists(f"dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(client, repo, branches):
    """`remove_bucket` removes one branch, and with the last branch the repo."""
    client.make_bucket(f"dev.{repo}")
    client.remove_bucket(f"master.{repo}")
    assert branches(repo) == ["dev"]
    client.remove_bucket(f"dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(client, bucket, put, stored):
    """`remove_bucket` is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    with pytest.raises(S3Error, match="BucketNotEmpty"):
        client.remove_bucket(bucket)
    assert stored(bucket) == {"a": b"1"}


def test_bytes_of_all_kinds_are_put(client, bucket, stored):
    """`put_object` stores bytes under any name."""
    for path, content in FILES.items():
        put_bytes(client, bucket, path, content)
    assert stored(bucket) == FILES


def test_bytes_of_all_kinds_are_got(client, bucket, put):
    """`get_object` gives the bytes of any object."""
    put(bucket, FILES)
    assert {path: get_bytes(client, bucket, path) for path in FILES} == FILES


def test_files_of_all_kinds_are_uploaded(client, bucket, folder, stored):
    """`fput_object` stores every file of a folder under its name, byte for byte."""
    for path in FILES:
        client.fput_object(bucket, path, str(folder / path))
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(client, bucket, put, tmp_path):
    """`fget_object` writes every object into a file, byte for byte."""
    put(bucket, FILES)
    for path, content in FILES.items():
        client.fget_object(bucket, path, str(tmp_path / "down"))
        assert (tmp_path / "down").read_bytes() == content


def test_what_is_uploaded_again_is_overwritten(client, bucket, put, stored):
    """`put_object` replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    put_bytes(client, bucket, "k e+y", b"new")
    assert stored(bucket) == {"k e+y": b"new"}


def test_a_folder_is_listed(client, bucket, put):
    """`list_objects` gives the files and folders below a prefix."""
    put(bucket, TREE)
    shown = {each.object_name: (each.is_dir, each.size) for each in client.list_objects(bucket, prefix="pets")}
    assert shown == {"pets/": (True, None), "pets.txt": (False, 4)}


@pytest.mark.parametrize("version_1", [False, True])
def test_a_bucket_is_listed_with_all_that_is_in_folders(client, bucket, put, version_1):
    """`list_objects(recursive=True)` gives each object once, in order, whatever its name, by both listings of S3."""
    put(bucket, dict.fromkeys(FILES, b"12"))
    shown = client.list_objects(bucket, recursive=True, use_api_v1=version_1)
    assert [(each.object_name, each.size) for each in shown] == [(path, 2) for path in sorted(FILES)]


def test_one_file_is_removed(client, bucket, put, stored):
    """`remove_object` removes the object of that name and no other."""
    put(bucket, TREE)
    client.remove_object(bucket, "pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed_at_once(client, bucket, put, stored):
    """`remove_objects` removes all that it names, whatever the names, without an error."""
    put(bucket, {"keep": b"1"} | dict.fromkeys(FILES, b"2"))
    assert list(client.remove_objects(bucket, [DeleteObject(path) for path in FILES])) == []
    assert list(stored(bucket)) == ["keep"]


def test_a_large_file_is_uploaded_in_parts(client, bucket, large, stored, parts, tmp_path):
    """`fput_object` sends what is larger than 5 MiB in parts, and `fget_object` brings it back."""
    client.fput_object(bucket, "large.bin", str(large))
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 5
    client.fget_object(bucket, "large.bin", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == LARGE


def test_a_stream_is_uploaded_in_parts(client, bucket, stored, parts):
    """`put_object` sends what it is given without knowing how long it is."""
    client.put_object(bucket, "large.bin", io.BytesIO(LARGE), -1, part_size=5 << 20)
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 5


def test_an_object_is_copied(client, bucket, put, stored):
    """`copy_object` makes another object of the same bytes; onto itself it sets other metadata."""
    put(bucket, {"a +&/ä": b"1"})
    client.copy_object(bucket, "b", CopySource(bucket, "a +&/ä"))
    client.copy_object(bucket, "b", CopySource(bucket, "b"), metadata={"colour": "brown"}, metadata_directive=REPLACE)
    assert stored(bucket) == {"a +&/ä": b"1", "b": b"1"}
    assert client.stat_object(bucket, "b").metadata["x-amz-meta-colour"] == "brown"


def test_an_object_is_composed_of_others(client, bucket, put, stored):
    """`compose_object` puts objects and ranges of objects together without fetching them."""
    put(bucket, {"a": LARGE, "b": b"end"})
    client.compose_object(
        bucket, "c", [ComposeSource(bucket, "a"), ComposeSource(bucket, "a", offset=1), ComposeSource(bucket, "b")]
    )
    assert stored(bucket)["c"] == LARGE + LARGE[1:] + b"end"


def test_versions_are_listed_and_got(client, bucket, put):
    """`list_objects(include_version=True)` shows each write and removal of a file; `get_object` gives an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    client.remove_object(bucket, "cat")
    shown = list(client.list_objects(bucket, include_version=True))
    assert sorted((each.is_delete_marker, each.size) for each in shown) == [(False, 5), (False, 6), (True, None)]
    first = next(each for each in shown if each.size == 5)
    response = client.get_object(bucket, "cat", version_id=first.version_id)
    assert response.read() == b"first"
    response.release_conn()


def test_tags_are_kept(client, bucket, put):
    """Tags are set, shown and removed."""
    put(bucket, {"k": b"1"})
    tags = Tags.new_object_tags()
    tags["kind"] = "a cat"
    client.set_object_tags(bucket, "k", tags)
    assert client.get_object_tags(bucket, "k") == {"kind": "a cat"}
    client.delete_object_tags(bucket, "k")
    assert client.get_object_tags(bucket, "k") is None


def test_links_download_and_upload(client, bucket, stored):
    """Links are used by a client without a key."""
    link = client.presigned_put_object(bucket, "a +&ä")
    urllib.request.urlopen(urllib.request.Request(link, data=b"a cat", method="PUT"))
    assert stored(bucket) == {"a +&ä": b"a cat"}
    assert urllib.request.urlopen(client.presigned_get_object(bucket, "a +&ä")).read() == b"a cat"


def test_an_output_branch_is_not_written(client, output, stored):
    """A write to a branch with provenance is refused, and the reason is in the exception."""
    with pytest.raises(S3Error, match=OUTPUT_BRANCH):
        put_bytes(client, output, "new", b"1")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        configured(keyed_gateway, WRONG_SECRET).list_buckets()


def test_without_a_key_everybody_is_let_in(gateway):
    """A client without keys writes and reads where the gateway has none."""
    bucket = gateway.new_bucket()
    client = Minio(f"127.0.0.1:{gateway.port}", secure=False)
    put_bytes(client, bucket, "cat.txt", b"a cat")
    assert get_bytes(client, bucket, "cat.txt") == b"a cat"
