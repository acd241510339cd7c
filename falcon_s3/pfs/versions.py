"""Every version of a path, not only the one that shows: listed, and taken out of history for good.

Versions are the rows of `version` (see `tree`), those of a line and of what it stands on. Taking one out deletes
its row and then says anew, in each page that covers the path, what the pages' commits show there: pages of the
version's own line, and of every line that forked off after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from falcon_s3.pfs import (
    Changed,
    Check,
    Commit,
    CommitFinished,
    FileInfo,
    FileNotFound,
    FileVersion,
    OutputBranch,
    Ref,
    Repo,
    history,
    is_commit_id,
)
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.contents import release
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.tree import Readers, View, about, after_prefix, folder_of

# Versions are taken out in one turn until so many lines were looked at: each that has a page of the path takes
# about 0.1 ms, and a repo may have a line for each of thousands of branches.
MOST_LINES = 2000
# How many rows a listing fetches at a time; fewer where folders hide most of them.
ROWS = 1000
FOLDED_ROWS = 64


ROW = (
    'SELECT path, -version.number, "commit".id, content, size, etag, modified_ms FROM version'
    ' JOIN "commit" ON "commit".number = version.number WHERE version.line = ? AND '
)
VERSION = ROW + "path = ? AND version.number "
NEWEST = VERSION + "<= ? ORDER BY version.number DESC LIMIT ?"
# In the order of the primary key: the oldest version of a path first.
FOLLOWING = ROW + "path > ? AND path < ? AND version.number <= ? ORDER BY path, version.number LIMIT ?"


# The lines that stand on a commit of a line, and those that stand on them.
STANDING = (
    "WITH RECURSIVE standing (line) AS (SELECT id FROM line WHERE base_line = ? AND base_number >= ?"
    " UNION ALL SELECT line.id FROM standing JOIN line ON line.base_line = standing.line) SELECT line FROM standing"
)
OWN_PAGE = (
    "SELECT 1 FROM (SELECT high FROM page INDEXED BY page_live"
    f" WHERE line = ? AND last = {NEVER} AND low <= ? ORDER BY low DESC LIMIT 1) WHERE high IS NULL OR high > ?"
)
# Those that begin near the path first.
PAGES = (
    "SELECT id, first, last FROM page WHERE line = ? AND low <= ? AND (high IS NULL OR high > ?)"
    " AND first < ? AND last > ? ORDER BY low DESC"
)


class Row(NamedTuple):
    """A row of `version`; the order of rows is that of a listing."""

    path: str
    age: int  # the commit's number, negative
    commit: bytes
    content: int | None
    size: int
    etag: str
    modified_ms: int


class Found(NamedTuple):
    """A version, the line it is in, and whether it is the newest that a view shows of its path."""

    line: int
    row: Row
    is_latest: bool


def chain(view: View) -> list[tuple[int, int]]:
    """The lines of a view, each with the greatest commit it shows of them, its own first."""
    steps = []
    step: View | None = view
    while step is not None:
        steps.append((step.line, step.number))
        step = step.base
    return steps


def number_of(connection: Connection, repo_id: int, commit: str) -> tuple[int, int] | None:
    """The line and the number of a commit, None if the repo has no such commit."""
    if not is_commit_id(commit):
        return None
    found: tuple[int, int] | None = connection.execute(
        'SELECT line, number FROM "commit" WHERE repo = ? AND id = ?', (repo_id, bytes.fromhex(commit))
    ).fetchone()
    return found


def _rows(readers: Readers, view: View, start: str, below: int, stop: str | None, most: int) -> list[Row]:
    """The first `most` rows from the path `start` on, of that path only those with a number under `below`."""
    with readers.read() as connection:
        found = [_rows_of_line(connection, line, number, start, below, stop, most) for line, number in chain(view)]
    # Text sorts as UTF-8 in SQLite and by code point here, which is the same order.
    return found[0] if len(found) == 1 else list(islice(merge(*found), most))


def _rows_of_line(
    connection: Connection, line: int, number: int, start: str, below: int, stop: str | None, most: int
) -> list[Row]:
    """What `_rows` gives of one line.

    Not in one statement: to give the newest version of a path first, SQLite would read and sort all that it has.
    """
    found = _of_path(connection, line, start, min(number, below - 1), most)
    left = most - len(found)
    if not left:
        return found
    following = [
        Row._make(row)
        for row in connection.execute(FOLLOWING, (line, start, b"" if stop is None else stop, number, left))
    ]
    if len(following) < left:
        return found + sorted(following)
    last = following[-1].path  # which may have newer versions
    whole = sorted(row for row in following if row.path != last)
    return found + whole + _of_path(connection, line, last, number, left - len(whole))


def _of_path(connection: Connection, line: int, path: str, number: int, most: int) -> list[Row]:
    """The newest versions of a path in a line up to the commit `number`, the newest first."""
    return [Row._make(row) for row in connection.execute(NEWEST, (line, path, number, most))]


def versions(
    readers: Readers, view: View, prefix: str, after: str, below: int, delimiter: str
) -> Iterator[FileVersion]:
    """The listing that `Pfs.list_versions` describes; `below`, if not 0: of the path `after` go on under that number."""
    stop = after_prefix(prefix)
    position: str | None = prefix
    seen = ""  # the path whose newest version has been met
    folder = folder_of(after, prefix, delimiter)
    if folder is not None:
        position, below = after_prefix(folder), NEVER
    elif below and after >= prefix:
        position = after
        with readers.read() as connection:
            newest = _newest(connection, view, after)
        if newest is not None and -newest.age >= below:  # else what was newer is no longer there
            seen = after
    else:
        position, below = max(prefix, after + "\0" if after else ""), NEVER
    most = FOLDED_ROWS if delimiter else ROWS
    while position is not None and (stop is None or position < stop):
        rows = _rows(readers, view, position, below, stop, most)
        skipped = ""
        for row in rows:
            if skipped and row.path.startswith(skipped):
                continue
            folder = folder_of(row.path, prefix, delimiter)
            if folder is not None:
                skipped = folder
                yield FileVersion(folder, "", -1, "", 0, False, False)
                continue
            latest, seen = row.path != seen, row.path
            yield _file_version(row, latest)
        if len(rows) < most:
            return
        position, below = rows[-1].path, -rows[-1].age
        if skipped and position.startswith(skipped):
            position, below = after_prefix(skipped), NEVER


def _file_version(row: Row, latest: bool) -> FileVersion:
    return FileVersion(row.path, row.commit.hex(), row.size, row.etag, row.modified_ms, latest, row.content is None)


def file_info(repo: Repo, row: Row) -> FileInfo | None:
    """The file that a version is, without its attributes; None for a removal."""
    if row.content is None:
        return None
    return FileInfo(Commit(repo, row.commit.hex()), row.path, row.size, row.etag, row.modified_ms, {}, row.content)


def is_removed(connection: Connection, line: int, path: str, number: int) -> bool:
    """Whether that commit's version of the path was taken out of history."""
    found = connection.execute(
        "SELECT 1 FROM removed WHERE line = ? AND path = ? AND number = ?", (line, path, number)
    ).fetchone()
    return found is not None


