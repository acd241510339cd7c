"""Commits taken back: emptied, or dropped altogether.

What a commit did is undone path by path, as `versions` takes versions out of history, so that every listing shows
what was there before. Only commits that nothing follows are dropped: what stands on a commit is never changed. (See `squash` for others.)
All of it runs inside a job of the catalog; nothing here may be called for a commit that has children.
"""

from __future__ import annotations

from falcon_s3.pfs import Branch, lineage, targets, versions
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.lineage import Refused
from falcon_s3.pfs.targets import Target


def clear(connection: Connection, target: Target) -> None:
    """Let the commit show what its parent shows."""
    line, number = target.point.line, target.point.number
    view = targets.view_of(connection, target)
    paths = connection.execute("SELECT path FROM version WHERE line = ? AND number = ?", (line, number)).fetchall()
    for (path,) in paths:
        found = versions.find(connection, target.point.repo_id, view, path, target.commit.id)
        assert found is not None  # its row was read just now
        versions.delete(connection, target.point.repo_id, found)
    # The commit answers for these paths again: it is as if it had never touched them.
    connection.execute("DELETE FROM removed WHERE line = ? AND number = ?", (line, number))


def drop(connection: Connection, target: Target) -> None:
    """Remove the commit; branches that point at it go back to its parent. Raises Refused if something follows it.

    A branch that has no other commit gets an empty one, since a branch always has a head.
    """
    after = lineage.children(connection, target)
    if after:
        names = ", ".join(commit.id for commit in after)
        raise Refused(f"cannot drop a commit that has children: {target} is followed by {names}")
    clear(connection, target)
    line, number = target.point.line, target.point.number
    (parent,) = connection.execute('SELECT parent FROM "commit" WHERE number = ?', (number,)).fetchone()
    lineage.forget_commit(connection, target)
    _leave_line(connection, line, number)
    if parent is not None:
        connection.execute("UPDATE branch SET head = ? WHERE head = ?", (parent, number))
        return
    for branch_id, name in connection.execute("SELECT id, name FROM branch WHERE head = ?", (number,)).fetchall():
        head = target.point._replace(branch_id=branch_id)
        branch = Branch(target.repo, name)
        lineage.add_commit(connection, branch, head, None, finished=True, message="", identity=None)


def _leave_line(connection: Connection, line: int, number: int) -> None:
    """The line ends with the commit before this one, which was its last; or is gone with it."""
    (tip,) = connection.execute(
        'SELECT max(number) FROM "commit" WHERE line = ? AND number < ?', (line, number)
    ).fetchone()
    if tip is not None:
        connection.execute("UPDATE line SET tip = ? WHERE id = ?", (tip, line))
    else:
        _forget_line(connection, line)


def _forget_line(connection: Connection, line: int) -> None:
    """Remove a line that has no commit, and what it stands on likewise, unless others stand on it (see `squash`)."""
    if connection.execute("SELECT 1 FROM line WHERE base_line = ?", (line,)).fetchone():
        return
    (base,) = connection.execute("SELECT base_line FROM line WHERE id = ?", (line,)).fetchone()
    connection.execute("DELETE FROM entry WHERE page IN (SELECT id FROM page WHERE line = ?)", (line,))
    connection.execute("DELETE FROM page WHERE line = ?", (line,))
    connection.execute("DELETE FROM removed WHERE line = ?", (line,))
    connection.execute("DELETE FROM line WHERE id = ?", (line,))
    if base is not None and not connection.execute('SELECT 1 FROM "commit" WHERE line = ?', (base,)).fetchone():
        _forget_line(connection, base)


def fail(connection: Connection, target: Target, error: str) -> None:
    """Finish an open commit with an error: it shows what its parent shows, and says why. Raises Refused."""
    lineage.finish_commit(connection, target, "")
    clear(connection, target)
    connection.execute("INSERT OR REPLACE INTO pach_error VALUES (?, ?)", (target.point.number, error))


def error_of(connection: Connection, target: Target) -> str:
    row = connection.execute("SELECT error FROM pach_error WHERE number = ?", (target.point.number,)).fetchone()
    return str(row[0]) if row is not None else ""
