"""What is told of the repos, branches and commits of the embedded store: each looked up, and listed in order.

They are only read here; `history` makes them.
"""

from __future__ import annotations

from typing import NamedTuple

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


def newest_commit(connection: Connection, where: Repo | Branch) -> int | None:
    """The number from which `list_commits` lists. Raises BranchNotFound, RepoNotFound."""
    if isinstance(where, Branch):
        return point(connection, where).number
    row = connection.execute(
        'SELECT (SELECT max(number) FROM "commit" WHERE "commit".repo = repo.id) FROM repo'
        " WHERE project = ? AND name = ?",
        (where.project, where.name),
    ).fetchone()
    if row is None:
        raise RepoNotFound(where)
    newest: int | None = row[0]
    return newest


def list_commits(
    connection: Connection, where: Repo | Branch, start: int, limit: int
) -> tuple[list[CommitInfo], int | None]:
    """Commits from the number `start` back, newest first, at most `limit`; and the number to go on from.

    Of a branch: what its head stands on; of a repo: all of its commits.
    """
    if isinstance(where, Branch):
        repo = where.repo
        rows = connection.execute(
            "WITH RECURSIVE step (number) AS (SELECT ? UNION ALL SELECT parent FROM step"
            ' JOIN "commit" USING (number) WHERE parent IS NOT NULL LIMIT ?)'
            + COMMITS
            + " JOIN step ON step.number = made.number ORDER BY made.number DESC",
            (start, limit),
        ).fetchall()
        return [_commit_info(repo, row) for row in rows], rows[-1][7] if rows else None
    rows = connection.execute(
        COMMITS + " JOIN repo ON repo.id = made.repo WHERE repo.project = ? AND repo.name = ? AND made.number <= ?"
        " ORDER BY made.number DESC LIMIT ?",
        (where.project, where.name, start, limit),
    ).fetchall()
    return [_commit_info(where, row) for row in rows], rows[-1][6] - 1 if len(rows) == limit else None
