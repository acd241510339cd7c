"""How much freed memory the allocators keep: little, and for a short time. Called once, before Granian is imported.

Large bodies go through two allocators. That of Granian's library, jemalloc, keeps what was freed for ten seconds, in four
arenas for each core; glibc has eight arenas for each core, one of which each of many threads takes. Measured after 64 MiB
and 16 MiB objects over two connections, two workers of 32 threads (`python benchmarks/bench_memory.py`).

Sources: jemalloc(3), TUNING; mallopt(3).
"""

from __future__ import annotations

import ctypes
import os
import sys

# One arena, whose pages go back to the kernel within 0.3 s: no sooner, since to take them again costs CPU time.
JEMALLOC = "narenas:1,dirty_decay_ms:300,muzzy_decay_ms:0"
# The variable of a jemalloc that a Rust library was built with; read at its first allocation.
VARIABLE = "_RJEM_MALLOC_CONF"
# mallopt's number for the limit of arenas, and the limit. (malloc.h of glibc)
M_ARENA_MAX, ARENAS = -8, 2


def keep_little() -> None:
    """Tell both allocators; what the environment says already stays."""
    os.environ.setdefault(VARIABLE, JEMALLOC)
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_ARENA_MAX, ARENAS)
