"""What is appended to a file: the bytes of two contents as one, so that large ones are not written again.

All functions run inside a job of the catalog.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3

from falcon_s3.pfs import CHUNK_BYTES, Digests, pieces
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.contents import INLINE_BYTES, Contents, release
from falcon_s3.pfs.pieces import Piece
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.tree import Version

# Chunks are joined up to about this size.
GATHERED_BYTES = 64 << 10


class Bytes:
    """The body of one file: hashed as it is walked, in chunks that the store takes."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks = chunks
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._content = blake3()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in gathered(self._chunks):
            for start in range(0, len(chunk), CHUNK_BYTES):
                piece = chunk[start : start + CHUNK_BYTES]
                self._md5.update(piece)
                self._content.update(piece)
                yield piece

    def beginning(self) -> bytes:
        return self._content.digest()

    def digests(self) -> Digests:
        return Digests(self._md5.digest())


def gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, small chunks joined: clients send files line by line, and each chunk is hashed and written."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        if not waiting and len(chunk) >= GATHERED_BYTES:
            yield chunk
            continue
        waiting.append(chunk)
        size += len(chunk)
        if size >= GATHERED_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


class Given(NamedTuple):
    """What comes to a path: a content, one use of which is handed over with it."""

    content: int
    size: int
    etag: str
    attributes: str | None


def joined(connection: Connection, contents: Contents, existing: Version, given: Given) -> Given:
    """The bytes of both as one content; larger ones as pieces, so that none is written again."""
    size = existing.size + given.size
    if size <= INLINE_BYTES:
        parts = [_data(connection, number) for number in (existing.content, given.content)]
        if None not in parts:
            staged = contents.stage(Bytes([data for data in parts if data is not None]))
            release(connection, given.content)
            return Given(contents.acquire(connection, staged), size, staged.md5.hex(), None)
    both = [
        piece
        for number, etag in ((existing.content, existing.etag), (given.content, given.etag))
        for piece in _as_pieces(connection, number, etag)
    ]
    release(connection, given.content)  # each piece has a use of its own
    md5 = hashlib.md5(usedforsecurity=False)
    for piece in both:
        md5.update(piece.etag.encode())
    return Given(pieces.acquire(connection, both), size, f"{md5.hexdigest()}-{len(both)}", None)


def _data(connection: Connection, content: int) -> bytes | None:
    """The bytes of a content that lives in the catalog."""
    row = connection.execute("SELECT data FROM content WHERE id = ?", (content,)).fetchone()
    return row[0] if row is not None else None


def _as_pieces(connection: Connection, content: int, etag: str) -> Sequence[Piece]:
    """The content, or what it is put together from, with one use more of each."""
    rows = connection.execute(
        "SELECT part, digest, piece.size, etag, modified_ms, attributes FROM piece"
        " JOIN content ON content.id = piece.part WHERE piece.content = ? ORDER BY position",
        (content,),
    ).fetchall()
    if not rows:
        digest, size = connection.execute("SELECT digest, size FROM content WHERE id = ?", (content,)).fetchone()
        rows = [(content, digest, size, etag, now_ms(), None)]
    found = [Piece._make(row) for row in rows]
    for piece in found:
        connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", (piece.content,))
    return found
