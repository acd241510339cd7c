"""rclone, as it comes, with a remote of the kind `s3`, provider `Other`."""

from __future__ import annotations

import pytest

from tests.clients.files import FILES, LARGE, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET, lines, read_folder


@pytest.fixture
def configured(program, tmp_path):
    """Makes an rclone that knows a gateway as the remote `falcon`, and its key with this secret."""

    def make(gateway, secret):
        settings = {
            "type": "s3",
            "provider": "Other",
            "endpoint": gateway.url,
            "region": REGION,
            "access_key_id": gateway.access_key,
            "secret_access_key": secret,
        }
        folder = tmp_path / ".config" / "rclone"
        folder.mkdir(parents=True)
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (folder / "rclone.conf").write_text(f"[falcon]\n{text}")
        return program("rclone")

    return make


@pytest.fixture
def rclone(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def test_buckets_are_listed_with_the_dates_of_their_creation(rclone, bucket, created):
    """`lsd` shows each branch and when it was created."""
    assert f"-1 {created(bucket):%Y-%m-%d %H:%M:%S} -1 {bucket}" in lines(rclone("lsd", "falcon:"))


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(rclone, repo, branches):
    """`mkdir` creates the repo with its first branch, and another branch beside it."""
    rclone("mkdir", f"falcon:master.{repo}-new")
    rclone("mkdir", f"falcon:dev.{repo}-new")
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(rclone, repo, keyed_gateway, branches):
    """`rmdir` removes one branch, and with the last branch the repo."""
    keyed_gateway.s3.create_bucket(Bucket=f"dev.{repo}")
    rclone("rmdir", f"falcon:master.{repo}")
    assert branches(repo) == ["dev"]
    rclone("rmdir", f"falcon:dev.{repo}")
    assert branches(repo) == []


def test_a_bucket_with_files_stays(rclone, bucket, put, stored):
    """`rmdir` is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    assert "BucketNotEmpty" in rclone.refused("rmdir", f"falcon:{bucket}")
    assert stored(bucket) == {"a": b"1"}


def test_files_of_all_kinds_are_uploaded(rclone, bucket, folder, stored):
    """`copy` stores every file of a folder under its name, byte for byte."""
    rclone("copy", folder, f"falcon:{bucket}")
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(rclone, bucket, put, tmp_path):
    """`copy` writes every object of a bucket into a folder, byte for byte."""
    put(bucket, FILES)
    rclone("copy", f"falcon:{bucket}", tmp_path / "down")
    assert read_folder(tmp_path / "down") == FILES


def test_what_is_uploaded_again_is_overwritten(rclone, bucket, folder, put, stored):
    """`copyto` of one file replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    rclone("copyto", folder / "small.txt", f"falcon:{bucket}/k e+y")
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_synchronised_folder_is_not_uploaded_again(rclone, bucket, folder, put, stored):
    """`sync` uploads with dates and removes what is not there; then it and `check` find nothing to do."""
    put(bucket, {"of old": b"1"})
    rclone("sync", folder, f"falcon:{bucket}")
    assert stored(bucket) == FILES
    assert "There was nothing to transfer" in rclone.everything("sync", "--verbose", folder, f"falcon:{bucket}")
    assert "0 differences found" in rclone.everything("check", folder, f"falcon:{bucket}")


def test_a_folder_is_listed(rclone, bucket, put):
    """`lsf` shows the files and folders of a folder."""
    put(bucket, TREE)
    assert sorted(lines(rclone("lsf", f"falcon:{bucket}"))) == ["a.txt", "pets.txt", "pets/"]
    assert sorted(lines(rclone("lsf", f"falcon:{bucket}/pets"))) == ["cat.txt", "dogs/"]


def test_a_bucket_is_listed_with_all_that_is_in_folders(rclone, bucket, put):
    """`ls` shows each file with its size."""
    put(bucket, TREE)
    assert sorted(lines(rclone("ls", f"falcon:{bucket}"))) == sorted(f"{len(TREE[path])} {path}" for path in TREE)


def test_one_file_is_removed(rclone, bucket, put, stored):
    """`deletefile` removes the object of that name and no other."""
    put(bucket, TREE)
    rclone("deletefile", f"falcon:{bucket}/pets/cat.txt")
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed(rclone, bucket, put, stored):
    """`delete` removes the objects of a folder that a filter lets through."""
    put(bucket, TREE)
    rclone("delete", f"falcon:{bucket}", "--include", "/{a,pets}.txt")
    assert sorted(stored(bucket)) == ["pets/cat.txt", "pets/dogs/one.txt"]


def test_a_folder_is_removed(rclone, bucket, put, stored):
    """`delete` removes what is below a folder, whatever its name."""
    put(bucket, {"keep": b"1"} | {f"below/{path}": b"2" for path in FILES})
    rclone("delete", f"falcon:{bucket}/below")
    assert list(stored(bucket)) == ["keep"]


def test_a_large_file_is_uploaded_in_parts(rclone, bucket, large, stored, parts):
    """`copy` sends what is larger than the cutoff in parts, 200 MiB unless it is told, and checks them."""
    rclone("copy", "--s3-upload-cutoff", "5Mi", large, f"falcon:{bucket}")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 5
    assert "0 differences found" in rclone.everything("check", "--download", large, f"falcon:{bucket}")


def test_a_stream_is_uploaded_in_parts(rclone, bucket, large, stored, parts):
    """`rcat` sends what it is given without knowing how long it is."""
    rclone.shell(f"rclone rcat falcon:{bucket}/large.bin <{large}")
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 5


def test_a_synchronised_bucket_is_not_downloaded_again(rclone, bucket, put, tmp_path):
    """`sync` of a bucket into a folder removes what is not there; then it and `check` find nothing to do."""
    put(bucket, FILES)
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / "of old").write_bytes(b"1")
    rclone("sync", f"falcon:{bucket}", tmp_path / "down")
    assert read_folder(tmp_path / "down") == FILES
    again = rclone.everything("sync", "--verbose", f"falcon:{bucket}", tmp_path / "down")
    assert "There was nothing to transfer" in again
    assert "0 differences found" in rclone.everything("check", f"falcon:{bucket}", tmp_path / "down")


