"""How much freed memory the allocators keep: little, and for a short time. Called once, before threads and Granian.

Two allocators serve a worker. That of Granian's library, jemalloc, keeps what was freed for ten seconds, in four arenas
for each core, and some of it in each thread. glibc has eight arenas for each core, one of which each of many threads
takes; each grows to what one of its threads once needed, as for a page of a listing, and how many there may be is settled
when the first thread asks for one. What each kind of work leaves: `python benchmarks/bench_memory.py`.

Sources: jemalloc(3), TUNING; mallopt(3); glibc, malloc/arena.c.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

# One arena, whose pages go back to the kernel within 0.3 s: no sooner, since to take them again costs CPU time. Threads
# keep nothing of more than 4 KiB for themselves.
JEMALLOC = "narenas:1,dirty_decay_ms:300,muzzy_decay_ms:0,lg_tcache_max:12"
# The variable of a jemalloc that a Rust library was built with; read at its first allocation.
VARIABLE = "_RJEM_MALLOC_CONF"
# mallopt's number for the limit of arenas (malloc.h of glibc), and the limit: Python's threads seldom allocate at once.
M_ARENA_MAX, ARENAS = -8, 1

# None where the C library is another one.
_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
_mallopt = getattr(_libc, "mallopt", None)
_malloc_trim = getattr(_libc, "malloc_trim", None)


def keep_little() -> None:
    """Tell both allocators; what the environment says already stays."""
    os.environ.setdefault(VARIABLE, JEMALLOC)
    if _mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        _mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give the pages of glibc's arena that are free back to the kernel, also those below what is in use.

    Other threads that allocate wait meanwhile, so it is for moments that are far apart.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)
