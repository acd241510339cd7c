"""A commit as clients of pachd name it, and what was found: `master`, an id, `master^2`, `images@id.3`.

All functions take a connection, and only read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from falcon_s3.pfs import (
    Branch,
    BranchNotFound,
    Commit,
    CommitNotFound,
    InvalidName,
    NotFound,
    Repo,
    history,
    is_commit_id,
)
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.history import Point
from falcon_s3.pfs.repos import full, repo_id
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.tree import View

# A branch or commit id, then steps: ^ and ~ go back from it, .N counts from the first commit on.
NAME = re.compile(r"([^.^~]*)((?:[.^~][0-9]{0,9})*)\Z")
STEP = re.compile(r"([.^~])([0-9]*)")


class Named(NamedTuple):
    """A commit as a request names it; `id` may hold an id, a branch's name, or steps back from either."""

    repo: Repo
    branch: str
    id: str


class Target(NamedTuple):
    """A commit that was found."""

    repo: Repo
    point: Point  # with `branch_id` only if it was named by the branch that it is the head of

    @property
    def commit(self) -> Commit:
        return Commit(self.repo, self.point.id.hex())

    def __str__(self) -> str:
        return f"{full(self.repo)}@{self.point.id.hex()}"


def branch_text(branch: Branch) -> str:
    return f"{full(branch.repo)}@{branch.name}"


def spelled(named: Named) -> tuple[str, str]:
    """What the name begins with, a commit id or a branch, and the steps from there. Raises InvalidName."""
    text = named.id
    if named.branch and (not text or text[0] in ".^~"):
        text = named.branch + text
    match = NAME.match(text)
    if match is None:
        raise InvalidName(f"commit name ({text}) invalid: say an id or a branch, and ^, ~N or .N after it")
    if not match[1]:
        raise InvalidName("branch must be specified")
    return (match[1].lower() if is_commit_id(match[1].lower()) else match[1]), match[2]


def resolve(connection: Connection, named: Named) -> Target:
    """Raises NotFound, InvalidName."""
    repo = named.repo
    base, steps = spelled(named)
    repo_id(connection, repo)
    try:
        point = history.point(connection, Commit(repo, base) if is_commit_id(base) else Branch(repo, base))
    except CommitNotFound:
        raise NotFound(f"commit {full(repo)}@{base} not found") from None
    except BranchNotFound:
        raise NotFound(f'branch "{base}" not found in repo {full(repo)}') from None
    for kind, count in STEP.findall(steps):
        number = _step(connection, point.number, kind, int(count or 1))
        if number is None:
            raise NotFound(f"commit {full(repo)}@{base}{steps} not found")
        point = at(connection, number)
    return Target(repo, point)


def at(connection: Connection, number: int) -> Point:
    """The commit of that number, which is there."""
    row = connection.execute(
        'SELECT "commit".repo, number, "commit".id, line, finished_ms IS NULL, 0, 0, tip, base_line IS NOT NULL'
        ' FROM "commit" JOIN line ON line.id = "commit".line WHERE number = ?',
        (number,),
    ).fetchone()
    return Point._make(row)


BACK = (
    "WITH RECURSIVE step (number, depth) AS (SELECT ?, 0 UNION ALL SELECT parent, depth + 1 FROM step"
    ' JOIN "commit" USING (number) WHERE parent IS NOT NULL AND depth < ?) SELECT '
)


def _step(connection: Connection, number: int, kind: str, count: int) -> int | None:
    depth = count
    if kind == ".":
        (oldest,) = connection.execute(BACK + "max(depth) FROM step", (number, NEVER)).fetchone()
        depth = oldest + 1 - count
        if count < 1 or depth < 0:
            return None
    row = connection.execute(BACK + "number FROM step WHERE depth = ?", (number, depth, depth)).fetchone()
    return row[0] if row is not None else None


def view_of(connection: Connection, target: Target) -> View:
    return history.view_at(connection, target.point)
