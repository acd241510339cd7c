"""Repos, branches and commits of the embedded store: who points where, what comes after what, and how they are made.

A branch points at its head. A write on a branch makes a commit after the head; where the head is the tip of its
line the commit continues that line, elsewhere it begins a new one (see `tree`). A head that is open (started and
not finished) takes writes without a new commit, as pachd's does. Functions that take a `Connection` and change
something run inside a job of the catalog. What is told of them is in `records`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from falcon_s3.pfs import (
    Branch,
    BranchExists,
    BranchNotFound,
    Commit,
    CommitFinished,
    CommitNotFound,
    CommitOpen,
    OutputBranch,
    Ref,
    Repo,
    check_branch,
    is_commit_id,
)
from falcon_s3.pfs.catalog import Connection, first_row, insert
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.tree import View


class Point(NamedTuple):
    """A commit's row, found by a branch or by its id: where to read, and where to write next."""

    repo_id: int
    number: int
    id: bytes
    line: int
    open: bool
    output: bool  # found by a branch that has provenance
    branch_id: int  # 0: found by its id
    tip: int  # the newest commit of its line
    forked: bool  # its line stands on another


POINT = (
    'SELECT repo.id, "commit".number, "commit".id, "commit".line, "commit".finished_ms IS NULL, {output}, {branch_id},'
    " line.tip, line.base_line IS NOT NULL{more}"
    ' FROM repo {join} JOIN line ON line.id = "commit".line'
    " WHERE repo.project = ? AND repo.name = ? AND {condition} = ?"
)
BY_BRANCH = {
    "output": "EXISTS (SELECT 1 FROM provenance WHERE provenance.branch = branch.id)",
    "branch_id": "branch.id",
    "join": 'JOIN branch ON branch.repo = repo.id JOIN "commit" ON "commit".number = branch.head',
    "condition": "branch.name",
}
POINT_BY_BRANCH = POINT.format(more="", **BY_BRANCH)
# And the greatest number that any commit of the store has had.
HEAD = POINT.format(more=", (SELECT seq FROM sqlite_sequence WHERE name = 'commit'){more}", **BY_BRANCH)
POINT_BY_ID = POINT.format(
    output="0", branch_id="0", join='JOIN "commit" ON "commit".repo = repo.id', condition='"commit".id', more=""
)


def point(connection: Connection, ref: Ref) -> Point:
    """Raises BranchNotFound or CommitNotFound."""
    if isinstance(ref, Branch):
        statement, last = POINT_BY_BRANCH, ref.name
    else:
        if not is_commit_id(ref.id):  # fromhex would also take upper case and spaces
            raise CommitNotFound(ref)
        statement, last = POINT_BY_ID, bytes.fromhex(ref.id)  # type: ignore[assignment]
    row = first_row(connection, statement, (ref.repo.project, ref.repo.name, last))
    if row is None:
        raise BranchNotFound(ref) if isinstance(ref, Branch) else CommitNotFound(ref)
    return Point._make(row)


def head(
    connection: Connection, branch: Branch, column: str, values: Sequence[bytes]
) -> tuple[Point, int, Sequence[Any]]:
    """Where the branch points, and the greatest number that any commit of the store has had. Raises BranchNotFound.

    And what the `column`, which takes one value, is for each of the values: a statement of its own would take longer.
    """
    row = first_row(
        connection, _head(column, len(values)), (*values, branch.repo.project, branch.repo.name, branch.name)
    )
    if row is None:
        raise BranchNotFound(branch)
    more = len(row) - len(values)
    return Point._make(row[: more - 1]), row[more - 1], row[more:]


@lru_cache(maxsize=256)
def _head(column: str, number: int) -> str:
    return HEAD.format(more="".join([f", {column}"] * number))


def new_ids(number: int) -> list[bytes]:
    """The ids of so many commits: UUIDs of version 4 by their form, that grow with time (48 bits); 74 bits are random.

    So the index on ids is written at its end, where random ones would change a page of it for every commit.
    """
    drawn, now = os.urandom(10 * number), now_ms().to_bytes(6, "big")
    identities = []
    for start in range(0, len(drawn), 10):
        identity = bytearray(now + drawn[start : start + 10])
        identity[6] = identity[6] & 0x0F | 0x40
        identity[8] = identity[8] & 0x3F | 0x80
        identities.append(bytes(identity))
    return identities


