"""Whether an embedded store is whole: every table against the others, every content against its digest.

The gateway may go on working meanwhile: what is compared is read at one moment, but each rule, line and batch at its
own. While a moment is held, the log of the catalog cannot begin anew: it grows with all that is written, and whoever
writes first afterwards moves it, while the others wait. Says what does not fit; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from falcon_s3.pfs import Unavailable, tree
from falcon_s3.pfs.catalog import Catalog, Connection
from falcon_s3.pfs.contents import DIGESTS, Contents
from falcon_s3.pfs.history import view
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.tree import Cover, View

# Contents read from the catalog at a time; the small ones come with their bytes, up to `contents.INLINE_BYTES`.
BATCH = 256

# Called now and then on long work: what is being done, how much of it is done, how much there is.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """The progress nobody watches."""


@dataclass
class Report:
    """What was found. `orphans` are no problem: bytes that nothing names, which `collect` removes."""

    versions: int = 0
    contents: int = 0
    bytes: int = 0  # of all contents, each counted once
    orphans: int = 0
    problems: list[str] = field(default_factory=list)


# Each query gives one row for every thing that does not fit; the row fills the sentence.
RULES = (
    (
        "content {} is used {} times and says {}",
        (
            "SELECT content.id, coalesce(used.times, 0), content.uses FROM content LEFT JOIN"
            " (SELECT content, count(*) AS times FROM"
            " (SELECT content FROM version WHERE content IS NOT NULL UNION ALL SELECT content FROM part"
            " UNION ALL SELECT part FROM piece) GROUP BY content) AS used"
            " ON used.content = content.id WHERE coalesce(used.times, 0) <> content.uses"
        ),
    ),
    (
        "{} in line {} names content {}, which is not there",
        (
            "SELECT path, line, content FROM version WHERE content IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM content WHERE content.id = version.content)"
        ),
    ),
    (
        "content {} has {} pieces of {} bytes and says {} of {}",
        (
            "SELECT content.id, count(piece.part), coalesce(sum(piece.size), 0), content.pieces, content.size FROM content"
            " LEFT JOIN piece ON piece.content = content.id WHERE content.pieces > 0 GROUP BY content.id"
            " HAVING count(piece.part) <> content.pieces OR coalesce(sum(piece.size), 0) <> content.size"
        ),
    ),
    (
        "{} {} names content {}, which is not there with its {} bytes",
        (
            "SELECT * FROM (SELECT 'piece of content', content AS owner, part AS named, size FROM piece"
            " UNION ALL SELECT 'part of upload', upload, content, size FROM part) AS used"
            " WHERE NOT EXISTS (SELECT 1 FROM content WHERE content.id = used.named AND content.size = used.size)"
        ),
    ),
    (
        "branch {} points at commit number {}, which is not there",
        ('SELECT name, head FROM branch WHERE NOT EXISTS (SELECT 1 FROM "commit" WHERE "commit".number = branch.head)'),
    ),
    (
        "commit {} is in line {}, which is not there",
        (
            'SELECT hex(made.id), made.line FROM "commit" AS made JOIN repo ON repo.id = made.repo'
            " WHERE repo.project IS NOT NULL AND NOT EXISTS (SELECT 1 FROM line WHERE line.id = made.line)"
        ),
    ),
    (
        "page {} says {} entries, {} of them live, and has others",
        (
            "SELECT page.id, page.total, page.live FROM page"  # closed ones too: they keep what they had
            " WHERE page.total <> (SELECT count(*) FROM entry WHERE entry.page = page.id)"
            f" OR page.live <> (SELECT count(*) FROM entry WHERE entry.page = page.id AND entry.last = {NEVER})"
        ),
    ),
)


def fsck(catalog: Catalog, contents: Contents, progress: Progress) -> Report:
    """Check the store; `progress` hears of lines and bytes."""
    report = Report(problems=_problems_of(catalog))
    if report.problems:  # what such a database says of the rest is worth nothing, and reading it fails
        return report
    with catalog.read() as connection:
        for sentence, query in RULES:
            report.problems += [sentence.format(*row) for row in connection.execute(query)]
        (report.versions,) = connection.execute("SELECT count(*) FROM version").fetchone()
    _check_lines(catalog, report, progress)
    _check_contents(catalog, contents, report, progress)
    report.orphans = _count_orphans(catalog, contents)
    return report


def _problems_of(catalog: Catalog) -> list[str]:
    """What SQLite finds in the file of the database itself."""
    try:
        with catalog.read() as connection:
            lines = [line for (line,) in connection.execute("PRAGMA quick_check")]
    except Unavailable as ex:  # it stops looking where it cannot go on
        return [str(ex)]
    return [f"catalog: {line}" for line in lines if line != "ok"]


def _check_lines(catalog: Catalog, report: Report, progress: Progress) -> None:
    """Listings, which come from the pages, against the versions, line by line."""
    with catalog.read() as connection:
        lines = connection.execute(
            "SELECT line.id FROM line JOIN repo ON repo.id = line.repo WHERE repo.project IS NOT NULL ORDER BY line.id"
        ).fetchall()
    checked: set[int] = set()
    for done, (line,) in enumerate(lines):
        progress("lines", done, len(lines))
        with catalog.moment() as connection:
            _check_line(connection, line, checked, report)


def _check_line(connection: Connection, line: int, checked: set[int], report: Report) -> None:
    """What the line's newest commit lists; of the pages that were checked before, as others stand on them too, only
    that the line has nothing to say of their files: else a store would be read as often as it has branches.
    """
    tip = connection.execute(
        "SELECT tip FROM line JOIN repo ON repo.id = line.repo WHERE repo.project IS NOT NULL AND line.id = ?", (line,)
    ).fetchone()
    if tip is None:  # its repo was deleted meanwhile
        return
    shown = view(connection, line, *tip)
    listed = there = 0
    position: str | None = ""
    while position is not None:
        cover = tree.covering(connection, shown, position)
        position = cover.high
        if cover.page not in checked:
            listed += _check_listed(connection, shown, cover, report)
            there += sum(1 for _ in _paths(connection, shown, cover))
        elif cover.number != shown.number:  # the page is of a line that this one stands on
            there += connection.execute(OWN, (line, *_stretch(cover))).fetchone()[0]
        if cover.page:
            checked.add(cover.page)
    if listed != there:
        report.problems.append(f"line {line} lists {listed} files and has versions of {there}")


OWN = "SELECT count(*) FROM version WHERE line = ? AND path >= ? AND path < ?"


def _stretch(cover: Cover) -> tuple[str, str | bytes]:
    return cover.low, tree.END if cover.high is None else cover.high


def _check_listed(connection: Connection, shown: View, cover: Cover, report: Report) -> int:
    """What a page lists, against the versions; gives how many files these are."""
    rows = connection.execute(
        f"SELECT path, about{tree.SPAN}", (cover.page, *_stretch(cover), cover.number, cover.number)
    ).fetchall()
    for path, about in rows:
        version = tree.find(connection, shown, path)
        size, _, etag = about.split(" ", 2)
        if version is None or (str(version.size), version.etag) != (size, etag):
            report.problems.append(f"line {shown.line} lists {path}, which is not its version")
    return len(rows)


def _paths(connection: Connection, shown: View, cover: Cover) -> Iterator[str]:
    """The paths that versions say the view shows in the stretch of a page."""
    seen: set[str] = set()
    step: View | None = shown
    while step is not None:
        for path, _, content in connection.execute(
            "SELECT path, max(number), content FROM version WHERE line = ? AND path >= ? AND path < ?"
            " AND number <= ? GROUP BY path",
            (step.line, *_stretch(cover), step.number),
        ):
            if path not in seen and content is not None:
                yield path
            seen.add(path)
        step = step.base


def _check_contents(catalog: Catalog, contents: Contents, report: Report, progress: Progress) -> None:
    """The bytes of every content that was there at the beginning, without holding a connection while they are read."""
    with catalog.read() as connection:
        last, total = connection.execute(
            "SELECT coalesce(max(id), 0), coalesce(sum(size), 0) FROM content WHERE pieces = 0"
        ).fetchone()
    for number, digest, kind, size, file, data in _contents_of(catalog, last):
        progress("bytes", report.bytes, total)
        found = DIGESTS[kind]()
        try:
            for chunk in [data] if data is not None else contents.open(file, size, 0, size):
                found.update(chunk)
        except OSError as ex:
            if not _is_there(catalog, number, file):  # it was collected meanwhile
                continue
            report.problems.append(f"content {number} cannot be read: {ex}")
        else:
            if found.digest() != digest:
                report.problems.append(f"content {number} is damaged: its bytes do not have its digest")
            report.bytes += size
        report.contents += 1


def _contents_of(catalog: Catalog, last: int) -> Iterator[tuple[Any, ...]]:
    """The rows of contents up to the number `last`, a batch at a time."""
    number = -1
    while True:
        with catalog.read() as connection:
            rows = connection.execute(
                "SELECT id, digest, kind, size, file, data FROM content"
                " WHERE id > ? AND id <= ? AND pieces = 0 ORDER BY id LIMIT ?",
                (number, last, BATCH),
            ).fetchall()
        yield from rows
        if not rows:
            return
        number = rows[-1][0]


def _is_there(catalog: Catalog, number: int, file: str | None) -> bool:
    with catalog.read() as connection:
        found = connection.execute("SELECT 1 FROM content WHERE id = ? AND file = ?", (number, file)).fetchone()
    return found is not None


def _count_orphans(catalog: Catalog, contents: Contents) -> int:
    count = len(contents.stale())
    for shard in contents.shards():
        with catalog.read() as connection:
            count += len(contents.orphans(connection, shard))
    return count
