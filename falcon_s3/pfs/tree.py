"""What is where: every version of every path, and listings of any commit at the cost of what they show.

Commits that follow each other without a fork form a *line*; numbers grow along it. A line that forked off has a
base: the line and commit it left. A `View` is a line as one of its commits shows it.

Two tables say what a view shows:

* `version` holds one row for each change of a path. The file a view shows is the row with the greatest number
  not above the view's; where its line has none, the base decides. Removals are rows without content.
* `page` and `entry` keep listings cheap, also of a commit with ten files on a line that has a million today.
  A page holds the entries of a range of paths for a span of commits, each with the span of its own. When a page
  has too many entries it is closed and those that are live are copied to new pages (a multiversion B-tree of
  two levels, after Becker et al., 1996), so that for every commit, the pages that cover it hold mostly what it
  shows. Copies cost about two rows a write; nothing ever copies a whole tree.

A line with a base begins without pages. Ranges that none of its pages cover are the base's; the first write into
such a range copies one page of the base. That is why a branch, and the first write to it, cost the same whatever
the number of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from falcon_s3 import _speedups
from falcon_s3.pfs import Entry, Listed
from falcon_s3.pfs.catalog import Connection

# Most entries of a page. Larger: fewer queries for a listing; smaller: cheaper first write on a new branch.
PAGE_ENTRIES = 512
# Fewer live entries than this, and a removal joins the page with its neighbour.
SPARSE = PAGE_ENTRIES // 8
# How many rows a folded listing reads at first. Where they show more than one folder or file, it reads on, four times
# as many; where they do not, it jumps, over so many folders at first, and over twice as many the next time. A jump
# costs as much as about 30 rows.
FOLDED_ROWS = 16
LEAST_FOLDED_ROWS = 2
JUMPS = 8
MOST_JUMPS = 256
# Greater than every path: SQLite orders blobs after texts.
END = b""


class View(NamedTuple):
    """A line as its commit `number` shows it; `base` is what the line began with."""

    line: int
    number: int
    base: View | None


class Version(NamedTuple):
    """A row of `version`."""

    commit: bytes  # the id of the commit that wrote it
    content: int
    size: int
    etag: str
    modified_ms: int
    attributes: str | None


# What of `about` is the size, in SQL: a text is cast to the number that it begins with.
SIZE = "CAST(about AS INTEGER)"
# The entries of a stretch of a page at a commit as one packed value (see `falcon_s3/_listing_py.py`), and their
# number; a query that gave each row to Python would take twice as long and hand over the interpreter's lock as often
# as there are rows. They are in order because the primary key, the only index there is, is what is scanned.
SPAN = " FROM entry WHERE page = ? AND path >= ? AND path < ? AND first <= ? AND last > ?"
WHOLE = f"SELECT CAST(group_concat(about || char(0) || path, char(0)) AS BLOB), count(*){SPAN}"
FIRST = (
    "SELECT CAST(group_concat(packed, char(0)) AS BLOB), count(*)"
    f" FROM (SELECT about || char(0) || path AS packed{SPAN} ORDER BY path LIMIT ?)"
)

# What a folded listing shows from a position on, of a line without a base, by one search each: the file that is next,
# or the folder that it is in; and the position behind that, which is the end of the page where the page has no more.
# `behind`: where in a path the first delimiter may begin, counted from 1 in characters; `following`: the least text
# that is greater than all that begin with the delimiter.
JUMP = """
WITH RECURSIVE jump (position, path, about, mark) AS (
  SELECT :start, NULL, NULL, 0
  UNION ALL
  SELECT
    CASE
      WHEN entry.path IS NULL THEN page.high
      WHEN instr(substr(entry.path, :behind), :delimiter) THEN
        substr(entry.path, 1, :behind + instr(substr(entry.path, :behind), :delimiter) - 2) || :following
      ELSE entry.path || char(0)
    END,
    entry.path, entry.about, instr(substr(entry.path, :behind), :delimiter)
  FROM jump
  JOIN page ON page.id = (
    SELECT id FROM page WHERE line = :line AND low <= jump.position AND first <= :number AND last > :number
    ORDER BY low DESC, first DESC LIMIT 1)
  LEFT JOIN entry ON entry.page = page.id AND entry.first <= :number AND entry.last > :number AND entry.path = (
    SELECT path FROM entry
    WHERE page = page.id AND path >= jump.position AND path < :stop AND first <= :number AND last > :number
    ORDER BY path LIMIT 1)
  WHERE jump.position < :stop
  LIMIT :most)
