"""boto3 1.35, the last before checksums were sent unasked, as it comes. pip installs it beside the boto3 of today."""

from __future__ import annotations

import json

import pytest

from tests.clients.files import FILES, LARGE, TREE

BEGINNING = """
    import json, os, urllib.request
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=os.environ["ENDPOINT"],
        region_name=os.environ["REGION"],
        aws_access_key_id=os.environ["KEY"],
        aws_secret_access_key=os.environ["SECRET"],
    )
"""


@pytest.fixture
def boto3(python):
    """Runs a program whose `client` is of boto3 1.35."""
    return python(("boto3==1.35.*",), BEGINNING)


def test_it_is_boto3_1_35(boto3):
    """What runs is the old one."""
    assert boto3("print(boto3.__version__)").startswith("1.35.")


def test_files_of_all_kinds_are_uploaded(boto3, bucket, folder, stored):
    """`upload_file` stores every file of a folder under its name, byte for byte."""
    boto3(f"""
        for path in {list(FILES)}:
            client.upload_file("up/" + path, {bucket!r}, path)
    """)
    assert stored(bucket) == FILES


def test_a_large_file_is_uploaded_in_parts_and_downloaded_in_ranges(boto3, bucket, large, stored, parts, tmp_path):
    """`upload_file` and `download_file` move what is larger than 8 MiB in pieces, several at once."""
    boto3(f"""
        client.upload_file("large.bin", {bucket!r}, "large.bin")
        client.download_file({bucket!r}, "large.bin", "down")
    """)
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 3
    assert (tmp_path / "down").read_bytes() == LARGE


def test_a_bucket_is_listed_page_by_page(boto3, bucket, put):
    """A paginator gives each object once, in order, whatever its name."""
    put(bucket, dict.fromkeys(FILES, b"12"))
    shown = boto3(f"""
        pages = client.get_paginator("list_objects_v2").paginate(Bucket={bucket!r}, PaginationConfig={{"PageSize": 3}})
        print(json.dumps([row["Key"] for page in pages for row in page["Contents"]]))
    """)
    assert json.loads(shown) == sorted(FILES)


def test_several_files_are_removed_at_once(boto3, bucket, put, stored):
    """`delete_objects`, whose list is checked by Content-MD5, removes all that it names."""
    put(bucket, TREE)
    boto3(f"""
        objects = [{{"Key": key}} for key in {[*TREE][1:]}]
        assert len(client.delete_objects(Bucket={bucket!r}, Delete={{"Objects": objects}})["Deleted"]) == 3
    """)
    assert stored(bucket) == {"a.txt": b"1"}


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_an_object_is_copied(boto3, bucket, put, stored, content):
    """`copy` makes another object of the same bytes, in parts if it is large."""
    put(bucket, {"a +&/ä": content})
    boto3(f"""client.copy({{"Bucket": {bucket!r}, "Key": "a +&/ä"}}, {bucket!r}, "b")""")
    assert stored(bucket)["b"] == content


def test_versions_are_listed_and_got(boto3, bucket, put):
    """`list_object_versions` shows each write of a file; `get_object` gives an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    shown = boto3(f"""
        for row in client.list_object_versions(Bucket={bucket!r})["Versions"]:
            print(client.get_object(Bucket={bucket!r}, Key="cat", VersionId=row["VersionId"])["Body"].read())
    """)
    assert shown.split() == ["b'second'", "b'first'"]


def test_links_download_and_upload(boto3, bucket, stored):
    """Links that `generate_presigned_url` makes are used by a client without a key."""
    boto3(f"""
        of = {{"Bucket": {bucket!r}, "Key": "a +&ä"}}
        link = client.generate_presigned_url("put_object", of)
        headers = {{"Content-Type": ""}}
        urllib.request.urlopen(urllib.request.Request(link, data=b"a cat", method="PUT", headers=headers))
        assert urllib.request.urlopen(client.generate_presigned_url("get_object", of)).read() == b"a cat"
    """)
    assert stored(bucket) == {"a +&ä": b"a cat"}
