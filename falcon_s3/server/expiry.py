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
    """Calls `expire`, which gives how many uploads it discarded, until it is closed.

    `is_user`: whether the gateway is a user of the store. If not, and the store has users, those must abort their uploads.
    """

    def __init__(self, expire: Callable[[], int], *, is_user: bool):
        self._expire = expire
        self._is_user = is_user
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.wait(BETWEEN_SECONDS * random.uniform(0.5, 1.5)):  # noqa: S311  so that workers differ
            try:
                count = self._expire()
            except PfsError as ex:
                if isinstance(ex, Denied) and not self._is_user:
                    return
                logger.warning("uploads that nobody completed could not be discarded: %s", ex)
            else:
                if count:
                    logger.info("%d uploads that nobody completed were discarded", count)

    def close(self) -> None:
        self._closing.set()