def removal(connection: Connection, view: View, path: str) -> Row | None:
    """The version that removed what the view showed at `path`, if one did."""
    try:
        row = _newest(connection, view, path)
    except UnicodeEncodeError:
        return None
    return row if row is not None and row.content is None else None


def _newest(connection: Connection, view: View, path: str, below: int = NEVER) -> Row | None:
    """The newest version of a path that the view stands on, of those with a number under `below`."""
    for line, number in chain(view):  # a line's numbers are greater than its base's
        for row in _of_path(connection, line, path, min(number, below - 1), 1):
            return row
    return None


def _following(connection: Connection, view: View, path: str, above: int) -> int:
    """The number of the oldest version of a path that the view stands on, of those over `above`; NEVER for none."""
    for line, number in reversed(chain(view)):
        row = connection.execute(
            "SELECT number FROM version WHERE line = ? AND path = ? AND number > ? AND number <= ?"
            " ORDER BY number LIMIT 1",
            (line, path, above, number),
        ).fetchone()
        if row is not None:
            found: int = row[0]
            return found
    return NEVER


def find(connection: Connection, repo_id: int, view: View, path: str, commit: str) -> Found | None:
    """The version of `path` that a commit made, if the view stands on it."""
    place = number_of(connection, repo_id, commit)
    if place is None or not any(line == place[0] and number >= place[1] for line, number in chain(view)):
        return None
    try:
        row = connection.execute(VERSION + "= ?", (place[0], path, place[1])).fetchone()
    except UnicodeEncodeError:
        return None
    if row is None:
        return None
    newest = _newest(connection, view, path)
    return Found(place[0], Row._make(row), newest is not None and -newest.age == place[1])


