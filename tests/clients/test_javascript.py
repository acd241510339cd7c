"""The AWS SDK for JavaScript 3 and minio of npm, as they come: `sdk.mjs` calls them. npm installs them once for a run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import program_or_skip
from tests.clients.files import FILES, LARGE, REGION, lines

PACKAGES = [
    "@aws-sdk/client-s3@3.1175.0",
    "@aws-sdk/lib-storage@3.1175.0",
    "@aws-sdk/s3-request-presigner@3.1169.0",
    "minio@8.0.7",
]
QUIET = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--prefer-offline"]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script beside its packages."""
    program_or_skip("node")
    folder = tmp_path_factory.mktemp("npm")
    command = [program_or_skip("npm"), "install", "--prefix", str(folder), *QUIET, *PACKAGES]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm takes too long to install the AWS SDK")
    if done.returncode:
        pytest.skip(f"npm cannot install the AWS SDK: {(lines(done.stderr.decode()) or ['no reason given'])[0]}")
    return shutil.copy(Path(__file__).parent / "sdk.mjs", folder)


@pytest.fixture
def call(script, program, keyed_gateway, bucket):
    """Calls a function of the script with the bucket; gives its result."""
    gateway = {"ENDPOINT": keyed_gateway.url, "KEY": keyed_gateway.access_key, "SECRET": keyed_gateway.secret_key}
    node = program("node", REGION=REGION, **gateway)

    def run(command, *files):
        said = node("--no-warnings", script, command, bucket, *files)
        return json.loads(next(line for line in said.splitlines() if line.startswith("result:")).partition(":")[2])

    return run


@pytest.mark.usefixtures("folder")
def test_files_of_all_kinds_are_put_listed_and_got(call, bucket, stored):
    """PutObject, with the checksum that the SDK adds, the pages of ListObjectsV2, and GetObject."""
    call("put", *FILES)
    assert stored(bucket) == FILES
    assert call("list") == sorted(FILES)
    call("get", *FILES)


def test_a_stream_is_uploaded_in_parts(call, bucket, large, stored, parts):
    """`Upload` sends what it is given without knowing how long it is, in parts with checksums."""
    call("upload", large)
    assert stored(bucket) == {"large.bin": LARGE}
    assert parts(bucket, "large.bin") == 5


def test_pages_of_parts_end(call):
    """The paginator of ListParts gives each part once."""
    assert call("parts") == [1, 2]


def test_links_upload_and_download(call, bucket, keyed_gateway):
    """Links are used without a key, and their metadata is kept."""
    assert call("links") == "a cat"
    assert keyed_gateway.s3.head_object(Bucket=bucket, Key="a +&ä")["Metadata"] == {"colour": "brown"}


def test_refusals_have_the_names_of_s3(call):
    """What fails is an exception of the class, or with the status, that S3's are."""
    assert call("refusals") == ["NoSuchKey", "NoSuchBucket", "PreconditionFailed", "304", "BucketNotEmpty"]


@pytest.mark.usefixtures("folder")
def test_minio_puts_gets_and_lists_files_of_all_kinds(call, bucket, stored):
    """`putObject`, `getObject` and `listObjectsV2`."""
    assert call("minio", *FILES) == sorted(FILES)
    assert stored(bucket) == FILES
