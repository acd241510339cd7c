"""Commits taken out of the middle of history: what one did becomes part of the commits that follow it.

Those show what they showed. A version that a follower replaced or removed is gone; every other is from then on the
follower's, with a row for each where there are several. The number of a squashed commit stays what lines may begin at
and pages may begin or end with (see `tree`): only its versions move. A line that begins there gets pages of its
own for every range in which the commit changed something, since what it stands on shows that no more. So a line may be
left without commits, as long as others stand on it.
All functions run inside a job of the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from falcon_s3.pfs import growth, history, lineage, versions
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.contents import release
from falcon_s3.pfs.lineage import Refused
from falcon_s3.pfs.repos import full
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.targets import Target
from falcon_s3.pfs.tree import View, covering


class Place(NamedTuple):
    """A line and a commit of it."""

    line: int
    number: int


def check(connection: Connection, target: Target) -> None:
    """Raises Refused if a branch would lose what it shows, or if a commit that follows is still open."""
    followers = connection.execute(
        'SELECT id, finished_ms IS NULL FROM "commit" WHERE parent = ? ORDER BY number', (target.point.number,)
    ).fetchall()
    branch = connection.execute("SELECT name FROM branch WHERE head = ?", (target.point.number,)).fetchone()
    if not followers or branch is not None:
        where = f" on branch {full(target.repo)}@{branch[0]}" if followers else ""
        raise Refused(
            f"cannot squash a commit that has no children{where} as that would cause data loss,"
            f" use the drop operation instead: {target}"
        )
    for identity, is_open in followers:
        if is_open:
            raise Refused(f"cannot squash until child commit {full(target.repo)}@{identity.hex()} is finished")


def squash(connection: Connection, target: Target) -> None:
    """Raises what `check` raises."""
    check(connection, target)
    repo_id, line, number = target.point.repo_id, target.point.line, target.point.number
    lines = connection.execute(
        "SELECT id, base_line, base_number FROM line WHERE repo = ? AND base_line IS NOT NULL", (repo_id,)
    ).fetchall()
    followers = list(_followers(connection, lines, Place(line, number)))
    paths = [
        path for (path,) in connection.execute("SELECT path FROM version WHERE line = ? AND number = ?", (line, number))
    ]
    for follower in reversed(followers):  # its own line last: others copy pages of it
        if follower.number:
            _hand_over(connection, repo_id, Place(line, number), paths, follower)
    for path in paths:
        (content,) = connection.execute(
            "SELECT content FROM version WHERE line = ? AND path = ? AND number = ?", (line, path, number)
        ).fetchone()
        connection.execute("DELETE FROM version WHERE line = ? AND path = ? AND number = ?", (line, path, number))
        if content is not None:
            release(connection, content)
        for each in {line, *(follower.line for follower in followers)}:
            versions.list_anew(connection, each, path, number)
    connection.execute("DELETE FROM removed WHERE line = ? AND number = ?", (line, number))
    connection.execute(
        'UPDATE "commit" SET parent = (SELECT parent FROM "commit" WHERE number = ?1) WHERE parent = ?1', (number,)
    )
    lineage.forget_commit(connection, target)


def _followers(connection: Connection, lines: list[tuple[int, int, int]], place: Place) -> Iterator[Place]:
    """The next commit of the line behind the place, and the first of each line that begins in between.

    Number 0: a line that has no commit, but may have lines that stand on it, which come too.
    """
    (following,) = connection.execute(
        'SELECT min(number) FROM "commit" WHERE line = ? AND number > ?', place
    ).fetchone()
    yield Place(place.line, following or 0)
    for line, base_line, base_number in lines:
        if base_line == place.line and place.number <= base_number < (following or NEVER):
            yield from _followers(connection, lines, Place(line, 0))


def _hand_over(connection: Connection, repo_id: int, squashed: Place, paths: list[str], follower: Place) -> None:
    """Make what the commit did to these paths what the follower did, unless it did something to them itself."""
    view = history.view(connection, follower.line, follower.number)
    standing = versions.lines_on(connection, *follower)
    for path in paths:
        if follower.line != squashed.line:
            _own_page(connection, view, path)
        own = connection.execute(
            "SELECT 1 FROM version WHERE line = ? AND path = ? AND number = ?", (follower.line, path, follower.number)
        ).fetchone()
        if own is not None:
            continue
        connection.execute(
            "INSERT INTO version (line, path, number, content, size, etag, modified_ms, attributes)"
            " SELECT ?, path, ?, content, size, etag, modified_ms, attributes FROM version"
            " WHERE line = ? AND path = ? AND number = ?",
            (*follower, squashed.line, path, squashed.number),
        )
        connection.execute(
            "UPDATE content SET uses = uses + 1 WHERE id ="
            " (SELECT content FROM version WHERE line = ? AND path = ? AND number = ?)",
            (follower.line, path, follower.number),
        )
        # What was taken out of the follower is there again, as the version that now is its own.
        connection.execute(
            "DELETE FROM removed WHERE line = ? AND path = ? AND number = ?", (follower.line, path, follower.number)
        )
        for line in standing:
            connection.execute(
                "UPDATE entry SET first = ? WHERE path = ? AND first = ? AND page IN (SELECT id FROM page WHERE"
                " line = ? AND low <= ? AND (high IS NULL OR high > ?) AND last > ?)",
                (follower.number, path, squashed.number, line, path, path, follower.number),
            )


def _own_page(connection: Connection, view: View, path: str) -> None:
    """Let the line have a page of its own that shows the path at the commit `view.number`, its first."""
    covers = "line = ? AND low <= ? AND (high IS NULL OR high > ?)"
    where = (view.line, path, path)
    if connection.execute(
        f"SELECT 1 FROM page WHERE {covers} AND first <= ? AND last > ?", (*where, view.number, view.number)
    ).fetchone():
        return
    assert view.base is not None  # only the first commit of a line that has a base may be without
    (last,) = connection.execute(
        f"SELECT min(first) FROM page WHERE {covers} AND first > ?", (*where, view.number)
    ).fetchone()
    cover = covering(connection, view.base, path)
    page = growth.new_page(connection, view, cover.low, cover.high)
    growth.copy(connection, cover.page, cover.number, page)
    connection.execute("UPDATE page SET last = ? WHERE id = ?", (last or NEVER, page.id))
