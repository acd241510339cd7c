"""Deferral: an answer that waits for a write, while the thread that prepared it serves others.

A write is on disk a sync later, and many share that sync. A thread that waits for it costs two changes of threads, and
when many are woken at once they take the interpreter from each other, which took a third of the processor time of a PUT
of 4 KiB. So a server that can answer from any thread puts a `Deferral` into the environment of a request. Whoever answers
may start a write, leave it there, and answer as if it were done, with VERSION where the id of the commit will stand. The
server asks for the write to be finished, and answers when it is told; nothing is told of a write before it is on disk. Of
a write that failed nothing is left: the server asks again with `failure` set, which whoever answers raises in place of
the write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from falcon_s3.pfs import Body, Check, Pfs, Ref

# In a WSGI environment: the Deferral of a request.
DEFERRAL = "falcon_s3.deferral"
# As the value of a header: the id of the commit that is being written. No header of a client's can be that.
VERSION = "\0version"

# What is told of a write: the id of its commit, or what was raised.
Told = Callable[["str | None", "BaseException | None"], None]


class Started(Protocol):
    """A file that waits to be written. `etag` is that of the file."""

    etag: str

    def finish(self, told: Told) -> None:
        """Write it. `told` is called once, in any thread, before this returns or after; it must not wait nor raise."""


# The headers of an answer, and the write that it waits for.
Begun = tuple[list[tuple[str, str]], Started]


class Starts(Pfs, Protocol):
    """A store that can start to write a file, and go on without the thread that asked."""

    def start_put(self, ref: Ref, path: str, body: Body, attributes: dict[str, str], check: Check | None) -> Started:
        """Read the body, and raise all that `Pfs.put_file` raises before it writes."""


class Deferral:
    """Of one request: what was started, if anything; and what came of it, if it failed."""

    __slots__ = ("failure", "started")

    def __init__(self) -> None:
        self.started: Started | None = None
        self.failure: BaseException | None = None
