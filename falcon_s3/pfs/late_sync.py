"""The sync of a log that comes after the answer: what relaxed durability is.

Names still come only after bytes, and the log is still written in order, so a power cut takes back the last moments
and damages nothing; a process that is killed loses nothing, since the kernel has what it wrote.
"""

from __future__ import annotations

import logging
import threading

from falcon_s3.pfs.log_sync import LogSync

logger = logging.getLogger(__name__)

# Between a write and its sync, at most, but for what the sync itself takes.
LATE_SECONDS = 0.5


class LateSync:
    """Syncs the log on a thread of its own, LATE_SECONDS after it was told of a write."""

    def __init__(self, log: LogSync):
        self._log = log
        self._written = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="late sync", daemon=True)
        self._thread.start()

    def wrote(self) -> None:
        self._written.set()

    def _run(self) -> None:
        while True:
            self._written.wait()
            self._closing.wait(LATE_SECONDS)
            self._written.clear()  # before the sync: what is written during it may not be in it
            last = self._closing.is_set()  # looked at after that: else who closes would say it unheard
            try:
                self._log.sync()
            except OSError as ex:  # see `log_sync` for how it goes on
                logger.warning("what was acknowledged could not be synced: %s", ex)
            if last:
                return

    def close(self) -> None:
        """Returns when everything is synced."""
        self._closing.set()
        self._written.set()
        self._thread.join()
