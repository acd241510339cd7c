"""What is no longer needed goes: stale uploads, deleted repos, content without a use, what killed writers left.

All of it in small transactions and short turns, so that writers hardly notice. Of all processes on a folder one
does it at a time.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from falcon_s3.pfs import Unavailable, filesets, pieces
from falcon_s3.pfs.catalog import Catalog, Connection
from falcon_s3.pfs.contents import Contents, release
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.uploads import drop_some, stale

logger = logging.getLogger(__name__)

# How often what is no longer needed is removed.
CLEAN_SECONDS = 3600
# Content that nothing names any more stays this long, for readers that are about to open it.
GRACE_MS = 3_600_000
# Rows deleted in one transaction; more only of an upload, or a content, that has more parts.
BATCH = 1000


class Janitor:
    """Cleans up on a thread of its own: at the start, every hour and whenever it is woken, if no other process does.

    `lock` is the file by which the processes on the folder know of each other; `upload_ms`: as of `EmbeddedPfs`.
    """

    def __init__(self, catalog: Catalog, contents: Contents, lock: Path, upload_ms: int | None):
        self._catalog = catalog
        self._contents = contents
        self._lock = lock
        self._upload_ms = upload_ms
        self._cleaning = threading.Thread(target=self._clean, name="janitor", daemon=True)
        self._closing = threading.Event()
        self._work = threading.Event()
        self._work.set()
        self._cleaning.start()

    def wake(self) -> None:
        """There is work, of a repo that was deleted."""
        self._work.set()

    def collect(self, grace_ms: int) -> int:
        """All of it at once, on this thread; see the function `collect`."""
        return collect(self._catalog, self._contents, grace_ms, self._upload_ms)

    def _clean(self) -> None:
        orphans = True
        while True:
            self._work.wait(CLEAN_SECONDS)
            self._work.clear()
            if self._closing.is_set():
                return
            if self._contents.has_left:
                self._contents.has_left, orphans = False, True
            try:
                with alone(self._lock) as mine:
                    if mine:
                        collect(
                            self._catalog,
                            self._contents,
                            GRACE_MS,
                            self._upload_ms,
                            orphans=orphans,
                            stop=self._closing.is_set,
                        )
                        # Killed writers are few: a start is often enough to look for what they left.
                        orphans = False
            except (Unavailable, OSError) as ex:  # a full disk, say: the next time will do
                orphans = True  # of some files the rows may be gone
                logger.warning("cleaning up was put off: %s", ex)

    def close(self) -> None:
        self._closing.set()
        self._work.set()
        self._cleaning.join()


def never() -> bool:
    return False


def collect(
    catalog: Catalog,
    contents: Contents,
    grace_ms: int,
    upload_ms: int | None,
    *,
    orphans: bool = True,
    stop: Callable[[], bool] = never,
) -> int:
    """Drop uploads older than `upload_ms` and file sets past their time, purge deleted repos, and remove content.

    File sets and content go `grace_ms` after nothing needs them.

    With `orphans` also every file that no row names. Gives how many contents and files went.
    """
    before_ms = 0 if upload_ms is None else now_ms() - upload_ms
    with catalog.read() as connection:
        left = stale(connection, before_ms)
    while left and not stop():
        del left[: catalog.write(lambda connection: drop_some(connection, left, BATCH))]
    expired_ms = now_ms() - grace_ms  # whoever reads one when its time is over may finish
    while not stop() and catalog.write(lambda connection: filesets.drop_expired(connection, expired_ms, BATCH // 10)):
        pass
    while not stop() and catalog.write(_purge_some):
        pass
    count = 0
    while not stop():
        freed = catalog.write(lambda connection: _delete_freed(connection, now_ms() - grace_ms))
        if not freed:
            break
        catalog.settle()  # a row that a power cut brings back needs its file
        for name in freed:
            if name is not None:
                contents.path(name).unlink(missing_ok=True)
        count += len(freed)
    for shard in [None, *contents.shards()] if orphans else []:
        if stop():
            break
        with catalog.read() as connection:
            files = contents.stale() if shard is None else contents.orphans(connection, shard)
        if files:
            # What a commit that failed left at the end of the log a power cut would make part of it, unless that is written over.
            catalog.write(lambda connection: connection.execute("PRAGMA application_id = 0").rowcount)
            catalog.settle()
        for file in files:
            file.unlink(missing_ok=True)
        count += len(files)
    return count


@contextmanager
def alone(lock: Path) -> Iterator[bool]:
    """Tells whether no other process on the folder is at it, and holds them off if so."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _delete_freed(connection: Connection, before_ms: int) -> list[str | None]:
    """Delete a batch of contents that nothing has used since `before_ms`; gives the file of each that has one."""
    rows = connection.execute(
        "SELECT id, file, pieces FROM content WHERE freed_ms <= ? ORDER BY freed_ms LIMIT ?", (before_ms, BATCH)
    ).fetchall()
    deleted: list[str | None] = []
    done = 0
    for content, file, many in rows:
        if done >= BATCH:
            break
        connection.execute("DELETE FROM content WHERE id = ?", (content,))
        if many:
            pieces.delete(connection, content)
        deleted.append(file)
        done += 1 + many
    return deleted


def _purge_some(connection: Connection) -> bool:
    """Delete a batch of the rows of a repo that was deleted. False: there is none."""
    repo = connection.execute("SELECT id FROM repo WHERE project IS NULL LIMIT 1").fetchone()
    if repo is None:
        return False
    line = connection.execute("SELECT id FROM line WHERE repo = ? LIMIT 1", repo).fetchone()
    if line is not None:
        if not _purge_versions(connection, line[0]) and not _purge_pages(connection, line[0]):
            connection.execute("DELETE FROM removed WHERE line = ?", line)
            connection.execute("DELETE FROM line WHERE id = ?", line)
        return True
    commits = connection.execute(
        'DELETE FROM "commit" WHERE number IN (SELECT number FROM "commit" WHERE repo = ? LIMIT ?)', (repo[0], BATCH)
    )
    if not commits.rowcount:
        connection.execute("DELETE FROM repo WHERE id = ?", repo)
    return True


def _purge_versions(connection: Connection, line: int) -> bool:
    rows = connection.execute(
        "SELECT line, path, number, content FROM version WHERE line = ? LIMIT ?", (line, BATCH)
    ).fetchall()
    connection.executemany("DELETE FROM version WHERE line = ? AND path = ? AND number = ?", [row[:3] for row in rows])
    for content, uses in Counter(row[3] for row in rows if row[3] is not None).items():
        release(connection, content, uses)
    return bool(rows)


def _purge_pages(connection: Connection, line: int) -> bool:
    pages = connection.execute("SELECT id FROM page WHERE line = ? LIMIT 4", (line,)).fetchall()
    connection.executemany("DELETE FROM entry WHERE page = ?", pages)
    connection.executemany("DELETE FROM page WHERE id = ?", pages)
    return bool(pages)
