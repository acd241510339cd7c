"""Uploads in parts that nobody completed, discarded once in a while by a thread of each worker.

Several gateways may do it at once: what one has discarded the others do not find.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from falcon_s3.pfs import Denied, PfsError

logger = logging.getLogger("falcon_s3")

# On average, in seconds.
BETWEEN_SECONDS = 3600.0


class Expiry:
    """Calls `expire`, which gives how many uploads it discarded, until it is closed."""

    def __init__(self, expire: Callable[[], int]):
        self._expire = expire
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(BETWEEN_SECONDS * random.uniform(0.5, 1.5)):  # noqa: S311  so that workers differ
            try:
                count = self._expire()
            except Denied:  # the gateway has no token of its own: those who have must abort their uploads
                return
            except PfsError as ex:
                logger.warning("uploads that nobody completed could not be discarded: %s", ex)
            else:
                if count:
                    logger.info("%d uploads that nobody completed were discarded", count)

    def close(self) -> None:
        self._closing.set()
