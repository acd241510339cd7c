"""Bodies for tests: bytes as a store takes them, whole, in odd chunks, or breaking off midway."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from blake3 import blake3

from falcon_s3.pfs import CHUNK_BYTES, Check, Digests, FileInfo, Pfs, Ref


class Bytes:
    """A `Body` of `data`, in chunks of `step` bytes."""

    def __init__(self, data: bytes, step: int = CHUNK_BYTES):
        self._data = data
        self._step = step
        self._content = blake3()

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), self._step):
            chunk = self._data[start : start + self._step]
            self._content.update(chunk)
            yield chunk

    def beginning(self) -> bytes:
        return self._content.digest()

    def digests(self) -> Digests:
        return Digests(hashlib.md5(self._data).digest(), hashlib.sha256(self._data).digest())


class Wrong(Exception):
    """What a body or a check of these tests raises; a store knows nothing of it."""


class Breaking(Bytes):
    """A body that raises `Wrong` after all of its bytes were walked, as one with a wrong digest does."""

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        raise Wrong

    def digests(self) -> Digests:
        raise AssertionError("asked for the digests of a body that did not end")


class Unread:
    """A body that must not be walked."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("the body was read")

    def beginning(self) -> bytes:
        raise AssertionError("the body was read")

    def digests(self) -> Digests:
        raise AssertionError("the body was read")


def put(
    pfs: Pfs,
    ref: Ref,
    path: str,
    data: bytes = b"x",
    attributes: Mapping[str, str] | None = None,
    check: Check | None = None,
) -> FileInfo:
    return pfs.put_file(ref, path, Bytes(data), attributes, check)


def get(pfs: Pfs, ref: Ref, path: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join(pfs.open_file(pfs.inspect_file(ref, path), start, stop))


def check_books(pfs: Pfs) -> None:
    """Assert that a store which keeps its bytes itself finds nothing wrong with them."""
    if hasattr(pfs, "fsck"):
        assert pfs.fsck().problems == []


def names(pfs: Pfs, ref: Ref, prefix: str = "", after: str = "", delimiter: str = "") -> list[str]:
    return [entry.path for entry in pfs.list_files(ref, prefix, after, delimiter)]
