"""How calls come in and go out: handlers that turn the store's errors into status codes, and services made of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError

from falcon_s3.pfs import DiskFull, NotFound, PfsError, Unavailable
from falcon_s3.pfs.lineage import NotFinished
from falcon_s3.pfs.repos import AlreadyExists, StillUsed
from falcon_s3.pfs.service.names import Unsupported

logger = logging.getLogger(__name__)


class Busy(PfsError):
    """Too many calls wait already."""


class Cut(PfsError):
    """A stream of messages that ended before its end."""


class Broken(PfsError):
    """Bytes that are no such message."""


# The first that fits; pachd has no code of its own for the rest.
CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (StillUsed, grpc.StatusCode.FAILED_PRECONDITION),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (NotFinished, grpc.StatusCode.UNAVAILABLE),
    (DiskFull, grpc.StatusCode.RESOURCE_EXHAUSTED),  # "perhaps the entire file system is out of space" (gRPC)
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (Unsupported, grpc.StatusCode.UNIMPLEMENTED),
    (Broken, grpc.StatusCode.INVALID_ARGUMENT),
    (Cut, grpc.StatusCode.CANCELLED),
    (Busy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (PfsError, grpc.StatusCode.UNKNOWN),
)
# How often it is looked whether grpc has told of a call what it knows.
SETTLE_SECONDS = 0.0001
# How many calls may wait for commits at a time, and how many may be sending changes: each holds a thread of the server,
# however long its client takes.
WAITERS = 40
SENDERS = 512

Handler = Any  # what grpc calls RpcMethodHandler
Context = grpc.ServicerContext


@contextmanager
def answered(context: Context) -> Iterator[None]:
    """What the store raises ends the call with the code and the text for it."""
    try:
        yield
    except PfsError as ex:
        code = next(code for kind, code in CODES if isinstance(ex, kind))
        context.abort(code, str(ex))
    except grpc.RpcError:  # the client has gone
        raise
    except Exception:
        logger.exception("a call failed")
        context.abort(grpc.StatusCode.INTERNAL, "the server failed; its log says why")


def _serialize(message: Any) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


def unary(request: Any, call: Callable[[Any, Context], Any]) -> Handler:
    def run(message: bytes, context: Context) -> Any:
        with answered(context):
            return call(parsed(request, message), context)

    return grpc.unary_unary_rpc_method_handler(run, None, _serialize)


def streaming(
    request: Any, call: Callable[[Any, Context], Iterator[Any]], serialize: Callable[[Any], bytes] = _serialize
) -> Handler:
    """One request, many replies: messages, or what `serialize` makes messages of."""

    def run(message: bytes, context: Context) -> Iterator[Any]:
        with answered(context):
            yield from call(parsed(request, message), context)

    return grpc.unary_stream_rpc_method_handler(run, None, serialize)


class Room:
    """How many calls of a kind there may be at a time; `what` they do."""

    def __init__(self, most: int, what: str):
        self._most = most
        self._what = what
        self._left = threading.BoundedSemaphore(most)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Busy."""
        if not self._left.acquire(blocking=False):
            raise Busy(f"{self._most} calls {self._what} already: try later")
        try:
            yield
        finally:
            self._left.release()


def uploading(parse: Callable[[bytes], Any], call: Callable[[Iterator[Any], Context], Any], room: Room) -> Handler:
    """Many requests, each of which `parse` makes something of, one reply."""

    def run(messages: Iterator[bytes], context: Context) -> Any:
        with answered(context), room.taken():
            return call(map(parse, whole(messages, context)), context)

    return grpc.stream_unary_rpc_method_handler(run, None, _serialize)


def whole(messages: Iterator[bytes], context: Context) -> Iterator[bytes]:
    """The messages of a stream that its client ended. Raises Cut for one that broke off."""
    yield from messages
    _settle(context)
    if not context.is_active():
        raise Cut("the client has gone")


def _settle(context: Context) -> None:
    """Wait until grpc has told all that it knows of a call.

    Of a call that is cancelled, or whose connection is lost, grpc tells first that no more messages come, as it does
    when a stream is complete, and then, as the next event of its queue, that the client has gone. So something is
    put into that queue, behind it, and waited for. grpc shows in no public place that it came.
    """
    context.send_initial_metadata(())
    due = context._state.due  # type: ignore[attr-defined]  # noqa: SLF001
    while "send_initial_metadata" in due:
        time.sleep(SETTLE_SECONDS)


def parsed(request: Any, message: bytes) -> Any:
    """The message. Raises Broken; grpc, if it did this, would log a traceback for what a client sent."""
    try:
        return request.FromString(message)
    except DecodeError:
        raise Broken(f"this is no {request.DESCRIPTOR.full_name}") from None


def refusing(code: grpc.StatusCode, text: str) -> Handler:
    """A method of any kind that is not there."""

    def run(_message: bytes, context: Context) -> Empty:
        context.abort(code, text)

    return grpc.unary_unary_rpc_method_handler(run, None, _serialize)


class Service(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]
    """A service by its methods; those that it does not have are refused in words."""

    def __init__(self, name: str, methods: Mapping[str, Handler], missing: Handler | None = None):
        self._name = name
        self._methods = methods
        self._missing = missing

    def service(self, handler_call_details: Any) -> Handler | None:
        service, _, method = handler_call_details.method.lstrip("/").rpartition("/")
        if service != self._name:
            return None
        return (
            self._methods.get(method)
            or self._missing
            or refusing(grpc.StatusCode.UNIMPLEMENTED, f"{service}/{method} is not served by falcon-s3 pfsd")
        )


class Waiting:
    """Calls that wait for something to happen in the store: how many there may be, and how they end."""

    def __init__(self) -> None:
        self.room = Room(WAITERS, "wait for commits")
        self._closing = threading.Event()

    def pause(self, context: Context, seconds: float) -> bool:
        """Wait a little; False: the client has gone. Raises Unavailable when the server is going."""
        if self._closing.wait(seconds):
            raise Unavailable("the server is shutting down")
        return context.is_active()

    def close(self) -> None:
        self._closing.set()
