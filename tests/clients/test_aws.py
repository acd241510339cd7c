"""The AWS command line, as it comes: `aws s3`, and `aws s3api` where that does what `aws s3` cannot."""

from __future__ import annotations

import pytest

from tests.clients.files import FILES, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET, lines, read_folder


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
