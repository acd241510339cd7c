"""Many changes as one write of the embedded store: what a ModifyFile stream of pfs_v2.API asks for.

Bytes come first: each file's is staged as it arrives, so no stream is held in memory. When the stream has ended,
one job of the catalog finds the commit to write to, or makes one, and applies everything in order; readers see
all of it or nothing. A stream that ends otherwise leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple, TypeVar

from falcon_s3.pfs import Branch, Unavailable, check_path, filesets, growth, is_commit_id, lineage, targets, tree
from falcon_s3.pfs.catalog import Catalog, Connection
from falcon_s3.pfs.contents import Contents, Staged, release
from falcon_s3.pfs.filesets import FileSet
from falcon_s3.pfs.joining import Bytes, Given, joined
from falcon_s3.pfs.lineage import Refused
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.targets import Named, Target
from falcon_s3.pfs.tree import Version, View

Result = TypeVar("Result")

# Staged files each hold a file open, and small ones memory: when there are so many they are moved to their places.
STAGED_AT_ONCE = 128


class Add(NamedTuple):
    """Append to what the path holds by then."""

    path: str
    staged: Staged


class Delete(NamedTuple):
    path: str  # ending with a slash, or empty: all that is below it


class Copy(NamedTuple):
    """A file or folder of a commit, to the path or below it."""

    source: Named
    source_path: str
    path: str
    append: bool


class Pour(NamedTuple):
    """All that a file set holds."""

    fileset: str


class Difference(NamedTuple):
    """What a commit did to what was there before it."""

    source: Named


Change = Add | Delete | Copy | Pour | Difference


class Place(NamedTuple):
    """Where changes are made: in a commit, or in a file set, which keeps what they delete."""

    view: View
    fileset: FileSet | None


class Moment:
    """A reader that gives one connection, for listings inside a job."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def read(self) -> AbstractContextManager[Connection]:
        return nullcontext(self._connection)


class Batch:
    """Changes that are collected and then applied at once. `close` must be called, whatever happened."""

    def __init__(self, catalog: Catalog, contents: Contents):
        self._catalog = catalog
        self._contents = contents
        self._changes: list[Change] = []
        self._open: list[Staged] = []
        self._moved: set[int] = set()  # which Staged have been moved to their places, by identity
        self._failed = False

    def add(self, path: str, chunks: Iterable[bytes]) -> None:
        """Walks the chunks to their end. Raises InvalidPath, Unavailable, and what the walk raises."""
        check_path(path)
        staged = self._contents.stage(Bytes(chunks))
        self._changes.append(Add(path, staged))
        self._open.append(staged)
        if len(self._open) >= STAGED_AT_ONCE:
            self._move()

    def then(self, change: Delete | Copy | Pour | Difference) -> None:
        """Raises InvalidPath."""
        if isinstance(change, Copy) and change.path:
            check_path(change.path)
        self._changes.append(change)

    def _move(self) -> None:
        """Bring what is staged to its place, as content that nothing uses yet: it stays for `janitor.GRACE_MS`."""
        waiting = self._open

        def job(connection: Connection) -> None:
            with _naming(waiting):
                for staged in waiting:
                    release(connection, self._contents.acquire(connection, staged))

        self._write(job)
        for staged in waiting:
            self._contents.discard(staged)
            staged.data = None
            self._moved.add(id(staged))
        self._open = []

    def _write(self, job: Callable[[Connection], Result]) -> Result:
        try:
            return self._catalog.write(job)
        except BaseException:
            self._failed = True
            raise

    def close(self) -> None:
        while self._open:
            self._contents.discard(self._open.pop(), failed=self._failed)

    def apply(self, named: Named, *, only_open: bool = False) -> Target:
        """Write everything to the open commit `named` is, or as one new commit of the branch that it names.

        The branch is made if there is none. With `only_open` no commit is made. Raises NotFound, Refused, Unavailable.
        """

        def job(connection: Connection) -> Target:
            target = _place(connection, named, only_open)
            self._apply_all(connection, Place(targets.view_of(connection, target), None))
            return target

        return self._write(job)

    def keep(self, ttl_seconds: int) -> str:
        """Make everything a new file set, which lives so long, 0: the usual time. Gives its id.

        Raises NotFound, BadTime, Unavailable.
        """

        def job(connection: Connection) -> str:
            made = filesets.create(connection, ttl_seconds)
            self._apply_all(connection, Place(made.view, made))
            return made.id

        return self._write(job)

    def _apply_all(self, connection: Connection, place: Place) -> None:
        with _naming(self._open):
            for change in self._changes:
                self._apply(connection, place, change)

    def _apply(self, connection: Connection, place: Place, change: Change) -> None:
        if isinstance(change, Add):
            self._put(connection, place, change.path, self._acquire(connection, change.staged))
        elif isinstance(change, Delete):
            _delete(connection, place, change.path)
        elif isinstance(change, Copy):
            self._copy(connection, place, change)
        elif isinstance(change, Pour):
            source = filesets.find(connection, change.fileset)
            for path in filesets.deletes(connection, source):
                _delete(connection, place, path)
            for entry in tree.entries(Moment(connection), source.view, "", "", ""):
                self._put(connection, place, entry.path, _used(connection, source.view, entry.path))
        else:
            self._difference(connection, place, change)

    def _acquire(self, connection: Connection, staged: Staged) -> Given:
        if id(staged) in self._moved:
            known = connection.execute("SELECT 1 FROM content WHERE digest = ?", (staged.digest,)).fetchone()
            if known is None:
                raise Unavailable("the stream took so long that what it began with was removed: send it again")
        content = self._contents.acquire(connection, staged)
        return Given(content, staged.size, staged.md5.hex(), None)

    def _put(self, connection: Connection, place: Place, path: str, given: Given, *, append: bool = True) -> None:
        if place.fileset is not None and not append:
            filesets.add_delete(connection, place.fileset, path)
        existing = tree.find(connection, place.view, path) if append else None
        if existing is not None and existing.size:
            if not given.size:
                release(connection, given.content)
                return
            given = joined(connection, self._contents, existing, given)
        version = Version(b"", given.content, given.size, given.etag, now_ms(), given.attributes)
        replaced = growth.put(connection, place.view, path, version)
        if replaced is not None:
            release(connection, replaced)

    def _copy(self, connection: Connection, place: Place, copy: Copy) -> None:
        source = targets.view_of(connection, filesets.resolve(connection, copy.source))
        wanted = [(copy.source_path, copy.path)]
        if tree.find(connection, source, copy.source_path) is None:
            prefix = copy.source_path + "/" if copy.source_path else ""
            into = copy.path + "/" if copy.path else ""
            wanted = [
                (entry.path, into + entry.path[len(prefix) :])
                for entry in tree.entries(Moment(connection), source, prefix, "", "")
            ]
        # All is looked up first: what is put may be a source too, where a folder comes below itself in an open commit.
        found = [(path, _used(connection, source, source_path)) for source_path, path in wanted]
        for path, given in found:
            check_path(path)
            self._put(connection, place, path, given, append=copy.append)

    def _difference(self, connection: Connection, place: Place, change: Difference) -> None:
        target = filesets.resolve(connection, change.source)
        source = targets.view_of(connection, target)
        rows = connection.execute(
            "SELECT path, content FROM version WHERE line = ? AND number = ? ORDER BY path",
            (source.line, source.number),
        ).fetchall()
        for path, content in rows:
            if content is None:
                _delete(connection, place, path)
            else:
                self._put(connection, place, path, _used(connection, source, path), append=False)