def view_at(connection: Connection, found: Point) -> View:
    """The view of a commit that was found."""
    return view(connection, found.line, found.number) if found.forked else View(found.line, found.number, None)


def view(connection: Connection, line: int, number: int) -> View:
    """The line at a commit, with all that it stands on."""
    steps = connection.execute(
        "WITH RECURSIVE step (line, number) AS (SELECT ?, ? UNION ALL SELECT base_line, base_number FROM step"
        " JOIN line ON line.id = step.line WHERE base_line IS NOT NULL) SELECT line, number FROM step",
        (line, number),
    ).fetchall()
    found: View | None = None
    for step_line, step_number in reversed(steps):
        found = View(step_line, step_number, found)
    assert found is not None  # the first step is the line itself
    return found


class Shown(NamedTuple):
    """What a commit shows, as a view. Once it is not open that never changes, but with `purged`."""

    view: View
    open: bool
    purged: int


SHOWN = (
    'SELECT "commit".line, "commit".number, base_line, base_number, "commit".finished_ms IS NULL, repo.purged'
    ' FROM repo {join} JOIN line ON line.id = "commit".line'
    " WHERE repo.project = ? AND repo.name = ? AND {condition} = ?"
)
SHOWN_BY_BRANCH = SHOWN.format(
    join='JOIN branch ON branch.repo = repo.id JOIN "commit" ON "commit".number = branch.head', condition="branch.name"
)
SHOWN_BY_ID = SHOWN.format(join='JOIN "commit" ON "commit".repo = repo.id', condition='"commit".id')


def shown(connection: Connection, ref: Ref) -> Shown:
    """Raises BranchNotFound or CommitNotFound."""
    if isinstance(ref, Branch):
        row = first_row(connection, SHOWN_BY_BRANCH, (ref.repo.project, ref.repo.name, ref.name))
        if row is None:
            raise BranchNotFound(ref)
    else:
        identity = bytes.fromhex(ref.id) if is_commit_id(ref.id) else b""
        row = first_row(connection, SHOWN_BY_ID, (ref.repo.project, ref.repo.name, identity))
        if row is None:
            raise CommitNotFound(ref)
    line, number, base_line, base_number, is_open, purged = row
    base = None if base_line is None else view(connection, base_line, base_number)
    return Shown(View(line, number, base), bool(is_open), purged)


def check_writable(found: Point, ref: Ref) -> None:
    """Raise OutputBranch or CommitFinished if no write may come to `ref` now."""
    if found.open:
        return
    if isinstance(ref, Commit):
        raise CommitFinished(ref)
    if found.output:
        raise OutputBranch(ref)


def begin_write(connection: Connection, ref: Ref, found: Point) -> tuple[View, bytes]:
    """Where the write goes: the view of the head if that is open, else of a new finished commit; and its id."""
    check_writable(found, ref)
    if found.open:
        return view_at(connection, found), found.id
    assert isinstance(ref, Branch)  # a finished commit was refused above
    now = now_ms()
    return _follow(connection, found, ref, now, now, "")


def _follow(
    connection: Connection, head: Point, branch: Branch, started_ms: int, finished_ms: int | None, message: str
) -> tuple[View, bytes]:
    """A new commit after `head`, which becomes the branch's head."""
    goes_on = head.number == head.tip
    line = head.line if goes_on else _new_line(connection, head.repo_id, head.line, head.number)
    number, identity = _new_commit(
        connection, head.repo_id, line, head.number, branch.name, started_ms, finished_ms, message
    )
    connection.execute("UPDATE branch SET head = ? WHERE id = ?", (number, head.branch_id))
    if goes_on and not head.forked:
        return View(line, number, None), identity
    return view(connection, line, number), identity


