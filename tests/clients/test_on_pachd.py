"""Clients as they come against a gateway in front of a pachd: folders there and back, in parts, synchronised."""

from __future__ import annotations

import os
import time

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from tests.clients.files import read_folder, write_folder

# Names that PFS takes; one file is sent in parts.
FILES = {
    "a.txt": b"a",
    "empty": b"",
    "folder/b c.txt": b"b c",
    "folder/deeper/d&e=f.bin": bytes(range(256)) * 100,
    "large.bin": os.urandom(20 << 20),
}


@pytest.fixture(scope="module")
def gateway(running_pachd, start_gateway):
    with start_gateway(pachd=f"grpc://127.0.0.1:{running_pachd.port}") as running:
        yield running
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def bucket(gateway):
    return gateway.new_bucket()


@pytest.fixture
def settings(gateway):
    return {
        "AWS_ACCESS_KEY_ID": gateway.access_key,
        "AWS_SECRET_ACCESS_KEY": gateway.secret_key,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": gateway.url,
        "S3_ENDPOINT_URL": gateway.url,
    }


def aws(program, settings):
    run = program("aws", **settings)
    return lambda source, target: run("s3", "sync", "--delete", "--no-progress", source, target)


def s5cmd(program, settings):
    run = program("s5cmd", **settings)

    def sync(source, target):
        everything = f"{source}/*" if source.startswith("s3://") else f"{source}/"
        run("sync", "--delete", everything, f"{target}/")

    return sync


def rclone(program, settings):
    run = program("rclone", RCLONE_CONFIG="", **settings)
    remote = f":s3,provider=Other,env_auth=true,endpoint='{settings['AWS_ENDPOINT_URL']}':"

    def sync(source, target):
        source, target = (place.replace("s3://", remote) for place in (source, target))
        run("sync", "--checksum", "--s3-upload-cutoff=5Mi", source, target)

    return sync


@pytest.mark.parametrize("client", [aws, s5cmd, rclone])
def test_folders_are_synchronised_there_and_back(program, settings, gateway, bucket, tmp_path, client):
    """What is new, changed and removed; what PFS hashes is not taken for an MD5."""
    sync = client(program, settings)
    here, there = tmp_path / "here", tmp_path / "there"
    write_folder(here, FILES)
    sync(str(here), f"s3://{bucket}")
    listed = gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert {each["Key"]: each["Size"] for each in listed} == {name: len(data) for name, data in FILES.items()}
    there.mkdir()
    sync(f"s3://{bucket}", str(there))
    assert read_folder(there) == FILES

    time.sleep(1)  # these clients compare whole seconds
    changed = {**FILES, "a.txt": b"longer than before", "new": b"new"}
    del changed["folder/b c.txt"]
    (here / "folder" / "b c.txt").unlink()
    write_folder(here, {name: changed[name] for name in ("a.txt", "new")})
    sync(str(here), f"s3://{bucket}")
    assert {each["Key"] for each in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]} == changed.keys()
    assert gateway.s3.get_object(Bucket=bucket, Key="a.txt")["Body"].read() == changed["a.txt"]


def test_boto3_transfers_and_copies(gateway, bucket, tmp_path):
    """A managed upload in parts, a managed copy in parts, a ranged read, and a deletion of all."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    (tmp_path / "large").write_bytes(FILES["large.bin"])
    gateway.s3.upload_file(str(tmp_path / "large"), bucket, "large", Config=config)
    gateway.s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy/large", Config=config)
    gateway.s3.download_file(bucket, "copy/large", str(tmp_path / "back"), Config=config)

    assert (tmp_path / "back").read_bytes() == FILES["large.bin"]
    part = gateway.s3.get_object(Bucket=bucket, Key="copy/large", Range="bytes=1000000-1000009")
    assert part["Body"].read() == FILES["large.bin"][1_000_000:1_000_010]
    keys = [{"Key": each["Key"]} for each in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    gateway.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    gateway.s3.delete_bucket(Bucket=bucket)
    assert bucket not in [each["Name"] for each in gateway.s3.list_buckets()["Buckets"]]
