"""Room: what new bytes leave free on the disk, so that a full one can be emptied.

To delete is to write: a deletion is a commit, and goes into the log of the catalog before anything becomes free. If
new bytes took the last of the disk, nothing could be deleted any more until somebody made room from outside. So they
are refused while that little is left, whatever needs next to nothing goes on, and the log is kept short. A body may come
to more than is left by what is not written of it yet, `blocks.BUFFER_BYTES`.

The disk may still become full, by whatever else is on it or by what was under way: then all writes are refused.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from falcon_s3.pfs import DiskFull
from falcon_s3.pfs.errors import MAKE_ROOM

# Of any disk, and of a small one a share.
MOST_RESERVE_BYTES = 64 << 20
RESERVE_SHARE = 32
# A look at the disk holds so long if so much is left besides, which is more than can be written until then.
LOOK_SECONDS = 0.1
PLENTY_BYTES = 1 << 30


class Room:
    """The disk that `folder` is on. Safe for many threads."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._until = 0.0

    def check(self) -> None:
        """Before new bytes are read, and while they come. Raises DiskFull when it is too full for more."""
        if self.is_scarce():
            raise DiskFull(f"the disk is full, but for what deletions need: {MAKE_ROOM}")

    def is_scarce(self) -> bool:
        """Whether no more than the reserve is left, as far as the system tells."""
        now = time.monotonic()
        if now < self._until:
            return False
        try:
            disk = os.statvfs(self._folder)
        except OSError:  # whoever writes will be told why
            return False
        reserve = min(MOST_RESERVE_BYTES, disk.f_blocks * disk.f_frsize // RESERVE_SHARE)
        left = disk.f_bavail * disk.f_frsize - reserve
        if left > PLENTY_BYTES:
            self._until = now + LOOK_SECONDS
        return left < 0
