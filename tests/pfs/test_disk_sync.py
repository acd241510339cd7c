"""What each system has to bring bytes to disk is what is called."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from falcon_s3.pfs import disk_sync
from falcon_s3.pfs.embedded import EmbeddedPfs

FULL = 51  # F_FULLFSYNC of macOS


@pytest.fixture
def called(monkeypatch):
    """What was called on a system that is like macOS."""
    found: list[object] = []
    monkeypatch.delattr(os, "fdatasync", raising=False)
    monkeypatch.setattr(os, "fsync", lambda handle: found.append("fsync"))
    monkeypatch.setattr(fcntl, "fcntl", lambda handle, command: found.append(command))
    return found


def test_without_fdatasync_the_file_is_synced_whole(called):
    disk_sync.sync_data(0)
    assert called == ["fsync"]


def test_what_takes_bytes_out_of_the_disks_cache_is_enough(called, monkeypatch):
    monkeypatch.setattr(disk_sync, "FULL_SYNC", FULL)
    disk_sync.sync_data(0)
    assert called == [FULL]


@pytest.mark.parametrize("number, then", [(errno.ENOTSUP, ["fsync"]), (errno.EIO, [])])
def test_a_file_system_without_it_is_no_disk_that_fails(called, monkeypatch, number, then):
    def refuse(handle: int, command: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk_sync, "FULL_SYNC", FULL)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    try:
        disk_sync.sync_data(0)
    except OSError as ex:
        assert ex.errno == errno.EIO
    assert called == then


def test_names_of_new_folders_are_synced_up_to_one_that_was_there(tmp_path, monkeypatch):
    """Else a power cut may take a new store away as a whole, with all that was acknowledged (fsync(2))."""
    synced: list[Path] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        sync(handle)
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")))

    monkeypatch.setattr(os, "fsync", fsync)
    for _ in range(2):
        EmbeddedPfs(tmp_path / "new" / "store").close()
    assert [synced.count(each) for each in (tmp_path, tmp_path / "new")] == [1, 1]
