"""The bytes of the embedded store: written aside, synced, moved into place, and only then named.

Small content lives in the catalog, inside the transaction that names it (one sync). Larger content is a file,
named by its SHA-256, in one of 256 folders. The order that makes a crash harmless:

1. `stage` writes `incoming/<name>`, syncs it, and holds a lock on it as long as the process lives;
2. `acquire`, in a job of the catalog, moves it to `contents/ab/<sha256>`, syncs that folder, and adds the row
   that says the content is there; the row is true once the job's transaction is on disk.

A kill during 1 leaves a file in `incoming` whose lock nobody holds; a kill during 2 one in `contents` without a
row. `stale` finds the first, `orphans` the second, during a turn of the catalog, when nobody is between moving
and naming. A row without a file cannot be: when content is no longer used its row goes first, the file after.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

from falcon_s3.pfs import CHUNK_BYTES, Body, Unavailable
from falcon_s3.pfs.catalog import Connection

# Up to here a content lives in the catalog: one sync instead of two, and no file for every small object.
INLINE_BYTES = 16 << 10
# A file is synced while it is still being written, whenever so much more of it is there: its end waits for less.
SYNC_BYTES = 8 << 20
# A file in `incoming` gets its lock right after it is made; one without a lock after this time has lost its writer.
LOCKED_WITHIN_SECONDS = 60


@dataclass(slots=True)
class Staged:
    """Content that is safe on disk (or small and in memory) and not yet named."""

    sha256: bytes
    md5: bytes
    size: int
    data: bytes | None  # None: it is in `file`
    file: Path | None = None
    lock: int | None = None


class Contents:
    """The content files in the folder `data`. Safe for many threads and processes at once."""

    def __init__(self, data: Path):
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

    def path(self, sha256: bytes) -> Path:
        name = sha256.hex()
        return self._contents / name[:2] / name

    def stage(self, body: Body) -> Staged:
        """Walk the body to its end. What it raises comes out again, and nothing is left behind.

        Raises Unavailable when the disk is full.
        """
        chunks = iter(body)
        held: list[bytes] = []
        size = 0
        for chunk in chunks:
            held.append(chunk)
            size += len(chunk)
            if size > INLINE_BYTES:
                return self._stage_file(held, chunks, body)
        digests = body.digests()
        return Staged(digests.sha256, digests.md5, size, b"".join(held))

    def _stage_file(self, held: list[bytes], chunks: Iterator[bytes], body: Body) -> Staged:
        file = self._incoming / uuid.uuid4().hex
        handle = -1
        syncing: Future[None] | None = None
        try:
            with _or_unavailable():
                handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                fcntl.flock(handle, fcntl.LOCK_EX)
            size = 0
            synced = SYNC_BYTES
            for chunk in chain(held, chunks):
                with _or_unavailable():
                    size += write_all(handle, chunk)
                    if size >= synced and (syncing is None or syncing.done()):
                        syncing = _syncers().submit(os.fdatasync, handle)
                        synced = size + SYNC_BYTES
            digests = body.digests()
            with _or_unavailable():
                if syncing is not None:
                    syncing.result()
                os.fdatasync(handle)
        except BaseException:
            if handle >= 0:
                if syncing is not None:
                    wait([syncing])  # it must not sync what gets this number next
                file.unlink()
                os.close(handle)
            raise
        return Staged(digests.sha256, digests.md5, size, None, file, handle)

    def discard(self, staged: Staged) -> None:
        """Let go of what was staged, whether it got its name or not."""
        if staged.file is not None:
            staged.file.unlink(missing_ok=True)
            staged.file = None
        if staged.lock is not None:
            os.close(staged.lock)
            staged.lock = None

    def acquire(self, connection: Connection, staged: Staged) -> int:
        """Inside a job: the number of the content, with one use more; new content gets its place and its row.

        Raises Unavailable when the disk is full.
        """
        known = connection.execute("SELECT id FROM content WHERE sha256 = ?", (staged.sha256,)).fetchone()
        if known is not None:
            connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", known)
            number: int = known[0]
            return number
        if staged.file is not None:
            place = self.path(staged.sha256)
            with _or_unavailable():
                os.rename(staged.file, place)
                staged.file = None
                sync_folder(place.parent)
        cursor = connection.execute(
            "INSERT INTO content (sha256, size, uses, data) VALUES (?, ?, 1, ?)",
            (staged.sha256, staged.size, staged.data),
        )
        assert cursor.lastrowid is not None  # an INSERT that did not raise has one
        return cursor.lastrowid

    def open(self, sha256: bytes, size: int, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop) of a content file, which is opened now and read as the iterator is walked."""
        handle = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC)
        if os.fstat(handle).st_size != size:
            os.close(handle)
            raise OSError(f"content {sha256.hex()} is damaged: it does not have its {size} bytes")
        return _Reader(handle, start, stop)

    def shards(self) -> list[Path]:
        return sorted(self._contents.iterdir())

    def orphans(self, connection: Connection, shard: Path) -> list[Path]:
        """During a turn of the catalog: the files of a shard that no row names."""
        return [shard / item.name for item in os.scandir(shard) if not is_named(connection, item.name)]

    def stale(self) -> list[Path]:
        """What writers left in `incoming` when they were killed: files whose lock nobody holds."""
        found = []
        for item in list(os.scandir(self._incoming)):
            try:
                handle = os.open(item.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                status = os.fstat(handle)
                # Between a writer's open and its lock a file is empty and young: that one is not stale.
                if status.st_size or time.time() - status.st_mtime > LOCKED_WITHIN_SECONDS:
                    found.append(Path(item.path))
            except BlockingIOError:
                continue
            finally:
                os.close(handle)
        return found


class _Reader:
    """The chunks of one open content file. A generator would leak its file when closed before its first chunk."""

    def __init__(self, handle: int, start: int, stop: int):
        self._handle = handle
        self._start = start
        self._stop = stop

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> bytes:
        length = min(CHUNK_BYTES, self._stop - self._start)
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


@cache
def _syncers() -> ThreadPoolExecutor:
    """The threads that sync files under way, for all uploads of a process; made when first needed."""
    return ThreadPoolExecutor(4, thread_name_prefix="sync")


@contextmanager
def _or_unavailable() -> Iterator[None]:
    """What the disk refuses is Unavailable. Around the disk's work only: what a body raises passes unchanged."""
    try:
        yield
    except OSError as ex:
        raise Unavailable(f"the object cannot be stored now: {ex.strerror or ex}") from ex


def write_all(handle: int, chunk: bytes) -> int:
    written = os.write(handle, chunk)
    while written < len(chunk):
        written += os.write(handle, memoryview(chunk)[written:])
    return written


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# The rows. All of these run inside a job of the catalog.


def is_named(connection: Connection, name: str) -> bool:
    """Whether the file `name` (hexadecimal SHA-256) is the content of a row."""
    try:
        sha256 = bytes.fromhex(name)
    except ValueError:
        return False
    row = connection.execute("SELECT 1 FROM content WHERE sha256 = ? AND data IS NULL", (sha256,)).fetchone()
    return row is not None


def release(connection: Connection, content: int, uses: int = 1) -> None:
    """Take uses back; at zero the grace begins."""
    connection.execute("UPDATE content SET uses = uses - ? WHERE id = ?", (uses, content))
    connection.execute("UPDATE content SET freed_ms = ? WHERE id = ? AND uses = 0", (int(time.time() * 1000), content))