def test_files_are_copied_and_moved(rclone, bucket, repo, put, stored):
    """`copy` and `move` between branches leave the bytes where they are, whatever the names."""
    put(bucket, FILES)
    rclone("copy", f"falcon:{bucket}", f"falcon:dev.{repo}")
    rclone("move", f"falcon:{bucket}", f"falcon:dev.{repo}/moved")
    assert stored(f"dev.{repo}") == FILES | {f"moved/{path}": FILES[path] for path in FILES}
    assert stored(bucket) == {}


def test_a_changed_date_is_kept_by_a_copy(rclone, bucket, folder):
    """`touch` sets the date that rclone keeps with an object, by a copy onto itself."""
    rclone("copyto", folder / "small.txt", f"falcon:{bucket}/k")
    rclone("touch", "--timestamp", "2020-02-02T02:02:02", f"falcon:{bucket}/k")
    assert "2020-02-02 02:02:02" in rclone("lsl", f"falcon:{bucket}")


def test_versions_are_listed(rclone, bucket, put):
    """`--s3-versions` shows what was overwritten, under names with dates."""
    put(bucket, {"cat.txt": b"first"})
    put(bucket, {"cat.txt": b"second"})
    sizes = sorted(line.split(" ")[0] for line in lines(rclone("ls", "--s3-versions", f"falcon:{bucket}")))
    assert sizes == ["5", "6"]


def test_a_bucket_is_purged(rclone, bucket, repo, put, branches):
    """`purge` removes all files of a branch, and the branch."""
    put(bucket, TREE)
    rclone("purge", f"falcon:{bucket}")
    assert branches(repo) == []


def test_an_output_branch_is_not_written(rclone, output, folder, stored):
    """An upload to a branch with provenance is refused, and the reason is shown."""
    assert OUTPUT_BRANCH in rclone.refused("copy", folder / "small.txt", f"falcon:{output}")
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(configured, keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    assert "SignatureDoesNotMatch" in configured(keyed_gateway, WRONG_SECRET).refused("lsd", "falcon:")