def delete_all(
    connection: Connection, ref: Ref, wanted: Sequence[tuple[str, str]], check: Check | None
) -> list[FileVersion | None]:
    """Inside a job: take those versions, each a path and a commit's id, out of history; see `Pfs.delete_versions`.

    Of those that `check` does not see perhaps only the first ones, so that others may write: as many as are given.
    """
    place = history.point(connection, ref)
    if isinstance(ref, Commit):
        raise CommitFinished(ref, "loses no versions: they are taken out of history through a branch")
    if place.output:
        raise OutputBranch(ref)
    view = history.view_at(connection, place)
    removed: list[FileVersion | None] = []
    lines = 0
    for path, commit in wanted:
        if lines >= MOST_LINES and check is None:
            break
        found = find(connection, place.repo_id, view, path, commit)
        if found is not None and check is not None:
            check(file_info(ref.repo, found.row))
        if found is None:
            removed.append(None)
            continue
        removed.append(_file_version(found.row, found.is_latest))
        lines += delete(connection, place.repo_id, found)
    return removed


def delete(connection: Connection, repo_id: int, found: Found) -> int:
    """Inside a job: take the version out of history, and let every listing show what is left; of how many lines."""
    line, row, _ = found
    number = -row.age
    connection.execute("DELETE FROM version WHERE line = ? AND path = ? AND number = ?", (line, row.path, number))
    # An open commit may have written the path again, after its version was removed.
    connection.execute("INSERT OR IGNORE INTO removed (line, path, number) VALUES (?, ?, ?)", (line, row.path, number))
    connection.execute("UPDATE repo SET purged = purged + 1 WHERE id = ?", (repo_id,))
    if row.content is not None:
        release(connection, row.content)
    affected = lines_on(connection, line, number)
    for each in affected:
        list_anew(connection, each, row.path, number)
    return len(affected)


def set_attributes(connection: Connection, ref: Ref, file: FileInfo, attributes: str | None) -> None:
    """Inside a job: replace the attributes of a version; see `Pfs.set_attributes`."""
    place = history.point(connection, ref)
    found = find(connection, place.repo_id, history.view_at(connection, place), file.path, file.commit.id)
    if found is None or found.row.content is None:
        raise FileNotFound(file.path, file.commit)
    if found.row.content != file.content:
        raise Changed(f"the file {file.path} of {file.commit} was written meanwhile")
    connection.execute(
        "UPDATE version SET attributes = ? WHERE line = ? AND path = ? AND number = ?",
        (attributes, found.line, file.path, -found.row.age),
    )


def lines_on(connection: Connection, line: int, number: int) -> list[int]:
    """The line itself and every line that stands on its commit `number`."""
    return [line, *(each for (each,) in connection.execute(STANDING, (line, number)))]


def list_anew(connection: Connection, line: int, path: str, number: int) -> None:
    """Let the pages of the line show, in place of the version `number` of the path, the one before."""
    if not connection.execute(OWN_PAGE, (line, path, path)).fetchone():
        return  # its base's pages are shown, of which no line has copies without one that is live
    view = history.view(connection, line, NEVER - 1)
    before = _newest(connection, view, path, number)
    end = _following(connection, view, path, number)
    for page, last in _pages(connection, line, path, number, end):
        # What did not end while the page was read has no end in it, as `growth` leaves it.
        shown = None
        if before is not None and before.content is not None:
            shown = (-before.age, end if end < last else NEVER, about(before.size, before.etag, before.modified_ms))
        entries = (page, path, number, number if shown is None else shown[0])
        gone = [
            ended
            for (ended,) in connection.execute(
                "SELECT last FROM entry WHERE page = ? AND path = ? AND first IN (?, ?)", entries
            )
        ]
        connection.execute("DELETE FROM entry WHERE page = ? AND path = ? AND first IN (?, ?)", entries)
        total, live = -len(gone), -gone.count(NEVER)
        if shown is not None:
            connection.execute(
                "INSERT INTO entry (page, path, first, last, about) VALUES (?, ?, ?, ?, ?)", (page, path, *shown)
            )
            total, live = total + 1, live + (shown[1] == NEVER)
        connection.execute("UPDATE page SET total = total + ?, live = live + ? WHERE id = ?", (total, live, page))


def _pages(connection: Connection, line: int, path: str, number: int, end: int) -> list[tuple[int, int]]:
    """The pages of a line that show the path at commits of [number, end), each with where it ends."""
    found, left = [], end - number
    for page, first, last in connection.execute(PAGES, (line, path, path, end, number)):
        found.append((page, last))
        left -= min(last, end) - max(first, number)
        if not left:  # no two show the same path at the same commit
            break
    return found
