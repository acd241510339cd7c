"""s3cmd, as it comes, with the configuration that the README shows."""

from __future__ import annotations

from hashlib import md5

import pytest

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, TREE, WRONG_SECRET, lines, read_folder


@pytest.fixture
def configured(program, tmp_path):
    """Makes an s3cmd that knows a gateway, and its key with this secret."""

    def make(gateway, secret):
        address = f"127.0.0.1:{gateway.port}"
        settings = {
            "host_base": address,
            "host_bucket": f"{address}/%(bucket)",
            "use_https": False,
            "access_key": gateway.access_key,
            "secret_key": secret,
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (tmp_path / ".s3cfg").write_text(f"[default]\n{text}")
        return program("s3cmd")

    return make


@pytest.fixture
def s3cmd(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def test_buckets_are_listed_with_the_dates_of_their_creation(s3cmd, bucket, created):
    """`ls` shows each branch and when it was created."""
    assert f"{created(bucket):%Y-%m-%d %H:%M} s3://{bucket}" in lines(s3cmd("ls"))


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(s3cmd, repo, branches):
    """`mb` creates the repo with its first branch, and another branch beside it."""
    assert lines(s3cmd("mb", f"s3://master.{repo}-new")) == [f"Bucket 's3://master.{repo}-new/' created"]
    s3cmd("mb", f"s3://dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(s3cmd, repo, keyed_gateway, branches):
    """`rb` removes one branch, and with the last branch the repo."""
    keyed_gateway.s3.create_bucket(Bucket=f"dev.{repo}")
    s3cmd("rb", f"s3://master.{repo}")
    assert branches(repo) == ["dev"]
    s3cmd("rb", f"s3://dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(s3cmd, bucket, put, stored):
    """`rb` is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    assert "BucketNotEmpty" in s3cmd.refused("rb", f"s3://{bucket}")
    assert stored(bucket) == {"a": b"1"}


def test_files_of_all_kinds_are_uploaded(s3cmd, bucket, folder, stored):
    """`put --recursive` stores every file of a folder under its name, byte for byte."""
    s3cmd("put", "--recursive", f"{folder}/", f"s3://{bucket}/")
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(s3cmd, bucket, put, tmp_path):
    """`get --recursive` writes every object of a bucket into a folder, byte for byte."""
    put(bucket, FILES)
    (tmp_path / "down").mkdir()
    s3cmd("get", "--recursive", f"s3://{bucket}/", f"{tmp_path}/down/")
    assert read_folder(tmp_path / "down") == FILES


def test_what_is_uploaded_again_is_overwritten(s3cmd, bucket, folder, put, stored):
    """`put` of one file replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    s3cmd("put", folder / "small.txt", f"s3://{bucket}/k e+y")
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_synchronised_folder_is_not_uploaded_again(s3cmd, bucket, folder, stored):
    """`sync` finds by sizes and digests that nothing has changed."""
    s3cmd("sync", f"{folder}/", f"s3://{bucket}/")
    assert stored(bucket) == FILES
    assert s3cmd("sync", f"{folder}/", f"s3://{bucket}/") == ""


def test_a_folder_is_listed(s3cmd, bucket, put):
    """`ls` shows the files and folders below a prefix."""
    put(bucket, TREE)
    shown = [line.split(" ")[-2:] for line in lines(s3cmd("ls", f"s3://{bucket}/pets"))]
    assert shown == [["DIR", f"s3://{bucket}/pets/"], ["4", f"s3://{bucket}/pets.txt"]]


def test_a_bucket_is_listed_with_all_that_is_in_folders(s3cmd, bucket, put):
    """`ls --recursive` shows each file with its size."""
    put(bucket, TREE)
    shown = [line.split(" ")[-2:] for line in lines(s3cmd("ls", "--recursive", f"s3://{bucket}"))]
    assert shown == [[str(len(TREE[path])), f"s3://{bucket}/{path}"] for path in sorted(TREE)]


def test_one_file_is_removed(s3cmd, bucket, put, stored):
    """`del` removes the object of that name and no other."""
    put(bucket, TREE)
    s3cmd("del", f"s3://{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed_at_once(s3cmd, bucket, put, stored):
    """`del` removes all objects that it names."""
    put(bucket, TREE)
    s3cmd("del", f"s3://{bucket}/a.txt", f"s3://{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["pets.txt", "pets/dogs/one.txt"]


def test_a_folder_is_removed(s3cmd, bucket, put, stored):
    """`del --recursive` removes what is below a prefix, whatever its name."""
    put(bucket, {"keep": b"1"} | {f"below/{path}": b"2" for path in FILES})
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}/below/")
    assert list(stored(bucket)) == ["keep"]


def test_a_large_file_is_uploaded_in_parts(s3cmd, bucket, large, stored, parts):
    """`put` sends what is larger than 15 MiB in parts, and `get` brings it back."""
    s3cmd("put", large, f"s3://{bucket}/")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 2
    s3cmd("get", f"s3://{bucket}/large.bin", "down")
    assert (s3cmd.home / "down").read_bytes() == LARGE


def test_a_synchronised_bucket_is_not_downloaded_again(s3cmd, bucket, put, tmp_path):
    """`sync` of a bucket into a folder; then it finds nothing to do."""
    put(bucket, FILES)
    (tmp_path / "down").mkdir()
    s3cmd("sync", f"s3://{bucket}/", f"{tmp_path}/down/")
    assert read_folder(tmp_path / "down") == FILES
    assert s3cmd("sync", f"s3://{bucket}/", f"{tmp_path}/down/") == ""


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_files_are_copied_and_moved(s3cmd, bucket, put, stored, content):
    """`cp` and `mv` give an object another name, whatever the names; in parts if it is large."""
    put(bucket, {"a +%": content})
    s3cmd("cp", f"s3://{bucket}/a +%", f"s3://{bucket}/grüße/b")
    assert stored(bucket) == {"a +%": content, "grüße/b": content}
    s3cmd("mv", f"s3://{bucket}/grüße/b", f"s3://{bucket}/c")
    assert stored(bucket) == {"a +%": content, "c": content}


def test_metadata_is_changed(s3cmd, bucket, put, keyed_gateway):
    """`modify` copies an object onto itself with other headers."""
    put(bucket, {"k": b"1"})
    s3cmd("modify", "--add-header", "x-amz-meta-colour: brown", "--mime-type", "text/plain", f"s3://{bucket}/k")
    head = keyed_gateway.s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"]["colour"]) == ("text/plain", "brown")


def test_an_object_is_described(s3cmd, bucket, put):
    """`info` shows size and digest of an object, and asks for its access list among others."""
    put(bucket, {"k": b"a cat"})
    shown = s3cmd("info", f"s3://{bucket}/k")
    assert "File size: 5" in shown
    assert f"MD5 sum:   {md5(b'a cat').hexdigest()}" in shown


def test_a_link_is_opened_by_curl(s3cmd, program, bucket, put):
    """`signurl` makes a link that needs no key."""
    put(bucket, {"cat.txt": b"a cat"})
    assert program("curl")("-sSf", s3cmd("signurl", f"s3://{bucket}/cat.txt", "+60").strip()) == "a cat"


def test_an_output_branch_is_not_written(s3cmd, output, folder, stored):
    """An upload to a branch with provenance is refused, and the reason is shown."""
    assert OUTPUT_BRANCH in s3cmd.refused("put", folder / "small.txt", f"s3://{output}/new")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(configured, keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    assert "SignatureDoesNotMatch" in configured(keyed_gateway, WRONG_SECRET).refused("ls")
