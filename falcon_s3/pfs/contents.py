"""The bytes of the embedded store: written aside, synced, moved into place, and only then named.

Small content lives in the catalog, inside the transaction that names it (one sync). Larger content is a file under a
name of its own, in one of 256 folders. The order that makes a crash harmless:

1. `stage` writes `incoming/<name>`, syncs it, moves it to `contents/<na>/<name>`, and syncs that folder. It holds a
   lock on the file as long as the process lives;
2. `acquire`, in a job of the catalog, adds the row that says the content is there; the row is true once the job's
   transaction is on disk. Where the content is known already, `discard` removes the file; unless that of the row is gone
   or was cut, by whoever had the disk in hand: then it takes the place of that one.

Of a body that begins as a stored content does, only what follows is new (`repeats`); if it is that content, nothing is
staged but its digest, and `acquire` refuses it should the row be gone by then: it was in use when the body began, so
that took longer than the grace of `janitor`.

A kill leaves a file in `incoming` or in `contents` whose lock nobody holds and that no row names: `stale` finds the
first, `orphans` the second. A row without a file cannot be: when content is no longer used its row goes first, the
file after, and no name is used twice.

Content is known by its digest, and each row says of which kind that is. It is BLAKE3, which costs a third of SHA-256 or less
(`benchmarks/bench_digests.py`) and whose equality means equal bytes; the MD5 that S3 asks for does not.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from falcon_s3.pfs import Body, Unavailable, not_written, repeats
from falcon_s3.pfs.blocks import BlockFile
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.disk_sync import sync_folder
from falcon_s3.pfs.repeats import Find, Followed, Repeats
from falcon_s3.pfs.room import Room

logger = logging.getLogger(__name__)

# Up to here a content lives in the catalog: one sync instead of two, and no file for every small object.
INLINE_BYTES = 16 << 10
# What is read at a time: every thread that has sent an answer keeps the memory of some of these.
READ_BYTES = 256 << 10
# A file in `incoming` gets its lock right after it is made; one without a lock after this time has lost its writer.
LOCKED_WITHIN_SECONDS = 60


class Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def digest(self) -> bytes: ...


# `content.kind`: of contents made of pieces and those of format 1, and of all others.
SHA256, BLAKE3 = 0, 1
DIGESTS: dict[int, Callable[[], Hash]] = {SHA256: hashlib.sha256, BLAKE3: blake3}


@dataclass(slots=True)
class Staged:
    """Content that is safe on disk (or small and in memory) and not yet named."""

    digest: bytes  # BLAKE3
    md5: bytes
    size: int
    data: bytes | None  # None: it is in `file`
    file: Path | None = None
    lock: BlockFile | None = None
    named: bool = False  # a row names `file`, or may: its job ran, and the end of the transaction failed

    def place(self) -> tuple[str | None, bytes | None]:
        """What a new row has as `file` and `data`. Raises Unavailable where there was a row, and is none any more."""
        if self.file is None and self.data is None:
            raise Unavailable("what was stored already was removed meanwhile, as nothing named it")
        return (None if self.file is None else self.file.name), self.data

    def mend(self, connection: Connection, content: int) -> None:
        """Inside a job: what was staged takes the place of a file of this content that is gone, or was cut."""
        if self.file is None:
            return
        (name,) = connection.execute("SELECT file FROM content WHERE id = ?", (content,)).fetchone()
        if name is None or _has_size(self.file.parents[1] / name[:2] / name, self.size):
            return
        logger.error("content file %s was gone, or was cut: its bytes came again, and take its place", name)
        connection.execute("UPDATE content SET file = ? WHERE id = ?", (self.file.name, content))
        self.named = True


class NewFile:
    """A file that is being written. It holds a lock as long as the process lives. Raises OSError."""

    def __init__(self, path: Path):
        self.path = path
        self.blocks = BlockFile(path)
        try:
            fcntl.flock(self.blocks.handle, fcntl.LOCK_EX)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        _remove(self.path)
        self.blocks.close()


class Contents:
    """The content files in the folder `data`. Safe for many threads and processes at once."""

    def __init__(self, data: Path, find: Find):
        """`find` tells the file of the content with a digest, and its size, if a row names it and it is in use."""
        self._room = Room(data)
        self._repeats = Repeats(find)
        self.has_left = False  # a file was let go of that a row may name, or none: `orphans` tells
        self._incoming = data / "incoming"
        self._contents = data / "contents"
        self._incoming.mkdir(exist_ok=True)
        if not self._contents.is_dir():
            fresh = data / f"contents.{uuid.uuid4().hex}"
            fresh.mkdir()
            for shard in range(256):
                (fresh / f"{shard:02x}").mkdir()
            sync_folder(fresh)
            try:
                fresh.rename(self._contents)
            except OSError:  # another process was faster
                for folder in fresh.iterdir():
                    folder.rmdir()
                fresh.rmdir()
            sync_folder(data)

    def path(self, name: str) -> Path:
        return self._contents / name[:2] / name

    def stage(self, body: Body) -> Staged:
        """Walk the body to its end. What it raises comes out again, and nothing is left behind.

        Raises DiskFull, and Unavailable when the disk takes nothing.
        """
        self._room.check()
        chunks = iter(body)
        first = [_first(chunks)]
        if len(first[0]) > INLINE_BYTES:
            # Out of the list, so that nobody holds on to it while the others come.
            return self._stage_file(chain((first.pop() for _ in range(1)), chunks), body)
        return Staged(body.beginning(), body.digests().md5, len(first[0]), first[0])

    def _stage_file(self, chunks: Iterable[bytes], body: Body) -> Staged:
        followed = self._repeats.follow()
        new: NewFile | None = None
        beginnings: list[bytes] = []
        size = 0
        try:
            for chunk in chunks:
                self._room.check()
                size += len(chunk)
                if size <= repeats.MOST_BYTES:
                    beginnings.append(body.beginning())
                if new is None and not (size <= repeats.MOST_BYTES and followed.goes_on(beginnings[-1], size)):
                    new = self._begin(followed)
                if new is not None:
                    with _or_unavailable():
                        new.blocks.write(chunk)
            digests, digest = body.digests(), body.beginning()
            if new is None and not followed.is_whole():
                new = self._begin(followed)
            if new is not None:
                self._finish(new)
        except BaseException:
            if new is not None:
                new.discard()
            raise
        finally:
            followed.close()
        if size <= repeats.MOST_BYTES:
            self._repeats.remember(beginnings)
        if new is None:
            return Staged(digest, digests.md5, size, None)
        return Staged(digest, digests.md5, size, None, new.path, new.blocks)

    def _begin(self, followed: Followed) -> NewFile:
        """A new file with what a body has in common with the content that it followed, which is let go of."""
        with _or_unavailable():
            new = NewFile(self._incoming / uuid.uuid4().hex)
            try:
                for chunk in followed.chunks():
                    self._room.check()
                    new.blocks.write(chunk)
            except BaseException:
                new.discard()
                raise
        followed.close()
        return new

    def _finish(self, new: NewFile) -> None:
        """Sync a file and bring it to its place."""
        with _or_unavailable():
            new.blocks.finish()
            new.path = new.path.rename(self.path(new.path.name))
            sync_folder(new.path.parent)

    def discard(self, staged: Staged, *, failed: bool = False) -> None:
        """Let go of what was staged, whether it got its name or not; `failed`: the write did that was to name it."""
        if staged.file is not None and not staged.named:
            _remove(staged.file)
        elif staged.file is not None and failed:
            self.has_left = True
        staged.file = None
        if staged.lock is not None:
            staged.lock.close()
            staged.lock = None

    def acquire(self, connection: Connection, staged: Staged) -> int:
        """Inside a job: the number of the content, with one use more; new content gets its row."""
        known = connection.execute("SELECT id FROM content WHERE digest = ?", (staged.digest,)).fetchone()
        staged.named = known is None
        if known is not None:
            connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", known)
            number: int = known[0]
            staged.mend(connection, number)
            return number
        cursor = connection.execute(
            "INSERT INTO content (digest, kind, size, uses, file, data) VALUES (?, ?, ?, 1, ?, ?)",
            (staged.digest, BLAKE3, staged.size, *staged.place()),
        )
        assert cursor.lastrowid is not None  # an INSERT that did not raise has one
        return cursor.lastrowid

    def open(self, name: str, size: int, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop) of a content file, which is opened now and read as the iterator is walked.

        Raises Unavailable when too many files are open.
        """
        try:
            handle = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as ex:
            if ex.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise Unavailable(f"the object cannot be read now: {ex.strerror}") from ex
        if os.fstat(handle).st_size != size:
            os.close(handle)
            raise OSError(f"content file {name} is damaged: it does not have its {size} bytes")
        return _Reader(handle, start, stop)

    def shards(self) -> list[Path]:
        return sorted(self._contents.iterdir())

    def orphans(self, connection: Connection, shard: Path) -> list[Path]:
        """The files of a shard that no row names and no writer is about to name.

        Rows are asked again behind the writers: one who let go of a file has named it by then, or never will.
        """
        unnamed = [item for item in list(os.scandir(shard)) if not is_named(connection, item.name)]
        left = [item for item in unnamed if _is_left(item.path, older=0)]
        return [Path(item.path) for item in left if not is_named(connection, item.name)]

    def stale(self) -> list[Path]:
        """What writers left in `incoming` when they were killed: files whose lock nobody holds.

        Between a writer's open and its lock a file is empty and young: that one is not stale.
        """
        return [
            Path(item.path) for item in list(os.scandir(self._incoming)) if _is_left(item.path, LOCKED_WITHIN_SECONDS)
        ]


