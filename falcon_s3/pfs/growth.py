"""How a line grows: every change of a path, written to its versions and to the pages that listings read.

`tree` tells what the tables mean and reads them; this module writes them. All of it runs inside a job of the
catalog, and only ever for the greatest commit of a line, so "live" means: shown by the line's newest commit.

What keeps listings cheap (see `tree`): a page that got too long is closed at the commit that made it so, and its
live entries go to new pages; a page that got sparse is joined with a neighbour. A page made by the very commit
that fills it has no history to keep, so it is split by moving rows instead of copying them.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.tree import END, PAGE_ENTRIES, SPARSE, Version, View, about, covering

COLUMNS = "path, first, last, about"


class Page(NamedTuple):
    """A live page; `high` None: to the end of all paths."""

    id: int
    low: str
    high: str | None
    first: int
    total: int
    live: int


PAGE = "SELECT id, low, high, first, total, live FROM page "
# The live page whose range begins at a path or before, and `first` of the live entry that it has of the path, if any.
PAGE_FOR = (
    "SELECT id, low, high, first, total, live, (SELECT entry.first FROM entry"
    f" WHERE entry.page = page.id AND entry.path = ? AND entry.last = {NEVER})"
    f" FROM page INDEXED BY page_live WHERE line = ? AND last = {NEVER} AND low <= ? ORDER BY low DESC LIMIT 1"
)


def put(connection: Connection, view: View, path: str, version: Version, *, fresh: bool = False) -> int | None:
    """Make `version` what the line's newest commit, `view.number`, shows at `path`; `fresh`: nothing is in it yet.

    Gives the content that the same commit had put there before and that nobody can read any more, if any.
    """
    number = view.number
    replaced = None if fresh else _replaced(connection, view, path)
    connection.execute(
        "INSERT OR REPLACE INTO version (line, path, number, content, size, etag, modified_ms, attributes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (view.line, path, number, *version[1:]),
    )
    page, before = _live_page(connection, view, path)
    ended = _end_entry(connection, page, path, number, before)
    connection.execute(
        f"INSERT INTO entry (page, {COLUMNS}) VALUES (?, ?, ?, ?, ?)",
        (page.id, path, number, NEVER, about(version.size, version.etag, version.modified_ms)),
    )
    grown = 0 if ended is Ended.VANISHED else 1
    page = _counted(connection, page, grown, 1 if ended is Ended.NOTHING else 0)
    if page.total > PAGE_ENTRIES:
        _rebuild(connection, view, [page], path)
    return replaced


def remove(connection: Connection, view: View, path: str, modified_ms: int) -> int | None:
    """Make `path` shown by the line's newest commit no more. It must be shown now. Gives what `put` gives."""
    number = view.number
    replaced = _replaced(connection, view, path)
    connection.execute(
        "INSERT OR REPLACE INTO version (line, path, number, content, size, etag, modified_ms)"
        " VALUES (?, ?, ?, NULL, 0, '', ?)",
        (view.line, path, number, modified_ms),
    )
    page, before = _live_page(connection, view, path)
    ended = _end_entry(connection, page, path, number, before)
    page = _counted(connection, page, -1 if ended is Ended.VANISHED else 0, 0 if ended is Ended.NOTHING else -1)
    if page.live < SPARSE:
        neighbour = _neighbour(connection, view, page)
        if neighbour is not None:
            _rebuild(connection, view, sorted([page, neighbour], key=lambda each: each.low), path)
    return replaced


def _replaced(connection: Connection, view: View, path: str) -> int | None:
    """The content that the view's own commit has at the path."""
    row = connection.execute(
        "SELECT content FROM version WHERE line = ? AND path = ? AND number = ?", (view.line, path, view.number)
    ).fetchone()
    return row[0] if row is not None else None


class Ended(Enum):
    """What became of the entry that stood at a path before."""

    NOTHING = "there was none"
    CLOSED = "it stays, for earlier commits"
    VANISHED = "it was of this commit too and is gone"


def _end_entry(connection: Connection, page: Page, path: str, number: int, first: int | None) -> Ended:
    """End the live entry of the path, which began at `first`; None: there is none."""
    if first is None:
        return Ended.NOTHING
    if first == number:
        connection.execute("DELETE FROM entry WHERE page = ? AND path = ? AND first = ?", (page.id, path, number))
        return Ended.VANISHED
    connection.execute(
        "UPDATE entry SET last = ? WHERE page = ? AND path = ? AND first = ?", (number, page.id, path, first)
    )
    return Ended.CLOSED


