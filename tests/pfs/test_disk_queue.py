"""Writes that go on while the caller does something else are in the file once they were waited for."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import sys

import pytest

from falcon_s3.pfs import blocks, disk_queue
from falcon_s3.pfs.blocks import BUFFER_BYTES, PIECE_BYTES, BlockFile, Buffer
from falcon_s3.pfs.disk_queue import DiskQueue

WHOLE = bytes(range(256)) * (3 * BUFFER_BYTES // 256) + b"end"


@pytest.fixture
def queue():
    try:
        return DiskQueue(4)
    except OSError as ex:
        if sys.platform == "linux" and ex.errno not in (errno.ENOSYS, errno.EPERM, errno.EAGAIN):
            raise
        pytest.skip(f"this system gives no queue: {ex}")


@pytest.fixture
def pages():
    memory = mmap.mmap(-1, 4 * mmap.PAGESIZE)
    for number in range(4):
        memory[number * mmap.PAGESIZE : (number + 1) * mmap.PAGESIZE] = bytes([number + 1]) * mmap.PAGESIZE
    yield ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory.close()


def test_writes_under_way_end_where_they_belong(queue, pages, tmp_path):
    """In any order of waiting; each tells its bytes once."""
    handle = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    size = mmap.PAGESIZE
    for number in range(4):
        queue.write(number, handle, pages + number * size, size, number * size)
    assert [queue.wait(number) for number in (3, 0, 0, 1)] == [size, size, 0, size]
    queue.wait_for_all()
    assert queue.wait(2) == 0
    os.close(handle)
    assert (tmp_path / "file").read_bytes() == b"".join(bytes([number + 1]) * size for number in range(4))


def test_a_write_that_fails_comes_to_nothing(queue, pages, tmp_path):
    """Whether the kernel refuses it at once or says so later, and the number can be used again."""
    (tmp_path / "file").touch()
    handle = os.open(tmp_path / "file", os.O_RDONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        queue.write(0, handle, pages, mmap.PAGESIZE, 0)
    os.close(handle)
    assert queue.wait(0) == 0
    handle = os.open(tmp_path / "file", os.O_WRONLY)
    queue.write(0, handle, 0, mmap.PAGESIZE, 0)
    assert queue.wait(0) == 0
    queue.write(0, handle, pages, mmap.PAGESIZE, 0)
    assert queue.wait(0) == mmap.PAGESIZE
    os.close(handle)


@pytest.fixture
def fresh():
    """Buffers made under other circumstances stay within the test."""
    blocks._buffers.clear()
    yield
    blocks._buffers.clear()


def written(path):
    file = BlockFile(path)
    file.write(WHOLE)
    file.finish()
    file.close()
    return path.read_bytes()


@pytest.mark.parametrize("numbers", [{}, dict.fromkeys(disk_queue.NUMBERS, (1 << 20,) * 4)])
def test_where_there_is_no_queue_files_are_written_all_the_same(tmp_path, monkeypatch, fresh, numbers):
    """On machines whose numbers are not known, and on a system that does not have these calls."""
    monkeypatch.setattr(disk_queue, "NUMBERS", numbers)
    with pytest.raises(OSError, match="Function not implemented"):
        DiskQueue(4)
    assert Buffer().queue is None
    assert written(tmp_path / "file") == WHOLE


@pytest.mark.parametrize("most", [0, 1000, mmap.PAGESIZE, PIECE_BYTES - 512])
def test_a_write_that_came_to_less_is_done_to_its_end(tmp_path, monkeypatch, fresh, most):
    """Whether the kernel wrote nothing, refused half a block, or wrote some blocks."""

    class Less(DiskQueue):
        def write(self, number, handle, address, length, offset):
            super().write(number, handle, address, min(length, most), offset)

    monkeypatch.setattr(blocks, "DiskQueue", Less)
    assert written(tmp_path / "file") == WHOLE


def test_a_write_that_could_not_begin_is_made_when_it_is_needed(tmp_path):
    """And the bytes after it, which were begun or not, are where they belong."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = BlockFile(tmp_path / "file")
    file.write(WHOLE[: BUFFER_BYTES + PIECE_BYTES])
    resource.setrlimit(resource.RLIMIT_FSIZE, (BUFFER_BYTES + PIECE_BYTES, hard))
    try:
        file.write(WHOLE[BUFFER_BYTES + PIECE_BYTES : 2 * BUFFER_BYTES])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.write(WHOLE[2 * BUFFER_BYTES :])
    file.finish()
    file.close()
    assert (tmp_path / "file").read_bytes() == WHOLE


def test_a_file_given_up_leaves_no_write_under_way(tmp_path):
    """Its buffer serves the next file, whose bytes must not go to the old one, nor the other way round."""
    given_up = BlockFile(tmp_path / "given up")
    given_up.write(WHOLE[: 2 * BUFFER_BYTES])
    buffer = given_up._buffer
    given_up.close()
    assert buffer.queue is None or not any(buffer.queue._is_under_way)
    assert buffer is blocks._buffers[-1]
    assert written(tmp_path / "file") == WHOLE
    assert buffer is blocks._buffers[-1]


def test_a_child_makes_buffers_of_its_own(tmp_path):
    """A queue that it took over would be nobody's."""
    assert written(tmp_path / "file") == WHOLE
    child = os.fork()
    if not child:
        status = 1
        try:
            status = len(blocks._buffers) or written(tmp_path / "child") != WHOLE
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
