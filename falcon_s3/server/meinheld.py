"""The engine meinheld 1.0.2: one request at a time in each worker, and what makes its answers whole.

Built without greenlet, meinheld cuts off every answer that a socket does not take at once. So no write may meet a
full socket: `Paced` cuts the answer to what surely fits and sends each piece when the one before has arrived.
A request body is spooled by meinheld before the application sees it, and has a limit, LARGEST_BODY.

meinheld has no processes of its own: `run` forks the workers and looks after them.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import importlib
import io
import logging
import os
import select
import signal
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from falcon_s3 import pfs
from falcon_s3.config import ConfigError
from falcon_s3.server.meinheld_refusal import put_into_words, refuse

if TYPE_CHECKING:
    from falcon_s3.server import Load

logger = logging.getLogger("falcon_s3")

INSTALL = "MEINHELD_NOGREEN=1 pip install --no-deps --no-cache-dir meinheld"
# The largest body: meinheld counts it in a C int (`set_max_content_length`). A larger one it refuses by itself.
LARGEST_BODY = 2**31 - 1
LENGTH_DIGITS = 18  # of a Content-Length, at most; Python reads no number of thousands
# How long requests may go on after SIGTERM, in seconds.
DRAIN_SECONDS = 30
# Between the death of a worker and its successor, in seconds.
RESPAWN_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 5  # also how long idle connections hold up the end of the gateway
BACKLOG = 2048
# A client that takes nothing for so long is given up, in seconds: it holds the whole worker.
STALLED_SECONDS = 30
# Room kept for the headers, which go out with the first piece.
HEADER_BYTES = 64 << 10
LEAST_PIECE = 16 << 10
# prctl(2): the signal that comes when the parent is gone.
PR_SET_PDEATHSIG = 1


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


class Errors:
    """What meinheld tells of exceptions, in one line where they are the client's doing."""

    def error(self, kind: type[BaseException], ex: BaseException, trace: Any) -> None:
        if isinstance(ex, OSError):
            logger.info("an answer was given up: %s", ex)
        else:
            logger.error("an answer failed", exc_info=(kind, ex, trace))


def engine() -> Any:
    """The module meinheld. Raises ConfigError if it cannot be used here."""
    if not hasattr(select, "epoll"):
        raise ConfigError("the engine meinheld needs Linux: leave out --engine, which takes granian")
    try:
        return importlib.import_module("meinheld")
    except ImportError as ex:
        raise ConfigError(f"the engine meinheld is not installed: {INSTALL}") from ex


def run(host: str, port: int, workers: int, load: Load) -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigError if meinheld is not there."""
    module = engine()
    if not put_into_words(os.path.realpath(module.server.__file__)):
        logger.info("a body over 2 GiB will be refused in meinheld's words, not in S3's")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        listener.setblocking(False)
        parent = os.getpid()
        Workers(workers, lambda: work(listener, load, parent)).run()


class Ending:
    """How a worker of `parent` ends: it takes no connections any more, and running requests have DRAIN_SECONDS."""

    def __init__(self, server: Any, listener: socket.socket, parent: int):
        self._server = server
        self._listener = listener
        self._parent = parent
        self._is_asked = False
        self._is_serving = False  # before that meinheld cannot be told
        self._is_begun = False

    def ask(self, *_: object) -> None:
        """For a signal, also in the middle of a request: a client may take its time, and meinheld looks at nothing then."""
        forget_error()
        self._is_asked = True
        if self._is_serving:
            self._begin()

    def look(self) -> None:
        """Called by meinheld every second, and while Python runs signals arrive."""
        forget_error()
        self._is_serving = True
        if self._is_asked or os.getppid() != self._parent:
            self._begin()

    def _begin(self) -> None:
        if self._is_begun:
            return
        self._is_begun = True
        self._server.set_keepalive(0)
        self._server.shutdown(DRAIN_SECONDS)
        # meinheld holds the address until the last connection has ended. It is given up now: under its number there is
        # another socket, whose name nobody knows, as it may accept once more, would cut what runs after an error, and
        # closes it in the end.
        with socket.socket(socket.AF_UNIX) as unknown:
            unknown.bind("")
            unknown.listen()
            unknown.setblocking(False)
            os.dup2(unknown.fileno(), self._listener.fileno(), inheritable=False)


class Workers:
    """Forks processes that run `target`, replaces those that die, and ends them all on SIGTERM or SIGINT."""

    def __init__(self, count: int, target: Callable[[], None]):
        self._count = count
        self._target = target
        self._running: set[int] = set()

    def run(self) -> None:
        # Signals are waited for and not handled, so that none can come between a look and the wait. Workers inherit
        # that SIGTERM and SIGINT are blocked: meinheld's own handlers would cut off uploads after one second.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for _ in range(self._count):
            self._start()
        while signal.sigwait(SIGNALS) == signal.SIGCHLD:
            self._replace()
        self._end()

    def _start(self) -> None:
        child = os.fork()
        if child:
            self._running.add(child)
            return
        code = 1
        try:
            self._target()
            code = 0
        except BaseException:
            logger.exception("worker %d failed", os.getpid())
        finally:
            os._exit(code)

    def _replace(self) -> None:
        dead = self._reap()
        if dead:
            logger.error("a worker has died; it is replaced")
            time.sleep(RESPAWN_SECONDS)
        for _ in range(dead):
            self._start()

    def _reap(self) -> int:
        """How many workers have ended since the last call."""
        dead = 0
        for child in list(self._running):
            if os.waitpid(child, os.WNOHANG)[0]:
                self._running.discard(child)
                dead += 1
        return dead

    def _end(self) -> None:
        for child in self._running:
            os.kill(child, signal.SIGUSR1)
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._running and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        for child in self._running:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def work(listener: socket.socket, load: Load, parent: int) -> None:
    """One worker of `parent`, from the fork to its end: SIGUSR1 lets running requests end, and then the worker."""
    server = engine()
    ending = Ending(server, listener, parent)
    signal.signal(signal.SIGUSR1, ending.ask)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)  # of the thread that forked, which is the main one
    app, close = load()
    server.set_error_logger(Errors())
    server.set_access_logger(None)
    server.set_max_content_length(LARGEST_BODY)
    server.set_keepalive(KEEP_ALIVE_SECONDS)
    server.set_watchdog(ending.look)
    server.listen(socket_fd=listener.fileno())
    server.run(Paced(app), silent=True)
    close()
