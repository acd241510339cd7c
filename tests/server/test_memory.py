"""What the allocators are told; what it saves is measured by benchmarks/bench_memory.py."""

import itertools
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from falcon_s3 import tunables
from tests.server.test_listening import listeners
from tests.server.test_workers import until, workers

# glibc lays every arena but the first into a heap of 64 MiB, at a multiple of that. (malloc/arena.c, HEAP_MAX_SIZE)
HEAP_BYTES = 64 << 20

# Prints the variable as C reads it once Granian's library is loaded.
PROGRAM = """
import ctypes
from falcon_s3.server import memory
memory.keep_little()
import granian._granian
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print(getenv(memory.VARIABLE.encode()).decode())
"""


@pytest.mark.parametrize(
    "given, heard",
    [
        ({}, "narenas:1,dirty_decay_ms:300,muzzy_decay_ms:0,lg_tcache_max:12"),
        ({"_RJEM_MALLOC_CONF": "narenas:3"}, "narenas:3"),
    ],
    ids=["nothing", "something"],
)
def test_the_allocator_of_granian_is_told(given, heard):
    """It is told to keep little unless the environment says otherwise, before the library is loaded."""
    environment = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment | given, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == heard


def test_the_server_tells_it_first():
    """Nothing of Granian is loaded by the command line, which would be before the allocator is told."""
    program = (
        "import sys; from falcon_s3 import cli, server; print([n for n in sys.modules if n.startswith('granian')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# Frees 64 MiB below a block that stays, and prints how many bytes of that are given back in time.
FREED = """
import ctypes, os, pathlib, signal, threading, time
from falcon_s3.server import granian
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(65536) for _ in range(1024)]
for block in blocks:
    ctypes.memset(block, 1, 65536)
last = libc.malloc(65536)
for block in blocks:
    libc.free(block)
resident = lambda: int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before, end = resident(), time.monotonic() + 30
signal.signal(granian.WAKING, granian.nothing)
threading.Thread(target=granian.look_after, args=(os.getppid(), [granian.memory.give_back]), daemon=True).start()
while before - resident() < 60 << 20 and time.monotonic() < end:
    time.sleep(0.1)
print(before - resident())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries are not told: they have no way, or do it by themselves"
)
def test_a_worker_gives_back_what_was_freed():
    """What lies below blocks that stay, too, as after large objects."""
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)

    assert int(done.stdout) >= 60 << 20


def test_what_only_secrets_need_is_not_loaded(tmp_path):
    """Neither by the command line nor with a store of keys that is empty."""
    program = (
        "import sys, pathlib; from falcon_s3 import cli, keys; from falcon_s3.server import embedded\n"
        "keys.KeyStore(pathlib.Path(sys.argv[1])).load(); print([n for n in sys.modules if n.startswith('cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has mapped is read from Linux's /proc")
def test_threads_share_one_arena(start_gateway):
    """Whatever was started before: the limit is set before the first thread."""
    with start_gateway(workers=2, engine="granian") as gateway:
        first = gateway.process.pid
        until(lambda: listeners(gateway.port) == 2)
        for process in (first, *workers(first)):
            assert not arenas(Path(f"/proc/{process}/maps").read_text())


def arenas(maps):
    """Where a process has arenas besides the first: what is used of a heap, and behind it what is not."""
    spans = [(*(int(end, 16) for end in line.split()[0].split("-")), line.split()[1]) for line in maps.splitlines()]
    return [
        hex(start)
        for (start, middle, mode), (behind, end, rest) in itertools.pairwise(spans)
        if (mode, rest) == ("rw-p", "---p")
        and middle == behind
        and end - start == HEAP_BYTES
        and not start % HEAP_BYTES
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_workers_copy_as_the_tunables_say(start_gateway):
    """They are begun anew where that takes it, and what the environment says of other tunables stays."""
    setting = tunables.wanted({}, os.confstr("CS_GNU_LIBC_VERSION") or "", Path("/proc/cpuinfo").read_text())
    with start_gateway(workers=2) as gateway:
        until(lambda: len(workers(gateway.process.pid)) == 2)
        for process in {gateway.process.pid, *workers(gateway.process.pid)}:
            told = dict(
                each.split(b"=", 1) for each in Path(f"/proc/{process}/environ").read_bytes().split(b"\0") if each
            )
            assert told.get(tunables.VARIABLE.encode(), b"").decode() == (
                setting or os.environ.get(tunables.VARIABLE, "")
            )
