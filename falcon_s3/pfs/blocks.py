"""A new file, written in whole blocks past the page cache, where the file system can do that.

Measured on 16 MiB files, synced (`benchmarks/bench_put.py` shows the rates): through the page cache 5 to 30 ms of CPU
and 150 to 1,000 MB/s, as the kernel finds pages; past it 1.8 ms and 1,100 to 1,500 MB/s, with nothing left to write
back at the end. The kernel asks for whole blocks at addresses that are multiples of a block, hence the buffer.
A file that fits into one buffer goes through the cache: what is small is soon read again.

Tried and not kept: a second buffer, written on a thread of its own while the next MiB comes. On two busy cores with two
clients that send 16 MiB each it took 46 to 52 ms of CPU a request instead of 42 to 47, and 17 to 19 a second came
through instead of 22 or 23.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import deque
from pathlib import Path

# What is written at a time, and what memory one file takes.
BUFFER_BYTES = 1 << 20
# No disk in use has larger blocks.
BLOCK_BYTES = 4096
# Buffers kept for the files to come: making one costs 256 page faults.
KEPT_BUFFERS = 4
# 0: a system without it, on which everything goes through the cache.
DIRECT: int = getattr(os, "O_DIRECT", 0)

_buffers: deque[mmap.mmap] = deque(maxlen=KEPT_BUFFERS)


class BlockFile:
    """A file that is made now and written once. `close` must be called, whatever happened. Raises OSError."""

    def __init__(self, path: Path):
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._direct = False
        self._written = 0
        self._filled = 0
        try:
            self._buffer: mmap.mmap | None = _buffers.pop()
        except IndexError:
            self._buffer = mmap.mmap(-1, BUFFER_BYTES)

    def write(self, chunk: bytes) -> None:
        assert self._buffer is not None  # it is not closed
        start = 0
        while start < len(chunk):
            if self._filled == BUFFER_BYTES:
                if not self._written:
                    self._direct = self._set_direct(DIRECT)
                self._write_out(BUFFER_BYTES)
                self._filled = 0
            some = min(len(chunk) - start, BUFFER_BYTES - self._filled)
            self._buffer[self._filled : self._filled + some] = (
                chunk if some == len(chunk) else memoryview(chunk)[start : start + some]
            )
            self._filled += some
            start += some

    def finish(self) -> None:
        """Write what is left, and sync the file."""
        size = self._written + self._filled
        self._write_out(-self._filled % BLOCK_BYTES + self._filled if self._direct else self._filled)
        if self._written > size:
            os.ftruncate(self.handle, size)
        os.fdatasync(self.handle)
        self._let_go()

    def _write_out(self, length: int) -> None:
        with memoryview(self._buffer) as whole:  # type: ignore[arg-type]  # it is not closed
            done = 0
            while done < length:
                try:
                    done += os.write(self.handle, whole[done:length])
                except OSError as ex:
                    # The file system takes no such write after all, or the one before ended within a block.
                    if ex.errno != errno.EINVAL or not self._direct:
                        raise
                    self._direct = self._set_direct(0)
        self._written += length

    def _set_direct(self, direct: int) -> bool:
        try:
            fcntl.fcntl(self.handle, fcntl.F_SETFL, direct)
        except OSError:  # tmpfs, say
            return False
        return bool(direct)

    def _let_go(self) -> None:
        if self._buffer is not None:
            _buffers.append(self._buffer)
            self._buffer = None

    def close(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
        self._let_go()
