"""s3fs-fuse, as it comes: a bucket mounted as a folder, where the kernel has FUSE. It is in no package index of Python."""

from __future__ import annotations

import os
import subprocess

import pytest

from falcon_s3 import buckets
from tests.clients.files import FILES, LARGE, REGION, read_folder, write_folder


@pytest.fixture
def mounted(program, keyed_gateway, bucket, tmp_path):
    """The bucket, mounted."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("there is no FUSE")
    secret = tmp_path / "passwd"
    secret.write_text(f"{keyed_gateway.access_key}:{keyed_gateway.secret_key}")
    secret.chmod(0o600)
    place = tmp_path / "mounted"
    place.mkdir()
    options = f"url={keyed_gateway.url},endpoint={REGION},use_path_request_style,passwd_file={secret}"
    program("s3fs")(bucket, place, "-o", options)
    yield place
    subprocess.run(["fusermount", "-u", "-z", str(place)], check=True, timeout=20)


def test_files_of_all_kinds_are_written_and_read(mounted, bucket, stored):
    """Files and folders of any name are objects, and are found again with their bytes."""
    write_folder(mounted, FILES)
    assert {path: content for path, content in stored(bucket).items() if not path.endswith("/")} == FILES
    assert read_folder(mounted) == FILES


def test_a_large_file_is_changed_in_its_midst(mounted, bucket, stored, parts):
    """Parts that did not change are copied on the gateway; the others are sent."""
    (mounted / "large").write_bytes(LARGE)
    assert parts(bucket, "large") > 1
    with open(mounted / "large", "r+b") as file:
        file.seek(len(LARGE) // 2)
        file.write(b"changed")
    changed = LARGE[: len(LARGE) // 2] + b"changed" + LARGE[len(LARGE) // 2 + 7 :]
    assert stored(bucket)["large"] == changed
    (mounted / "large").rename(mounted / "moved")
    assert stored(bucket) == {"moved": changed}


def test_modes_dates_and_links_are_kept(mounted, bucket, store):
    """What a file system knows of a file is metadata of its object, changed by copying it to itself."""
    path = mounted / "a cat.txt"
    path.write_bytes(b"a cat")
    path.chmod(0o640)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    (mounted / "link").symlink_to("a cat.txt")
    assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (0o640, 1_600_000_000)
    assert (mounted / "link").read_bytes() == b"a cat"
    assert store.inspect_file(buckets.parse(bucket), "a cat.txt").size == 5


def test_folders_are_moved_and_removed(mounted, bucket, stored):
    """A folder that is renamed takes its files along, and one that is not empty is not removed."""
    write_folder(mounted / "pets", {"cat": b"1", "dogs/one": b"22"})
    (mounted / "pets").rename(mounted / "animals")
    assert read_folder(mounted) == {"animals/cat": b"1", "animals/dogs/one": b"22"}
    with pytest.raises(OSError):
        (mounted / "animals").rmdir()
    for path in ("animals/dogs/one", "animals/cat"):
        (mounted / path).unlink()
    (mounted / "animals/dogs").rmdir()
    (mounted / "animals").rmdir()
    assert stored(bucket) == {}
