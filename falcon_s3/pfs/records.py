"""What is told of the repos, branches and commits of the embedded store: each looked up, and listed in order.

They are only read here; `history` makes them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from falcon_s3.pfs import (
    Branch,
    BranchInfo,
    BranchNotFound,
    Commit,
    CommitInfo,
    CommitNotFound,
    Ref,
    Repo,
    RepoNotFound,
)
from falcon_s3.pfs.catalog import Connection, first_row
from falcon_s3.pfs.history import point


class RepoInfo(NamedTuple):
    repo: Repo
    created_ms: int
    branches: int


def list_repos(connection: Connection) -> list[RepoInfo]:
    rows = connection.execute(
        "SELECT project, name, created_ms, (SELECT count(*) FROM branch WHERE branch.repo = repo.id)"
        " FROM repo WHERE name IS NOT NULL ORDER BY project, name"
    ).fetchall()
    return [RepoInfo(Repo(project, name), created_ms, branches) for project, name, created_ms, branches in rows]


BRANCHES = (
    "SELECT repo.project, repo.name, branch.name, branch.created_ms, branch.id,"
    ' "commit".id, "commit".finished_ms IS NULL'
    ' FROM repo JOIN branch ON branch.repo = repo.id JOIN "commit" ON "commit".number = branch.head'
)


def list_branches(connection: Connection) -> list[BranchInfo]:
    rows = connection.execute(BRANCHES + " ORDER BY repo.project, repo.name, branch.name").fetchall()
    provenance: dict[int, list[Branch]] = {}
    for number, project, repo, name in connection.execute(
        "SELECT branch, project, repo, name FROM provenance ORDER BY branch, project, repo, name"
    ):
        provenance.setdefault(number, []).append(Branch(Repo(project, repo), name))
    return [_branch_info(row, provenance.get(row[4], [])) for row in rows]


def inspect_branch(connection: Connection, branch: Branch) -> BranchInfo:
    """Raises BranchNotFound."""
    names = (branch.repo.project, branch.repo.name, branch.name)
    row = first_row(connection, BRANCHES + " WHERE repo.project = ? AND repo.name = ? AND branch.name = ?", names)
    if row is None:
        raise BranchNotFound(branch)
    upstream = connection.execute(
        "SELECT project, repo, name FROM provenance WHERE branch = ? ORDER BY project, repo, name", (row[4],)
    ).fetchall()
    return _branch_info(row, [Branch(Repo(project, repo), name) for project, repo, name in upstream])


def _branch_info(row: tuple[str, str, str, int, int, bytes, int], provenance: list[Branch]) -> BranchInfo:
    project, repo_name, name, created_ms, _, head, head_open = row
    repo = Repo(project, repo_name)
    return BranchInfo(Branch(repo, name), Commit(repo, head.hex()), bool(head_open), created_ms, tuple(provenance))


COMMITS = (
    "SELECT made.id, before.id, made.branch, made.started_ms, made.finished_ms, made.message, made.number, made.parent"
    ' FROM "commit" AS made LEFT JOIN "commit" AS before ON before.number = made.parent'
)


def inspect_commit(connection: Connection, commit: Commit) -> CommitInfo:
    """Raises CommitNotFound, also for one that is dropped while it is looked at."""
    number = point(connection, commit).number
    row = connection.execute(COMMITS + " WHERE made.number = ?", (number,)).fetchone()
    if row is None:
        raise CommitNotFound(commit)
    return _commit_info(commit.repo, row)


def written_branch(connection: Connection, ref: Ref) -> Branch:
    """See `Pfs.written_branch`."""
    found = point(connection, ref)
    if isinstance(ref, Branch) and not found.open:
        return ref
    return Branch(ref.repo, commit_info(connection, ref.repo, found.number).branch)


def commit_info(connection: Connection, repo: Repo, number: int) -> CommitInfo:
    """Of the commit of that number, which is there."""
    return _commit_info(repo, connection.execute(COMMITS + " WHERE made.number = ?", (number,)).fetchone())


def _commit_info(repo: Repo, row: tuple[bytes, bytes | None, str, int, int | None, str, int, int | None]) -> CommitInfo:
    identity, parent, branch, started_ms, finished_ms, message, _, _ = row
    before = Commit(repo, parent.hex()) if parent else None
    return CommitInfo(Commit(repo, identity.hex()), before, branch, started_ms, finished_ms, message)


def commit_numbers(connection: Connection, repo: Repo, limit: int | None) -> Sequence[int]:
    """The numbers of all commits of a repo, the greatest first, at most `limit`. Raises RepoNotFound.

    All at once, in eight bytes each: to find a part of them in order, SQLite sorts all.
    """
    row = first_row(connection, "SELECT id FROM repo WHERE project = ? AND name = ?", (repo.project, repo.name))
    if row is None:
        raise RepoNotFound(repo)
    numbers = connection.execute(
        'SELECT number FROM "commit" WHERE repo = ? ORDER BY number DESC LIMIT ?',
        (*row, -1 if limit is None else limit),
    )
    return array("q", (number for (number,) in numbers))


def list_commits(connection: Connection, branch: Branch, start: int, limit: int) -> tuple[list[CommitInfo], int | None]:
    """Commits that a branch stands on from the number `start` back, the newest first, at most `limit`; and where to go on."""
    rows = connection.execute(
        "WITH RECURSIVE step (number) AS (SELECT ? UNION ALL SELECT parent FROM step"
        ' JOIN "commit" USING (number) WHERE parent IS NOT NULL LIMIT ?)'
        + COMMITS
        + " JOIN step ON step.number = made.number ORDER BY made.number DESC",
        (start, limit),
    ).fetchall()
    return [_commit_info(branch.repo, row) for row in rows], rows[-1][7] if rows else None


def commits_of(connection: Connection, repo: Repo, numbers: Sequence[int]) -> list[CommitInfo]:
    """The commits of these numbers, the newest first; those that are gone are left out."""
    rows = connection.execute(
        COMMITS + " WHERE made.number IN (SELECT value FROM json_each(?)) ORDER BY made.number DESC",
        (orjson.dumps(list(numbers)).decode(),),
    ).fetchall()
    return [_commit_info(repo, row) for row in rows]
