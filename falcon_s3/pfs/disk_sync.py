"""The sync of a file's bytes, as each system has it, and of names in folders.

macOS has no fdatasync, and its fsync leaves the bytes in the cache of the disk: F_FULLFSYNC is what takes them further,
where the file system has it (fsync(2) of macOS).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
NOT_THERE = (errno.ENOTSUP, errno.ENOTTY, errno.EINVAL)


def sync_data(handle: int) -> None:
    """Returns when what was written to the file is on disk. Raises OSError."""
    if FULL_SYNC is not None:
        try:
            fcntl.fcntl(handle, FULL_SYNC)
        except OSError as ex:
            if ex.errno not in NOT_THERE:
                raise
        else:
            return
    getattr(os, "fdatasync", os.fsync)(handle)


def sync_folder(folder: Path) -> None:
    """Returns when the names in it are on disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make it where it is not there, with those that it is in. Their names are on disk then. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        with contextlib.suppress(PermissionError):  # in which folders may be made, but not looked at
            sync_folder(each.parent)