@contextmanager
def _naming(staged: Iterable[Staged]) -> Iterator[None]:
    """Around all that a job does with them: when it raises, that is undone, and no row names their files."""
    try:
        yield
    except BaseException:
        for each in staged:
            each.named = False
        raise


def check_target(connection: Connection, named: Named) -> Target | Branch:
    """The open commit that a write to `named` goes to, or the branch that it makes a commit on.

    Raises NotFound, InvalidName, Refused, so that these can come before the bytes.
    """
    base, steps = targets.spelled(named)
    if steps or is_commit_id(base):
        target = targets.resolve(connection, named)
        if not target.point.open:
            raise Refused(f"commit {target} has already finished")
        return target
    branch = Branch(named.repo, base)
    head = lineage.writable(connection, branch)
    return Target(named.repo, head) if head is not None and head.open else branch


def _place(connection: Connection, named: Named, only_open: bool) -> Target:
    found = check_target(connection, named)
    if isinstance(found, Target):
        return found
    if only_open:
        raise Refused(f"commit {targets.resolve(connection, named)} has already finished")
    head = lineage.writable(connection, found)
    return lineage.add_commit(connection, found, head, head, finished=True, message="", identity=None)


def _delete(connection: Connection, place: Place, path: str) -> None:
    if place.fileset is not None:
        filesets.add_delete(connection, place.fileset, path)
    if path and not path.endswith("/"):
        paths = [path] if tree.find(connection, place.view, path) is not None else []
    else:
        paths = [entry.path for entry in tree.entries(Moment(connection), place.view, path, "", "")]
    for each in paths:
        replaced = growth.remove(connection, place.view, each, now_ms())
        if replaced is not None:
            release(connection, replaced)


def _used(connection: Connection, view: View, path: str) -> Given:
    """What a view shows at a path where it was just listed, with one use more."""
    found = tree.find(connection, view, path)
    assert found is not None
    connection.execute("UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", (found.content,))
    return Given(found.content, found.size, found.etag, found.attributes)
