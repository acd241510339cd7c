"""What the allocators are told; what it saves is measured by benchmarks/bench_memory.py."""

import os
import subprocess
import sys

import pytest

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
    [({}, "narenas:1,dirty_decay_ms:300,muzzy_decay_ms:0"), ({"_RJEM_MALLOC_CONF": "narenas:3"}, "narenas:3")],
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
