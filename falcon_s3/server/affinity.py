"""Affinity: the processor that a worker keeps to, as long as what it serves is small.

The threads of a worker hand each request to each other, and where that goes to another processor, that one is woken,
which takes long beside a small request, above all in a virtual machine. So where there are as many workers as
processors, each keeps to its own. Large bodies are different: what reads them, hashes them, and speaks
with the network goes on at the same time, and takes all processors that there are. From the beginning of one until a
while after the last one a worker goes anywhere.

On two processors, of a GET and a PUT of 4 KiB by 16 connections, 38,300, 33,700 and 4,360, 4,530 a second became 46,300,
39,400 and 5,450, 5,480. (`benchmarks/peers.py --only "4 KiB" falcon-s3`, twice in turn.)
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence

TASKS = "/proc/self/task"
# How long after the last large body a worker keeps to its processor again, in seconds.
QUIET_SECONDS = 1.0


class Affinity:
    """Of one worker, the `number`th of so many from 0. Threads that start later run where those do that start them."""

    def __init__(self, number: int, workers: int):
        anywhere = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
        self._anywhere = anywhere if len(anywhere) == workers > 1 else []
        self._home = self._anywhere[number : number + 1]
        self._lock = threading.Lock()  # around what follows
        self._large = 0  # bodies under way
        self._ended = 0.0  # when the last one was, by the monotonic clock
        self._roams = False
        run_on(self._home)

    def begin(self) -> None:
        """A large body is coming or going, from now on."""
        with self._lock:
            self._large += 1
            if not self._roams:
                self._roams = True
                run_on(self._anywhere)

    def end(self) -> None:
        with self._lock:
            self._large -= 1
            self._ended = time.monotonic()

    def look(self) -> None:
        """Once in a while: whether it is time to go home."""
        with self._lock:
            if self._roams and not self._large and time.monotonic() - self._ended >= QUIET_SECONDS:
                self._roams = False
                run_on(self._home)


def run_on(processors: Sequence[int]) -> None:
    """All threads of this process run on these from now on; none: nothing changes."""
    seen: set[str] = set()
    with contextlib.suppress(OSError):  # no /proc here, or too many files are open: they stay where they are
        while processors and (found := set(os.listdir(TASKS)) - seen):  # some may have begun meanwhile
            seen |= found
            for thread in found:
                with contextlib.suppress(OSError):  # it has ended, or this is a sandbox
                    os.sched_setaffinity(int(thread), processors)
