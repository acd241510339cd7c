"""How calls go out: one channel for all threads and users, deadlines for everything, a second try for reads.

A call that gives one reply has a deadline as a whole. A stream may take as long as its client takes; what is bounded
is how long pachd may keep us waiting for its next step (`Watch`). A read that found no connection is asked again, for
the channel connects again by itself; a write never is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any, NamedTuple, TypeVar

import grpc

from falcon_s3 import __version__
from falcon_s3.pfs.pachd.address import Address

T = TypeVar("T")

# The longest message, both ways (grpcutil): pachd sends up to 19 MiB of a file at a time.
MESSAGE_BYTES = 20 << 20
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # As Pachyderm's own client: a connection that answers no ping for 20 seconds is given up. pachd takes a ping every
    # five seconds, calls or not (grpcutil.NewServer), where a server of gRPC as it comes ends the connection at the fourth.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # which is what counts in newer versions; 60 seconds by default
    ("grpc.http2.max_pings_without_data", 0),
    # After a restart of pachd we are back within a second, not within two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # How much of a stream may come before it is taken: a MiB for each time that it takes to pachd and back. What gRPC would
    # find by itself grows with the streams beside: 20 clients that stopped in the midst of a download made it 1.4 GiB.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    # What reads a stream waits for it itself: without this, each call starts a thread that hands its messages over.
    ("SingleThreadedUnaryStream", 1),
    ("grpc.primary_user_agent", f"falcon-s3/{__version__}"),
)
# How long a read that found no connection waits for one, and how long it lets pass when that one has broken off too:
# gRPC may give a call the connection of which it is about to learn that it is gone.
RECONNECT_SECONDS = 2.0
RETRY_SECONDS = 0.05
# See Channel.
WAITERS = 16
# How fast pachd goes through bytes that it has, at least, in bytes a second: a fifth of what it does on two busy cores.
LEAST_RATE = 2 << 20


class Method(NamedTuple):
    """A method, and what makes its reply of bytes."""

    path: str
    reply: Callable[[bytes], Any]


class Watch:
    """Cancels calls that keep us waiting for too long. One thread, which runs while any call waits.

    `seconds`: what is too long for most calls. Some have more.
    """

    def __init__(self, seconds: float):
        self._tick = min(1.0, seconds / 4)
        self._ends: dict[Any, float] = {}
        self._wake = threading.Event()
        self._closed = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self, call: Any, seconds: float) -> None:
        self._ends[call] = time.monotonic() + seconds
        if not self._wake.is_set():
            self._wake.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="pachd-watch", daemon=True)
                    self._thread.start()

    def end(self, call: Any) -> None:
        self._ends.pop(call, None)

    def _run(self) -> None:
        while not self._closed:
            if not self._ends:
                self._wake.clear()
                if not self._ends:
                    self._wake.wait()
            time.sleep(self._tick)
            now = time.monotonic()
            for call, end in list(self._ends.items()):
                if end < now:
                    call.cancel()

    def close(self) -> None:
        self._closed = True
        self._wake.set()


class Channel:
    """The connection to one pachd. Opened in the process that uses it: it does not survive a fork.

    `waiters`: how many calls may wait for others for longer than a moment (`lock`).
    """

    def __init__(self, address: Address, deadline: float, waiters: int = WAITERS):
        self.address = address
        self.deadline = deadline
        self.waiters = threading.BoundedSemaphore(max(1, waiters))
        self.watch = Watch(deadline)
        if address.tls:
            credentials = grpc.ssl_channel_credentials(address.ca)
            self._channel = grpc.secure_channel(address.target, credentials, options=OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.target, options=OPTIONS)
        self._callables: dict[tuple[str, str], Any] = {}

    def callable(self, kind: str, method: Method, serialize: Callable[[Any], bytes] | None) -> Any:
        key = (kind, method.path)
        found = self._callables.get(key)
        if found is None:
            found = self._callables[key] = getattr(self._channel, kind)(method.path, serialize, method.reply)
        return found

    def close(self) -> None:
        self.watch.close()
        self._channel.close()


class Calls:
    """Calls of one user. All raise grpc.RpcError, which `failures` puts into words."""

    def __init__(self, channel: Channel, token: str = ""):
        self.channel = channel
        self.deadline = channel.deadline
        self._metadata = (("authn-token", token),) if token else ()

    def patient(self, size: int) -> Calls:
        """The same calls with more time, for what makes pachd go through so many bytes before it replies."""
        calls = copy(self)
        calls.deadline += size / LEAST_RATE
        return calls

    def read(self, method: Method, request: Any) -> Any:
        """The reply to something that changes nothing."""
        call = self.channel.callable("unary_unary", method, _serialize)

        def ask(seconds: float | None) -> Any:
            if seconds is None:
                return call(request, timeout=self.deadline, metadata=self._metadata)
            return call(request, timeout=seconds, metadata=self._metadata, wait_for_ready=True)

        return _again_without_connection(ask, self.deadline)

    def change(self, method: Method, request: Any) -> Any:
        """The reply to something that changes what is there."""
        call = self.channel.callable("unary_unary", method, _serialize)
        return call(request, timeout=self.deadline, metadata=self._metadata)

    def replies(self, method: Method, request: Any) -> Replies:
        """Many replies to something that changes nothing. The first is there when this returns."""
        call = self.channel.callable("unary_stream", method, _serialize)

        def ask(seconds: float | None) -> Replies:
            if seconds is None:
                return Replies(call(request, metadata=self._metadata), self.channel.watch, self.deadline)
            stream = call(request, metadata=self._metadata, wait_for_ready=True)
            ready = threading.Timer(seconds, stream.cancel)
            ready.start()
            try:
                return Replies(stream, self.channel.watch, self.deadline)
            finally:
                ready.cancel()

        return _again_without_connection(ask, self.deadline)

    def send(self, method: Method, messages: Iterable[bytes]) -> Any:
        """A call that takes many messages, each ready to be sent; gives the call, which is under way."""
        call = self.channel.callable("stream_unary", method, None)
        return call.future(iter(messages), metadata=self._metadata)


class Replies(Iterator[Any]):
    """The replies of a stream. Raises grpc.RpcError, also for one that pachd lets wait for more than `seconds`."""

    def __init__(self, stream: Any, watch: Watch, seconds: float):
        self._stream = stream
        self._watch = watch
        self._seconds = seconds
        self._ended = False
        self._first = self._receive()

    def _receive(self) -> Any:
        """The next reply, or None after the last."""
        self._watch.begin(self._stream, self._seconds)
        try:
            return next(self._stream, None)
        finally:
            self._watch.end(self._stream)

    def __iter__(self) -> Replies:
        return self

    def __next__(self) -> Any:
        reply, self._first = self._first, None
        if reply is None and not self._ended:
            reply = self._receive()
        if reply is None:
            self._ended = True
            raise StopIteration
        return reply

    def close(self) -> None:
        """Let pachd send no more."""
        self._ended = True
        self._first = None
        self._stream.cancel()

    def __del__(self) -> None:
        self._stream.cancel()


def _serialize(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


def _again_without_connection(ask: Callable[[float | None], T], deadline: float) -> T:
    """What `ask` gives; asked again while it finds no connection, then with the seconds that it may wait for one."""
    end = time.monotonic() + deadline
    try:
        return ask(None)
    except grpc.RpcError as ex:
        if not _unconnected(ex):
            raise
    end = min(end, time.monotonic() + RECONNECT_SECONDS)
    while True:
        try:
            return ask(max(0.0, end - time.monotonic()))
        except grpc.RpcError as ex:
            if not _unconnected(ex) or time.monotonic() + RETRY_SECONDS > end:
                raise
        time.sleep(RETRY_SECONDS)


def _unconnected(error: grpc.RpcError) -> bool:
    return getattr(error, "code", lambda: None)() is grpc.StatusCode.UNAVAILABLE
