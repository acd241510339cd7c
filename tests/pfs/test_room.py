"""A disk that is full can be emptied: new bytes are refused while there is room for deletions still."""

from __future__ import annotations

import subprocess

import pytest

from falcon_s3.pfs.room import RESERVE_SHARE
from tests.pfs.processes import run_all

DISK_BYTES = 96 << 20
# It would find its place on the disk, but in what is kept free.
LARGE_BYTES = DISK_BYTES - DISK_BYTES // RESERVE_SHARE + (1 << 20)
SMALL_BYTES = 500_000
# More than the log of as many deletions could hold in what is kept free of such a disk, were it not moved meanwhile.
LEAST_FILES = 100

IN_A_NAMESPACE = ["unshare", "--mount", "--map-root-user"]


def can_mount():
    """Whether a process may mount a disk of its own that nobody else sees."""
    try:
        return subprocess.run([*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_mount(), reason="this system lets no test mount a small disk")
def test_a_full_disk_takes_deletions_and_keeps_what_it_has(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs {disk} && exec "$@"'
    [report] = run_all(
        "emptied",
        disk / "store",
        processes=1,
        under=[*IN_A_NAMESPACE, "sh", "-c", mounted, "sh"],
        large=LARGE_BYTES,
        small=SMALL_BYTES,
        folder=str(disk),
    )
    assert report["left_by_large"] > DISK_BYTES // 2  # it was given up, and nothing of it is left
    assert "make room on it" in report["refused"]
    assert report["written"] >= LEAST_FILES  # the next one was refused before its body was read
    assert report["deleted"] == report["written"]
    assert report["wrong"] == []
    assert report["problems"] == []
