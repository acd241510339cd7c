"""A file written in blocks has the bytes that were written, whatever their number and whatever the file system takes."""

from __future__ import annotations

import random
import resource
import subprocess
import sys

import pytest

from falcon_s3.pfs import blocks
from falcon_s3.pfs.blocks import BLOCK_BYTES, BUFFER_BYTES, BlockFile

WHOLE = random.Random(7).randbytes(3 * BUFFER_BYTES + 123)
EDGES = [BLOCK_BYTES, BUFFER_BYTES, 2 * BUFFER_BYTES, 3 * BUFFER_BYTES]
SIZES = [0, 1, *(edge + step for edge in EDGES for step in (-1, 0, 1)), len(WHOLE)]


def written(path, data, chunk):
    file = BlockFile(path)
    for start in range(0, len(data), chunk):
        file.write(data[start : start + chunk])
    file.finish()
    file.close()
    return path.read_bytes()


@pytest.mark.parametrize("chunk", [70_000, BUFFER_BYTES, BUFFER_BYTES + 1, len(WHOLE)])
@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_there(tmp_path, size, chunk):
    """To the byte, on both sides of every edge, in any chunks."""
    assert written(tmp_path / "file", WHOLE[:size], chunk) == WHOLE[:size]


@pytest.mark.parametrize(("name", "value"), [("DIRECT", 0), ("BLOCK_BYTES", 64)])
@pytest.mark.parametrize("size", SIZES)
def test_where_blocks_are_not_taken_the_cache_is_used(tmp_path, monkeypatch, name, value, size):
    """On a system without direct writes, and where the kernel refuses one as these blocks make it do."""
    monkeypatch.setattr(blocks, name, value)
    assert written(tmp_path / "file", WHOLE[:size], 70_000) == WHOLE[:size]


def test_a_file_that_is_given_up_leaves_its_buffer_to_the_next(tmp_path):
    """Its bytes do not come into the next file."""
    given_up = BlockFile(tmp_path / "given up")
    given_up.write(b"x" * BUFFER_BYTES)
    given_up.close()
    given_up.close()
    assert written(tmp_path / "file", b"next", 4) == b"next"
    assert len(blocks._buffers) <= blocks.KEPT_BUFFERS


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_where_no_memory_is_left_no_file_is(tmp_path):
    """Neither made nor held open."""
    program = """
import os, resource, sys
from falcon_s3.pfs.blocks import BlockFile
pages = int(open("/proc/self/statm").read().split()[0])
before = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)
try:
    BlockFile(sys.argv[1])
except OSError:
    print(len(os.listdir("/proc/self/fd")) - before, os.path.exists(sys.argv[1]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "file"], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("0 False\n", "")


def test_what_the_disk_refuses_is_raised(tmp_path):
    """Each time, and the file can still be closed, and its buffer serves the next."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = BlockFile(tmp_path / "file")
    resource.setrlimit(resource.RLIMIT_FSIZE, (BUFFER_BYTES, hard))
    try:
        file.write(WHOLE[: 2 * BUFFER_BYTES])
        for _ in range(2):
            with pytest.raises(OSError, match="File too large"):
                file.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.close()
    assert written(tmp_path / "next", WHOLE, BUFFER_BYTES) == WHOLE
