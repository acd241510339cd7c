"""Puts: the writes of single files that wait for the same turn, named by a few statements for all of them.

Each is a commit of its own, as `files.name` makes it; only the statements are shared. What they need of the rows that
are there, they read first, plan every row in memory, and write each table once. A write that is not plain (to an open
commit, to a branch that begins a line, into a page that is full or not there yet) goes the general way, by itself.

Why: a statement lets other threads of the process run and gets the interpreter back when these let go of it. Twelve
statements a file took longer in a turn than the sync.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from falcon_s3.pfs import Branch, Check, Commit, FileInfo, Ref, files, history
from falcon_s3.pfs.catalog import Catalog, Connection, insert
from falcon_s3.pfs.contents import BLAKE3, Contents, Staged
from falcon_s3.pfs.schema import NEVER, now_ms
from falcon_s3.pfs.tree import PAGE_ENTRIES, about
from falcon_s3.pfs.turns import Job

# The most that share statements: for each number of them up to here every statement is prepared once, and kept.
TOGETHER = 16

# The number of a content that is known, as a column.
KNOWN = "(SELECT id FROM content WHERE digest = ?)"
# Statements with the row that is repeated in them.
NEW_CONTENTS = ("INSERT INTO content (digest, kind, size, uses, file, data) VALUES {}", "(?, ?, ?, ?, ?, ?)")
COMMITS = (
    'INSERT INTO "commit" (number, id, repo, line, parent, branch, started_ms, finished_ms, message) VALUES {}',
    "(?, ?, ?, ?, ?, ?, ?, ?, '')",
)
VERSIONS = (
    "INSERT INTO version (line, path, number, content, size, etag, modified_ms, attributes) VALUES {}",
    "(?, ?, ?, ?, ?, ?, ?, ?)",
)
# Entries that begin, and such as end: those are there.
ENTRIES = (
    """
INSERT INTO entry (page, path, first, last, about) VALUES {}
ON CONFLICT (page, path, first) DO UPDATE SET last = excluded.last""",
    "(?, ?, ?, ?, ?)",
)
# For each path the live page that it belongs to, with its counts, and where its live entry there begins. As one value:
# each row more would be one step more.
PAGES = (
    f"""
WITH wanted (place, path) AS (VALUES {{}})
SELECT json_group_array(json_array(
  place, page.id, total, live,
  (SELECT first FROM entry WHERE page = page.id AND entry.path = wanted.path AND entry.last = {NEVER})))
FROM wanted LEFT JOIN page ON page.id = (
  SELECT id FROM page INDEXED BY page_live WHERE line = ? AND last = {NEVER} AND low <= wanted.path ORDER BY low DESC LIMIT 1)
AND (high IS NULL OR high > wanted.path)""",
    "(?, ?)",
)


class Put(NamedTuple):
    """One file to be written. `check` sees what is at the path before. What can be told before the turn is told here."""

    ref: Ref
    path: str
    staged: Staged
    etag: str
    attributes: dict[str, str]
    encoded: str | None  # the attributes, as `files.encoded` has them
    check: Check | None

    @classmethod
    def of(cls, ref: Ref, path: str, staged: Staged, attributes: dict[str, str], check: Check | None) -> Put:
        return cls(ref, path, staged, staged.md5.hex(), attributes, files.encoded(attributes), check)

    def file(self, named: Named) -> FileInfo:
        """What was written, for who waited for it. Not made in the turn, in which others wait."""
        commit = Commit(self.ref.repo, named.commit.hex())
        size, content = self.staged.size, named.content
        return FileInfo(commit, self.path, size, self.etag, named.modified_ms, self.attributes, content)


class Named(NamedTuple):
    """What became of a put."""

    commit: bytes
    content: int
    modified_ms: int


class Later:
    """A put that waits to be written by `finish`, whose `told` gets the id of the commit or what was raised."""

    __slots__ = ("_catalog", "_contents", "_put", "etag")

    def __init__(self, catalog: Catalog, contents: Contents, put: Put):
        self._catalog = catalog
        self._contents = contents
        self._put = put
        self.etag = put.etag

    def finish(self, told: Callable[[str | None, BaseException | None], None]) -> None:
        def ended(job: Job[Put, Named]) -> None:
            self._contents.discard(self._put.staged, failed=job.error is not None)
            told(None if job.result is None else job.result.commit.hex(), job.error)

        self._catalog.write_later(run, self._put, ended)


class Plan:
    """The rows that a number of puts add to pages and entries, none of which are written yet."""

    def __init__(self) -> None:
        self.entries: list[list[object]] = []
        self.counts: dict[int, list[int]] = {}  # of each page: total, live
        self._newest: dict[str, list[object]] = {}  # the entry that a path was given here

    def has_room(self, page: int, total: int, live: int) -> bool:
        return self.counts.setdefault(page, [total, live])[0] < PAGE_ENTRIES

    def has(self, path: str) -> bool:
        return path in self._newest

    def put(self, page: int, path: str, number: int, shown: str, before: int | None) -> None:
        """The commit `number` shows this at the path; `before`: where the path's entry began that is in the table."""
        counts = self.counts[page]
        counts[0] += 1
        if path in self._newest:
            self._newest[path][3] = number
        elif before is not None:
            self.entries.append([page, path, before, number, ""])
        else:
            counts[1] += 1
        self._newest[path] = [page, path, number, NEVER, shown]
        self.entries.append(self._newest[path])


