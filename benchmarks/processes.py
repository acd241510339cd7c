"""What a server's processes have used, its children's among them, as /proc tells (Linux only)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Of /proc/PID/stat after the name: the parent, and the times in user and system, its reaped children's too; its pages.
PARENT, TIMES, PAGES = 1, slice(11, 15), 21


class Use(NamedTuple):
    """`cpu_seconds` since the processes began; `rss` in bytes, shared pages counted in each, of all and of the largest

    below the first, which are workers (of the first, if it is alone); how many processes.
    """

    cpu_seconds: float
    rss: int
    worker_rss: int
    processes: int


def stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended
        return None


def tree(pid: int) -> Iterator[list[str]]:
    """The state of the process and of all below it."""
    below: dict[int, list[tuple[int, list[str]]]] = {}
    for name in os.listdir("/proc"):
        found = stat(int(name)) if name.isdecimal() else None
        if found:
            below.setdefault(int(found[PARENT]), []).append((int(name), found))
    own = stat(pid)
    if own:
        yield own
    waiting = [pid]
    while waiting:
        for child, found in below.get(waiting.pop(), ()):
            yield found
            waiting.append(child)


def use(*pids: int) -> Use:
    states = [state for pid in pids for state in tree(pid)]
    cpu = sum(sum(map(int, state[TIMES])) for state in states) / TICKS
    sizes = [int(state[PAGES]) * PAGE for state in states]
    return Use(cpu, sum(sizes), max(sizes[1:] or sizes, default=0), len(sizes))
