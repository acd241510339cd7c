"""mc, the command line of MinIO, as it comes. It is in no package index of Python: without it these tests are skipped."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, TREE, WRONG_SECRET, lines, read_folder


def is_of_minio():
    """Whether there is an mc, and it is not the file manager of that name."""
    found = shutil.which("mc")
    if found is None:
        return False
    done = subprocess.run([found, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    return b"MinIO" in done.stdout


pytestmark = pytest.mark.skipif(not is_of_minio(), reason="mc of MinIO is not on PATH")


@pytest.fixture
def configured(program, tmp_path):
    """Makes an mc that knows a gateway as the alias `falcon`, and this key and secret, which may be empty."""

    def make(gateway, key, secret):
        alias = {"url": gateway.url, "accessKey": key, "secretKey": secret, "api": "S3v4", "path": "auto"}
        (tmp_path / ".mc").mkdir()
        (tmp_path / ".mc" / "config.json").write_text(json.dumps({"version": "10", "aliases": {"falcon": alias}}))
        return program("mc")

    return make


@pytest.fixture
def mc(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.access_key, keyed_gateway.secret_key)


def listed(text):
    """The sizes and names of a listing whose names have no spaces."""
    rows = [line.split("] ")[1].split(" ") for line in lines(text)]
    return {row[-1]: row[0] for row in rows}


def test_buckets_are_listed_with_the_dates_of_their_creation(mc, bucket, created):
    """`ls` shows each branch and when it was created."""
    assert f"[{created(bucket):%Y-%m-%d %H:%M:%S} UTC] 0B {bucket}/" in lines(mc("ls", "falcon"))


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(mc, repo, branches):
    """`mb` creates the repo with its first branch, and another branch beside it."""
    assert "created successfully" in mc("mb", f"falcon/master.{repo}-new")
    mc("mb", f"falcon/dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(mc, repo, keyed_gateway, branches):
    """`rb` removes one branch, and with the last branch the repo."""
    keyed_gateway.s3.create_bucket(Bucket=f"dev.{repo}")
    mc("rb", f"falcon/master.{repo}")
    assert branches(repo) == ["dev"]
    mc("rb", f"falcon/dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(mc, bucket, put, stored):
    """`rb` is refused while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    assert "is not empty" in mc.refused("rb", f"falcon/{bucket}")
    assert stored(bucket) == {"a": b"1"}


def test_files_of_all_kinds_are_uploaded(mc, bucket, folder, stored):
    """`cp --recursive` stores every file of a folder under its name, byte for byte."""
    mc("cp", "--recursive", f"{folder}/", f"falcon/{bucket}/")
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(mc, bucket, put, tmp_path):
    """`cp --recursive` writes every object of a bucket into a folder, byte for byte."""
    put(bucket, FILES)
    mc("cp", "--recursive", f"falcon/{bucket}/", f"{tmp_path}/down/")
    assert read_folder(tmp_path / "down") == FILES