def run(connection: Connection, puts: Sequence[Put]) -> list[Named]:
    """Inside a turn: write the files, in any order of those of different branches. Raises what any of them raises."""
    branches: dict[Ref, list[int]] = {}
    for place, put in enumerate(puts):
        branches.setdefault(put.ref, []).append(place)
    done: dict[int, Named] = {}
    for ref, places in branches.items():
        while places:
            some = [puts[place] for place in places[:TOGETHER]]
            named = (isinstance(ref, Branch) and _together(connection, ref, some)) or [_alone(connection, some[0])]
            done.update(zip(places, named, strict=False))
            del places[: len(named)]
    return [done[place] for place in range(len(puts))]


def _alone(connection: Connection, put: Put) -> Named:
    write = files.begin_write(connection, put.ref, put.path, put.check)
    known = connection.execute(f"SELECT {KNOWN}", (put.staged.digest,)).fetchone()
    (content,) = _acquire(connection, [put.staged], known)
    file = files.name(connection, write, put.path, content, put.staged.size, put.etag, put.attributes)
    return Named(bytes.fromhex(file.commit.id), content, file.modified_ms)


def _together(connection: Connection, branch: Branch, puts: Sequence[Put]) -> list[Named]:
    """Write the first of the files, as many as can be written together; gives them. None: the first cannot."""
    found, newest, known = history.head(connection, branch, KNOWN, [put.staged.digest for put in puts])
    history.check_writable(found, branch)
    if found.open or found.number != found.tip:
        return []
    now = now_ms()
    plan = Plan()
    taken: list[Put] = []
    for put, (_, page, total, live, before) in zip(puts, _pages(connection, found.line, puts), strict=True):
        if page is None or not plan.has_room(page, total, live) or (put.check and plan.has(put.path)):
            break
        if put.check is not None:
            put.check(files.find(connection, history.view_at(connection, found), branch.repo, put.path))
        taken.append(put)
        plan.put(page, put.path, newest + len(taken), about(put.staged.size, put.etag, now), before)
    if not taken:
        return []

    contents = _acquire(connection, [put.staged for put in taken], known[: len(taken)])
    parent = found.number
    commits: list[object] = []
    versions: list[object] = []
    named = []
    numbered = enumerate(zip(taken, contents, history.new_ids(len(taken)), strict=True), newest + 1)
    for number, (put, content, identity) in numbered:
        commits += (number, identity, found.repo_id, found.line, parent, branch.name, now, now)
        versions += (found.line, put.path, number, content, put.staged.size, put.etag, now, put.encoded)
        named.append(Named(identity, content, now))
        parent = number
    connection.execute(_many(COMMITS, len(taken)), commits)
    connection.execute("UPDATE line SET tip = ? WHERE id = ?", (parent, found.line))
    connection.execute("UPDATE branch SET head = ? WHERE id = ?", (parent, found.branch_id))
    connection.execute(_many(VERSIONS, len(taken)), versions)
    connection.execute(_many(ENTRIES, len(plan.entries)), [value for entry in plan.entries for value in entry])
    connection.executemany(
        "UPDATE page SET total = ?, live = ? WHERE id = ?", [(*counts, page) for page, counts in plan.counts.items()]
    )
    return named


@lru_cache(maxsize=256)
def _many(statement: tuple[str, str], number: int) -> str:
    """The statement for so many rows."""
    text, row = statement
    return text.format(", ".join([row] * number))


def _pages(
    connection: Connection, line: int, puts: Sequence[Put]
) -> list[tuple[int, int | None, int, int, int | None]]:
    """For each put its place among them, and what `PAGES` tells; without a page: nothing of the line covers it yet."""
    wanted: list[object] = [value for place, put in enumerate(puts) for value in (place, put.path)]
    (found,) = connection.execute(_many(PAGES, len(puts)), [*wanted, line]).fetchone()
    return sorted(orjson.loads(found))


def _acquire(connection: Connection, staged: Sequence[Staged], known: Sequence[int | None]) -> list[int]:
    """What `Contents.acquire` does, for many; `known` are the numbers of those contents that are there."""
    uses: dict[bytes, int] = {}
    first: dict[bytes, Staged] = {}
    numbers: dict[bytes, int] = {}
    for each, number in zip(staged, known, strict=True):
        uses[each.digest] = uses.get(each.digest, 0) + 1
        each.named = number is None and each.digest not in first
        first.setdefault(each.digest, each)
        if number is not None:
            numbers[each.digest] = number
    if numbers:
        connection.executemany(
            "UPDATE content SET uses = uses + ?, freed_ms = NULL WHERE id = ?",
            [(uses[digest], number) for digest, number in numbers.items()],
        )
    new = [each for each in first.values() if each.named]
    if new:
        values: list[object] = []
        for each in new:
            values += (each.digest, BLAKE3, each.size, uses[each.digest], *each.place())
        end = insert(connection, _many(NEW_CONTENTS, len(new)), values) + 1
        for number, each in enumerate(new, end - len(new)):  # AUTOINCREMENT: they follow each other
            numbers[each.digest] = number
    for each, number in zip(staged, known, strict=True):
        if number is not None:
            each.mend(connection, number)
    return [numbers[each.digest] for each in staged]
