"""Branches of the embedded store, as pfs_v2.API has them: created, moved, deleted, and who is made from whom.

All functions take a connection; what changes something runs inside a job of the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from falcon_s3.pfs import Branch, BranchInfo, BranchNotFound, Commit, NotFound, Repo, check_branch, history, records
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.lineage import Refused
from falcon_s3.pfs.repos import StillUsed, full, repo_id
from falcon_s3.pfs.targets import Named, branch_text, resolve


def graph(connection: Connection) -> dict[Branch, set[Branch]]:
    """Of each output branch, what it is made from directly."""
    found: dict[Branch, set[Branch]] = {}
    for project, repo, name, *upstream in connection.execute(
        "SELECT repo.project, repo.name, branch.name, provenance.project, provenance.repo, provenance.name"
        " FROM provenance JOIN branch ON branch.id = provenance.branch JOIN repo ON repo.id = branch.repo"
    ):
        branch = Branch(Repo(project, repo), name)
        found.setdefault(branch, set()).add(Branch(Repo(upstream[0], upstream[1]), upstream[2]))
    return found


def above(edges: dict[Branch, set[Branch]], branch: Branch) -> list[Branch]:
    """All that the branch is made from, directly or not."""
    found: set[Branch] = set()
    waiting = [branch]
    while waiting:
        for each in edges.get(waiting.pop(), set()) - found:
            found.add(each)
            waiting.append(each)
    return in_order(found)


def turned(edges: dict[Branch, set[Branch]]) -> dict[Branch, set[Branch]]:
    """Of each branch, what is made from it directly: `above` of these is all that is made from it."""
    found: dict[Branch, set[Branch]] = {}
    for branch, upstream in edges.items():
        for each in upstream:
            found.setdefault(each, set()).add(branch)
    return found


def in_order(branches: Iterable[Branch]) -> list[Branch]:
    return sorted(branches, key=lambda branch: (branch.repo.project, branch.repo.name, branch.name))


def list_branches(connection: Connection, repo: Repo | None) -> list[BranchInfo]:
    """The branches of the repo, or all, newest first. Raises NotFound."""
    where, names = "", ()
    if repo is not None:
        repo_id(connection, repo)
        where, names = " WHERE repo.project = ? AND repo.name = ?", (repo.project, repo.name)  # type: ignore[assignment]
    edges = graph(connection)
    rows = connection.execute(records.BRANCHES + where + " ORDER BY branch.id DESC", names).fetchall()
    return [_branch_info(row, edges) for row in rows]


def inspect_branch(
    connection: Connection, branch: Branch, edges: dict[Branch, set[Branch]] | None = None
) -> BranchInfo:
    """`edges` are those of `graph`, where they are known. Raises NotFound."""
    repo_id(connection, branch.repo)
    row = connection.execute(
        records.BRANCHES + " WHERE repo.project = ? AND repo.name = ? AND branch.name = ?",
        (branch.repo.project, branch.repo.name, branch.name),
    ).fetchone()
    if row is None:
        raise NotFound(f'branch "{branch.name}" not found in repo {full(branch.repo)}')
    return _branch_info(row, graph(connection) if edges is None else edges)


def _branch_info(row: tuple[str, str, str, int, int, bytes, int], edges: dict[Branch, set[Branch]]) -> BranchInfo:
    project, name, branch_name, created_ms, _, head, is_open = row
    repo = Repo(project, name)
    branch = Branch(repo, branch_name)
    direct = tuple(in_order(edges.get(branch, set())))
    return BranchInfo(branch, Commit(repo, head.hex()), bool(is_open), created_ms, direct)


def create_branch(connection: Connection, branch: Branch, head: Named | None, provenance: Sequence[Branch]) -> None:
    """Create the branch, or move it to `head`; `provenance` replaces what it had. Raises InvalidName, NotFound, Refused."""
    check_branch(branch)
    repo_id(connection, branch.repo)
    edges = graph(connection)
    for upstream in provenance:
        if upstream.repo == branch.repo:
            raise Refused(f"branch {branch_text(branch)} cannot be made from a branch of its own repo")
        inspect_branch(connection, upstream, edges)
        if branch in above(edges, upstream):
            raise Refused(f"branch {branch_text(upstream)} is made from {branch_text(branch)}: that would be a circle")
    target = None
    if head is not None:
        if head.repo != branch.repo:
            raise Refused("branch and head commit must belong to the same repo")
        target = resolve(connection, head)
    try:
        found = history.point(connection, branch)
    except BranchNotFound:
        history.create_branch(connection, branch, target and target.commit, provenance)
        return
    if target is not None:
        connection.execute("UPDATE branch SET head = ? WHERE id = ?", (target.point.number, found.branch_id))
    connection.execute("DELETE FROM provenance WHERE branch = ?", (found.branch_id,))
    connection.executemany(
        "INSERT OR IGNORE INTO provenance (branch, project, repo, name) VALUES (?, ?, ?, ?)",
        [(found.branch_id, each.repo.project, each.repo.name, each.name) for each in provenance],
    )


def delete_branch(connection: Connection, branch: Branch, force: bool) -> None:
    """Delete the branch; its repo and commits stay. Raises NotFound, and StillUsed without `force`."""
    inspect_branch(connection, branch)
    made = above(turned(graph(connection)), branch)
    if made and not force:
        raise StillUsed(f"cannot delete branch {branch_text(branch)}: {branch_text(made[0])} is made from it")
    found = history.point(connection, branch)
    connection.execute("DELETE FROM branch WHERE id = ?", (found.branch_id,))
    connection.execute("DELETE FROM provenance WHERE branch = ?", (found.branch_id,))
    connection.execute(
        "DELETE FROM provenance WHERE project = ? AND repo = ? AND name = ?",
        (branch.repo.project, branch.repo.name, branch.name),
    )
