"""Digests over a body: each computed once, and where there are several beside each other.

hashlib lets go of the interpreter for large chunks, so the MD5, a checksum and the caller's own work on a chunk run at
the same time. Memory stays bounded: a chunk is handed to the threads only when they are done with the one
before it, so a body has at most two in flight, and one that is given up leaves nothing running. Small bodies are
hashed where they are: for them a thread is slower than the hash. So are large ones that come in small chunks, as `body`
makes them where there is but one slow hash: the MD5 is computed beside the caller anyway, and those of bodies that come
at one time are taken together (`_md5_py`). The MD5 of bytes that came lately is not computed again: it goes on from where
a body parts from the one before (`Remembered`), known by their BLAKE3, an eighth of the work.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from awscrt import checksums
from blake3 import blake3
from zlib_ng import zlib_ng

from falcon_s3 import pfs
from falcon_s3._speedups import Md5
from falcon_s3.pfs.beginnings import Beginnings

# Longer chunks are hashed on threads; for these the hand-over costs more than it saves (benchmarks/bench_digests.py).
INLINE_BYTES = 256 << 10
# The MD5 of what is shorter takes little longer than to remember it.
REMEMBERED_BYTES = 64 << 10


class Hash(Protocol):
    """What hashlib's hashes, `Crc` and `Xxhash` have in common."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class Crc:
    """A checksum with the face of a hash. `compute` takes the data and the value so far."""

    def __init__(self, compute: Callable[[bytes, int], int], length: int):
        self._compute = compute
        self._length = length
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._compute(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._length, "big")


class Xxhash:
    """An XXHash with the face of a hash; its digest is the canonical one, big-endian. `make` begins one of awscrt's."""

    def __init__(self, make: Callable[[], checksums.XXHash]):
        self._hash = make()

    def update(self, data: bytes, /) -> None:
        self._hash.update(bytes(data))  # awscrt takes nothing else; of bytes this makes no copy

    def digest(self) -> bytes:
        digest: bytes = self._hash.finalize()  # more may follow all the same
        return digest


# The checksums that clients may send (S3 user guide, "Checking object integrity"), by the ending of their header.
CHECKSUMS: dict[str, Callable[[], Hash]] = {
    "crc32": lambda: Crc(zlib_ng.crc32, 4),
    "crc32c": lambda: Crc(checksums.crc32c, 4),
    "crc64nvme": lambda: Crc(checksums.crc64nvme, 8),
    "sha1": functools.partial(hashlib.sha1, usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "md5": functools.partial(hashlib.md5, usedforsecurity=False),  # of a body it is computed anyway: see `Hashes`
    "xxhash64": functools.partial(Xxhash, checksums.XXHash.new_xxhash64),
    "xxhash3": functools.partial(Xxhash, checksums.XXHash.new_xxhash3_64),
    "xxhash128": functools.partial(Xxhash, checksums.XXHash.new_xxhash3_128),
}
# Of these, those that take a third of the time of an MD5 or more.
SLOW = frozenset(("sha1", "sha256", "sha512"))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """The threads that hash for all bodies of a process; made when first needed, and so after the fork."""
    return ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="digest")


# Threads do not survive a fork: a child that took over the pool would wait for them for ever.
os.register_at_fork(after_in_child=_threads.cache_clear)


