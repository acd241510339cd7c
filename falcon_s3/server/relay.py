"""Relay: of a worker's threads one serves at a time, and hands on what it does when it has to wait for a client.

Python runs one thread at a time. Where many take part in short work they mostly take it from each other: a bare answer
of 4 KiB took 31 us of processor with one thread, 50 with 32. But with one thread alone a slow client would hold up all
others. So one thread serves; before it reads a body that may be long in coming, or sends an answer in pieces, it steps
aside, and one of those that rest takes its place. Granian starts a thread whenever a request waits: of those that serve
at a time all but one rest after their next quick request.

Rule: nobody's resting may hold up a request. Who rests looks again after a second, and the one that rests last looks
every few milliseconds whether the one that serves is still at the same request, as on a slow disk, and then serves
instead: whoever served until then counts as having stepped aside.

A small PUT is not waited for either: its answer is prepared, and sent by whoever has written it (`deferral`). Granian
takes an answer from any thread, after the call too.

Granian wraps applications itself, in what gives no place to rest: `exchange.install` puts Relay there.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from falcon_s3.answers import Given, Headers
from falcon_s3.deferral import DEFERRAL, VERSION, Begun, Deferral
from falcon_s3.server.affinity import Affinity
from falcon_s3.server.exchange import ENVIRONMENT, Body, Chunks, Exchange, Start, Watch, Watches, linger
from falcon_s3.server.scheduling import UNCHANGED, Manners

logger = logging.getLogger(__name__)

# How long a request may take before another thread serves beside it, in seconds.
PATIENCE_SECONDS = 0.02
REST_SECONDS = 1.0

READS = frozenset(("GET", "HEAD"))
OK = 200
# Bodies up to here are read without stepping aside: TCP sends as much at once (RFC 6928: ten segments), headers included.
SMALL_BYTES = 8 << 10
# The length of a large body has at least so many digits: 1,000,000 bytes.
LARGE_DIGITS = 7
# A parameter that does not sign: it may ask for something else than an object to be written.
ASKING = re.compile("(?:^|&)(?!X-Amz-)(?!x-id=PutObject)")


class Bed:
    """Where one thread rests."""

    __slots__ = ("called", "lock", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.lock = threading.Lock()
        self.lock.acquire()  # released to wake who waits for it
        self.called = False  # woken to serve, and counted; else to look around


class Place:
    """One thread that serves or rests. It goes with its thread: Granian ends those that wait too long for a request."""

    def __init__(self, relay: Relay):
        self._relay = relay
        self.round = -1  # in which it was last counted among those that serve
        self.watch = Watch()
        relay.arrive(self)

    def __del__(self) -> None:
        self._relay.step_aside(self)


class Relay:
    """What Granian calls with each request, in any number of threads."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        manners: Manners = UNCHANGED,
        affinity: Affinity | None = None,
    ):
        """`app` may have three parts, as `answers.Answers` has; `manners` are those of the threads that come.

        `affinity` is told of large bodies.
        """
        self._manners = manners
        self._affinity = affinity or Affinity(0, 0)
        self._app: Callable[..., Iterable[bytes]] = getattr(app, "ask", app)
        self._given: Callable[[dict[str, Any]], Given | None] = getattr(app, "given", nothing)
        self._begun: Callable[[dict[str, Any]], Begun | None] = getattr(app, "begun", nothing)
        self._here = threading.local()
        self._lock = threading.Lock()  # around what follows, for moments
        self._serving = 0  # threads that neither rest nor stepped aside
        self._round = 0  # how often those that served were taken for aside
        self._resting: list[Bed] = []
        self._requests = 0  # how many were begun
        self.watches = Watches()  # of requests whose answers are not kept

    def __call__(self, exchange: Exchange, env: dict[str, Any]) -> None:
        try:
            place: Place = self._here.place
        except AttributeError:
            self._manners.interrupt()
            place = self._here.place = Place(self)
        self._requests += 1
        if place.round != self._round:
            self.arrive(place)
        given = self._given(env)
        if given is None:
            self._serve(place, exchange, env)
            return
        status, headers, body = given
        exchange.response_bytes(status, headers, body)
        if place.round != self._round:
            self.arrive(place)
        if self._serving > 1:
            del given, body
            self._rest(place)

    def _serve(self, place: Place, exchange: Exchange, env: dict[str, Any]) -> None:
        """Answer what is not kept."""
        self.watches.begin(place.watch)
        try:
            aside = self._answer_now(place, exchange, env)
        finally:
            self.watches.end(place.watch)
        if place.round != self._round:
            self.arrive(place)
        if not aside and self._serving > 1:
            self._rest(place)

    def _answer_now(self, place: Place, exchange: Exchange, env: dict[str, Any]) -> bool:
        """Answer, or begin a write that will. Whether this thread stepped aside for it; it is back."""
        if is_quick(env):
            return self._ask(place, exchange, env, None, aside=False)
        env["wsgi.input"] = Body(env["wsgi.input"].read, place.watch)
        if not is_small_put(env):
            return self._ask(place, exchange, env, None, aside=True)
        begun = self._begun(env)
        if begun is None:
            is_put = is_of_object(env)
            return self._ask(place, exchange, env, Deferral() if is_put else None, aside=not is_put)
        headers, started = begun
        started.finish(functools.partial(self._answer, exchange, env, headers, Deferral()))
        return False

    def _ask(
        self, place: Place, exchange: Exchange, env: dict[str, Any], deferral: Deferral | None, *, aside: bool
    ) -> bool:
        """Answer what takes the application, having stepped `aside` or not. Whether this thread did; it is back."""
        env.update(ENVIRONMENT)
        env[DEFERRAL] = deferral
        if aside:
            self.step_aside(place)
        large = "HTTP_TRANSFER_ENCODING" in env or is_large(env.get("CONTENT_LENGTH", ""))
        if large:
            self._affinity.begin()
        try:
            start = Start()
            body = self._app(env, start)
            if deferral is not None and deferral.started is not None and start.status == OK:
                deferral.started.finish(functools.partial(self._answer, exchange, env, start.headers, deferral))
            elif isinstance(body, list):
                exchange.response_bytes(start.status, start.headers, b"".join(body))
                if aside:
                    linger(env, start.headers)
            else:
                if not aside:
                    aside = True
                    self.step_aside(place)
                if not large and is_large(dict(start.headers).get("content-length", "")):
                    large = True
                    self._affinity.begin()
                self._manners.wait()
                try:
                    exchange.response_iter(start.status, start.headers, Chunks(body, place.watch))
                finally:
                    self._manners.interrupt()
        finally:
            if large:
                self._affinity.end()
            if aside or place.round != self._round:
                self.arrive(place)
        return aside

    def _answer(
        self,
        exchange: Exchange,
        env: dict[str, Any],
        headers: Headers,
        deferral: Deferral,
        version: str | None,
        failure: BaseException | None,
    ) -> None:
        """Answer a PUT that was written, or was not. In a thread that writes, which must not be held up."""
        try:
            if version is not None:
                told = [(name, version if value == VERSION else value) for name, value in headers]
                exchange.response_bytes(OK, told, b"")
                return
            deferral.failure = failure
            env.update(ENVIRONMENT)
            env[DEFERRAL] = deferral
            env["wsgi.input"] = io.BytesIO()  # it was read
            start = Start()
            body = self._app(env, start)
            exchange.response_bytes(start.status, start.headers, b"".join(body))
        except Exception:
            logger.exception("a PUT could not be answered")
            exchange.response_bytes(500, [], b"")

    def arrive(self, place: Place) -> None:
        """This thread serves from now on; if another does too, it rests after its next request."""
        with self._lock:
            self._serving += 1
            place.round = self._round

    def step_aside(self, place: Place) -> None:
        """This thread does not serve for a while; if no other does, one that rests is woken."""
        with self._lock:
            if place.round != self._round:  # it was taken for aside already
                return
            self._serving -= 1
            if not self._serving and self._resting:
                self._serving = 1
                bed = self._resting.pop()  # the last one, whose memory is the warmest
                bed.called = True
                bed.place.round = self._round
                if bed.lock.locked():
                    bed.lock.release()
                self._nudge()

    def _nudge(self) -> None:
        """With the lock: another one rests last now, and looks more often from now on."""
        if self._resting and self._resting[-1].lock.locked():
            self._resting[-1].lock.release()

    def _rest(self, place: Place) -> None:
        bed = Bed(place)
        with self._lock:
            if self._serving < 2 or place.round != self._round:  # another one rests already, or all others are aside
                return
            self._serving -= 1
            self._resting.append(bed)
        end, instead = time.monotonic() + REST_SECONDS, False
        while not bed.called:
            is_last, before = self._resting[-1:] == [bed], self._requests
            if bed.lock.acquire(timeout=PATIENCE_SECONDS if is_last else REST_SECONDS):
                continue  # something has changed
            instead = is_last and self._requests == before
            if instead or time.monotonic() >= end:
                break
        with self._lock:
            if not bed.called:
                self._resting.remove(bed)
                if instead:
                    self._round += 1
                    self._serving = 0
                self._serving += 1
                place.round = self._round
                self._nudge()


