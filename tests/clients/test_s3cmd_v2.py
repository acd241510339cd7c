"""s3cmd with `--signature-v2`, as older gateways need it: every request is signed with Version 2."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from tests.clients.files import FILES, TREE, WRONG_SECRET, lines, read_folder


@pytest.fixture
def configured(program, tmp_path):
    """Makes an s3cmd that knows a gateway, and its key with this secret."""

    def make(gateway, secret):
        address = f"127.0.0.1:{gateway.port}"
        settings = {
            "host_base": address,
            "host_bucket": f"{address}/%(bucket)",
            "use_https": False,
            "signurl_use_https": False,
            "access_key": gateway.access_key,
            "secret_key": secret,
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (tmp_path / ".s3cfg").write_text(f"[default]\n{text}")
        return program("s3cmd", "--signature-v2")

    return make


@pytest.fixture
def s3cmd(configured, keyed_gateway):
    return configured(keyed_gateway, keyed_gateway.secret_key)


def test_it_signs_with_version_2(s3cmd, bucket):
    """Or the other tests would say nothing."""
    shown = s3cmd.everything("--debug", "ls", f"s3://{bucket}")
    assert "Using signature v2" in shown
    assert "Using signature v4" not in shown


def test_a_bucket_is_made_listed_and_removed(s3cmd, repo):
    s3cmd("mb", f"s3://dev.{repo}")
    assert f"s3://dev.{repo}" in s3cmd("ls")
    assert "Location" in s3cmd("info", f"s3://dev.{repo}")
    s3cmd("rb", f"s3://dev.{repo}")
    assert f"s3://dev.{repo}" not in s3cmd("ls")


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


def test_files_are_removed(s3cmd, bucket, put, stored):
    """`del` removes several at once, and `del --recursive` all below a prefix, whatever its name."""
    put(bucket, TREE | {f"below/{path}": b"2" for path in FILES})
    s3cmd("del", f"s3://{bucket}/a.txt", f"s3://{bucket}/pets/cat.txt")
    s3cmd("del", "--recursive", "--force", f"s3://{bucket}/below/")
    assert sorted(stored(bucket)) == ["pets.txt", "pets/dogs/one.txt"]


@pytest.mark.parametrize("path", FILES)
def test_a_link_is_read_without_the_key(s3cmd, keyed_gateway, bucket, put, path):
    """`signurl` makes links that are good for everybody, until they expire."""
    put(bucket, {path: b"linked"})
    parts = urlsplit(s3cmd("signurl", f"s3://{bucket}/{path}", "+600").strip())
    assert "Signature=" in parts.query
    answer = keyed_gateway.request("GET", f"{parts.path}?{parts.query}")
    assert (answer.status, answer.body) == (http.client.OK, b"linked")
    keyed_gateway.request("DELETE", f"{parts.path}?{parts.query}").refused(403, "SignatureDoesNotMatch")


def test_a_link_that_has_expired_is_refused(s3cmd, keyed_gateway, bucket, put):
    put(bucket, {"k": b"linked"})
    parts = urlsplit(s3cmd("signurl", f"s3://{bucket}/k", "1").strip())
    keyed_gateway.request("GET", f"{parts.path}?{parts.query}").refused(403, "AccessDenied")


def test_a_wrong_secret_is_refused(configured, keyed_gateway):
    """Who signs with another secret is told SignatureDoesNotMatch."""
    assert "SignatureDoesNotMatch" in configured(keyed_gateway, WRONG_SECRET).refused("ls")