def _first(chunks: Iterator[bytes]) -> bytes:
    """The chunks that come first, as one: all, or more than a content in the catalog may have."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > INLINE_BYTES:
            break
    return b"".join(held)


def _is_left(path: str, older: float) -> bool:
    """Whether no writer holds the file; an empty one must have been changed `older` seconds ago."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(handle)
        return bool(status.st_size) or time.time() - status.st_mtime >= older
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


class _Reader:
    """The chunks of one open content file. A generator would leak its file when closed before its first chunk."""

    def __init__(self, handle: int, start: int, stop: int):
        self._handle = handle
        self._start = start
        self._stop = stop

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> bytes:
        length = min(READ_BYTES, self._stop - self._start)
        if length <= 0 or self._handle < 0:
            self.close()
            raise StopIteration
        chunk = os.pread(self._handle, length, self._start)
        if not chunk:
            self.close()
            raise OSError("a content file became shorter while it was read")
        self._start += len(chunk)
        return chunk

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    __del__ = close


def _has_size(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except OSError:
        return False


def _remove(file: Path) -> None:
    """Of a file that nothing names. Raises nothing: what became of the write is told; where the disk refuses, it stays."""
    try:
        file.unlink(missing_ok=True)
    except OSError as ex:
        logger.warning("%s stays until the store is opened next, and can remove it: %s", file, ex.strerror)


@contextmanager
def _or_unavailable() -> Iterator[None]:
    """What the disk refuses is DiskFull or Unavailable. Around the disk's work only: what a body raises passes unchanged."""
    try:
        yield
    except OSError as ex:
        raise not_written("the object cannot be stored now", ex) from ex


# The rows. All of these run inside a job of the catalog.


def is_named(connection: Connection, name: str) -> bool:
    """Whether the file `name` is the content of a row."""
    return connection.execute("SELECT 1 FROM content WHERE file = ?", (name,)).fetchone() is not None


def file_in_use(connection: Connection, digest: bytes) -> tuple[str, int] | None:
    """The name and size of the file with the content of a digest.

    None: there is no such content, it is not in a file, or nothing uses it.
    """
    row: tuple[str, int] | None = connection.execute(
        "SELECT file, size FROM content WHERE digest = ? AND file IS NOT NULL AND freed_ms IS NULL", (digest,)
    ).fetchone()
    return row


def release(connection: Connection, content: int, uses: int = 1) -> None:
    """Take uses back; at zero the grace begins."""
    connection.execute("UPDATE content SET uses = uses - ? WHERE id = ?", (uses, content))
    connection.execute("UPDATE content SET freed_ms = ? WHERE id = ? AND uses = 0", (int(time.time() * 1000), content))
