"""File sets of the embedded store: changes to files that wait, outside of any repo, to become part of commits.

A file set holds what its changes come to: the files that they add, each with all of its bytes, and the paths that
are deleted before anything is added. It reads as a commit of the pseudo repo `__filesets__` that shows its files. Each
has a repo row without a name, which no listing of repos shows, with one commit of one line, so that all that reads
commits reads file sets, and their content counts as used. A file set lives for the time it was given, and is purged
as deleted repos are. What writes to one is `batch`. All functions take a connection of the catalog.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

from falcon_s3.pfs import FILESETS, NotFound, PfsError, targets
from falcon_s3.pfs.catalog import Connection, insert
from falcon_s3.pfs.history import Point
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.targets import Named, Target
from falcon_s3.pfs.tree import View

# How long a file set lives without being told, and may be told at a time.
TTL_SECONDS = 600
MOST_TTL_SECONDS = 1800

TABLES = (
    """CREATE TABLE IF NOT EXISTS pach_fileset (
         id BLOB PRIMARY KEY, repo INTEGER NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID""",
    # path: as in a `Delete` of `batch`
    """CREATE TABLE IF NOT EXISTS pach_fileset_delete (
         repo INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (repo, path)) WITHOUT ROWID""",
)


class BadTime(PfsError):
    """A file set cannot live so long, or so short."""


class FileSet(NamedTuple):
    id: str
    repo_id: int
    view: View  # shows the files that are added


def create(connection: Connection, ttl_seconds: int) -> FileSet:
    """Inside a job: a file set that changes nothing yet. `ttl_seconds` 0: the usual time. Raises BadTime."""
    expires_ms = _expires_ms(ttl_seconds or TTL_SECONDS)
    repo_id = insert(
        connection, "INSERT INTO repo (project, name, created_ms) VALUES (?, NULL, ?)", (FILESETS, now_ms())
    )
    identity = uuid.uuid4()
    now = now_ms()
    line = insert(
        connection, "INSERT INTO line (repo, base_line, base_number, tip) VALUES (?, NULL, NULL, 0)", (repo_id,)
    )
    number = insert(
        connection,
        'INSERT INTO "commit" (id, repo, line, parent, branch, started_ms, finished_ms, message)'
        " VALUES (?, ?, ?, NULL, '', ?, ?, '')",
        (identity.bytes, repo_id, line, now, now),
    )
    connection.execute("UPDATE line SET tip = ? WHERE id = ?", (number, line))
    connection.execute("INSERT INTO pach_fileset VALUES (?, ?, ?)", (identity.bytes, repo_id, expires_ms))
    return FileSet(identity.hex, repo_id, View(line, number, None))


def _expires_ms(ttl_seconds: int) -> int:
    if ttl_seconds < 1:
        raise BadTime(f"ttl ({ttl_seconds}s) must be at least one second")
    if ttl_seconds > MOST_TTL_SECONDS:
        raise BadTime(f"ttl ({ttl_seconds}s) exceeds max ttl ({MOST_TTL_SECONDS}s)")
    return now_ms() + ttl_seconds * 1000


def _point(connection: Connection, identity: str) -> Point:
    """The commit of a file set that lives. Raises NotFound."""
    try:
        key = bytes.fromhex(identity)
    except ValueError:
        key = b""
    row = connection.execute(
        'SELECT "commit".number FROM pach_fileset JOIN "commit" ON "commit".repo = pach_fileset.repo'
        " WHERE pach_fileset.id = ? AND expires_ms > ?",
        (key, now_ms()),
    ).fetchone()
    if row is None:
        raise NotFound(f"file set {identity} not found: it never was, or its time is over")
    return targets.at(connection, row[0])


def find(connection: Connection, identity: str) -> FileSet:
    """Raises NotFound."""
    point = _point(connection, identity)
    return FileSet(identity.lower(), point.repo_id, View(point.line, point.number, None))


def resolve(connection: Connection, named: Named) -> Target:
    """A commit or a file set, to read from. Raises what `targets.resolve` raises."""
    if named.repo.name != FILESETS:
        return targets.resolve(connection, named)
    return Target(named.repo, _point(connection, named.id))


def renew(connection: Connection, identity: str, ttl_seconds: int) -> None:
    """Inside a job: let it live so long from now on. Raises NotFound, BadTime."""
    expires_ms = _expires_ms(ttl_seconds)
    found = find(connection, identity)
    connection.execute("UPDATE pach_fileset SET expires_ms = ? WHERE repo = ?", (expires_ms, found.repo_id))


def deletes(connection: Connection, fileset: FileSet) -> list[str]:
    """What is deleted before its files are added."""
    rows = connection.execute(
        "SELECT path FROM pach_fileset_delete WHERE repo = ? ORDER BY path", (fileset.repo_id,)
    ).fetchall()
    return [path for (path,) in rows]


def add_delete(connection: Connection, fileset: FileSet, path: str) -> None:
    """Inside a job."""
    connection.execute("INSERT OR IGNORE INTO pach_fileset_delete VALUES (?, ?)", (fileset.repo_id, path))


def drop_expired(connection: Connection, before_ms: int, most: int) -> bool:
    """Inside a job: let the janitor purge some of those whose time was over at `before_ms`. False: there are none."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'pach_fileset'").fetchone() is None:
        return False  # only a gateway ever opened the store
    rows = connection.execute(
        "SELECT repo FROM pach_fileset WHERE expires_ms <= ? LIMIT ?", (before_ms, most)
    ).fetchall()
    for repo in rows:
        connection.execute("UPDATE repo SET project = NULL WHERE id = ?", repo)
        connection.execute("DELETE FROM pach_fileset_delete WHERE repo = ?", repo)
        connection.execute("DELETE FROM pach_fileset WHERE repo = ?", repo)
    return bool(rows)
