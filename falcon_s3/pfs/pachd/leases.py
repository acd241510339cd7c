"""File sets kept for as long as they are needed, by RenewFileSet: pachd forgets each some minutes after it was made."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import grpc

from falcon_s3.pfs.pachd import methods
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.wire import pfs_pb2 as wire

# How long a file set lives without being told (fileset.DefaultTTL), and how long it may be told to (maxTTL). One that
# is composed must be told: without, pachd keeps it for ever.
MADE_SECONDS, RENEWED_SECONDS = 600, 1800
# How long after these each is renewed, and how often they are looked at.
MADE_AGE, RENEWED_AGE = MADE_SECONDS / 3, RENEWED_SECONDS / 3
LOOK_SECONDS = 10.0


class Leases:
    """Used as a context: what is added lives until its end. A thread of its own renews, which ends with it."""

    def __init__(self, calls: Calls):
        self._calls = calls
        self._due: dict[str, float] = {}  # when each is renewed next, by its id
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pachd-leases", daemon=True)

    def __enter__(self) -> Leases:  # noqa: PYI034  typing.Self came with Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._end.set()
        self._thread.join()

    def add(self, identity: str) -> str:
        """Keep a file set that was just made; gives its id."""
        self._due[identity] = time.monotonic() + MADE_AGE
        return identity

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            for identity, due in list(self._due.items()):
                if self._end.is_set():
                    return
                if due <= time.monotonic():
                    self._renew(identity)

    def _renew(self, identity: str) -> None:
        """One that cannot be renewed is tried again at the next look: what needs it says if it is gone."""
        request = wire.RenewFileSetRequest(file_set_id=identity, ttl_seconds=RENEWED_SECONDS)
        with suppress(grpc.RpcError, ValueError):  # of grpc, when the store is closed
            self._calls.change(methods.RENEW_FILE_SET, request)
            self._due[identity] = time.monotonic() + RENEWED_AGE