def _counted(connection: Connection, page: Page, total: int, live: int) -> Page:
    if total or live:
        connection.execute("UPDATE page SET total = total + ?, live = live + ? WHERE id = ?", (total, live, page.id))
    return page._replace(total=page.total + total, live=page.live + live)


def _live_page(connection: Connection, view: View, path: str) -> tuple[Page, int | None]:
    """The line's page for `path`: its own, or a copy of its base's, or the first there ever was.

    And where the page's live entry of the path began, None: it has none.
    """
    row = connection.execute(PAGE_FOR, (path, view.line, path)).fetchone()
    if row is None or (row[2] is not None and row[2] <= path):
        if view.base is None:
            return new_page(connection, view, "", None), None
        cover = covering(connection, view.base, path)
        copy(connection, cover.page, cover.number, new_page(connection, view, cover.low, cover.high))
        row = connection.execute(PAGE_FOR, (path, view.line, path)).fetchone()
    return Page._make(row[:6]), row[6]


def new_page(connection: Connection, view: View, low: str, high: str | None) -> Page:
    """An empty page for the paths from `low` to below `high` (None: to the last), shown from the view's commit on."""
    cursor = connection.execute(
        "INSERT INTO page (line, low, high, first, last, total, live) VALUES (?, ?, ?, ?, ?, 0, 0)",
        (view.line, low, high, view.number, NEVER),
    )
    assert cursor.lastrowid is not None  # an INSERT that did not raise has one
    return Page(cursor.lastrowid, low, high, view.number, 0, 0)


def copy(connection: Connection, source: int, number: int, page: Page) -> Page:
    """Copy into `page` what `source` shows of its range at the commit `number`."""
    cursor = connection.execute(
        f"INSERT INTO entry (page, {COLUMNS})"
        " SELECT ?, path, first, ?, about FROM entry"
        " WHERE page = ? AND path >= ? AND path < ? AND first <= ? AND last > ?",
        (page.id, NEVER, source, page.low, END if page.high is None else page.high, number, number),
    )
    return _counted(connection, page, cursor.rowcount, cursor.rowcount)


def _neighbour(connection: Connection, view: View, page: Page) -> Page | None:
    """A live page of the line that begins where this one ends, or ends where it begins."""
    row = connection.execute(PAGE + f"WHERE line = ? AND last = {NEVER} AND low = ?", (view.line, page.high)).fetchone()
    if row is None:
        row = connection.execute(
            PAGE + f"WHERE line = ? AND last = {NEVER} AND low < ? ORDER BY low DESC LIMIT 1", (view.line, page.low)
        ).fetchone()
        if row is not None and row[2] != page.low:
            return None
    return Page._make(row) if row is not None else None


def _rebuild(connection: Connection, view: View, pages: list[Page], written: str) -> None:
    """Replace neighbouring live pages, in order, by new ones that hold only what is live, none too long."""
    cuts = [pages[0].low, *_cuts(connection, pages, written)]
    ends = [*cuts[1:], pages[-1].high]
    for low, high in zip(cuts, ends, strict=True):
        page = new_page(connection, view, low, high)
        for source in pages:
            page = copy(connection, source.id, view.number, page)
    for page in pages:
        if page.first == view.number:  # no earlier commit needs it
            connection.execute("DELETE FROM entry WHERE page = ?", (page.id,))
            connection.execute("DELETE FROM page WHERE id = ?", (page.id,))
        else:
            connection.execute("UPDATE page SET last = ? WHERE id = ?", (view.number, page.id))


def _cuts(connection: Connection, pages: list[Page], written: str) -> list[str]:
    """Where to cut the live entries of `pages` so that each part has room to grow; nowhere if one page will do."""
    live = sum(page.live for page in pages)
    if live <= PAGE_ENTRIES * 3 // 4:
        return []
    paths = [
        row[0]
        for page in pages
        for row in connection.execute(
            "SELECT path FROM entry WHERE page = ? AND last = ? ORDER BY path", (page.id, NEVER)
        )
    ]
    if paths[-1] == written and len(pages) == 1:
        return [written]  # written in order, as most uploads are: what is full stays full
    return [paths[len(paths) // 2]]
