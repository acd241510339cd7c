"""What is no longer needed goes: deleted repos, content without a use, files that killed writers left.

All of it in small transactions and short turns, so that writers hardly notice. Of all processes on a folder one
does it at a time.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from falcon_s3.pfs.catalog import Catalog, Connection
from falcon_s3.pfs.contents import Contents, delete_freed, release

# Content that nothing names any more stays this long, for readers that are about to open it.
GRACE_MS = 3_600_000
# Rows deleted in one transaction.
BATCH = 1000


def never() -> bool:
    return False


def collect(catalog: Catalog, contents: Contents, grace_ms: int, stop: Callable[[], bool] = never) -> int:
    """Purge deleted repos, content unused for `grace_ms`, and orphans; gives how many contents and files went."""
    while not stop() and catalog.write(_purge_some):
        pass
    freed: set[str] = set()
    before_ms = time.time_ns() // 1_000_000 - grace_ms
    while not stop():
        batch = catalog.write(lambda connection: delete_freed(connection, before_ms, BATCH))
        freed.update(sha256.hex() for sha256 in batch)
        if not batch:
            break
    orphans = 0
    for shard in [None, *contents.shards()]:
        if stop():
            break
        with catalog.turn(), catalog.read() as connection:
            for file in contents.stale() if shard is None else contents.orphans(connection, shard):
                file.unlink(missing_ok=True)
                orphans += file.name not in freed
    return len(freed) + orphans


def clean(catalog: Catalog, contents: Contents, lock: Path, stop: Callable[[], bool]) -> None:
    """`collect`, unless another process on the folder is at it."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        collect(catalog, contents, GRACE_MS, stop)
    except BlockingIOError:
        pass
    finally:
        os.close(handle)


def _purge_some(connection: Connection) -> bool:
    """Delete a batch of the rows of a repo that lost its name. False: there is none."""
    repo = connection.execute("SELECT id FROM repo WHERE name IS NULL LIMIT 1").fetchone()
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
