"""The AWS SDK for Go 2 and minio-go, as they come: `sdk.go` calls them.

To build them from nothing takes a minute: only where FALCON_S3_TESTS_GO is set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import program_or_skip
from tests.clients.files import FILES, LARGE, REGION, lines

MODULES = [
    "github.com/aws/aws-sdk-go-v2/service/s3@v1.114.10",
    "github.com/aws/aws-sdk-go-v2/feature/s3/manager",
    "github.com/aws/aws-sdk-go-v2/credentials",
    "github.com/minio/minio-go/v7@v7.4.1",
]

pytestmark = pytest.mark.skipif("FALCON_S3_TESTS_GO" not in os.environ, reason="FALCON_S3_TESTS_GO is not set")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The program, built beside its modules."""
    go = program_or_skip("go")
    folder = tmp_path_factory.mktemp("go")
    shutil.copy(Path(__file__).parent / "sdk.go", folder)
    for command in (["mod", "init", "sdk"], ["get", *MODULES], ["build", "-o", "sdk", "sdk.go"]):
        try:
            done = subprocess.run(
                [go, *command],
                cwd=folder,
                env=os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=100,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"go {command[0]} takes too long")
        if done.returncode:
            reason = (lines(done.stderr.decode()) or ["no reason given"])[-1]
            assert command[0] == "get", f"go {command[0]}: {reason}"
            pytest.skip(f"go cannot fetch the SDKs: {reason}")
    return folder / "sdk"


@pytest.fixture
def call(built, program, keyed_gateway, bucket):
    """Calls a command of the program with the bucket; gives its result."""
    gateway = {"ENDPOINT": keyed_gateway.url, "KEY": keyed_gateway.access_key, "SECRET": keyed_gateway.secret_key}
    sdk = program(str(built), REGION=REGION, **gateway)
    return lambda command, *files: json.loads(sdk(command, bucket, *files))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("client", ["aws", "minio"])
def test_files_of_all_kinds_are_put_got_and_listed(call, bucket, stored, client):
    """Each under its name, byte for byte, with the checksums that the client adds."""
    assert call(client, *FILES) == sorted(FILES)
    assert stored(bucket) == FILES


@pytest.mark.parametrize("command", ["upload", "trailers"])
def test_a_large_file_is_uploaded_in_parts(call, bucket, large, stored, parts, command):
    """By the manager of the SDK as a stream, by minio-go with signed chunks and checksums in trailers."""
    call(command, large)
    assert stored(bucket) == {"large.bin": LARGE}
    assert parts(bucket, "large.bin") == 5


def test_refusals_have_the_codes_of_s3(call):
    """What fails is an error with the code that S3's has."""
    assert call("refusals") == ["NoSuchKey", "NoSuchBucket", "PreconditionFailed", "BucketNotEmpty"]