SELECT
  CAST(group_concat(
    CASE WHEN mark THEN '-1 0 ' || char(0) || substr(path, 1, :behind + mark + :width - 2)
    ELSE about || char(0) || path END,
    char(0)) AS BLOB),
  count(path), max(position), count(*)
FROM jump"""


def about(size: int, etag: str, modified_ms: int) -> str:
    """What the table `entry` says of a file, in the form that packed rows have it."""
    return f"{size} {modified_ms} {etag}"


class Readers(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...


def find(connection: Connection, view: View, path: str) -> Version | None:
    """The version of `path` that the view shows."""
    try:
        return _find(connection, view, path)
    except UnicodeEncodeError:  # no path: nothing can have that name
        return None


def _find(connection: Connection, view: View, path: str) -> Version | None:
    step: View | None = view
    while step is not None:
        row = connection.execute(
            'SELECT "commit".id, content, size, etag, modified_ms, attributes FROM version'
            ' JOIN "commit" ON "commit".number = version.number'
            " WHERE version.line = ? AND path = ? AND version.number <= ? ORDER BY version.number DESC LIMIT 1",
            (step.line, path, step.number),
        ).fetchone()
        if row is not None:
            return Version._make(row) if row[1] is not None else None
        step = step.base
    return None


def after_prefix(prefix: str) -> str | None:
    """The least text greater than all that begin with `prefix`; None when there is none.

    Order of code points is order of UTF-8 bytes. Surrogates are no characters and are jumped over.
    """
    for end in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[end])
        if code < 0x10FFFF:
            return prefix[:end] + chr(0xE000 if code == 0xD7FF else code + 1)
    return None


class Cover(NamedTuple):
    """The page that shows a stretch of paths in a view, and the number to read it at."""

    page: int  # 0: nothing was ever written there
    number: int
    low: str
    high: str | None
    total: int  # entries of the page


def covering(connection: Connection, view: View, path: str) -> Cover:
    """The page that shows `path` in the view.

    A line's pages cover unions of whole pages of its base, as these were when the line began; so a page of the
    base that covers a path in a gap between them lies in that gap as a whole.
    """
    step: View | None = view
    while step is not None:
        line, number, base = step
        row = connection.execute(
            "SELECT id, low, high, total FROM page WHERE line = ? AND low <= ? AND first <= ? AND last > ?"
            " ORDER BY low DESC, first DESC LIMIT 1",
            (line, path, number, number),
        ).fetchone()
        if row is not None and (row[2] is None or row[2] > path):
            return Cover(row[0], number, *row[1:])
        step = base
    return Cover(0, 0, "", None, 0)


def _rows(connection: Connection, view: View, start: str, stop: str | None, most: int) -> tuple[bytes, int, str | None]:
    """Rows of entries from `start` on, packed, at most `most`, of one page; how many; and where to go on, if anywhere."""
    page, number, _, end, total = covering(connection, view, start)
    if stop is not None and (end is None or end > stop):
        end = stop
    span = (page, start, END if end is None else end, number, number)
    # A page to which removed versions gave back what they hid has more than PAGE_ENTRIES. Not `total` alone: another may
    # write to an open commit between the two statements.
    if most >= max(total, PAGE_ENTRIES):
        rows, count = connection.execute(WHOLE, span).fetchone()
    else:
        rows, count = connection.execute(FIRST, (*span, most)).fetchone()
        if count == most:
            return rows, count, _last(rows) + "\0"
    return rows or b"", count, None if end is None or end == stop else end


def _jumped(
    connection: Connection, view: View, start: str, stop: str | None, prefix: str, delimiter: str, most: int
) -> tuple[bytes, int, str | None]:
    """As `_rows`, of a folded listing, and of all pages of a line without a base: what is shown, at most `most`."""
    rows, count, position, steps = connection.execute(
        JUMP,
        {
            "start": start,
            "stop": END if stop is None else stop,
            "behind": len(prefix) + 1,
            "delimiter": delimiter,
            "width": len(delimiter),
            "following": after_prefix(delimiter),
            "line": view.line,
            "number": view.number,
            "most": most + 1,  # the first of them is the start
        },
    ).fetchone()
    return rows or b"", count, position if steps > most else None


def _last(rows: bytes) -> str:
    """The path of the last of packed rows."""
    return rows[rows.rfind(b"\0") + 1 :].decode()


def _chunks(
    readers: Readers, view: View, prefix: str, after: str, delimiter: str, most: int | None
) -> Iterator[tuple[bytes, int]]:
    """The first `most` rows of a listing, or all, packed, some at a time, each time with their number.

    Holds no connection between two of them.
    """
    stop = after_prefix(prefix)
    position: str | None = prefix
    if after >= prefix:
        position = after + "\0"
        folder = folder_of(after, prefix, delimiter)
        if folder is not None:  # a folder not greater than `after` is left out with all that is below it
            position = after_prefix(folder)
    fetched, jumps = FOLDED_ROWS if delimiter else PAGE_ENTRIES, JUMPS
    left = PAGE_ENTRIES if most is None else most
    behind, mark = len(prefix.encode()), delimiter.encode()
    jumping, can_jump = False, view.base is None and bool(delimiter) and after_prefix(delimiter) is not None
    while left and position is not None and (stop is None or position < stop):
        with readers.read() as connection:
            if jumping:
                rows, count, position = _jumped(connection, view, position, stop, prefix, delimiter, min(left, jumps))
            else:
                rows, count, position = _rows(connection, view, position, stop, min(left, fetched))
        if jumping:
            jumps, jumping = min(jumps * 2, MOST_JUMPS), False
        elif delimiter and rows:
            rows, count, skipped = _speedups.folded(rows, behind, mark)
            if skipped and position is not None and position.startswith(skipped):
                position = after_prefix(skipped)
            if count > 1:
                fetched = min(fetched * 4, PAGE_ENTRIES)
            else:
                fetched = FOLDED_ROWS if can_jump else max(fetched // 2, LEAST_FOLDED_ROWS)
                jumping = can_jump
        if most is not None:
            left -= count
        if count:
            yield rows, count


def entries(readers: Readers, view: View, prefix: str, after: str, delimiter: str) -> Iterator[Entry]:
    """The listing of a view, as `Pfs.list_files` describes it. Holds no connection between two entries."""
    for rows, _ in _chunks(readers, view, prefix, after, delimiter, None):
        yield from map(Entry._make, _speedups.unpacked(rows))


def listed(readers: Readers, view: View, prefix: str, after: str, delimiter: str, most: int) -> Listed:
    """The first `most` entries of a listing, as `Pfs.list_page` describes it."""
    chunks = list(_chunks(readers, view, prefix, after, delimiter, most + 1 if most else 0))
    rows, count = b"\0".join(rows for rows, _ in chunks), sum(count for _, count in chunks)
    more = count > most
    if more:
        rows, count = rows[: rows.rfind(b"\0", 0, rows.rfind(b"\0"))], most
    return Listed(rows, count, _last(rows), more)


def shows_any(connection: Connection, view: View) -> bool:
    """Whether the view shows a file at all."""
    position: str | None = ""
    while position is not None:
        page, number, _, position, _ = covering(connection, view, position)
        if connection.execute(
            "SELECT 1 FROM entry WHERE page = ? AND first <= ? AND last > ? LIMIT 1", (page, number, number)
        ).fetchone():
            return True
    return False


def folder_of(path: str, prefix: str, delimiter: str) -> str | None:
    """The folder that shows `path`: up to the first delimiter behind the prefix. None: it shows as itself."""
    if not delimiter or not path.startswith(prefix):
        return None
    end = path.find(delimiter, len(prefix))
    return None if end < 0 else path[: end + len(delimiter)]
