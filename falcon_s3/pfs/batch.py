"""Many changes as one write of the embedded store: what a ModifyFile stream of pfs_v2.API asks for.

Bytes come first: each file's is staged as it arrives, so no stream is held in memory. When the stream has ended,
one job of the catalog finds the commit to write to, or makes one, and applies everything in order; readers see
all of it or nothing. A stream that ends otherwise leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from falcon_s3.pfs import (
    CHUNK_BYTES,
    Branch,
    Digests,
    Unavailable,
    check_path,
    growth,
    history,
    is_commit_id,
    lineage,
    pieces,
    tree,
)
from falcon_s3.pfs.catalog import Catalog, Connection
from falcon_s3.pfs.contents import INLINE_BYTES, Contents, Staged, release
from falcon_s3.pfs.lineage import Named, Refused, Target
from falcon_s3.pfs.pieces import Piece
from falcon_s3.pfs.tree import Version, View

# Staged files each hold a file open, and small ones memory: when there are so many they are moved to their places.
STAGED_AT_ONCE = 128


class Bytes:
    """The body of one file: hashed as it is walked, in chunks that the store takes."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks = chunks
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            for start in range(0, len(chunk), CHUNK_BYTES):
                piece = chunk[start : start + CHUNK_BYTES]
                self._md5.update(piece)
                self._sha256.update(piece)
                yield piece

    def digests(self) -> Digests:
        return Digests(self._md5.digest(), self._sha256.digest())


class Add(NamedTuple):
    """Append to what the path holds by then."""

    path: str
    staged: Staged


class Delete(NamedTuple):
    path: str  # ending with a slash, or empty: all that is below it


class Copy(NamedTuple):
    """A file or folder of a commit, to the path or below it."""

    source: Named
    source_path: str
    path: str
    append: bool


class Given(NamedTuple):
    """What comes to a path: a content, one use of which is handed over with it."""

    content: int
    size: int
    etag: str
    attributes: str | None


