"""The engine meinheld 1.0.2: one request at a time in each worker (`meinheld_exchange`).

A request body is spooled by meinheld before the application sees it, and has a limit, LARGEST_BODY.

meinheld has no processes of its own: `run` forks the workers and looks after them.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from falcon_s3.config import ConfigError
from falcon_s3.server.meinheld_exchange import Paced, forget_error
from falcon_s3.server.meinheld_refusal import put_into_words

if TYPE_CHECKING:
    from falcon_s3.server import Load

logger = logging.getLogger("falcon_s3")

INSTALL = "MEINHELD_NOGREEN=1 pip install --no-deps --no-cache-dir meinheld"
# The largest body: meinheld counts it in a C int (`set_max_content_length`). A larger one it refuses by itself.
LARGEST_BODY = 2**31 - 1
# How long requests may go on after SIGTERM, in seconds.
DRAIN_SECONDS = 30
# Between the death of a worker and its successor, in seconds.
RESPAWN_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 5  # also how long idle connections hold up the end of the gateway
BACKLOG = 2048
# prctl(2): the signal that comes when the parent is gone.
PR_SET_PDEATHSIG = 1


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
        except SystemExit:
            logger.debug("worker %d has told why it ends", os.getpid())
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
