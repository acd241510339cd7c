"""A new file, written in whole blocks past the page cache, where the file system can do that.

Measured on 16 MiB files, synced (`benchmarks/bench_put.py` shows the rates): through the page cache 5 to 30 ms of CPU
and 150 to 1,000 MB/s, as the kernel finds pages; past it 1.8 ms and 1,100 to 1,500 MB/s, with nothing left to write
back at the end. The kernel asks for whole blocks at addresses that are multiples of a block, hence the buffer.
A file that fits into one buffer goes through the cache: what is small is soon read again.

The disk works while the next bytes come and are hashed. Of 16 MiB that come in chunks of 1 MiB, each hashed with MD5 and
BLAKE3, a thread spends 18 ms in this module where it waits for each write, and 5 where it does not; of two threads at
once 21 ms each, and 6. In pieces of 256 KiB it is 6 and 9 (`benchmarks/bench_blocks.py`).

Tried and not kept: the same with a thread for each file, which took more of the processor; room for the whole file made
first, which changed nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
from collections import deque
from pathlib import Path

from falcon_s3.pfs.disk_queue import DiskQueue
from falcon_s3.pfs.disk_sync import sync_data

# What memory one file takes: some pieces of it are on their way to the disk while others are filled.
BUFFER_BYTES = 1 << 20
# What is written at a time.
PIECE_BYTES = 512 << 10
# No disk in use has larger blocks.
BLOCK_BYTES = 4096
# Buffers kept for the files to come: making one costs 256 page faults, each kept is memory of a worker for good. With four,
# eight large PUTs at a time took 31.5 ms of processor each, with two 33.0, and a worker 4 MiB less (`benchmarks/peers.py --only "16 MiB"`).
KEPT_BUFFERS = 2
# 0: a system without it, on which everything goes through the cache.
DIRECT: int = getattr(os, "O_DIRECT", 0)


class Buffer:
    """Memory for one file at a time, and the queue that writes it; None: the system has none."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, BUFFER_BYTES)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        try:
            self.queue: DiskQueue | None = DiskQueue(BUFFER_BYTES // PIECE_BYTES)
        except OSError:
            self.queue = None


_buffers: deque[Buffer] = deque(maxlen=KEPT_BUFFERS)
# A queue is of one process: what a child took over from its parent it cannot use.
os.register_at_fork(after_in_child=_buffers.clear)


class BlockFile:
    """A file that is made now and written once. `close` must be called, whatever happened. Raises OSError.

    The buffer is a ring of pieces: what comes at `offset` of the file is put at `offset % BUFFER_BYTES`. Writes that are
    under way are only begun early: one that failed, or came to less, is done again or to its end when its piece is
    needed, and what that raises is raised.
    """

    def __init__(self, path: Path):
        # First, as it raises where no memory is left: there is no handle to be closed yet.
        try:
            self._buffer: Buffer | None = _buffers.pop()
        except IndexError:
            self._buffer = Buffer()
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._direct = False
        self._size = 0  # bytes that came
        self._begun = 0  # of these, what the queue has or had
        self._written = 0  # of these, what is written

    def write(self, chunk: bytes) -> None:
        """Take the next bytes, which are written later, or are being written when it returns."""
        assert self._buffer is not None  # it is not closed
        memory, start = self._buffer.memory, 0
        while start < len(chunk):
            if self._size == self._written + BUFFER_BYTES:
                if not self._written:
                    self._direct = self._set_direct(DIRECT)
                self._begin()
                self._finish_piece()
            at = self._size % BUFFER_BYTES
            some = min(len(chunk) - start, PIECE_BYTES - at % PIECE_BYTES)
            memory[at : at + some] = chunk if some == len(chunk) else memoryview(chunk)[start : start + some]
            self._size += some
            start += some
            if self._written:
                self._begin()

    def _begin(self) -> None:
        """Give the queue the pieces that are full. Writes into the cache do not wait for the disk: they have none."""
        assert self._buffer is not None
        queue = self._buffer.queue if self._direct else None
        while queue is not None and self._begun + PIECE_BYTES <= self._size:
            offset, self._begun = self._begun, self._begun + PIECE_BYTES
            at = offset % BUFFER_BYTES
            with contextlib.suppress(OSError):  # it is tried again when the piece is needed
                # Who makes the file longer waits for the disk: make it longer before.
                os.ftruncate(self.handle, self._begun)
                queue.write(at // PIECE_BYTES, self.handle, self._buffer.address + at, PIECE_BYTES, offset)

    def _finish_piece(self) -> None:
        """See to it that the oldest piece is written."""
        assert self._buffer is not None
        queue, number = self._buffer.queue, self._written % BUFFER_BYTES // PIECE_BYTES
        done = queue.wait(number) if queue is not None else 0
        self._write_out(PIECE_BYTES, done)
        self._written += PIECE_BYTES

    def finish(self) -> None:
        """Write what is left, and sync the file."""
        while self._written + PIECE_BYTES <= self._size:
            self._finish_piece()
        rest = self._size - self._written
        padding = -rest % BLOCK_BYTES if self._direct else 0
        self._write_out(rest + padding)
        if padding:
            os.ftruncate(self.handle, self._size)
        sync_data(self.handle)
        self._let_go()

    def _write_out(self, length: int, done: int = 0) -> None:
        """Write what follows what is written, of which `done` bytes are."""
        assert self._buffer is not None
        at = self._written % BUFFER_BYTES
        with memoryview(self._buffer.memory) as whole:
            while done < length:
                try:
                    done += os.pwrite(self.handle, whole[at + done : at + length], self._written + done)
                except OSError as ex:
                    # The file system takes no such write after all, or the one before ended within a block.
                    if ex.errno != errno.EINVAL or not self._direct:
                        raise
                    self._direct = self._set_direct(0)

    def _set_direct(self, direct: int) -> bool:
        try:
            fcntl.fcntl(self.handle, fcntl.F_SETFL, direct)
        except OSError:  # tmpfs, say
            return False
        return bool(direct)

    def _let_go(self) -> None:
        if self._buffer is not None:
            if self._buffer.queue is not None:
                self._buffer.queue.wait_for_all()
            _buffers.append(self._buffer)
            self._buffer = None

    def close(self) -> None:
        self._let_go()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