def test_what_is_uploaded_again_is_overwritten(mc, bucket, folder, put, stored):
    """`cp` of one file replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    mc("cp", folder / "small.txt", f"falcon/{bucket}/k e+y")
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_folder_is_listed(mc, bucket, put):
    """`ls` shows the files and folders of a folder."""
    put(bucket, TREE)
    assert listed(mc("ls", f"falcon/{bucket}")) == {"a.txt": "1B", "pets.txt": "4B", "pets/": "0B"}
    assert listed(mc("ls", f"falcon/{bucket}/pets/")) == {"cat.txt": "2B", "dogs/": "0B"}


def test_a_bucket_is_listed_with_all_that_is_in_folders(mc, bucket, put):
    """`ls --recursive` shows each file with its size."""
    put(bucket, TREE)
    shown = listed(mc("ls", "--recursive", f"falcon/{bucket}"))
    assert shown == {path: f"{len(content)}B" for path, content in TREE.items()}


def test_one_file_is_removed(mc, bucket, put, stored):
    """`rm` removes the object of that name and no other."""
    put(bucket, TREE)
    mc("rm", f"falcon/{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed_at_once(mc, bucket, put, stored):
    """`rm` removes all objects that it names."""
    put(bucket, TREE)
    mc("rm", f"falcon/{bucket}/a.txt", f"falcon/{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["pets.txt", "pets/dogs/one.txt"]


def test_a_folder_is_removed(mc, bucket, put, stored):
    """`rm --recursive` removes what is below a prefix, whatever its name."""
    put(bucket, {"keep": b"1"} | {f"below/{path}": b"2" for path in FILES})
    mc("rm", "--recursive", "--force", f"falcon/{bucket}/below/")
    assert list(stored(bucket)) == ["keep"]


def test_a_large_file_is_uploaded_in_parts(mc, bucket, large, stored, parts):
    """`cp` sends what is larger than 16 MiB in parts, and brings it back."""
    mc("cp", large, f"falcon/{bucket}/")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 2
    mc("cp", f"falcon/{bucket}/large.bin", "down")
    assert (mc.home / "down").read_bytes() == LARGE


def test_a_stream_is_uploaded(mc, bucket, large, stored):
    """`pipe` sends with its checksum what it is given without knowing how long it is."""
    mc.shell(f"mc pipe falcon/{bucket}/large.bin <{large}")
    assert stored(bucket)["large.bin"] == LARGE


def test_a_mirrored_folder_is_not_uploaded_again(mc, bucket, folder, put, stored, tmp_path):
    """`mirror` brings a folder up and down, and removes what is not there; then `diff` finds nothing."""
    put(bucket, {"of old": b"1"})
    mc("mirror", "--overwrite", "--remove", folder, f"falcon/{bucket}")
    assert stored(bucket) == FILES
    assert mc("diff", folder, f"falcon/{bucket}") == ""
    mc("mirror", f"falcon/{bucket}", tmp_path / "down")
    assert read_folder(tmp_path / "down") == FILES


def test_files_are_copied_and_moved(mc, bucket, put, stored):
    """`cp` and `mv` give objects other names, whatever the names."""
    put(bucket, {f"up/{path}": content for path, content in FILES.items()})
    mc("cp", "--recursive", f"falcon/{bucket}/up/", f"falcon/{bucket}/copied/")
    mc("mv", "--recursive", f"falcon/{bucket}/up/", f"falcon/{bucket}/moved/")
    assert stored(bucket) == {f"{to}/{path}": FILES[path] for to in ("copied", "moved") for path in FILES}


def test_versions_are_listed_and_got(mc, bucket, put):
    """`ls --versions` shows each write and removal of a file; `cat --version-id` gives an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    mc("rm", f"falcon/{bucket}/cat")
    rows = [json.loads(line) for line in mc("--json", "ls", "--versions", f"falcon/{bucket}/").splitlines()]
    assert [(row.get("isDeleteMarker", False), row["size"]) for row in rows] == [(True, 0), (False, 6), (False, 5)]
    assert mc("cat", "--version-id", rows[-1]["versionId"], f"falcon/{bucket}/cat") == "first"


def test_tags_are_kept(mc, bucket, put):
    """`tag` sets, shows and removes tags."""
    put(bucket, {"k": b"1"})
    mc("tag", "set", f"falcon/{bucket}/k", "kind=cat")
    assert "cat" in mc("tag", "list", f"falcon/{bucket}/k")
    mc("tag", "remove", f"falcon/{bucket}/k")
    assert "No tags found" in mc("tag", "list", f"falcon/{bucket}/k")


def test_a_link_is_opened_by_curl(mc, program, bucket, put):
    """`share download` makes a link that needs no key."""
    put(bucket, {"cat.txt": b"a cat"})
    shared = json.loads(mc("--json", "share", "download", f"falcon/{bucket}/cat.txt"))
    assert program("curl")("-sSf", shared["share"]) == "a cat"


def test_an_output_branch_is_not_written(mc, output, folder, stored):
    """An upload to a branch with provenance is refused, and the reason is shown."""
    assert OUTPUT_BRANCH in mc.refused("cp", folder / "small.txt", f"falcon/{output}/new")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(configured, keyed_gateway):
    """Who signs with another secret is told that the signature does not match."""
    mc = configured(keyed_gateway, keyed_gateway.access_key, WRONG_SECRET)
    assert "does not match the signature you provided" in mc.refused("ls", "falcon")


def test_without_a_key_everybody_is_let_in(configured, gateway):
    """An alias without keys uploads and downloads where the gateway has none."""
    bucket = gateway.new_bucket()
    mc = configured(gateway, "", "")
    (mc.home / "cat.txt").write_bytes(b"a cat")
    mc("cp", "cat.txt", f"falcon/{bucket}/")
    assert mc("cat", f"falcon/{bucket}/cat.txt") == "a cat"
