"""Projects and repos of the embedded store, as pfs_v2.API has them: made empty, described, deleted.

To S3 a repo is what its branches belong to, and a project what its repos are in. Over gRPC both are made before
anything is in them. What that adds is kept in tables of its own, which the gateway does not read: a store serves
both. All functions take a connection; what changes something runs inside a job of the catalog.
"""

from __future__ import annotations

from typing import NamedTuple

from falcon_s3.pfs import DEFAULT_BRANCH, DEFAULT_PROJECT, Branch, NotFound, PfsError, Repo, check_branch
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.schema import now_ms

TABLES = (
    """CREATE TABLE IF NOT EXISTS pach_project (
         name TEXT PRIMARY KEY, description TEXT NOT NULL, created_ms INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS pach_repo (repo INTEGER PRIMARY KEY, description TEXT NOT NULL)",
    # number: of a commit that was finished with an error
    "CREATE TABLE IF NOT EXISTS pach_error (number INTEGER PRIMARY KEY, error TEXT NOT NULL)",
    # A commit's children are told with it.
    'CREATE INDEX IF NOT EXISTS pach_child ON "commit" (parent)',
)


class AlreadyExists(PfsError):
    """A repo or project of that name is there."""


class StillUsed(PfsError):
    """A project has repos, or a branch is what others are made from."""


class ProjectInfo(NamedTuple):
    name: str
    description: str
    created_ms: int  # 0: it is only known by its repos


class DescribedRepo(NamedTuple):
    id: int
    repo: Repo
    created_ms: int
    description: str
    branches: tuple[str, ...]


def full(repo: Repo) -> str:
    """The repo as pachd's messages name it, with its project always."""
    return f"{repo.project}/{repo.name}"


def check_names(repo: Repo) -> None:
    """Raises InvalidName."""
    check_branch(Branch(repo, DEFAULT_BRANCH))


# Projects


def list_projects(connection: Connection) -> list[ProjectInfo]:
    """Those that were created, those that have repos, and `default`, oldest first."""
    found = {name: ProjectInfo(name, "", 0) for name in (DEFAULT_PROJECT, *_used_projects(connection))}
    for row in connection.execute("SELECT name, description, created_ms FROM pach_project"):
        found[row[0]] = ProjectInfo._make(row)
    return sorted(found.values(), key=lambda info: (info.created_ms, info.name != DEFAULT_PROJECT, info.name))


def _used_projects(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT DISTINCT project FROM repo WHERE name IS NOT NULL").fetchall()
    return [name for (name,) in rows]


def inspect_project(connection: Connection, name: str) -> ProjectInfo:
    """Raises NotFound."""
    for info in list_projects(connection):
        if info.name == name:
            return info
    raise NotFound(f'project "{name}" not found')


def create_project(connection: Connection, name: str, description: str, update: bool) -> None:
    """Raises InvalidName, and AlreadyExists without `update`."""
    check_names(Repo(name, "any"))
    there = next((info for info in list_projects(connection) if info.name == name), None)
    if there and not update:
        raise AlreadyExists(f"project {name} already exists")
    created_ms = there.created_ms if there else now_ms()
    connection.execute("INSERT OR REPLACE INTO pach_project VALUES (?, ?, ?)", (name, description, created_ms))


def delete_project(connection: Connection, name: str, force: bool) -> None:
    """Delete it, with `force` also its repos; `default` becomes empty and stays. Raises NotFound, StillUsed."""
    inspect_project(connection, name)
    repos = list_repos(connection, [name])
    if repos and not force:
        raise StillUsed(f"cannot delete project {name}: repo {full(repos[0].repo)} still exists")
    for info in repos:
        delete_repo(connection, info.repo, force=True)
    connection.execute("DELETE FROM pach_project WHERE name = ?", (name,))


# Repos


def list_repos(connection: Connection, projects: list[str] | None = None) -> list[DescribedRepo]:
    """Every repo, or those of the projects, by project and name."""
    branches: dict[int, list[str]] = {}
    for repo, name in connection.execute("SELECT repo, name FROM branch ORDER BY id DESC"):
        branches.setdefault(repo, []).append(name)
    rows = connection.execute(
        "SELECT repo.id, project, name, created_ms, coalesce(description, '') FROM repo"
        " LEFT JOIN pach_repo ON pach_repo.repo = repo.id WHERE name IS NOT NULL ORDER BY project, name"
    ).fetchall()
    return [
        DescribedRepo(number, Repo(project, name), created_ms, description, tuple(branches.get(number, ())))
        for number, project, name, created_ms, description in rows
        if not projects or project in projects
    ]


def repo_id(connection: Connection, repo: Repo) -> int:
    """Raises NotFound."""
    row = connection.execute("SELECT id FROM repo WHERE project = ? AND name = ?", (repo.project, repo.name)).fetchone()
    if row is None:
        raise NotFound(f"repo {full(repo)} not found")
    found: int = row[0]
    return found


def inspect_repo(connection: Connection, repo: Repo) -> DescribedRepo:
    """Raises NotFound."""
    number = repo_id(connection, repo)
    created_ms, description = connection.execute(
        "SELECT created_ms, coalesce(description, '') FROM repo LEFT JOIN pach_repo ON pach_repo.repo = repo.id"
        " WHERE repo.id = ?",
        (number,),
    ).fetchone()
    branches = connection.execute("SELECT name FROM branch WHERE repo = ? ORDER BY id DESC", (number,)).fetchall()
    return DescribedRepo(number, repo, created_ms, description, tuple(name for (name,) in branches))


def create_repo(connection: Connection, repo: Repo, description: str, update: bool) -> None:
    """A repo without branches. Raises InvalidName, NotFound (the project), and AlreadyExists without `update`."""
    check_names(repo)
    inspect_project(connection, repo.project)
    try:
        number = repo_id(connection, repo)
    except NotFound:
        cursor = connection.execute(
            "INSERT INTO repo (project, name, created_ms) VALUES (?, ?, ?)", (repo.project, repo.name, now_ms())
        )
        assert cursor.lastrowid is not None  # an INSERT that did not raise has one
        number = cursor.lastrowid
    else:
        if not update:
            raise AlreadyExists(f"repo {full(repo)} already exists")
    connection.execute("INSERT OR REPLACE INTO pach_repo VALUES (?, ?)", (number, description))


def delete_repo(connection: Connection, repo: Repo, force: bool) -> bool:
    """Delete it with all of its history; tells whether it was there. Raises StillUsed without `force`."""
    try:
        number = repo_id(connection, repo)
    except NotFound:
        return False
    names = (repo.project, repo.name)
    used = connection.execute(
        "SELECT repo.project, repo.name, branch.name, provenance.name FROM provenance"
        " JOIN branch ON branch.id = provenance.branch JOIN repo ON repo.id = branch.repo"
        " WHERE provenance.project = ? AND provenance.repo = ? AND branch.repo <> ? LIMIT 1",
        (*names, number),
    ).fetchone()
    if used is not None and not force:
        raise StillUsed(
            f"cannot delete repo {full(repo)}: branch {used[0]}/{used[1]}@{used[2]} is made from its branch {used[3]}"
        )
    connection.execute("DELETE FROM provenance WHERE project = ? AND repo = ?", names)
    connection.execute("DELETE FROM provenance WHERE branch IN (SELECT id FROM branch WHERE repo = ?)", (number,))
    connection.execute("DELETE FROM branch WHERE repo = ?", (number,))
    connection.execute("DELETE FROM pach_repo WHERE repo = ?", (number,))
    # As `history.delete_branch` leaves it: without a name it waits to be purged.
    connection.execute("UPDATE repo SET project = NULL, name = NULL WHERE id = ?", (number,))
    return True
