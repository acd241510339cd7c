"""curl, whose `--aws-sigv4` signs. It signs a URL as it stands, so names are encoded and parameters in order, as S3 has it."""

from __future__ import annotations

from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from tests.clients.files import FILES, OUTPUT_BRANCH, REGION, TREE, WRONG_SECRET

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.fixture
def configured(program, tmp_path):
    """Makes a curl that knows a gateway's key with this secret, and fails where it is refused."""

    def make(gateway, secret):
        settings = [
            "silent",
            "show-error",
            "fail-with-body",
            f'user = "{gateway.access_key}:{secret}"',
            f'aws-sigv4 = "aws:amz:{REGION}:s3"',
            'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"',  # S3 demands it; curl adds one only since version 8
        ]
        (tmp_path / ".curlrc").write_text("".join(f"{line}\n" for line in settings))
        return program("curl")

    return make


@pytest.fixture
def curl(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


@pytest.fixture
def url(keyed_gateway):
    """Gives the URL of a bucket or of an object."""

    def of(bucket="", path=None):
        return f"{keyed_gateway.url}/{bucket}" + ("" if path is None else f"/{quote(path, safe='/~')}")

    return of


def texts(document, name):
    return [element.text or "" for element in ET.fromstring(document).iter(NAMESPACE + name)]


def test_buckets_are_listed_with_the_dates_of_their_creation(curl, url, bucket, created):
    """`curl /` shows each branch and when it was created."""
    shown = curl(url())
    listed = dict(zip(texts(shown, "Name"), texts(shown, "CreationDate"), strict=True))
    assert listed[bucket] == created(bucket).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_new_bucket_is_a_new_branch_and_the_first_is_a_new_repo(curl, url, repo, branches):
    """PUT of a bucket creates the repo with its first branch, and another branch beside it."""
    curl("-X", "PUT", url(f"master.{repo}-new"))
    curl("-X", "PUT", url(f"dev.{repo}-new"))
    assert branches(f"{repo}-new") == ["dev", "master"]


def test_removed_buckets_take_their_repo_with_the_last(curl, url, repo, keyed_gateway, branches):
    """DELETE of a bucket removes one branch, and with the last branch the repo."""
    keyed_gateway.s3.create_bucket(Bucket=f"dev.{repo}")
    curl("-X", "DELETE", url(f"master.{repo}"))
    assert branches(repo) == ["dev"]
    curl("-X", "DELETE", url(f"dev.{repo}"))
    assert branches(repo) == []


def test_a_bucket_with_files_stays(curl, url, bucket, put, stored):
    """DELETE of a bucket is refused with BucketNotEmpty while there are files, and removes none of them."""
    put(bucket, {"a": b"1"})
    assert "BucketNotEmpty" in curl.refused("-X", "DELETE", url(bucket))
    assert stored(bucket) == {"a": b"1"}


def test_files_of_all_kinds_are_uploaded(curl, url, bucket, folder, stored):
    """`-T` stores a file under any name, byte for byte."""
    for path in FILES:
        (folder / path).rename(folder / "it")  # curl would take brackets in a file's name for a pattern
        curl("-T", folder / "it", url(bucket, path))
    assert stored(bucket) == FILES


def test_files_of_all_kinds_are_downloaded(curl, url, bucket, put, tmp_path):
    """GET gives the bytes of any object."""
    put(bucket, FILES)
    for path, content in FILES.items():
        (tmp_path / "down").unlink(missing_ok=True)
        curl("-o", tmp_path / "down", url(bucket, path))
        assert (tmp_path / "down").read_bytes() == content


def test_what_is_uploaded_again_is_overwritten(curl, url, bucket, folder, put, stored):
    """`-T` replaces the object of that name."""
    put(bucket, {"k e+y": b"longer than what comes"})
    curl("-T", folder / "small.txt", url(bucket, "k e+y"))
    assert stored(bucket) == {"k e+y": FILES["small.txt"]}


def test_a_folder_is_listed(curl, url, bucket, put):
    """GET of a bucket with prefix and delimiter shows files and folders."""
    put(bucket, TREE)
    shown = curl(f"{url(bucket)}?delimiter=%2F&list-type=2&prefix=pets")
    assert (texts(shown, "Key"), texts(shown, "Size")) == (["pets.txt"], ["4"])
    assert texts(shown, "Prefix") == ["pets", "pets/"]


def test_a_bucket_is_listed_with_all_that_is_in_folders(curl, url, bucket, put):
    """GET of a bucket shows each object with its size, in order, whatever its name."""
    put(bucket, dict.fromkeys(FILES, b"12"))
    shown = curl(url(bucket))
    assert (texts(shown, "Key"), texts(shown, "Size")) == (sorted(FILES), ["2"] * len(FILES))


def test_one_file_is_removed(curl, url, bucket, put, stored):
    """DELETE removes the object of that name and no other."""
    put(bucket, TREE)
    curl("-X", "DELETE", url(bucket, "pets/cat.txt"))
    assert sorted(stored(bucket)) == ["a.txt", "pets.txt", "pets/dogs/one.txt"]


def test_several_files_are_removed_at_once(curl, url, bucket, put, stored):
    """POST of a list of names to `?delete` removes them all."""
    put(bucket, TREE)
    document = "<Delete><Object><Key>a.txt</Key></Object><Object><Key>pets/cat.txt</Key></Object></Delete>"
    curl("--data-binary", document, f"{url(bucket)}?delete=")
    assert sorted(stored(bucket)) == ["pets.txt", "pets/dogs/one.txt"]


def test_an_output_branch_is_not_written(curl, url, output, folder, stored):
    """An upload to a branch with provenance is refused, and the reason is shown."""
    assert OUTPUT_BRANCH in curl.refused("-T", folder / "small.txt", url(output, "new"))
    assert list(stored(output)) == ["made"]


def test_a_wrong_secret_is_refused(configured, url, keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    assert "SignatureDoesNotMatch" in configured(keyed_gateway, WRONG_SECRET).refused(url())


def test_without_a_key_everybody_is_let_in(program, gateway):
    """A plain curl uploads and downloads where the gateway has no key."""
    bucket = gateway.new_bucket()
    curl = program("curl")
    (curl.home / "cat.txt").write_bytes(b"a cat")
    curl("--silent", "--fail", "-T", "cat.txt", f"{gateway.url}/{bucket}/")
    assert curl("--silent", "--fail", f"{gateway.url}/{bucket}/cat.txt") == "a cat"
