"""Kept: what was read from the catalog, good as long as the catalog is as it was.

Whether it is tells a counter in memory that all processes on the folder share: the first bytes of a file, mapped.
It is odd while somebody writes, and even between two writes. Whoever has the turn to write counts before and after;
what was read while the counter stood still, and on an even number, is what any reader would find as long as it stands
there. So a reader that finds what it wants here asks neither SQLite nor the disk, and is never behind: the counter has
moved before a write is acknowledged. A writer that was killed leaves an odd number, and nothing is kept until the next
write ends.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

COUNTER_BYTES = 8
# How much is kept, in bytes as they are counted by `keep`; then all of it goes.
MOST_BYTES = 4 << 20
# What a value takes besides its bytes.
ENTRY_BYTES = 1024


class Kept:
    """`file` is open for reading and writing. Made while it is locked; safe for many threads."""

    def __init__(self, file: int):
        if os.fstat(file).st_size < COUNTER_BYTES:
            os.pwrite(file, bytes(COUNTER_BYTES), 0)  # not a hole: where the disk is full, that would kill who counts
        self._counter = mmap.mmap(file, COUNTER_BYTES)
        self._known: tuple[bytes, dict[object, Any]] = (b"", {})
        self._bytes = 0

    def get(self, key: object) -> Any:
        """What was kept for the key, if that is still so; else None."""
        state, kept = self._known
        return kept.get(key) if state == self._counter[:] else None

    def state(self) -> bytes:
        """To be taken before something is read that is to be kept."""
        return self._counter[:]

    def keep(self, key: object, value: object, size: int, state: bytes) -> None:
        """Keep what was read since the `state`, and is so many bytes, unless somebody has written since."""
        if state[0] & 1 or self._counter[:] != state:
            return
        known, kept = self._known
        if known != state or self._bytes > MOST_BYTES:
            kept = {}
            self._known = (state, kept)
            self._bytes = 0
        kept[key] = value
        self._bytes += size + ENTRY_BYTES

    def is_changing(self) -> bool:
        """For who has the turn to write: whether the last one was killed in his."""
        return bool(self._counter[0] & 1)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around everything that may change the catalog, for who has the turn to write."""
        number = int.from_bytes(self._counter[:], "little") | 1
        self._counter[:] = number.to_bytes(COUNTER_BYTES, "little")
        try:
            yield
        finally:
            self._counter[:] = (number + 1).to_bytes(COUNTER_BYTES, "little")

    def close(self) -> None:
        self._known = (b"", {})
        self._counter.close()