def _new_line(connection: Connection, repo_id: int, base_line: int | None, base_number: int | None) -> int:
    return insert(
        connection,
        "INSERT INTO line (repo, base_line, base_number, tip) VALUES (?, ?, ?, 0)",
        (repo_id, base_line, base_number),
    )


def _new_commit(
    connection: Connection,
    repo_id: int,
    line: int,
    parent: int | None,
    branch: str,
    started_ms: int,
    finished_ms: int | None,
    message: str,
) -> tuple[int, bytes]:
    (identity,) = new_ids(1)
    number = insert(
        connection,
        'INSERT INTO "commit" (id, repo, line, parent, branch, started_ms, finished_ms, message)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (identity, repo_id, line, parent, branch, started_ms, finished_ms, message),
    )
    connection.execute("UPDATE line SET tip = ? WHERE id = ?", (number, line))
    return number, identity


def create_branch(connection: Connection, branch: Branch, head: Commit | None, provenance: Sequence[Branch]) -> None:
    """Create the branch and, if missing, its repo. Raises InvalidName, BranchExists, CommitNotFound, BranchNotFound."""
    for each in (branch, *provenance):
        check_branch(each)
    now = now_ms()
    row = connection.execute(
        "SELECT id FROM repo WHERE project = ? AND name = ?", (branch.repo.project, branch.repo.name)
    ).fetchone()
    if row and connection.execute("SELECT 1 FROM branch WHERE repo = ? AND name = ?", (row[0], branch.name)).fetchone():
        raise BranchExists(branch)
    for upstream in provenance:
        point(connection, upstream)
    if head is not None:
        number = point(connection, Commit(branch.repo, head.id)).number
    repo_id: int = row[0] if row else _new_repo(connection, branch.repo, now)
    if head is None:
        line = _new_line(connection, repo_id, None, None)
        number, _ = _new_commit(connection, repo_id, line, None, branch.name, now, now, "")
    cursor = connection.execute(
        "INSERT INTO branch (repo, name, head, created_ms) VALUES (?, ?, ?, ?)", (repo_id, branch.name, number, now)
    )
    connection.executemany(
        "INSERT OR IGNORE INTO provenance (branch, project, repo, name) VALUES (?, ?, ?, ?)",
        [(cursor.lastrowid, each.repo.project, each.repo.name, each.name) for each in provenance],
    )


def _new_repo(connection: Connection, repo: Repo, now: int) -> int:
    return insert(
        connection, "INSERT INTO repo (project, name, created_ms) VALUES (?, ?, ?)", (repo.project, repo.name, now)
    )


def delete_branch(connection: Connection, found: Point) -> bool:
    """Delete the branch, and with the last one the repo: it loses its name and waits to be purged. Tells which."""
    connection.execute("DELETE FROM branch WHERE id = ?", (found.branch_id,))
    connection.execute("DELETE FROM provenance WHERE branch = ?", (found.branch_id,))
    if connection.execute("SELECT 1 FROM branch WHERE repo = ? LIMIT 1", (found.repo_id,)).fetchone():
        return False
    connection.execute("UPDATE repo SET project = NULL, name = NULL WHERE id = ?", (found.repo_id,))
    return True


def start_commit(connection: Connection, branch: Branch, message: str) -> Commit:
    """An open commit after the branch's head. Raises BranchNotFound, CommitOpen."""
    found = point(connection, branch)
    if found.open:
        raise CommitOpen(Commit(branch.repo, found.id.hex()))
    _, identity = _follow(connection, found, branch, now_ms(), None, message)
    return Commit(branch.repo, identity.hex())


def finish_commit(connection: Connection, ref: Ref, message: str | None) -> Commit:
    """Close an open commit. Raises BranchNotFound, CommitNotFound, CommitFinished."""
    found = point(connection, ref)
    commit = Commit(ref.repo, found.id.hex())
    if not found.open:
        raise CommitFinished(commit)
    connection.execute(
        'UPDATE "commit" SET finished_ms = ?, message = coalesce(?, message) WHERE number = ?',
        (now_ms(), message, found.number),
    )
    return commit
