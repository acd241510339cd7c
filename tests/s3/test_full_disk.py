"""What clients are told when the disk is full: first what is wrong and what to do, and once is enough."""

from __future__ import annotations

import os

import pytest
from botocore.exceptions import ClientError

from tests.pfs.test_room import IN_A_NAMESPACE, can_mount
from tests.pfsd.conftest import running_pfsd

pytestmark = pytest.mark.skipif(not can_mount(), reason="this system lets no test mount a small disk")

# A gateway whose data is on a disk of its own that nobody else sees.
MOUNTED = """
import os, sys
disk, *arguments = sys.argv[1:]
os.execvp("unshare", [*{namespace!r}, "sh", "-c", 'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"', disk,
          sys.executable, "-m", "falcon_s3", *arguments])
"""
DISK_BYTES = 24 << 20


@pytest.fixture
def small(start_gateway, tmp_path):
    """A gateway on a disk of DISK_BYTES."""
    disk = tmp_path / "disk"
    disk.mkdir()
    program = ("-c", MOUNTED.format(namespace=IN_A_NAMESPACE, size=DISK_BYTES), str(disk))
    with start_gateway(disk / "data", workers=1, program=program) as running:
        yield running


def test_a_full_disk_is_told_at_once_and_can_be_emptied(small):
    """By the code that S3 has for it, whose status no SDK takes for a request rate, nor asks again after."""
    sent = []
    s3 = small.client(retries={"total_max_attempts": 5, "mode": "standard"})
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.append(request.url))
    bucket = small.new_bucket()
    with pytest.raises(ClientError) as raised:
        for number in range(2 * (DISK_BYTES >> 20)):
            s3.put_object(Bucket=bucket, Key=str(number), Body=bytes([number]) * (1 << 20))
    error = raised.value.response["Error"]
    assert error["Code"] == "InsufficientCapacity"
    assert error["Message"].startswith("The disk is full")
    assert "make room on it" in error["Message"]
    assert error["Message"].endswith(". Nothing was changed.")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
    assert len(sent) == len(set(sent))

    answer = small.request("PUT", f"/{bucket}/k", bytes(2 << 20))
    answer.refused(507, "InsufficientCapacity")
    assert "Retry-After" not in answer.headers
    s3.delete_object(Bucket=bucket, Key="0")


def test_a_full_disk_of_pachd_is_told_as_such(start_gateway, tmp_path):
    """Not as a pachd that does not answer; nor is it asked again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs {disk} && exec "$@"'
    under = [*IN_A_NAMESPACE, "sh", "-c", mounted, "sh"]
    with (
        running_pfsd(disk / "data", tmp_path / "log", under=under) as pfsd,
        start_gateway(pachd=f"grpc://127.0.0.1:{pfsd.port}", workers=1, keys=False) as gateway,
    ):
        bucket = gateway.new_bucket()
        answer = gateway.request("PUT", f"/{bucket}/k", os.urandom(2 * DISK_BYTES))
        assert answer.refused(507, "InsufficientCapacity").startswith("The disk is full")
        assert gateway.request("GET", f"/{bucket}/k").status == 404
        assert gateway.request("PUT", f"/{bucket}/k", b"x").status == 200
