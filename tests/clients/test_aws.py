"""The AWS command line, as it comes: `aws s3`, and `aws s3api` where that does what `aws s3` cannot."""

from __future__ import annotations

import base64
import json
from hashlib import sha256

import pytest

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET, lines, read_folder


@pytest.fixture
def configured(program, tmp_path):
    """Makes an aws that knows a gateway, and its key with this secret."""

    def make(gateway, secret):
        folder = tmp_path / ".aws"
        folder.mkdir()
        (folder / "config").write_text(f"[default]\nregion = {REGION}\nendpoint_url = {gateway.url}\n")
        keys = f"aws_access_key_id = {gateway.access_key}\naws_secret_access_key = {secret}\n"
        (folder / "credentials").write_text(f"[default]\n{keys}")
        return program("aws")

    return make


@pytest.fixture
def aws(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def test_buckets_are_listed_with_the_dates_of_their_creation(aws, bucket, created):
    """`s3 ls` shows each branch and when it was created."""
    assert f"{created(bucket):%Y-%m-%d %H:%M:%S} {bucket}" in lines(aws("s3", "ls"))


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(aws, repo, branches):
    """`s3 mb` creates the repo with its first branch, and another branch beside it."""
    assert f"make_bucket: master.{repo}-new" in aws("s3", "mb", f"s3://master.{repo}-new")
    aws("s3", "mb", f"s3://dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(aws, repo, keyed_gateway, branches):
    """`s3 rb` removes one branch, and with the last branch the repo."""
    keyed_gateway.s3.create_bucket(Bucket=f"dev.{repo}")
    assert f"remove_bucket: master.{repo}" in aws("s3", "rb", f"s3://master.{repo}")
    assert branches(repo) == ["dev"]
    aws("s3", "rb", f"s3://dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(aws, bucket, put, stored):
    """`s3 rb` is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    assert "BucketNotEmpty" in aws.refused("s3", "rb", f"s3://{bucket}")
    assert stored(bucket) == {"a": b"1"}


def test_files_of_all_kinds_are_uploaded(aws, bucket, folder, stored):
    """`s3 cp --recursive` stores every file of a folder under its name, byte for byte."""
    aws("s3", "cp", "--recursive", folder, f"s3://{bucket}")
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(aws, bucket, put, tmp_path):
    """`s3 cp --recursive` writes every object of a bucket into a folder, byte for byte."""
    put(bucket, FILES)
    aws("s3", "cp", "--recursive", f"s3://{bucket}", tmp_path / "down")
    assert read_folder(tmp_path / "down") == FILES


def test_what_is_uploaded_again_is_overwritten(aws, bucket, folder, put, stored):
    """`s3 cp` of one file replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    aws("s3", "cp", folder / "small.txt", f"s3://{bucket}/k e+y")
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_synchronised_folder_is_not_uploaded_again(aws, bucket, folder, stored):
    """`s3 sync` finds by sizes and dates that nothing has changed."""
    aws("s3", "sync", folder, f"s3://{bucket}")
    assert stored(bucket) == FILES
    assert aws("s3", "sync", folder, f"s3://{bucket}") == ""


def test_a_folder_is_listed(aws, bucket, put):
    """`s3 ls` shows the files and folders below a prefix."""
    put(bucket, TREE)
    shown = [line.split(" ")[-2:] for line in lines(aws("s3", "ls", f"s3://{bucket}/pets"))]
    assert shown == [["PRE", "pets/"], ["4", "pets.txt"]]


def test_a_bucket_is_listed_with_all_that_is_in_folders(aws, bucket, put):
    """`s3 ls --recursive` shows each file with its size."""
    put(bucket, TREE)
    shown = [line.split(" ")[-2:] for line in lines(aws("s3", "ls", "--recursive", f"s3://{bucket}"))]
    assert shown == [[str(len(TREE[path])), path] for path in sorted(TREE)]


def test_one_file_is_removed(aws, bucket, put, stored):
    """`s3 rm` removes the object of that name and no other."""
    put(bucket, TREE)
    aws("s3", "rm", f"s3://{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_a_folder_is_removed(aws, bucket, put, stored):
    """`s3 rm --recursive` removes what is below a prefix, whatever its name."""
    put(bucket, {"keep": b"1"} | {f"below/{path}": b"2" for path in FILES})
    aws("s3", "rm", "--recursive", f"s3://{bucket}/below/")
    assert list(stored(bucket)) == ["keep"]


def test_several_files_are_removed_at_once(aws, bucket, put, stored):
    """`s3api delete-objects` removes the objects it names."""
    put(bucket, TREE)
    aws("s3api", "delete-objects", "--bucket", bucket, "--delete", "Objects=[{Key=a.txt},{Key=pets/cat.txt}]")
    assert sorted(stored(bucket)) == ["pets.txt", "pets/dogs/one.txt"]


def test_a_large_file_is_uploaded_in_parts(aws, bucket, large, stored, parts):
    """`s3 cp` sends what is larger than 8 MiB in parts, several at once."""
    aws("s3", "cp", large, f"s3://{bucket}/")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 3


def test_a_stream_is_uploaded_in_parts(aws, bucket, large, stored, parts):
    """`s3 cp -` sends what it is given without knowing how long it is."""
    aws.shell(f"cat {large} | aws s3 cp - s3://{bucket}/large.bin")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 3


def test_a_large_file_is_downloaded_in_ranges(aws, bucket, large, tmp_path):
    """`s3 cp` fetches what is larger than 8 MiB in ranges, several at once, and checks what it gets."""
    aws("s3", "cp", large, f"s3://{bucket}/")
    aws("s3", "cp", f"s3://{bucket}/large.bin", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == LARGE


def test_a_synchronised_bucket_is_not_downloaded_again(aws, bucket, put, tmp_path):
    """`s3 sync` of a bucket into a folder removes what is not there; then it finds nothing to do."""
    put(bucket, FILES)
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / "of old").write_bytes(b"1")
    aws("s3", "sync", "--delete", f"s3://{bucket}", tmp_path / "down")
    assert read_folder(tmp_path / "down") == FILES
    assert aws("s3", "sync", "--delete", f"s3://{bucket}", tmp_path / "down") == ""


def test_files_are_moved(aws, bucket, large, stored):
    """`s3 mv` brings a file into a bucket, gives it another name there, in parts if it is large, and back to disk."""
    aws("s3", "mv", large, f"s3://{bucket}/a")
    assert not large.exists()
    aws("s3", "mv", f"s3://{bucket}/a", f"s3://{bucket}/b c")
    assert list(stored(bucket)) == ["b c"]
    aws("s3", "mv", f"s3://{bucket}/b c", large)
    assert large.read_bytes() == LARGE
    assert stored(bucket) == {}


def test_a_link_is_opened_by_curl(aws, program, bucket, put):
    """`s3 presign` makes a link that needs no key."""
    put(bucket, {"a cat & dog.txt": b"pets"})
    link = aws("s3", "presign", f"s3://{bucket}/a cat & dog.txt").strip()
    assert program("curl")("-sSf", link) == "pets"


def test_versions_are_listed_and_got(aws, bucket, put, store):
    """`s3api list-object-versions` shows each write and removal of a file; `get-object` gives an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    aws("s3", "rm", f"s3://{bucket}/cat")
    shown = json.loads(aws("s3api", "list-object-versions", "--bucket", bucket))
    assert [(row["Size"], row["IsLatest"]) for row in shown["Versions"]] == [(6, False), (5, False)]
    assert [(row["Key"], row["IsLatest"]) for row in shown["DeleteMarkers"]] == [("cat", True)]
    first = ("--bucket", bucket, "--key", "cat", "--version-id", shown["Versions"][1]["VersionId"])
    aws("s3api", "get-object", *first, "down")
    assert (aws.home / "down").read_bytes() == b"first"


def test_an_old_version_is_copied_back(aws, bucket, put, stored):
    """`s3api copy-object` from an old version restores it."""
    put(bucket, {"grüße": b"first"})
    old = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "grüße"))["VersionId"]
    put(bucket, {"grüße": b"second"})
    aws(
        "s3api", "copy-object", "--copy-source", f"{bucket}/grüße?versionId={old}", "--bucket", bucket, "--key", "grüße"
    )
    assert stored(bucket) == {"grüße": b"first"}


def test_tags_and_checksums_are_kept(aws, bucket, folder):
    """`s3api` sets and shows tags, and shows the checksum that it sent."""
    of = ("--bucket", bucket, "--key", "k")
    aws("s3api", "put-object", *of, "--body", folder / "small.txt", "--checksum-algorithm", "SHA256")
    aws("s3api", "put-object-tagging", *of, "--tagging", "TagSet=[{Key=kind,Value=a cat}]")
    assert json.loads(aws("s3api", "get-object-tagging", *of))["TagSet"] == [{"Key": "kind", "Value": "a cat"}]
    shown = json.loads(aws("s3api", "get-object-attributes", *of, "--object-attributes", "Checksum", "ObjectSize"))
    assert shown["ObjectSize"] == len(FILES["small.txt"])
    assert shown["Checksum"]["ChecksumSHA256"] == base64.b64encode(sha256(FILES["small.txt"]).digest()).decode()


def test_an_output_branch_is_not_written(aws, output, folder, stored):
    """An upload to a branch with provenance is refused, and the reason is shown."""
    assert OUTPUT_BRANCH in aws.refused("s3", "cp", folder / "small.txt", f"s3://{output}/new")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(configured, keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    assert "SignatureDoesNotMatch" in configured(keyed_gateway, WRONG_SECRET).refused("s3", "ls")


def test_without_a_key_everybody_is_let_in(program, gateway):
    """`--no-sign-request` lists, uploads and downloads where the gateway has no key."""
    bucket = gateway.new_bucket()
    aws = program("aws", AWS_ENDPOINT_URL=gateway.url, AWS_DEFAULT_REGION=REGION)
    (aws.home / "cat.txt").write_bytes(b"a cat")
    aws("--no-sign-request", "s3", "cp", "cat.txt", f"s3://{bucket}/")
    assert aws("--no-sign-request", "s3", "cp", f"s3://{bucket}/cat.txt", "-") == "a cat"
