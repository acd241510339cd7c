"""The engine Granian: HTTP in Rust, a pool of Python threads in each worker, bodies streamed both ways."""

from __future__ import annotations

import _thread
import functools
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from falcon_s3.pfs import Changed, Unavailable
from falcon_s3.server import affinity, exchange, listening, memory, relay, scheduling, silence

if TYPE_CHECKING:
    from falcon_s3.server import Load

logger = logging.getLogger("falcon_s3")

# How long requests may go on after SIGTERM, in seconds.
DRAIN_SECONDS = 30
# Between the death of a worker and its successor, in seconds.
RESPAWN_SECONDS = 0.5
# Between two looks at signals, in seconds.
LOOK_SECONDS = 1
# Connections that a worker holds at most, idle ones included; as many requests as there are threads run at once.
CONNECTIONS = 1024
# What files a worker needs besides: the store's and its own, and those of each thread that serves.
OWN_FILES, FILES_PER_THREAD = 64, 4
# Granian's own messages go where ours go.
LOGGING = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"handlers": [], "propagate": True}, "granian.access": {"handlers": []}},
}

# What a store raises in the middle of a download.
ENDED_EARLY = frozenset(each.__name__ for each in (Unavailable, Changed))

# Workers begin as copies of this process: what it has loaded they share, and how it was set up they are. From 3.14 on Python
# would start them anew on Linux too. Elsewhere that is left as it was: a copy is not safe beside the libraries of macOS.
START_METHOD = "fork" if sys.platform == "linux" else "spawn"

# Wakes a worker's main thread; nothing else sends it unasked. Go's runtime takes the same for the like.
WAKING = signal.SIGURG

# The server of this process; a worker that was forked finds its parent's as it was at the fork.
RUNNING: list[Prefork] = []


class Bell(threading.Event):
    """An event whose waiting thread, the main one, looks at signals meanwhile, once a second.

    The kernel may give the second of two signals that come together to another thread, and with it the first: then nothing
    interrupts the main thread, and what Python calls for a signal runs there only.
    """

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(LOOK_SECONDS):
            pass
        return True


