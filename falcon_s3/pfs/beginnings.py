"""Beginnings: how the contents that came lately begin, each by the BLAKE3 of its bytes until there.

The same bytes come again: a pipeline writes what it wrote the last time, a log has grown at its end, an upload is begun
anew. What was computed or stored of a beginning then holds for every content that begins so.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import Generic, TypeVar

# How many are remembered: after each chunk of a body there is one, and chunks are 256 KiB. So it is 1 GiB of bodies, and
# both that a worker has of them take about 1 MiB.
MOST = 4096

T = TypeVar("T")


class Beginnings(Generic[T]):
    """What holds for each of the beginnings used last. Safe for many threads."""

    def __init__(self, most: int = MOST):
        self._most = most
        self._known: dict[bytes, T] = {}  # the one used last at the end
        self._lock = threading.Lock()

    def get(self, beginning: bytes) -> T | None:
        with self._lock:
            found = self._known.pop(beginning, None)
            if found is not None:
                self._known[beginning] = found
            return found

    def put(self, beginning: bytes, what: T) -> None:
        """Remember it, instead of what was not used for longest, of which some more are forgotten then."""
        with self._lock:
            self._known.pop(beginning, None)
            self._known[beginning] = what
            if len(self._known) > self._most:
                # Several at a time: to find the first one, a dict walks over all that were taken out before it.
                for old in list(islice(self._known, max(1, self._most // 8))):
                    del self._known[old]

    def clear(self) -> None:
        with self._lock:
            self._known.clear()
