"""Repeats: bodies that begin as a content did that was stored lately. What is there need not be written again.

A body is followed chunk by chunk, by the BLAKE3 of its bytes until there: as long as a stored content begins with just
these bytes, they are on disk. If it ends as that content ends, it is that content. If it goes on otherwise, what it has
in common with it is copied, and the rest is written as any other body's.

Of 16 MiB that are sent again nothing goes to the disk but the row that names them. Before, they were written, synced and
removed again, which took longer than to write new ones: the file system gives blocks back while others wait for it.

Rule: nothing follows from what is remembered here but where to look. That the content is stored, the catalog says, when
the body begins, and again in the transaction that names it; what is copied is hashed again. Only what is in use is
followed: it stays for longer than a body takes, even if it is deleted meanwhile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from blake3 import blake3

from falcon_s3.pfs import CHUNK_BYTES
from falcon_s3.pfs.beginnings import Beginnings

logger = logging.getLogger(__name__)

# Longer contents are not remembered: a body that goes on otherwise waits until what was in common is copied, and a disk
# copies so much in a tenth of a second.
MOST_BYTES = 64 << 20


class Damaged(OSError):
    """A stored content does not have the bytes that it was stored with."""


# Of a content by its digest: the file, and how long it must be; None: it is not to be followed.
Find = Callable[[bytes], "tuple[Path, int] | None"]


class Repeats:
    """The contents that came lately."""

    def __init__(self, find: Find):
        self._find = find
        self._contents: Beginnings[bytes] = Beginnings()  # the digest of a content that begins so

    def follow(self) -> Followed:
        return Followed(self)

    def remember(self, beginnings: Sequence[bytes]) -> None:
        """What a content was known by as it grew, chunk by chunk; the last is its digest."""
        for beginning in beginnings:
            self._contents.put(beginning, beginnings[-1])

    def forget(self) -> None:
        self._contents.clear()

    def opened(self, beginning: bytes) -> tuple[bytes, int] | None:
        """The digest of a stored content that begins so, and its file, opened."""
        digest = self._contents.get(beginning)
        if digest is None:
            return None
        found = self._find(digest)
        if found is None:
            return None
        path, size = found
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # removed since then, or too many are open: it is written anew
            return None
        if os.fstat(handle).st_size != size:  # what is written anew takes its place
            os.close(handle)
            return None
        return digest, handle

    def is_of(self, digest: bytes, beginning: bytes) -> bool:
        """Whether this content is the one that is remembered for a beginning; others may begin so too."""
        return self._contents.get(beginning) == digest


class Followed:
    """The stored content that a body repeats until now. `close` must be called."""

    def __init__(self, repeats: Repeats):
        self._repeats = repeats
        self._digest = b""  # of the content
        self._handle = -1  # its file; -1: none is followed
        self._beginning = b""  # the BLAKE3 of what the body has in common with it
        self.size = 0  # how much that is

    def goes_on(self, beginning: bytes, size: int) -> bool:
        """Whether a stored content begins with the first `size` bytes of the body, whose BLAKE3 is `beginning`.

        It may be another than before. If there is none, what was followed is followed as far as before.
        """
        if self._handle < 0 or not self._repeats.is_of(self._digest, beginning):
            other = self._repeats.opened(beginning)
            if other is None:
                return False
            self.close()
            self._digest, self._handle = other
        self._beginning, self.size = beginning, size
        return True

    def is_whole(self) -> bool:
        """Whether the content ends where it is followed to."""
        return self._digest == self._beginning

    def chunks(self) -> Iterator[bytes]:
        """What the body has in common with the content. Raises Damaged at its end, and OSError: it is not followed again."""
        digest, at = blake3(), 0
        try:
            while at < self.size and (chunk := os.pread(self._handle, min(CHUNK_BYTES, self.size - at), at)):
                digest.update(chunk)
                at += len(chunk)
                yield chunk
            if self.size and digest.digest() != self._beginning:
                logger.error("a stored content is damaged: falcon-s3 fsck tells which")
                raise Damaged("an object that is stored begins like it, and is damaged")
        except OSError:
            self._repeats.forget()
            raise

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
