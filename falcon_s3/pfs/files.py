"""Files of the embedded store: found as a commit shows them, named by a write, and removed.

What puts, copies and multi-part uploads have in common. All of it runs on a connection of the catalog; what
writes, inside a job.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import orjson

from falcon_s3.pfs import Branch, Check, Commit, FileInfo, Ref, Repo, growth, history, tree
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.contents import release
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.tree import Version, View


def view_of(connection: Connection, ref: Ref) -> View:
    """Raises BranchNotFound, CommitNotFound."""
    return history.shown(connection, ref).view


def find(connection: Connection, view: View, repo: Repo, path: str) -> FileInfo | None:
    """The file that a view shows at a path, if any."""
    version = tree.find(connection, view, path)
    return None if version is None else _file(repo, path, version)


def _file(repo: Repo, path: str, version: Version) -> FileInfo:
    commit = Commit(repo, version.commit.hex())
    attributes = decoded(version.attributes)
    return FileInfo(commit, path, version.size, version.etag, version.modified_ms, attributes, version.content)


class Held(int):
    """The number of a content that was found together with its bytes: it is that number, wherever one is wanted."""

    data: bytes

    @classmethod
    def of(cls, number: int, data: bytes) -> Held:
        held = cls(number)
        held.data = data
        return held


# The newest version of a path in the line of a branch's head, and its bytes if these are in the catalog: what most
# reads ask for, in one statement, whose joins are in the order in which each finds one row.
AT_HEAD = (
    "SELECT made.id, version.content, version.size, etag, modified_ms, attributes, data FROM repo"
    ' CROSS JOIN branch ON branch.repo = repo.id CROSS JOIN "commit" AS head ON head.number = branch.head'
    " CROSS JOIN version ON version.line = head.line AND version.path = ? AND version.number <= head.number"
    ' CROSS JOIN "commit" AS made ON made.number = version.number LEFT JOIN content ON content.id = version.content'
    " WHERE repo.project = ? AND repo.name = ? AND branch.name = ? ORDER BY version.number DESC LIMIT 1"
)


def find_at_head(connection: Connection, branch: Branch, path: str) -> FileInfo | None:
    """The file as the branch shows it; None also where only `find` can tell: the line's base has it, or nothing has."""
    repo = branch.repo
    try:
        row = connection.execute(AT_HEAD, (path, repo.project, repo.name, branch.name)).fetchone()
    except UnicodeEncodeError:
        return None
    if row is None or row[1] is None:
        return None
    identity, number, size, etag, modified_ms, attributes, data = row
    content = number if data is None else Held.of(number, data)
    return FileInfo(Commit(repo, identity.hex()), path, size, etag, modified_ms, decoded(attributes), content)


class Write(NamedTuple):
    """Where a write goes: the view of the commit that it is part of, and that commit's id."""

    view: View
    commit: Commit
    fresh: bool  # nothing is in the commit yet


def begin_write(connection: Connection, ref: Ref, path: str, check: Check | None) -> Write:
    """One write more to `ref`, once `check` has seen what is at the path now. Raises what `Pfs.check_write` raises."""
    found = history.point(connection, ref)
    if check is not None:
        check(find(connection, history.view_at(connection, found), ref.repo, path))
    view, identity = history.begin_write(connection, ref, found)
    return Write(view, Commit(ref.repo, identity.hex()), not found.open)


def name(
    connection: Connection,
    write: Write,
    path: str,
    content: int,
    size: int,
    etag: str,
    attributes: Mapping[str, str] | None,
) -> FileInfo:
    """Make `content`, whose use is taken over, what the write's commit shows at the path."""
    now = now_ms()
    version = Version(b"", content, size, etag, now, encoded(attributes))
    replaced = growth.put(connection, write.view, path, version, fresh=write.fresh)
    if replaced is not None:
        release(connection, replaced)
    return FileInfo(write.commit, path, size, etag, now, attributes or {}, content)


def remove(
    connection: Connection, ref: Ref, paths: Collection[str], check: Check | None, gone: set[str] | None
) -> Commit | None:
    """Inside a job: let the paths, each named once, show nothing any more; see `Pfs.delete_files`."""
    found = history.point(connection, ref)
    history.check_writable(found, ref)
    now = history.view_at(connection, found)
    if check is not None:
        for path in paths:
            check(find(connection, now, ref.repo, path))
    present = [path for path in paths if tree.find(connection, now, path) is not None]
    if gone is not None:
        gone.clear()
        gone.update(present)
    if not present:
        return None
    view, identity = history.begin_write(connection, ref, found)
    for path in present:
        replaced = growth.remove(connection, view, path, now_ms())
        if replaced is not None:
            release(connection, replaced)
    return Commit(ref.repo, identity.hex())


def encoded(attributes: Mapping[str, str] | None) -> str | None:
    """Attributes as a row has them: JSON; None where there are none."""
    return orjson.dumps(dict(attributes)).decode() if attributes else None


def decoded(attributes: str | None) -> dict[str, str]:
    found: dict[str, str] = orjson.loads(attributes) if attributes else {}
    return found
