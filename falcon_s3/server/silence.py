"""Silence: connections on which nothing moves are ended, as S3 ends them.

A client that stops in the middle of a body, or takes no more of an answer, holds a thread of Granian's, which reads and
sends bodies in the thread that was asked and waits without end. As many such clients as threads, and nobody was
served any more, not even who asked whether the gateway is well; clients that vanish without a word held theirs for good.
Nothing in Python reaches such a thread, but its connection can be shut down: then it finds the body at its end, too
short, and the answer says so.

The kernel knows for how long nothing came and nothing was sent (tcp(7), TCP_INFO), but not which connection a thread
waits for. So as many are ended as threads wait, those first that were silent longest; and none while a thread has worked
on an answer for as long, since its connection is silent too: `relay` tells both. One that was ended stays there as long as
its request waits for a thread, and counts no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Iterator

# S3 gives a client some 20 to 30 seconds ("RequestTimeout: not read from or written to within the timeout period").
SILENT_SECONDS = 30.0
# For how long a thread waits for a client before it is looked for one: it may have come to a connection late.
HELD_SECONDS = 5.0
# Of Linux's struct tcp_info: the state, and for how many milliseconds nothing was sent, and nothing came.
INFO = struct.Struct("=B43xI4xI")
ESTABLISHED = 1


def end_silent(port: int, seconds: float, most: int) -> int:
    """Shut down this process's connections at its `port` on which nothing has moved for so long, those first on which it
    was longest. How many there were.
    """
    if sys.platform != "linux":
        return 0
    found = []
    with contextlib.suppress(OSError):  # where no handle is left
        found = [(_silence(handle, port), handle) for handle in map(int, os.listdir("/proc/self/fd"))]
    ended = 0
    for silence, handle in sorted(found, reverse=True)[:most]:
        if silence >= seconds:
            with contextlib.suppress(OSError), _socket(handle) as connection:
                connection.shutdown(socket.SHUT_RDWR if _is_sending(connection) else socket.SHUT_RD)
                ended += 1
    return ended


def _silence(handle: int, port: int) -> float:
    """For how many seconds nothing came and nothing was sent on a connection at the port; -1 for what is none, or ended."""
    with contextlib.suppress(OSError), _socket(handle) as connection:
        if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.getsockname()[1] == port:
            state, sent, came = INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO.size))
            if state == ESTABLISHED and not _is_ended(connection):
                return float(min(sent, came)) / 1000
    return -1


def _is_ended(connection: socket.socket) -> bool:
    """Whether it was shut down for what comes."""
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return bool(poller.poll(0))


@contextlib.contextmanager
def _socket(handle: int) -> Iterator[socket.socket]:
    """The socket of a handle, which may be closed meanwhile by those who own it. Raises OSError where it is none.

    Not over a handle of our own: the files of SQLite are among those that are looked at, and to close another handle of
    one would take the locks of this process from it (fcntl(2), "Record locking").
    """
    found = socket.socket(fileno=handle)
    try:
        yield found
    finally:
        found.detach()


def _is_sending(connection: socket.socket) -> bool:
    """Whether something was sent that has not arrived."""
    return fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)) != bytes(4)
