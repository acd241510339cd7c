"""DiskQueue: writes that the kernel carries out while the caller goes on, with no thread. Linux AIO: io_submit(2).

A thread for each file would do the same, and hands the interpreter to and fro for each piece. io_uring is refused in
most containers. Of the libraries for AIO, caio takes only `bytes`, which do not lie where direct writes need them, and
libaio needs a library of the system. What is needed are four system calls, and they are called as they are.

Where there is no such queue, or none is left (/proc/sys/fs/aio-max-nr), making one raises OSError.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import sys

# io_setup, io_destroy, io_getevents, io_submit, by the name of the machine (Linux: asm/unistd.h).
NUMBERS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
PWRITE = 1


class Operation(ctypes.Structure):
    """struct iocb (linux/aio_abi.h)."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key_and_flags", ctypes.c_uint64),
        ("code", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("handle", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("more_flags", ctypes.c_uint32),
        ("event_handle", ctypes.c_uint32),
    )


class Event(ctypes.Structure):
    """struct io_event (linux/aio_abi.h)."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("operation", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("more", ctypes.c_int64),
    )


SETUP, DESTROY, GETEVENTS, SUBMIT = range(4)

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def _numbers() -> tuple[int, int, int, int]:
    """Those of this machine. Raises OSError."""
    numbers = NUMBERS.get(platform.machine())
    if numbers is None or sys.platform != "linux" or sys.maxsize < 1 << 32:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return numbers


class DiskQueue:
    """Up to `depth` writes under way, numbered from 0. For one thread at a time, and not across a fork."""

    def __init__(self, depth: int):
        self._context = ctypes.c_ulong()
        self._numbers = _numbers()
        self._operations = (Operation * depth)()
        self._pointers = [ctypes.c_void_p(ctypes.addressof(each)) for each in self._operations]
        self._event = Event()
        self._is_under_way = [False] * depth
        self._results = [0] * depth
        self._call(SETUP, ctypes.c_long(depth), ctypes.byref(self._context))

    def write(self, number: int, handle: int, address: int, length: int, offset: int) -> None:
        """Begin a write of what is at `address` in memory, which must stay there and the same until it is waited for.

        Raises OSError, and then nothing has begun.
        """
        operation = self._operations[number]
        operation.data = number
        operation.code = PWRITE
        operation.handle = handle
        operation.address = address
        operation.length = length
        operation.offset = offset
        self._results[number] = 0
        self._is_under_way[number] = True
        try:
            self._call(SUBMIT, self._context, ctypes.c_long(1), ctypes.byref(self._pointers[number]))
        except OSError:
            self._is_under_way[number] = False
            raise

    def wait(self, number: int) -> int:
        """The bytes that the write came to, once: 0 if it failed, or none was begun since the last time."""
        while self._is_under_way[number]:
            self._call(GETEVENTS, self._context, ctypes.c_long(1), ctypes.c_long(1), ctypes.byref(self._event), None)
            self._results[self._event.data] = max(self._event.result, 0)
            self._is_under_way[self._event.data] = False
        result, self._results[number] = self._results[number], 0
        return result

    def wait_for_all(self) -> None:
        for number in range(len(self._is_under_way)):
            self.wait(number)

    def __del__(self) -> None:
        if self._context.value:
            with contextlib.suppress(OSError):  # in a child that was forked it is not there
                self._call(DESTROY, self._context)

    def _call(self, which: int, *arguments: object) -> None:
        """Raises OSError."""
        while _syscall(ctypes.c_long(self._numbers[which]), *arguments) < 0:
            number = ctypes.get_errno()
            if number != errno.EINTR:
                raise OSError(number, os.strerror(number))
