"""A request and its answer on meinheld: where the request ends, and what makes the answer whole.

Built without greenlet, meinheld cuts off every answer that a socket does not take at once. So no write may meet a
full socket: `Paced` cuts the answer to what surely fits and sends each piece when the one before has arrived.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import logging
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from falcon_s3 import pfs
from falcon_s3.server.meinheld_refusal import refuse

logger = logging.getLogger("falcon_s3")

# Of a Content-Length, at most: Python reads no number of thousands.
LENGTH_DIGITS = 18
# A client that takes nothing for so long is given up, in seconds: it holds the whole worker.
STALLED_SECONDS = 30
# Room kept for the headers, which go out with the first piece.
HEADER_BYTES = 64 << 10
LEAST_PIECE = 16 << 10


class Stalled(OSError):
    """The client went away, or took nothing for STALLED_SECONDS."""


class Paced:
    """A WSGI application whose answers meet no full socket, and whose requests end where their senders meant.

    Where that is not sure the connection ends with the answer: what follows may be the rest of a body, which somebody
    hid there behind a proxy that reads requests in another way (RFC 9112 section 11.2).
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]):
        self._app = app
        self._ended = 0  # the connection that was ended last, by its inode

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        forget_error()
        client = environ["meinheld.client"]
        fd = client.get_fd()
        connection = os.fstat(fd).st_ino
        if connection == self._ended:  # meinheld has read more of it before
            client.set_closed(1)  # it answers nothing then
            return []
        environ.setdefault("QUERY_STRING", "")  # meinheld leaves it out where there is none
        clear = is_clear(environ)
        if clear and "HTTP_TRANSFER_ENCODING" not in environ:
            return Answer(fd, self._app(environ, start_response))
        self._ended = connection
        return Answer(fd, (self._app if clear else refuse)(environ, closing(start_response)), ends=True)


def forget_error() -> None:
    """To be called first by what meinheld calls.

    For `Upgrade: h2c`, as `curl --http2` sends it, meinheld sets an error of Python that nobody takes: whatever is called
    next fails, and that was the request of somebody else.
    """
    try:  # noqa: SIM105  `suppress` would be called first, and fail
        os.getppid()
    except SystemError:
        pass


def is_clear(environ: dict[str, Any]) -> bool:
    """Whether there is one way to tell where a request ends, and meinheld has read its body so.

    It takes a header that is folded, or has a byte 0, for none, and tells of it all the same; and it does not read the body
    of what would upgrade. It knows `Transfer-Encoding: chunked` only in these letters, which nothing tells: an empty body
    may be one that is still to come.
    """
    length = environ.get("CONTENT_LENGTH")
    if "HTTP_TRANSFER_ENCODING" in environ:
        return (
            environ["HTTP_TRANSFER_ENCODING"] == "chunked"
            and length is None
            and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        )
    if length is not None and not (length.isascii() and length.isdigit() and len(length) <= LENGTH_DIGITS):
        return False
    if isinstance(environ["wsgi.input"], io.BufferedIOBase):  # a large body, in a file
        return True
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return len(body) == int(length or 0)


def closing(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """A start_response that also tells that the connection ends."""

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        others = [each for each in headers if each[0].lower() != "connection"]
        return start_response(status, [*others, ("connection", "close")], *exc_info)

    return start


class Answer:
    """The body of one answer, in pieces; if it cannot be ended the connection is, so that nobody waits for more.

    The connection also ends where it `ends` with the answer.
    """

    def __init__(self, fd: int, body: Iterable[bytes], *, ends: bool = False):
        self._fd = fd
        self._body = body
        self._ends = ends

    def __iter__(self) -> Iterator[bytes]:
        try:
            wait_until_taken(self._fd)  # a client may ask again before it has read the last answer
            for chunk in self._body:
                start = 0
                while start < len(chunk):
                    size = piece_bytes(self._fd)
                    yield chunk if size >= len(chunk) else chunk[start : start + size]
                    start += size
                    wait_until_taken(self._fd)
        except Stalled as ex:
            logger.info("an answer was given up: %s", ex)
            hang_up(self._fd)
        except Exception:
            # Not raised: meinheld would call `close` with the exception set, and keep the connection open.
            logger.exception("an answer failed")
            hang_up(self._fd)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
        if self._ends:
            with contextlib.suppress(Stalled):
                wait_until_taken(self._fd)
            hang_up(self._fd)


def piece_bytes(fd: int) -> int:
    """How much an empty socket takes at once, at least: half of its buffer, which the kernel fills with overhead."""
    with socket.socket(fileno=os.dup(fd)) as client:
        buffer = client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return min(max(buffer // 2 - HEADER_BYTES, LEAST_PIECE), pfs.CHUNK_BYTES)


def wait_until_taken(fd: int) -> None:
    """Wait until the client has received all that was sent. Raises Stalled."""
    left = unsent(fd)
    if not left:
        return
    poller = select.poll()
    poller.register(fd, 0)  # errors and hang-ups only
    pause = 0.00005
    deadline = time.monotonic() + STALLED_SECONDS
    while True:
        time.sleep(pause)
        now = unsent(fd)
        if not now:
            return
        if poller.poll(0):
            raise Stalled(errno.ECONNRESET, "the client has gone away")
        if now < left:
            left, deadline = now, time.monotonic() + STALLED_SECONDS
        elif time.monotonic() > deadline:
            raise Stalled(errno.ETIMEDOUT, f"the client has taken nothing for {STALLED_SECONDS} seconds")
        pause = min(2 * pause, 0.005)


def unsent(fd: int) -> int:
    """Bytes written to a socket and not yet acknowledged by its other end (tcp(7), SIOCOUTQ)."""
    count: int = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    return count


def hang_up(fd: int) -> None:
    """End the connection: meinheld would keep it open after half an answer."""
    with socket.socket(fileno=os.dup(fd)) as client:
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the client was gone before its connection was ended")
