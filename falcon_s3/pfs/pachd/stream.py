"""Changes on their way to pachd: a call that takes messages while they are being made.

grpc takes messages from an iterator on a thread of its own, and hides what the iterator raises. So the body is walked
here, on the thread of whoever asks, and its pieces are handed over, few at a time: what the body raises comes out as
it is, and pachd never sees the end of a stream that failed, which is what makes it forget the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import Any

import grpc

from falcon_s3.pfs import Commit, CommitFinished, Ref, Unavailable
from falcon_s3.pfs.pachd import failures
from falcon_s3.pfs.pachd.calls import Calls, Method

# How many messages may wait to be sent.
WAITING_MESSAGES = 2
# How often a full queue is looked at, for a call that ended early.
LOOK_SECONDS = 0.2


class Stream:
    """A call that takes messages. Used as a context: leaving it by an exception, or unfinished, cancels the call."""

    def __init__(self, calls: Calls, method: Method, ref: Ref):
        self._ref = ref
        self._deadline = calls.deadline
        self._queue: Queue[bytes | None] = Queue(WAITING_MESSAGES)
        self._finished = False
        self._call: Any = calls.send(method, self._messages())

    def _messages(self) -> Iterator[bytes]:
        """What grpc's thread takes."""
        while True:
            message = self._queue.get()
            if message is None:
                return
            yield message

    def __enter__(self) -> Stream:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(self, *_raised: object) -> None:
        if not self._finished:
            self._call.cancel()  # before the end of the messages, which would be taken for the end of the change
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self._queue.put(None)

    def send(self, message: bytes) -> None:
        """Raises Unavailable if pachd takes nothing for too long, and what the call ended with."""
        self._put(message)

    def _put(self, message: bytes | None) -> None:
        end = time.monotonic() + self._deadline
        while not self._call.done():
            try:
                self._queue.put(message, timeout=LOOK_SECONDS)
            except Full:
                if time.monotonic() > end:
                    raise Unavailable(f"pachd took nothing for {self._deadline:g} seconds") from None
            else:
                return
        self._result()
        raise Unavailable("pachd ended the change before its end")

    def finish(self) -> Any:
        """The reply, once all messages have been taken. Raises what the call ended with, and Unavailable."""
        self._put(None)
        reply = self._result()
        self._finished = True
        return reply

    def _result(self) -> Any:
        try:
            return self._call.result(timeout=self._deadline)
        except grpc.FutureTimeoutError:
            raise Unavailable(f"pachd did not answer within {self._deadline:g} seconds") from None
        except grpc.FutureCancelledError:
            raise Unavailable("the call was cancelled") from None
        except grpc.RpcError as ex:
            if failures.FORGOTTEN in failures.text_of(ex) and isinstance(self._ref, Commit):
                raise CommitFinished(self._ref) from ex  # while the messages were on their way
            raise failures.meaning(ex, self._ref) from ex