def nothing(env: dict[str, Any]) -> None:
    """What is given by an application that keeps no answers, and begun by one that begins no writes."""


def is_quick(env: dict[str, Any]) -> bool:
    """Whether a request is carried out without a further word from its client, and changes nothing."""
    return (
        env["REQUEST_METHOD"] in READS and env.get("CONTENT_LENGTH", "0") == "0" and "HTTP_TRANSFER_ENCODING" not in env
    )


def is_small_put(env: dict[str, Any]) -> bool:
    """Whether the request puts a small body, which is on its way."""
    length = env.get("CONTENT_LENGTH", "")
    return (
        env["REQUEST_METHOD"] == "PUT"
        and length.isascii()
        and length.isdigit()
        and len(length) <= len(str(SMALL_BYTES))
        and 0 < int(length) <= SMALL_BYTES
        and env.keys().isdisjoint(("HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_X_AMZ_COPY_SOURCE"))
    )


def is_large(length: str) -> bool:
    """Whether a body of this length, as a header has it, is one for `affinity`."""
    return len(length) >= LARGE_DIGITS


def is_of_object(env: dict[str, Any]) -> bool:
    """Whether a PUT writes an object, as far as its query tells."""
    return not (env["QUERY_STRING"] and ASKING.search(env["QUERY_STRING"]))
