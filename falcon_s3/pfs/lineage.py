"""Commits of the embedded store, as pfs_v2.API has them: begun anywhere, told in sets.

`history` and `records` hold what the gateway needs of them. Here is what clients of pachd expect besides: a commit started
on a branch that does not exist yet or after any other, commit sets, sizes. How they name a commit is in `targets`. All
functions take a connection; what changes something runs inside a job of the catalog.
"""

from __future__ import annotations

from falcon_s3.pfs import (
    Branch,
    BranchNotFound,
    Commit,
    CommitInfo,
    NotFound,
    PfsError,
    Repo,
    check_branch,
    history,
    is_commit_id,
    records,
)
from falcon_s3.pfs.catalog import Connection, insert
from falcon_s3.pfs.history import Point
from falcon_s3.pfs.repos import full, repo_id
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.targets import Named, Target, at, branch_text, resolve
from falcon_s3.pfs.tree import END, SIZE, View, after_prefix, covering


class Refused(PfsError):
    """What was asked for contradicts the state of a commit or branch."""


class NotFinished(PfsError):
    """A commit is still open, where only what a finished one did can be told."""


def writable(connection: Connection, branch: Branch) -> Point | None:
    """The head that a new commit on the branch follows; None: there is no such branch yet. Raises NotFound, Refused."""
    check_branch(branch)
    repo_id(connection, branch.repo)
    try:
        found = history.point(connection, branch)
    except BranchNotFound:
        return None
    if found.output and not found.open:
        raise Refused(f"cannot start a commit on an output branch: {branch_text(branch)}")
    return found


def start_commit(
    connection: Connection, branch: Branch, parent: Named | None, message: str, identity: bytes | None
) -> Target:
    """An open commit after `parent`, else after the branch's head; the branch is made if there is none.

    `identity` None: it gets an id of its own. Raises InvalidName, NotFound, Refused.
    """
    head = writable(connection, branch)
    before = head
    if parent is not None:
        if parent.repo != branch.repo:
            raise Refused("branch and parent commit must belong to the same repo")
        try:
            before = resolve(connection, parent).point
        except NotFound as ex:
            raise NotFound(f"parent {ex}") from None
    if before is not None and before.open:
        raise Refused(f"parent commit {Target(branch.repo, before)} has not been finished")
    if head is not None and head.output:
        raise Refused(f"cannot start a commit on an output branch: {branch_text(branch)}")
    return add_commit(connection, branch, head, before, finished=False, message=message, identity=identity)


def add_commit(
    connection: Connection,
    branch: Branch,
    head: Point | None,
    before: Point | None,
    finished: bool,
    message: str,
    identity: bytes | None,
) -> Target:
    """A commit after `before`, None: after nothing, that the branch points at; `head` None: the branch is new.

    It continues the line of `before` at its tip and begins a new one elsewhere (see `tree`).
    """
    now = now_ms()
    number = repo_id(connection, branch.repo)
    if (
        identity is not None
        and connection.execute('SELECT 1 FROM "commit" WHERE repo = ? AND id = ?', (number, identity)).fetchone()
    ):
        raise Refused(f"a transaction makes one commit in a repo: {full(branch.repo)}@{identity.hex()} is there")
    line = None
    if before is not None and before.number == _tip(connection, before.line):
        line = before.line
    if line is None:
        base = (before.line, before.number) if before is not None else (None, None)
        line = insert(
            connection, "INSERT INTO line (repo, base_line, base_number, tip) VALUES (?, ?, ?, 0)", (number, *base)
        )
    parent = before.number if before is not None else None
    made = insert(
        connection,
        'INSERT INTO "commit" (id, repo, line, parent, branch, started_ms, finished_ms, message)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (identity or history.new_ids(1)[0], number, line, parent, branch.name, now, now if finished else None, message),
    )
    connection.execute("UPDATE line SET tip = ? WHERE id = ?", (made, line))
    if head is not None:
        branch_id = head.branch_id
        connection.execute("UPDATE branch SET head = ? WHERE id = ?", (made, branch_id))
    else:
        branch_id = insert(
            connection,
            "INSERT INTO branch (repo, name, head, created_ms) VALUES (?, ?, ?, ?)",
            (number, branch.name, made, now),
        )
    return Target(branch.repo, at(connection, made)._replace(branch_id=branch_id))


def _tip(connection: Connection, line: int) -> int:
    (tip,) = connection.execute("SELECT tip FROM line WHERE id = ?", (line,)).fetchone()
    return int(tip)


