"""Exchange: Granian's side of a request, and how an answer of the application gets there.

Granian calls with a WSGI environment and an object that takes the answer, in any thread, and after the call too. It wraps
applications itself; `install` makes it call what is loaded. What is missing in that environment is here, and so are the
body and the answer in pieces, which tell when their client is waited for: without end, where it stopped (`silence`).
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from granian.server import mp

from falcon_s3.answers import Application, Headers
from falcon_s3.server.silence import HELD_SECONDS, SILENT_SECONDS

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


# How much is still read of a body after its answer, and for how long. The parts that clients send are smaller mostly.
LINGER_BYTES = 64 << 20
LINGER_SECONDS = 5.0
LINGER_PIECE = 256 << 10
CLOSING = ("connection", "close")


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


class Watches:
    """Of the threads of a worker, those that are at a request."""

    def __init__(self) -> None:
        self._begun: set[Watch] = set()

    def begin(self, watch: Watch) -> None:
        watch.work()
        self._begun.add(watch)

    def end(self, watch: Watch) -> None:
        self._begun.discard(watch)
        watch.rest()

    def held(self) -> int:
        """How many threads wait for clients that may be gone; none as long as one has been at work for long."""
        now, watches = time.monotonic(), list(self._begun)
        if any(now - each.works_since >= SILENT_SECONDS for each in watches):
            return 0
        return sum(now - each.waits_since >= HELD_SECONDS for each in watches)


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


def linger(env: dict[str, Any], headers: Headers) -> None:
    """After an answer that ends its connection: read what the client still sends, within bounds, and drop it.

    Many clients read no answer before they have sent all, and a connection that is closed while they send is reset, which
    takes away the answer too (RFC 9112 section 9.6). Those that wait for 100 Continue send nothing.
    """
    if CLOSING not in headers or "HTTP_EXPECT" in env:
        return
    read, left, end = env["wsgi.input"].read, LINGER_BYTES, time.monotonic() + LINGER_SECONDS
    while left > 0 and time.monotonic() < end and (dropped := read(LINGER_PIECE)):
        left -= len(dropped)


class Direct:
    """What Granian calls where each of its threads answers what it was given, however long that takes."""

    def __init__(self, app: Application):
        self._app = app
        self.watches = Watches()

    def __call__(self, exchange: Exchange, env: dict[str, Any]) -> None:
        watch = Watch()
        self.watches.begin(watch)
        try:
            env.update(ENVIRONMENT)
            env["wsgi.input"] = Body(env["wsgi.input"].read, watch)
            start = Start()
            body = self._app(env, start)
            if isinstance(body, list):
                exchange.response_bytes(start.status, start.headers, b"".join(body))
                linger(env, start.headers)
            else:
                exchange.response_iter(start.status, start.headers, Chunks(body, watch))
        finally:
            self.watches.end(watch)


def can_install() -> bool:
    """Whether this version of Granian has the place where something can be called with an Exchange."""
    return hasattr(mp, "_wsgi_call_wrap")


def install() -> None:
    """From now on Granian, in this process, calls what it loads with each request and wraps nothing around it."""
    mp._wsgi_call_wrap = lambda callback, *_: callback  # type: ignore[attr-defined]  # noqa: SLF001  no public place
