"""A file that SQLite holds open in this process, synced or written to.

That goes over a handle that SQLite has: to close one of our own would take all locks of the process from the file
(fcntl(2), "Record locking"), and SQLite's are such locks.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from falcon_s3.pfs.disk_sync import sync_data

# The handles of this process, by their numbers: on Linux a link to /proc/self/fd, on macOS and the BSDs as it is.
HANDLES = Path("/dev/fd")


def sync(path: Path) -> bool:
    """Sync what was written to the file. False where no handle of it was found. Raises OSError where the disk fails."""
    handle = _handle(path)
    if handle is None:
        return False
    sync_data(handle)
    return True


def write(path: Path, data: bytes) -> bool:
    """Write to the beginning of the file. False where no handle of it was found. Raises OSError."""
    handle = _handle(path)
    if handle is None:
        return False
    os.pwrite(handle, data, 0)
    return True


def _handle(path: Path) -> int | None:
    with contextlib.suppress(OSError):  # a system without HANDLES, or a file that is not there
        wanted = path.stat()
        for name in os.listdir(HANDLES):
            with contextlib.suppress(OSError):  # closed meanwhile, as the one over which they were listed
                if os.path.samestat(os.fstat(int(name)), wanted):
                    return int(name)
    return None