def finish_commit(connection: Connection, target: Target, message: str) -> None:
    """Raises Refused if it is finished."""
    if not target.point.open:
        raise Refused(f"commit {target} has already finished")
    connection.execute(
        'UPDATE "commit" SET finished_ms = ?, message = coalesce(?, message) WHERE number = ?',
        (now_ms(), message or None, target.point.number),
    )


def changed(connection: Connection, target: Target, path: str) -> bool:
    """Whether the commit wrote or removed the file."""
    row = connection.execute(
        "SELECT 1 FROM version WHERE line = ? AND path = ? AND number = ?",
        (target.point.line, path, target.point.number),
    ).fetchone()
    return row is not None


def back(connection: Connection, target: Target) -> tuple[str, Target | None]:
    """The branch that the commit was made on, and the commit before it. Raises NotFound for one that is gone meanwhile."""
    row = connection.execute('SELECT branch, parent FROM "commit" WHERE number = ?', (target.point.number,)).fetchone()
    if row is None:
        raise NotFound(f"commit {target} not found")
    branch, parent = row
    return branch, None if parent is None else Target(target.repo, at(connection, parent))


def forget_commit(connection: Connection, target: Target) -> None:
    """Remove the commit itself; what it wrote and who points at it is the caller's."""
    connection.execute('DELETE FROM "commit" WHERE number = ?', (target.point.number,))
    connection.execute("DELETE FROM pach_error WHERE number = ?", (target.point.number,))
    # An upload that was finished to it cannot be asked for again.
    connection.execute("DELETE FROM upload WHERE commit_id = ?", (target.point.id,))


def children(connection: Connection, target: Target) -> list[Commit]:
    """The commits whose parent this one is, in the order in which they were made."""
    rows = connection.execute(
        'SELECT id FROM "commit" WHERE parent = ? ORDER BY number', (target.point.number,)
    ).fetchall()
    return [Commit(target.repo, identity.hex()) for (identity,) in rows]


def commit_set(connection: Connection, identity: str) -> list[CommitInfo]:
    """The commits of that id, whichever repos they are in, oldest first. Raises NotFound."""
    rows = connection.execute(
        'SELECT repo.project, repo.name FROM repo JOIN "commit" ON "commit".repo = repo.id AND "commit".id = ?'
        ' WHERE repo.name IS NOT NULL ORDER BY "commit".number',
        (bytes.fromhex(identity) if is_commit_id(identity) else b"",),
    ).fetchall()
    if not rows:
        raise NotFound(f"no commits found for commitset {identity}")
    return [records.inspect_commit(connection, Commit(Repo(*names), identity)) for names in rows]


def commits_after(connection: Connection, repo: Repo, branch: str, number: int) -> list[tuple[int, CommitInfo]]:
    """Up to a hundred commits made after the one of that number, oldest first; `branch` "": on any. Raises NotFound."""
    rows = connection.execute(
        "SELECT number, id FROM \"commit\" WHERE repo = ? AND number > ? AND (? = '' OR branch = ?)"
        " ORDER BY number LIMIT 100",
        (repo_id(connection, repo), number, branch, branch),
    ).fetchall()
    return [(each, records.inspect_commit(connection, Commit(repo, identity.hex()))) for each, identity in rows]


def list_sets(connection: Connection) -> list[str]:
    """The ids of all commit sets, newest first."""
    rows = connection.execute(
        'SELECT "commit".id FROM "commit" JOIN repo ON repo.id = "commit".repo WHERE repo.name IS NOT NULL'
        ' GROUP BY "commit".id ORDER BY max(number) DESC'
    ).fetchall()
    return [identity.hex() for (identity,) in rows]


def size(connection: Connection, view: View, prefix: str = "") -> int:
    """The bytes of all files that begin with the prefix; reads one number a file."""
    total = 0
    stop = after_prefix(prefix)
    position: str | None = prefix
    while position is not None and (stop is None or position < stop):
        page, number, _, end, _ = covering(connection, view, position)
        upper = stop if end is None or (stop is not None and stop < end) else end
        (found,) = connection.execute(
            f"SELECT coalesce(sum({SIZE}), 0) FROM entry"
            " WHERE page = ? AND path >= ? AND path < ? AND first <= ? AND last > ?",
            (page, position, END if upper is None else upper, number, number),
        ).fetchone()
        total += found
        position = end
    return total
