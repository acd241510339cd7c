"""An HTTP client for measuring: many connections of one process, requests made ready beforehand, every answer counted.

A closed loop: each connection makes its next request when the one before is answered, so that a slow server is asked
less, as by most real clients. The parser is httptools, the loop uvloop where it is installed.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import re
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import httptools

try:
    from uvloop import run as run_loop
except ImportError:
    run_loop = asyncio.run

# A body of up to here goes out in one piece with its head.
JOINED_BYTES = 64 << 10
# How long after the end of a run an answer may take.
PATIENCE_SECONDS = 30
# How often, twenty times a second, a connection is refused until nobody tries any more.
ATTEMPTS = 100
# A body begins with the number of its object and what no other body has, 8 bytes each.
NUMBER_BYTES, STAMP_BYTES = 8, 16
_CODE = re.compile(b"<Code>([A-Za-z0-9]+)</Code>")


class Request(NamedTuple):
    """`head` is all that is sent before the body; `size` bytes are sent (PUT) or expected (GET) of object `number`."""

    kind: str
    head: bytes
    number: int = 0
    size: int = 0
    sends: bool = False
    checked: bool = False  # whether the answer's bytes are kept and compared
    again: bool = False  # whether it sends what it sent the last time


@dataclass
class Tally:
    """What came of the requests: seconds and bytes by kind, and what went wrong by (kind, code)."""

    seconds: dict[str, array[float]] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    verified: int = 0
    connections: int = 0  # that were opened

    def add(self, other: Tally) -> None:
        for kind, seconds in other.seconds.items():
            self.seconds.setdefault(kind, array("d")).extend(seconds)
        self.received.update(other.received)
        self.sent.update(other.sent)
        self.errors.update(other.errors)
        self.verified += other.verified
        self.connections += other.connections

    @property
    def count(self) -> int:
        return sum(map(len, self.seconds.values()))


def noise(size: int) -> bytes:
    """The bytes of every object after its stamp: the same in each process, compressible by nobody."""
    return random.Random(size).randbytes(size)


class Run:
    """What the connections of one process share: which request is next, the time, and the tally.

    Answers that come between `begin` and `end` (of time.monotonic) count; with `most` so many of the requests that are
    made after `begin`. The rest warms up.
    """

    def __init__(self, requests: Iterable[Request], most: int | None = None):
        self._requests = iter(requests)
        self._most = self._left = most
        self._stamps = itertools.count(random.SystemRandom().getrandbits(48) << 16)
        self._noise: dict[int, memoryview] = {}
        self.begin, self.end = 0.0, math.inf
        self.tally = Tally()
        self.finished = 0.0

    def next(self, now: float) -> Request | None:
        """What is asked `now`; that time is told to `record` too, else what begins in between counts as one more."""
        if now >= self.end or self._left == 0:
            return None
        if self._left is not None and now >= self.begin:
            self._left -= 1
        return next(self._requests, None)

    def body(self, asked: Request) -> list[bytes | memoryview]:
        """New bytes each time, so that no server stores them for free, unless that is asked."""
        stamp = asked.number.to_bytes(NUMBER_BYTES, "big") + (0 if asked.again else next(self._stamps)).to_bytes(
            8, "big"
        )
        return [stamp[: asked.size], self._tail(asked.size)]

    def is_right(self, asked: Request, body: bytes) -> bool:
        number = asked.number.to_bytes(NUMBER_BYTES, "big")[: asked.size]
        right = len(body) == asked.size and body.startswith(number)
        return right and memoryview(body)[STAMP_BYTES:] == self._tail(asked.size)

    def _tail(self, size: int) -> memoryview:
        if size not in self._noise:
            self._noise[size] = memoryview(noise(max(size - STAMP_BYTES, 0)))
        return self._noise[size]

    def record(self, asked: Request, started: float, received: int, wrong: str | None) -> None:
        now = time.monotonic()
        self.finished = now
        if not self.begin <= (now if self._most is None else started) or now > self.end:
            return
        tally = self.tally
        if wrong is not None:
            tally.errors[asked.kind, wrong] += 1
            return
        if asked.kind not in tally.seconds:
            tally.seconds[asked.kind] = array("d")
        tally.seconds[asked.kind].append(now - started)
        tally.received[asked.kind] += received
        tally.verified += asked.checked
        if asked.sends:
            tally.sent[asked.kind] += asked.size


class Connection(asyncio.Protocol):
    """One request at a time, until the run has no more; `closed` then holds True, else False: open another."""

    transport: asyncio.Transport

    def __init__(self, run: Run):
        self._run = run
        self._asked: Request | None = None
        self._done = False
        self.closed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._run.tally.connections += 1
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._started = time.monotonic()
        asked = self._asked = self._run.next(self._started)
        if asked is None:
            self._done = True
            self.transport.close()
            return
        self._status, self._received, self._complete = 0, 0, False
        self._kept: list[bytes] | None = [] if asked.checked else None
        if not asked.sends:
            self.transport.write(asked.head)
        elif asked.size <= JOINED_BYTES:
            self.transport.write(b"".join([asked.head, *self._run.body(asked)]))
        else:
            self.transport.writelines([asked.head, *self._run.body(asked)])

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._keep = self._parser.should_keep_alive()
        if self._status >= 300:
            self._kept = []

    def on_body(self, body: bytes) -> None:
        self._received += len(body)
        if self._kept is not None:
            self._kept.append(body)

    def on_message_complete(self) -> None:
        self._complete = self._status >= 200  # 100 Continue is none
        self._keep = self._parser.should_keep_alive()  # the parser forgets it with the message

    def data_received(self, data: bytes) -> None:
        asked = self._asked
        if asked is None:
            return
        self._parser.feed_data(data)
        if self._status >= 200 and asked.kind == "head" and not self._complete:
            # The parser cannot be told that no body follows.
            self._complete = True
            self._parser = httptools.HttpResponseParser(self)
        elif not self._complete:
            return
        self._end(self._wrong(asked))
        if self._keep:
            self._begin()
        else:
            self.transport.close()

    def _wrong(self, asked: Request) -> str | None:
        """The S3 code of an error, its status if there is none; "bytes" for those of another object."""
        body = b"".join(self._kept or ())
        if self._status >= 300:
            code = _CODE.search(body)
            return code[1].decode() if code else str(self._status)
        if asked.checked and not self._run.is_right(asked, body):
            return "bytes"
        return None

    def _end(self, wrong: str | None) -> None:
        assert self._asked is not None
        self._run.record(self._asked, self._started, self._received, wrong)
        self._asked = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asked is not None:
            self._end("connection lost")
        self.closed.set_result(self._done)


async def keep_connected(run: Run, host: str, port: int) -> None:
    """One connection, opened again as long as there is something to ask, and somebody answers."""
    loop = asyncio.get_running_loop()
    refused = 0
    while time.monotonic() < run.end:
        try:
            _, connection = await loop.create_connection(lambda: Connection(run), host, port)
        except OSError:
            run.tally.errors["connect", "refused"] += 1
            refused += 1
            if refused == ATTEMPTS:
                return
            await asyncio.sleep(0.05)
            continue
        refused = 0
        if await connection.closed:
            return


def drive(run: Run, host: str, port: int, connections: int) -> None:
    """Make the requests of the run over so many connections, until it ends or there are none left."""

    async def together() -> None:
        tasks = [asyncio.create_task(keep_connected(run, host, port)) for _ in range(connections)]
        left = run.end - time.monotonic() + PATIENCE_SECONDS
        done, waiting = await asyncio.wait(tasks, timeout=None if math.isinf(left) else left)
        for each in waiting:
            each.cancel()
            run.tally.errors["any", "no answer"] += 1
        for each in done:
            each.result()

    run_loop(together())
