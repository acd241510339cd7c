"""Scheduling: which of a worker's threads interrupt others when something comes for them.

One thread of Granian's speaks with the network, and others run Python. Each answer wakes the first, and the kernel lets
it interrupt Python there and then, for one answer, after which it sleeps again. A thread under SCHED_BATCH has the same
share of the processor, but waits for the end of a turn (sched(7)), and then finds several answers. Of a GET of 4 KiB by
16 connections two workers' processor took 31 and 33 us without it, and takes 26 and 31: 40,600 and 36,200 a second became
49,000 and 39,800. (`benchmarks/peers.py --only "get 4 KiB"`, twice in turn, on Linux 6.18.)

Who sends an answer in pieces waits too while it does: each piece that the network takes would wake it, and it would take
the processor from whoever moves the next. (`listening` has the figure of both together.)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple


class Manners(NamedTuple):
    """What a thread may call, of those that were started under `wait_for_turns`."""

    interrupt: Callable[[], None]  # from now on, as threads do
    wait: Callable[[], None]  # for its turns again


def wait_for_turns() -> Manners:
    """From now on this thread, and those that it starts, interrupt nobody, but for those that ask to.

    Whoever chose another policy for the process keeps it, and so does a system without this one.
    """
    with contextlib.suppress(AttributeError, OSError):  # not on every system, nor in every sandbox
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            wait()
            return Manners(interrupt, wait)
    return UNCHANGED


def interrupt() -> None:
    """This thread interrupts others, as threads do."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def wait() -> None:
    """This thread interrupts nobody."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def leave() -> None:
    """This thread stays as it is."""


UNCHANGED = Manners(leave, leave)
