"""The pages of listings that were asked for last, as packed rows.

What a finished commit shows never changes, unless a version is taken out of history, which is counted; so a page is
remembered under all that it follows from, and never has to be forgotten because something was written.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from falcon_s3.pfs import Listed

# What a page costs beside its rows and what was asked for: objects, and their place.
PAGE_BYTES = 1000
CHARACTER_BYTES = 4


class Asked(NamedTuple):
    """What a page follows from. The line, the commit and the count of versions taken out tell which files there are."""

    line: int
    number: int
    purged: int
    prefix: str
    after: str
    delimiter: str
    most: int


class Recent:
    """The pages used last, `most` bytes in all. Safe for many threads."""

    def __init__(self, most: int):
        self._most = most
        self._bytes = 0
        self._pages: OrderedDict[Asked, tuple[Listed, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, asked: Asked) -> Listed | None:
        with self._lock:
            found = self._pages.get(asked)
            if found is None:
                return None
            self._pages.move_to_end(asked)
            return found[0]

    def put(self, asked: Asked, page: Listed) -> None:
        """Remember a page, instead of those that were not used for longest. One that would take much is not remembered."""
        text = len(asked.prefix) + len(asked.after) + len(asked.delimiter) + len(page.last)
        cost = len(page.rows) + CHARACTER_BYTES * text + PAGE_BYTES
        if cost * 8 > self._most:
            return
        with self._lock:
            replaced = self._pages.pop(asked, None)
            self._pages[asked] = page, cost
            self._bytes += cost - (replaced[1] if replaced else 0)
            while self._bytes > self._most:
                _, (_, freed) = self._pages.popitem(last=False)
                self._bytes -= freed