class Prefork(Server):  # type: ignore[misc, valid-type]  # Granian chooses its class at run time
    """Granian's server, which gives up when a worker dies twice in a row: this one goes on replacing it.

    And it waits for each worker in two threads, of which the kernel tells one of its end: here both know.
    """

    fork_failed = False  # the last time that a worker was to be started again

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self.main_loop_interrupt = Bell()

    def signal_handler_interrupt(self, *_: Any) -> None:
        self.interrupt_signal = True
        self._wake()

    def signal_handler_reload(self, *_: Any) -> None:
        self.reload_signal = True
        self._wake()

    def _wake(self) -> None:
        # Granian's handlers set the event themselves, in the midst of whatever this thread does: it may be setting it for
        # another signal, or waiting for it, and hold its lock, which no thread can take twice. Then the gateway would never end.
        try:
            _thread.start_new_thread(self.main_loop_interrupt.set, ())
        except RuntimeError:  # the system has no more threads: to set it here fails seldom, and not to set it always
            self.main_loop_interrupt.set()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:
        worker = super()._spawn_worker(idx, target, functools.partial(callback_loader, idx))
        worker.join = functools.partial(join, worker.inner)
        return worker

    def _respawn_workers(self, workers: Sequence[int], spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        if delay:  # Granian waits only where those that are replaced still serve
            logger.info("SIGHUP came: all workers are replaced, one after the other")
        else:
            time.sleep(RESPAWN_SECONDS)
            if not self.interrupt_signal:  # else it was perhaps told to end just before, as by systemd, which tells all
                logger.error("a worker has died; it is replaced")
        for number in workers:
            if self.interrupt_signal:
                break
            before = list(self.wrks)
            try:
                if self.fork_failed:
                    check_fork()
                super()._respawn_workers([number], spawn_target, target_loader, delay=delay)
                self.fork_failed = False
            except OSError as ex:  # too little memory, say: later there may be enough, and until then others serve
                self.fork_failed = True
                logger.error("a worker could not be started: %s", ex)  # noqa: TRY400  it says all
                self.wrks[:] = before
                if not delay:
                    self.interrupt_children.append(number)
        self.respawned_wrks.clear()
        # What came while the event was cleared (a signal, another death) would wait for the next one.
        if self.interrupt_signal or self.interrupt_children:
            self.main_loop_interrupt.set()

    def shutdown(self, exit_code: int = 0) -> None:
        if self.interrupt_signal:
            self.interrupt_children.clear()  # Granian would tell of a failure, of workers that ended before they were asked
        super().shutdown(exit_code)


def check_fork() -> None:
    """Raise OSError where no process can be started now: multiprocessing would leave four pipe ends open each time.

    Only after it failed once: this child would be taken for a worker by who looks.
    """
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def join(process: BaseProcess, timeout: float | None = None) -> None:
    """Wait for the end of a child for which another thread waits too, and until both know: else it may be taken for
    alive, and killed, after it has ended.
    """
    if connection.wait([process.sentinel], timeout):
        while process.is_alive():
            time.sleep(0.001)


def run(host: str, port: int, workers: int, threads: int, load: Load, *, near: bool) -> None:
    """Serve until SIGTERM or SIGINT. `near`: the store is on this machine, and answers what it reads at once."""
    multiprocessing.set_start_method(START_METHOD, force=True)
    address = listening.address_of(host)
    server = Prefork(
        "falcon_s3",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        loop=Loops.asyncio,  # nothing runs on it, and one of uvloop's, where that is installed, takes 1 MiB
        workers=workers,
        blocking_threads=threads,
        http=HTTPModes.http1,
        websockets=False,
        backpressure=connections(threads),
        backlog=2 * CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGING,
    )
    filter_messages()
    RUNNING.append(server)
    loader = functools.partial(load_worker, load, os.getpid(), port, workers, threads, near=near)
    shortens = listening.is_near(address) and hasattr(Server, "_spawn_wsgi_worker")
    server.serve(start_near if shortens else None, loader, wrap_loader=False)


def connections(threads: int) -> int:
    """How many connections a worker holds: so many that there are files left for what is asked of it."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS
    return max(threads, min(CONNECTIONS, files - OWN_FILES - FILES_PER_THREAD * threads))


def start_near(number: int, name: str | None, loader: Any, sockets: Any, *rest: Any) -> None:
    """What Granian runs in each worker, for clients of this machine."""
    Server._spawn_wsgi_worker(number, name, loader, listening.shorten(sockets), *rest)  # noqa: SLF001  no public place


def load_worker(
    load: Load, parent: int, port: int, workers: int, threads: int, number: int, *, near: bool
) -> Callable[..., Any]:
    """What Granian calls in each worker, of the server `parent` that listens at `port`; `near`: with `relay`.

    This one is the `number`th of so many `workers`, from 0, each with so many `threads`.
    """
    # Until Granian sets its own, the worker has the handlers of its parent, which would only tell the parent's copy.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)
    if any(server.interrupt_signal for server in RUNNING):
        os._exit(0)
    filter_messages()  # a worker that is no copy has none
    processor = affinity.Affinity(number, workers if near else 0)
    app, close = load()
    Finalize(None, close, exitpriority=1)  # atexit is not called in processes of multiprocessing
    signal.signal(WAKING, nothing)
    chores: list[Callable[[], None]] = [memory.give_back]
    threading.Thread(target=look_after, args=(parent, chores), name="looks-after", daemon=True).start()
    if not exchange.can_install():
        return app
    exchange.install()
    # With `relay` the threads of Granian's that are to come wait for their turns, as this one does from then on.
    called = relay.Relay(app, scheduling.wait_for_turns(), processor) if near else exchange.Direct(app)
    chores += functools.partial(end_silent, called.watches, port, threads), processor.look
    return called


def end_silent(watches: exchange.Watches, port: int, threads: int) -> None:
    """End connections on which nothing moves, where they hold threads; all of them, where they hold all threads.

    Then the next would hold them, and nobody is served before the last one is ended.
    """
    held = watches.held()
    most = held if held < threads else CONNECTIONS
    if held and (ended := silence.end_silent(port, silence.SILENT_SECONDS, most)):
        logger.info("%d connections were ended: nothing had moved for %d seconds", ended, silence.SILENT_SECONDS)


def look_after(parent: int, chores: Sequence[Callable[[], None]]) -> None:
    """Once a second do the chores of this worker, and wake its main thread; end it when its parent was killed.

    It would hold the address and serve on unseen. The main thread rests until a signal comes, and what Python calls
    for a signal runs there only: one that came while that thread waited for the interpreter, on its way to rest, would
    be looked at when the next one comes. (CPython, _Py_HandlePending: signals are looked at before that wait, not after.)
    """
    main = threading.main_thread().ident
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
        for each in chores:
            each()
        if main is not None:
            signal.pthread_kill(main, WAKING)
    os.kill(os.getpid(), signal.SIGTERM)


def nothing(number: int, frame: object) -> None:
    """What is done for a signal that only wakes."""


def filter_messages() -> None:
    """Pass on of Granian's messages what is news, in a line; more than once is as once."""
    logging.getLogger("_granian").addFilter(is_news)
    logging.getLogger("_granian.utils").addFilter(is_short)


def is_short(record: logging.LogRecord) -> bool:
    """Makes one line of what Granian says of a download that ended early, as its bytes were not to be had, or others."""
    name, _, why = record.getMessage().rstrip().rpartition("\n")[2].partition(": ")
    if name in ENDED_EARLY:
        record.msg, record.args = f"a download ended early: {why}", ()
    return True


def is_news(record: logging.LogRecord) -> bool:
    """Granian finds many threads for few cores worth a warning; here they wait for disks and clients.

    Of a worker that ended `Prefork` tells, when it is known that it was not asked to.
    """
    return not any(told in record.getMessage() for told in ("Python threads", "Unexpected exit"))
