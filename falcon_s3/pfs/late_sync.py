"""The sync of a log that comes after the answer: what relaxed durability is.

Names still come only after bytes, and the log is still written in order, so a power cut takes back the last moments
and damages nothing; a process that is killed loses nothing, since the kernel has what it wrote.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

logger = logging.getLogger(__name__)

# Between a write and its sync, at most, but for what the sync itself takes.
LATE_SECONDS = 0.5


class LateSync:
    """Syncs the file at `path` on a thread of its own, LATE_SECONDS after it was told of a write."""

    def __init__(self, path: Path):
        self._path = path
        self._written = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="late sync", daemon=True)
        self._thread.start()

    def wrote(self) -> None:
        self._written.set()

    def _run(self) -> None:
        while True:
            self._written.wait()
            last = self._closing.wait(LATE_SECONDS)
            self._written.clear()  # before the sync: what is written during it may not be in it
            try:
                self._sync()
            except OSError:
                logger.exception("what was acknowledged could not be synced")
                self._written.set()
            if last:
                return

    def _sync(self) -> None:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # the log has gone into the database, which was synced
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def close(self) -> None:
        """Returns when everything is synced."""
        self._closing.set()
        self._written.set()
        self._thread.join()
