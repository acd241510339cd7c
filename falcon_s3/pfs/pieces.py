"""Content put together from other contents, as a finished upload is from its parts: no byte is written again.

Such a content has no bytes of its own but rows of `piece`. It is known by a digest over its pieces, so that equal
ones are kept once. Each piece counts as a use of the content it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.contents import SHA256, release

# Sets the digests of pieces apart from those of bytes.
MARK = b"falcon-s3 pieces\n"


class Piece(NamedTuple):
    """A content and what is told of it as a part: the row of `piece` without its place."""

    content: int
    digest: bytes
    size: int
    etag: str
    modified_ms: int
    attributes: str | None


def acquire(connection: Connection, pieces: Sequence[Piece]) -> int:
    """Inside a job: the number of the content of these pieces, with one use more.

    The caller's own use of each piece is taken over, and must not be released. Of no pieces it is empty, and as any
    other content of no bytes.
    """
    digest = hashlib.sha256(MARK if pieces else b"")
    for piece in pieces:
        digest.update(
            b"%s %d %s %s\n" % (piece.digest, piece.size, piece.etag.encode(), (piece.attributes or "").encode())
        )
    known = connection.execute("SELECT id FROM content WHERE digest = ?", (digest.digest(),)).fetchone()
    if known is not None:
        connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", known)
        for piece in pieces:
            release(connection, piece.content)
        number: int = known[0]
        return number
    cursor = connection.execute(
        "INSERT INTO content (digest, kind, size, uses, pieces, data) VALUES (?, ?, ?, 1, ?, ?)",
        (digest.digest(), SHA256, sum(piece.size for piece in pieces), len(pieces), None if pieces else b""),
    )
    assert cursor.lastrowid is not None  # an INSERT that did not raise has one
    start = 0
    rows = []
    for position, piece in enumerate(pieces):
        told = (piece.size, piece.etag, piece.modified_ms, piece.attributes)
        rows.append((cursor.lastrowid, position, piece.content, start, *told))
        start += piece.size
    connection.executemany(
        "INSERT INTO piece (content, position, part, start, size, etag, modified_ms, attributes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    return cursor.lastrowid


def delete(connection: Connection, content: int) -> None:
    """Inside a job: the content is going; its pieces have one use less."""
    for (part,) in connection.execute("SELECT part FROM piece WHERE content = ?", (content,)).fetchall():
        release(connection, part)
    connection.execute("DELETE FROM piece WHERE content = ?", (content,))


def places(connection: Connection, content: int, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Where the bytes [start, stop) are: contents, each with the first byte in it and the one behind the last."""
    rows = connection.execute(
        "SELECT part, start, size FROM piece WHERE content = ? AND start < ? AND start + size > ? ORDER BY position",
        (content, stop, start),
    ).fetchall()
    return [(part, max(start - begin, 0), min(stop - begin, size)) for part, begin, size in rows]


class Chain:
    """The chunks of several contents one after another, each opened when it is reached."""

    def __init__(
        self, where: Sequence[tuple[int, int, int]], open_content: Callable[[int, int, int], Iterator[bytes] | None]
    ):
        self._where = iter(where)
        self._open = open_content
        self._current: Iterator[bytes] | None = None
        self._advance()

    def _advance(self) -> None:
        following = next(self._where, None)
        self._current = None
        if following is not None:
            self._current = self._open(*following)
            if self._current is None:
                raise OSError(f"content {following[0]} was removed while it was read")

    def __iter__(self) -> Chain:
        return self

    def __next__(self) -> bytes:
        while self._current is not None:
            for chunk in self._current:
                return chunk
            self._advance()
        raise StopIteration

    def close(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.close()  # type: ignore[attr-defined]  # every content is opened as something that closes