class Remembered:
    """The MD5 of a body. What it comes to at the end of a chunk is looked up, if a body that came lately began so.

    Then the chunk is not hashed, and `_md5` stays behind until it must go on: from what was looked up last. `_states` has
    how an MD5 stands at the end of such chunks, by the BLAKE3 of the body until there. It is put there when an `Md5` has
    come so far, which may be some chunks later.
    """

    _states: Beginnings[object] = Beginnings()

    def __init__(self) -> None:
        self._md5 = Md5()
        self._awaited: deque[bytes] = deque()  # the beginnings whose states `_md5` keeps
        self._state: object = None  # how an MD5 stands where the body is, if `_md5` stayed behind

    def update(self, data: bytes, beginning: bytes | None) -> None:
        """Take the next chunk. `beginning` is the BLAKE3 of the body until its end; None: it is not worth remembering."""
        state = beginning and self._states.get(beginning)
        if state:
            self._state = state
            return
        self._catch_up()
        self._md5.update(data, beginning is not None)
        if beginning is not None:
            self._awaited.append(beginning)
        self._tell()

    def digest(self) -> bytes:
        self._catch_up()
        digest = self._md5.digest()
        self._tell()
        return digest

    def _catch_up(self) -> None:
        if self._state is not None:
            self._md5.state()
            self._tell()
            self._md5, self._state = Md5(self._state), None

    def _tell(self) -> None:
        for state in self._md5.kept():
            self._states.put(self._awaited.popleft(), state)


class Hashes:
    """The MD5 of a body, its BLAKE3, and the checksums that are named; None names none."""

    def __init__(self, *named: str | None):
        self._md5 = Remembered()
        self._content = blake3()
        self._beginning: bytes | None = None  # None: not looked at since the last chunk
        self._named: dict[str, Hash] = {name: CHECKSUMS[name]() for name in named if name not in (None, "md5")}
        self._under_way: list[Future[None]] = []

    def is_for_threads(self) -> bool:
        """Whether there is a hash beside the MD5 that takes about as long: what else there may be is over at once."""
        return not SLOW.isdisjoint(self._named)

    def update(self, chunk: bytes) -> None:
        """Take the next chunk; may return before it is hashed, so the chunk must not change."""
        if self._under_way:
            self._wait()
        if len(chunk) > INLINE_BYTES:
            self._under_way = [_threads().submit(each.update, chunk) for each in self._named.values()]
        self._content.update(chunk)
        self._beginning = None
        self._md5.update(chunk, self.beginning() if REMEMBERED_BYTES <= len(chunk) <= INLINE_BYTES else None)
        if len(chunk) <= INLINE_BYTES:
            for each in self._named.values():
                each.update(chunk)

    def _wait(self) -> None:
        for future in self._under_way:
            future.result()
        self._under_way = []

    def beginning(self) -> bytes:
        """The BLAKE3 of all chunks taken."""
        if self._beginning is None:
            self._beginning = self._content.digest()
        return self._beginning

    def digest(self, name: str) -> bytes:
        """What a digest came to over all chunks taken; `name` is "md5" or one of those named."""
        self._wait()
        return self._md5.digest() if name == "md5" else self._named[name].digest()

    def base64(self, name: str) -> str:
        """The same as headers have it."""
        return base64.b64encode(self.digest(name)).decode()

    def finish(self) -> pfs.Digests:
        return pfs.Digests(self.digest("md5"), self.digest("sha256") if "sha256" in self._named else None)


class HashedBody:
    """A `pfs.Body` of chunks that need no check, each cut to at most CHUNK_BYTES.

    At its end the checksum `algorithm`, if there is one, is put among `attributes` as x-amz-checksum-.
    """

    def __init__(self, chunks: Iterable[bytes], algorithm: str | None = None, attributes: dict[str, str] | None = None):
        self._chunks = chunks
        self._algorithm = algorithm
        self._attributes = attributes
        self._hashes = Hashes(algorithm)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            for start in range(0, len(chunk), pfs.CHUNK_BYTES):
                piece = chunk[start : start + pfs.CHUNK_BYTES]
                self._hashes.update(piece)
                yield piece
        if self._algorithm is not None and self._attributes is not None:
            self._attributes[f"x-amz-checksum-{self._algorithm}"] = self._hashes.base64(self._algorithm)

    def beginning(self) -> bytes:
        return self._hashes.beginning()

    def digests(self) -> pfs.Digests:
        return self._hashes.finish()


def body_of(chunks: Iterable[bytes]) -> pfs.Body:
    """A body from any bytes at hand, as tests and tools need it."""
    return HashedBody(chunks)
