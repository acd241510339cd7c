"""Tally: a number that all processes on a folder share, in the first bytes of a file that each of them maps.

Whoever changes it holds off the others. It says when something is due, and no more: what a process that was killed did
not do is due again when as much has been counted once more.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

NUMBER = struct.Struct("<Q")


class Tally:
    """The number in the file at `path`, which is made where there is none: 0. Made while others are held off."""

    def __init__(self, path: Path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < NUMBER.size:
                os.pwrite(file, bytes(NUMBER.size), 0)  # not a hole: where the disk is full, that would kill who counts
            self._number = mmap.mmap(file, NUMBER.size)
        finally:
            os.close(file)

    def reaches(self, limit: int, more: int) -> bool:
        """Count so many more; at the limit it begins again, and this is the one that is told."""
        number: int = NUMBER.unpack(self._number)[0]
        number += more
        NUMBER.pack_into(self._number, 0, 0 if number >= limit else number)
        return number >= limit

    def close(self) -> None:
        self._number.close()
