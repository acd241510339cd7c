"""s5cmd, as it comes: many workers at once, keys as aws has them."""

from __future__ import annotations

import pytest

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET, lines, read_folder


@pytest.fixture
def configured(program, tmp_path):
    """Makes an s5cmd that knows a gateway, and its key with this secret."""

    def make(gateway, secret):
        (tmp_path / ".aws").mkdir()
        keys = f"aws_access_key_id = {gateway.access_key}\naws_secret_access_key = {secret}\n"
        (tmp_path / ".aws" / "credentials").write_text(f"[default]\n{keys}")
        return program("s5cmd", S3_ENDPOINT_URL=gateway.url, AWS_REGION=REGION)

    return make


@pytest.fixture
def s5cmd(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def test_buckets_are_listed_with_the_dates_of_their_creation(s5cmd, bucket, created):
    """`ls` shows each branch and when it was created."""
    assert f"{created(bucket):%Y/%m/%d %H:%M:%S} s3://{bucket}" in lines(s5cmd("ls"))


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(s5cmd, repo, branches):
    """`mb` creates the repo with its first branch, and another branch beside it."""
    assert lines(s5cmd("mb", f"s3://master.{repo}-new")) == [f"mb s3://master.{repo}-new"]
    s5cmd("mb", f"s3://dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(s5cmd, repo, keyed_gateway, branches):
    """`rb` removes one branch, and with the last branch the repo."""
    keyed_gateway.s3.create_bucket(Bucket=f"dev.{repo}")
    s5cmd("rb", f"s3://master.{repo}")
    assert branches(repo) == ["dev"]
    s5cmd("rb", f"s3://dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(s5cmd, bucket, put, stored):
    """`rb` is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    assert "BucketNotEmpty" in s5cmd.refused("rb", f"s3://{bucket}")
    assert stored(bucket) == {"a": b"1"}


def test_files_of_all_kinds_are_uploaded(s5cmd, bucket, folder, stored):
    """`cp` of a folder stores every file under its name, byte for byte."""
    s5cmd("cp", f"{folder}/", f"s3://{bucket}")
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(s5cmd, bucket, put, tmp_path):
    """`cp` of all objects writes each into a folder, byte for byte."""
    put(bucket, FILES)
    s5cmd("cp", f"s3://{bucket}/*", f"{tmp_path}/down/")
    assert read_folder(tmp_path / "down") == FILES


def test_what_is_uploaded_again_is_overwritten(s5cmd, bucket, folder, put, stored):
    """`cp` of one file replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    s5cmd("cp", folder / "small.txt", f"s3://{bucket}/k e+y")
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_synchronised_folder_is_not_uploaded_again(s5cmd, bucket, folder, stored):
    """`sync` finds by sizes and dates that nothing has changed."""
    s5cmd("sync", f"{folder}/", f"s3://{bucket}/")
    assert stored(bucket) == FILES
    assert s5cmd("sync", f"{folder}/", f"s3://{bucket}/") == ""


def test_a_folder_is_listed(s5cmd, bucket, put):
    """`ls` shows the files and folders below a prefix."""
    put(bucket, TREE)
    shown = [line.split(" ")[-2:] for line in lines(s5cmd("ls", f"s3://{bucket}/pets"))]
    assert shown == [["DIR", "pets/"], ["4", "pets.txt"]]


def test_a_bucket_is_listed_with_all_that_is_in_folders(s5cmd, bucket, put):
    """`ls` with a wildcard shows each file with its size."""
    put(bucket, TREE)
    shown = [line.split(" ")[-2:] for line in lines(s5cmd("ls", f"s3://{bucket}/*"))]
    assert shown == [[str(len(TREE[path])), path] for path in sorted(TREE)]


def test_one_file_is_removed(s5cmd, bucket, put, stored):
    """`rm` removes the object of that name and no other."""
    put(bucket, TREE)
    s5cmd("rm", f"s3://{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed_at_once(s5cmd, bucket, put, stored):
    """`rm` removes all objects that it names."""
    put(bucket, TREE)
    s5cmd("rm", f"s3://{bucket}/a.txt", f"s3://{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["pets.txt", "pets/dogs/one.txt"]


def test_a_folder_is_removed(s5cmd, bucket, put, stored):
    """`rm` with a wildcard removes what is below a prefix, whatever its name."""
    put(bucket, {"keep": b"1"} | {f"below/{path}": b"2" for path in FILES})
    s5cmd("rm", f"s3://{bucket}/below/*")
    assert list(stored(bucket)) == ["keep"]


def test_a_large_file_is_uploaded_in_parts_and_downloaded_in_ranges(s5cmd, bucket, stored, parts):
    """`cp` sends and fetches what is larger than 50 MiB in pieces, several at once."""
    (s5cmd.home / "large.bin").write_bytes(LARGE * 3)
    s5cmd("cp", "large.bin", f"s3://{bucket}/")
    assert stored(bucket)["large.bin"] == LARGE * 3
    assert parts(bucket, "large.bin") == 2
    s5cmd("cp", f"s3://{bucket}/large.bin", "down")
    assert (s5cmd.home / "down").read_bytes() == LARGE * 3


def test_a_stream_is_uploaded_in_parts(s5cmd, bucket, stored, parts):
    """`pipe` sends what it is given without knowing how long it is."""
    (s5cmd.home / "large.bin").write_bytes(LARGE * 3)
    s5cmd.shell(f"s5cmd pipe s3://{bucket}/large.bin <large.bin")
    assert stored(bucket)["large.bin"] == LARGE * 3
    assert parts(bucket, "large.bin") == 2


def test_a_synchronised_bucket_is_not_downloaded_again(s5cmd, bucket, put, tmp_path):
    """`sync` of a bucket into a folder removes what is not there; then it finds nothing to do."""
    put(bucket, FILES)
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / "of old").write_bytes(b"1")
    s5cmd("sync", "--delete", f"s3://{bucket}/*", f"{tmp_path}/down/")
    assert read_folder(tmp_path / "down") == FILES
    assert s5cmd("sync", "--delete", f"s3://{bucket}/*", f"{tmp_path}/down/") == ""


def test_files_are_copied_and_moved(s5cmd, bucket, put, stored):
    """`cp` and `mv` give objects other names, whatever the names."""
    put(bucket, {f"up/{path}": content for path, content in FILES.items()})
    s5cmd("cp", f"s3://{bucket}/up/*", f"s3://{bucket}/copied/")
    s5cmd("mv", f"s3://{bucket}/up/*", f"s3://{bucket}/moved/")
    assert stored(bucket) == {f"{to}/{path}": FILES[path] for to in ("copied", "moved") for path in FILES}


def test_versions_are_listed_and_got(s5cmd, bucket, put):
    """`ls --all-versions` shows each write of a file; `cat --version-id` gives an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    rows = [line.split(" ") for line in lines(s5cmd("ls", "--all-versions", f"s3://{bucket}/cat"))]
    assert [row[2] for row in rows] == ["6", "5"]
    assert s5cmd("cat", "--version-id", rows[1][-1], f"s3://{bucket}/cat") == "first"


def test_a_link_is_opened_by_curl(s5cmd, program, bucket, put):
    """`presign` makes a link that needs no key."""
    put(bucket, {"cat.txt": b"a cat"})
    assert program("curl")("-sSf", s5cmd("presign", f"s3://{bucket}/cat.txt").strip()) == "a cat"


def test_an_output_branch_is_not_written(s5cmd, output, folder, stored):
    """An upload to a branch with provenance is refused, and the reason is shown."""
    assert OUTPUT_BRANCH in s5cmd.refused("cp", folder / "small.txt", f"s3://{output}/new")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(configured, keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    assert "SignatureDoesNotMatch" in configured(keyed_gateway, WRONG_SECRET).refused("ls")


def test_without_a_key_everybody_is_let_in(program, gateway):
    """`--no-sign-request` uploads and downloads where the gateway has no key."""
    bucket = gateway.new_bucket()
    s5cmd = program("s5cmd", S3_ENDPOINT_URL=gateway.url, AWS_REGION=REGION)
    (s5cmd.home / "cat.txt").write_bytes(b"a cat")
    s5cmd("--no-sign-request", "cp", "cat.txt", f"s3://{bucket}/")
    assert s5cmd("--no-sign-request", "cat", f"s3://{bucket}/cat.txt") == "a cat"
