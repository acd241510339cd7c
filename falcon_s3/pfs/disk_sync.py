"""The sync of a file's bytes, as each system has it.

macOS has no fdatasync, and its fsync leaves the bytes in the cache of the disk: F_FULLFSYNC is what takes them further,
where the file system has it (fsync(2) of macOS).
"""

from __future__ import annotations

import errno
import fcntl
import os

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