class Moment:
    """A reader that gives one connection, for listings inside a job."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def read(self) -> AbstractContextManager[Connection]:
        return nullcontext(self._connection)


class Batch:
    """Changes that are collected and then applied at once. `close` must be called, whatever happened."""

    def __init__(self, catalog: Catalog, contents: Contents):
        self._catalog = catalog
        self._contents = contents
        self._changes: list[Add | Delete | Copy] = []
        self._open: list[Staged] = []
        self._moved: set[int] = set()  # which Staged have been moved to their places, by identity

    def add(self, path: str, chunks: Iterable[bytes]) -> None:
        """Walks the chunks to their end. Raises InvalidPath, Unavailable, and what the walk raises."""
        check_path(path)
        staged = self._contents.stage(Bytes(chunks))
        self._changes.append(Add(path, staged))
        self._open.append(staged)
        if len(self._open) >= STAGED_AT_ONCE:
            self._move()

    def delete(self, path: str) -> None:
        self._changes.append(Delete(path))

    def copy(self, copy: Copy) -> None:
        if copy.path:
            check_path(copy.path)
        self._changes.append(copy)

    def _move(self) -> None:
        """Bring what is staged to its place, as content that nothing uses yet: it stays for `janitor.GRACE_MS`."""
        waiting = self._open

        def job(connection: Connection) -> None:
            for staged in waiting:
                release(connection, self._contents.acquire(connection, staged))

        self._catalog.write(job)
        for staged in waiting:
            self._contents.discard(staged)
            staged.data = None
            self._moved.add(id(staged))
        self._open = []

    def close(self) -> None:
        while self._open:
            self._contents.discard(self._open.pop())

    def apply(self, named: Named) -> Target:
        """Write everything to the open commit `named` is, or as one new commit of the branch that it names.

        The branch is made if there is none. Raises NotFound, Refused, Unavailable.
        """

        def job(connection: Connection) -> Target:
            target = _place(connection, named)
            view = lineage.view_of(connection, target)
            for change in self._changes:
                if isinstance(change, Add):
                    self._put(connection, view, change.path, self._acquire(connection, change.staged), append=True)
                elif isinstance(change, Delete):
                    _delete(connection, view, change.path)
                else:
                    self._copy(connection, view, change)
            return target

        return self._catalog.write(job)

    def _acquire(self, connection: Connection, staged: Staged) -> Given:
        if id(staged) in self._moved:
            known = connection.execute("SELECT 1 FROM content WHERE sha256 = ?", (staged.sha256,)).fetchone()
            if known is None:
                raise Unavailable("the stream took so long that what it began with was removed: send it again")
        content = self._contents.acquire(connection, staged)
        return Given(content, staged.size, staged.md5.hex(), None)

    def _put(self, connection: Connection, view: View, path: str, given: Given, *, append: bool) -> None:
        existing = tree.find(connection, view, path) if append else None
        if existing is not None and existing.size:
            if not given.size:
                release(connection, given.content)
                return
            given = self._joined(connection, existing, given)
        version = Version(b"", given.content, given.size, given.etag, history.now_ms(), given.attributes)
        replaced = growth.put(connection, view, path, version)
        if replaced is not None:
            release(connection, replaced)

    def _joined(self, connection: Connection, existing: Version, given: Given) -> Given:
        """The bytes of both as one content; larger ones as pieces, so that none is written again."""
        size = existing.size + given.size
        if size <= INLINE_BYTES:
            parts = [_data(connection, number) for number in (existing.content, given.content)]
            if None not in parts:
                body = Bytes([data for data in parts if data is not None])
                staged = self._contents.stage(body)
                release(connection, given.content)
                return self._acquire(connection, staged)
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

    def _copy(self, connection: Connection, view: View, copy: Copy) -> None:
        source = lineage.view_of(connection, lineage.resolve(connection, copy.source))
        wanted = [(copy.source_path, copy.path)]
        if tree.find(connection, source, copy.source_path) is None:
            prefix = copy.source_path + "/" if copy.source_path else ""
            into = copy.path + "/" if copy.path else ""
            wanted = [
                (entry.path, into + entry.path[len(prefix) :])
                for entry in tree.entries(Moment(connection), source, prefix, "", "")
            ]
        for source_path, path in wanted:
            found = tree.find(connection, source, source_path)
            assert found is not None  # it was listed in the same job
            check_path(path)
            connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", (found.content,))
            given = Given(found.content, found.size, found.etag, found.attributes)
            self._put(connection, view, path, given, append=copy.append)


def check_target(connection: Connection, named: Named) -> Target | Branch:
    """The open commit that a write to `named` goes to, or the branch that it makes a commit on.

    Raises NotFound, InvalidName, Refused, so that these can come before the bytes.
    """
    base, steps = lineage.spelled(named)
    if steps or is_commit_id(base):
        target = lineage.resolve(connection, named)
        if not target.point.open:
            raise Refused(f"commit {target} has already finished")
        return target
    branch = Branch(named.repo, base)
    head = lineage.writable(connection, branch)
    return Target(named.repo, head) if head is not None and head.open else branch


def _place(connection: Connection, named: Named) -> Target:
    found = check_target(connection, named)
    if isinstance(found, Target):
        return found
    head = lineage.writable(connection, found)
    return lineage.add_commit(connection, found, head, head, finished=True, message="", identity=None)


def _delete(connection: Connection, view: View, path: str) -> None:
    if path and not path.endswith("/"):
        paths = [path] if tree.find(connection, view, path) is not None else []
    else:
        paths = [entry.path for entry in tree.entries(Moment(connection), view, path, "", "")]
    for each in paths:
        replaced = growth.remove(connection, view, each, history.now_ms())
        if replaced is not None:
            release(connection, replaced)


def _data(connection: Connection, content: int) -> bytes | None:
    """The bytes of a content that lives in the catalog."""
    row = connection.execute("SELECT data FROM content WHERE id = ?", (content,)).fetchone()
    return row[0] if row is not None else None


def _as_pieces(connection: Connection, content: int, etag: str) -> Sequence[Piece]:
    """The content, or what it is put together from, with one use more of each."""
    rows = connection.execute(
        "SELECT part, sha256, piece.size, etag, modified_ms, attributes FROM piece"
        " JOIN content ON content.id = piece.part WHERE piece.content = ? ORDER BY position",
        (content,),
    ).fetchall()
    if not rows:
        sha256, size = connection.execute("SELECT sha256, size FROM content WHERE id = ?", (content,)).fetchone()
        rows = [(content, sha256, size, etag, history.now_ms(), None)]
    found = [Piece._make(row) for row in rows]
    for piece in found:
        connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", (piece.content,))
    return found
