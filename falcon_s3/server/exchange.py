"""Exchange: Granian's side of a request, and how an answer of the application gets there.

Granian calls with a WSGI environment and an object that takes the answer, in any thread, and after the call too. What is
missing in that environment is here, and so are the body and the answer in pieces, which tell when their client is waited for.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from falcon_s3.answers import Headers

# What a WSGI environment has that Granian leaves to its wrapper (PEP 3333). Nothing of the process's own environment,
# in which a variable HTTP_PROXY would be taken for a header.
ENVIRONMENT = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Exchange(Protocol):
    """Granian's side of a request. Of several answers it takes the first."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None: ...

    def response_iter(self, status: int, headers: Headers, body: object) -> None: ...


class Start:
    """WSGI's start_response, and what it was told."""

    __slots__ = ("headers", "status")

    def __call__(self, status: str, headers: Headers, exc_info: object = None) -> None:
        self.status = int(status[:3])
        self.headers = headers


class Watch:
    """What the thread of a request does, and since when, by the monotonic clock; infinite: it does not."""

    __slots__ = ("waits_since", "works_since")

    def __init__(self) -> None:
        self.rest()

    def work(self) -> None:
        """On the answer."""
        self.waits_since, self.works_since = math.inf, time.monotonic()

    def wait(self) -> None:
        """For the client."""
        self.waits_since, self.works_since = time.monotonic(), math.inf

    def rest(self) -> None:
        self.waits_since = self.works_since = math.inf


class Body:
    """The body of a request, as `wsgi.input` has it."""

    __slots__ = ("_read", "_watch")

    def __init__(self, read: Callable[[int], bytes], watch: Watch):
        self._read = read
        self._watch = watch

    def read(self, size: int) -> bytes:
        self._watch.wait()
        data = self._read(size)
        self._watch.work()
        return data


class Chunks:
    """An answer in pieces as Granian walks it: it has `__next__`, and always `close`."""

    __slots__ = ("__next__", "_body")

    def __init__(self, body: Iterable[bytes], watch: Watch):
        self._body = body
        pieces = iter(body)

        def following() -> bytes:
            watch.work()
            try:
                return next(pieces)
            finally:
                watch.wait()

        self.__next__ = following

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
