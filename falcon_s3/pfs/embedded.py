"""EmbeddedPfs: PFS on one machine, in one folder, without a server.

    catalog.sqlite3   names, versions, listings, small content       (catalog, history, records, tree, growth)
    contents/         larger content, one file for equal bytes       (contents)
    incoming/         uploads under way
    write.lock        whose turn it is to write; branches.count: how often more than files was changed (`kept`)
    pages.count       how much was written since the log of the catalog was due to be moved (`tally`)
    log.count         how much of the log is on disk (`log_sync`)

Bytes come first, names second: `put_file` stages the body, and one transaction of the catalog checks, names and
commits. What is acknowledged is on disk; a kill at any point leaves at most bytes that nothing names, which
`janitor` collects. Any number of processes may open the same folder; each opens it after the fork.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from falcon_s3.pfs import (
    Body,
    Branch,
    BranchInfo,
    BranchNotEmpty,
    Check,
    Commit,
    CommitInfo,
    CommitNotFound,
    Entry,
    FileInfo,
    FileNotFound,
    FileRemoved,
    FileVersion,
    Listed,
    Ref,
    Repo,
    Unavailable,
    check_path,
    files,
    history,
    pieces,
    puts,
    records,
    tree,
    versions,
)
from falcon_s3.pfs.catalog import Catalog, Connection, is_there
from falcon_s3.pfs.contents import Contents, file_in_use
from falcon_s3.pfs.disk_sync import make_folder
from falcon_s3.pfs.fsck import Progress, Report, fsck, silent
from falcon_s3.pfs.janitor import GRACE_MS, Janitor
from falcon_s3.pfs.kept import Kept
from falcon_s3.pfs.puts import Later, Put
from falcon_s3.pfs.recent import Asked, Recent
from falcon_s3.pfs.records import RepoInfo
from falcon_s3.pfs.tree import View
from falcon_s3.pfs.uploads import Uploads

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# How many commits a listing of commits reads at a time.
COMMITS_AT_ONCE = 500
# Of packed entries, what is remembered of listings.
RECENT_BYTES = 2 << 20


class EmbeddedPfs(Uploads):
    """The store in the folder `data`, which is created if missing and `creates`. Implements `Pfs`; safe for many threads.

    `upload_ms`: uploads that are not finished so long after they began are discarded; None: they stay.
    `relaxed`: writes are acknowledged up to `late_sync.LATE_SECONDS` before they are on disk.

    Raises Unavailable if the folder cannot be used or was written by a newer version, or holds no store to open.
    """

    def __init__(self, data: Path, upload_ms: int | None = None, *, relaxed: bool = False, creates: bool = True):
        self._recent = Recent(RECENT_BYTES)
        if not creates and not is_there(data):
            raise Unavailable(f"the store in {data} was moved or removed while it was served: no other is begun there")
        try:
            make_folder(data)
            self._contents = Contents(data, self._file_of)
            self._catalog = Catalog(data, relaxed=relaxed)
        except OSError as ex:
            reason = "it is a file" if isinstance(ex, FileExistsError) else ex.strerror or ex
            raise Unavailable(f"the data folder {data} cannot be used: {reason}") from ex
        self._janitor = Janitor(self._catalog, self._contents, data / "janitor.lock", upload_ms)

    @property
    def kept(self) -> Kept:
        """Where what was read from this store can be kept as long as it is so, by those above as by the store itself."""
        return self._catalog.kept

    def _file_of(self, digest: bytes) -> tuple[Path, int] | None:
        with self._catalog.read() as connection:
            found = file_in_use(connection, digest)
        return None if found is None else (self._contents.path(found[0]), found[1])

    def check(self) -> None:
        """Raises Unavailable where the folder was taken away, or replaced, since it was opened."""
        self._catalog.check_place()

    # Branches and commits

    def list_branches(self) -> list[BranchInfo]:
        with self._catalog.read() as connection:
            return records.list_branches(connection)

    def inspect_branch(self, branch: Branch) -> BranchInfo:
        with self._catalog.read() as connection:
            return records.inspect_branch(connection, branch)

    def create_branch(
        self, branch: Branch, head: Commit | None = None, provenance: Sequence[Branch] = ()
    ) -> BranchInfo:
        """As the protocol says. With `provenance` it is an output branch, written only through open commits."""

        def job(connection: Connection) -> BranchInfo:
            history.create_branch(connection, branch, head, provenance)
            return records.inspect_branch(connection, branch)

        return self._catalog.write(job)

    def delete_branch(self, branch: Branch, *, if_empty: bool = False) -> None:
        def job(connection: Connection) -> bool:
            found = history.point(connection, branch)
            if if_empty and tree.shows_any(connection, history.view(connection, found.line, found.number)):
                raise BranchNotEmpty(branch)
            return history.delete_branch(connection, found)

        if self._catalog.write(job):
            self._janitor.wake()

    def inspect_commit(self, commit: Commit) -> CommitInfo:
        with self._catalog.read() as connection:
            return records.inspect_commit(connection, commit)

    def list_repos(self) -> list[RepoInfo]:
        """Every repo, ordered by project and name."""
        with self._catalog.read() as connection:
            return records.list_repos(connection)

    def list_commits(self, where: Repo | Branch, limit: int | None = None) -> Iterator[CommitInfo]:
        """Commits of a branch or a whole repo, newest first. Raises BranchNotFound, RepoNotFound (at the call)."""
        with self._catalog.read() as connection:
            if isinstance(where, Repo):
                return self._commits_of(where, records.commit_numbers(connection, where, limit))
            start = history.point(connection, where).number
        return self._list_commits(where, start, limit)

    def _commits_of(self, repo: Repo, numbers: Sequence[int]) -> Iterator[CommitInfo]:
        for place in range(0, len(numbers), COMMITS_AT_ONCE):
            with self._catalog.read() as connection:
                commits = records.commits_of(connection, repo, numbers[place : place + COMMITS_AT_ONCE])
            yield from commits

    def _list_commits(self, branch: Branch, start: int | None, limit: int | None) -> Iterator[CommitInfo]:
        left = limit
        while start is not None and (left is None or left > 0):
            most = COMMITS_AT_ONCE if left is None else min(left, COMMITS_AT_ONCE)
            with self._catalog.read() as connection:
                commits, start = records.list_commits(connection, branch, start, most)
            yield from commits
            left = None if left is None else left - len(commits)

    def start_commit(self, branch: Branch, message: str = "") -> Commit:
        """An open commit, which becomes the branch's head and takes its writes until it is finished.

        Raises BranchNotFound, CommitOpen. Output branches are written this way.
        """
        return self._catalog.write(lambda connection: history.start_commit(connection, branch, message))

    def finish_commit(self, ref: Ref, message: str | None = None) -> CommitInfo:
        """Close the open commit `ref` names or heads. Raises BranchNotFound, CommitNotFound, CommitFinished."""

        def job(connection: Connection) -> CommitInfo:
            return records.inspect_commit(connection, history.finish_commit(connection, ref, message))

        return self._catalog.write(job)

    # Files

    def inspect_file(self, ref: Ref, path: str) -> FileInfo:
        if not isinstance(ref, Branch):
            return self._inspect_file(ref, path)
        kept, repo = self._catalog.kept, ref.repo
        asked = (path, ref.name, repo.name, repo.project)
        file: FileInfo | None = kept.get(asked)
        if file is None:
            state = kept.state()
            file = self._inspect_file(ref, path)
            size = file.size if isinstance(file.content, files.Held) else 0
            kept.keep(asked, file, size + len(path), state)
        return file

    def _inspect_file(self, ref: Ref, path: str) -> FileInfo:
        with self._catalog.read() as connection:
            if isinstance(ref, Branch) and (file := files.find_at_head(connection, ref, path)) is not None:
                return file
            view = files.view_of(connection, ref)
            return files.find(connection, view, ref.repo, path) or _not_found(connection, view, ref, path)

    def inspect_version(self, commit: Commit, path: str) -> FileInfo:
        with self._catalog.read() as connection:
            found = history.point(connection, commit)
            view = history.view_at(connection, found)
            file = files.find(connection, view, commit.repo, path)
            if file is None or file.commit != commit:  # it may have had a version of its own
                if versions.is_removed(connection, found.line, path, found.number):
                    raise FileNotFound(path, commit)
            return file or _not_found(connection, view, commit, path)

    def list_files(self, ref: Ref, prefix: str = "", after: str = "", delimiter: str = "") -> Iterator[Entry]:
        with self._catalog.read() as connection:
            view = files.view_of(connection, ref)
        return tree.entries(self._catalog, view, prefix, after, delimiter)

    def list_page(self, ref: Ref, prefix: str, after: str, delimiter: str, most: int) -> Listed:
        shown = self._shown(ref)
        if shown.open:
            return tree.listed(self._catalog, shown.view, prefix, after, delimiter, most)
        asked = Asked(shown.view.line, shown.view.number, shown.purged, prefix, after, delimiter, most)
        listed = self._recent.get(asked)
        if listed is None:
            listed = tree.listed(self._catalog, shown.view, prefix, after, delimiter, most)
            self._recent.put(asked, listed)
        return listed

    def _shown(self, ref: Ref) -> history.Shown:
        """Raises BranchNotFound or CommitNotFound."""
        asked = (ref.name if isinstance(ref, Branch) else ref, ref.repo.name, ref.repo.project)
        return self._kept(self._catalog.kept, asked, history.shown, ref)

    def _kept(self, kept: Kept, asked: object, read: Callable[[Connection, Ref], Result], ref: Ref) -> Result:
        """What was kept of what is `asked`, else what is read of `ref` now, which must not be None, and kept."""
        found: Result | None = kept.get(asked)
        if found is None:
            state = kept.state()
            with self._catalog.read() as connection:
                found = read(connection, ref)
            kept.keep(asked, found, 0, state)
        return found

    def list_versions(
        self, ref: Ref, prefix: str = "", after: str = "", after_commit: str = "", delimiter: str = ""
    ) -> Iterator[FileVersion]:
        with self._catalog.read() as connection:
            found = history.point(connection, ref)
            view = history.view_at(connection, found)
            behind = versions.number_of(connection, found.repo_id, after_commit) if after_commit else (0, 0)
        if behind is None:
            raise CommitNotFound(Commit(ref.repo, after_commit))
        return versions.versions(self._catalog, view, prefix, after, behind[1], delimiter)

    def delete_versions(
        self, ref: Ref, wanted: Iterable[tuple[str, str]], check: Check | None = None
    ) -> list[FileVersion | None]:
        left = list(wanted)
        removed: list[FileVersion | None] = []
        while True:
            some = self._catalog.write(partial(versions.delete_all, ref=ref, wanted=left, check=check))
            removed += some
            left = left[len(some) :]
            if not left:
                return removed

    def set_attributes(self, ref: Ref, file: FileInfo, attributes: Mapping[str, str]) -> None:
        encoded = files.encoded(attributes)
        self._catalog.write(lambda connection: versions.set_attributes(connection, ref, file, encoded))

    def open_file(self, file: FileInfo, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """As the protocol says; a file of many parts stays readable for `janitor.GRACE_MS` after it was deleted."""
        end = file.size if stop is None else min(stop, file.size)
        if isinstance(file.content, files.Held):
            return _small(file.content.data[start:end])
        try:
            try:
                return self._open(file, start, end)
            except FileNotFoundError:  # collected since its row was read, so that now there is no row
                return self._open(file, start, end)
        except OSError as ex:
            message = "%s of %s cannot be read: %s; falcon-s3 fsck tells of all such files"
            logger.error(message, file.path, file.commit, ex)  # noqa: TRY400  no traceback: it is the disk's doing
            raise Unavailable(f"the object cannot be read: {ex.strerror or 'its file is damaged'}") from ex

    def _open(self, file: FileInfo, start: int, stop: int) -> Iterator[bytes]:
        assert isinstance(file.content, int)  # a handle of this store
        chunks = self._open_content(file.content, start, stop)
        if chunks is None:
            raise FileNotFound(file.path, file.commit)
        return chunks

    def _open_content(self, content: int, start: int, stop: int) -> Iterator[bytes] | None:
        with self._catalog.read() as connection:
            row = connection.execute("SELECT data, file, size, pieces FROM content WHERE id = ?", (content,)).fetchone()
            where = pieces.places(connection, content, start, stop) if row is not None and row[3] else []
        if row is None:
            return None
        data, file, size, many = row
        if many:
            return pieces.Chain(where, self._open_content)
        if data is not None:
            return _small(data[start:stop])
        return self._contents.open(file, size, start, stop)

    def written_branch(self, ref: Ref) -> Branch:
        return self._kept(self._catalog.kept_branches, ("written", ref), records.written_branch, ref)

    def check_write(self, ref: Ref, path: str) -> None:
        check_path(path)
        self._kept(self._catalog.kept_branches, ref, _writable, ref)

    def put_file(
        self,
        ref: Ref,
        path: str,
        body: Body,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        put = self._staged(ref, path, body, attributes, check)
        try:
            named = self._catalog.write_together(puts.run, put)
        except BaseException:
            self._contents.discard(put.staged, failed=True)
            raise
        self._contents.discard(put.staged)
        return put.file(named)

    def start_put(
        self,
        ref: Ref,
        path: str,
        body: Body,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> Later:
        """What `put_file` does before it writes. Nothing is written before `finish` is called."""
        return Later(self._catalog, self._contents, self._staged(ref, path, body, attributes, check))

    def _staged(
        self, ref: Ref, path: str, body: Body, attributes: Mapping[str, str] | None, check: Check | None
    ) -> Put:
        self.check_write(ref, path)
        staged = self._contents.stage(body)  # of which `attributes` may learn a checksum
        return Put.of(ref, path, staged, dict(attributes or {}), check)

    def delete_files(
        self, ref: Ref, paths: Iterable[str], check: Check | None = None, gone: set[str] | None = None
    ) -> Commit | None:
        wanted = dict.fromkeys(paths)
        return self._catalog.write(lambda connection: files.remove(connection, ref, wanted, check, gone))

    # Housekeeping

    def collect(self, grace_ms: int = GRACE_MS) -> int:
        """Remove bytes that nothing names: of deleted repos, of overwritten files, of killed writers.

        Content stays `grace_ms` after its last use ended. Gives how many pieces of content were removed.
        """
        return self._janitor.collect(grace_ms)

    def fsck(self, repair: bool = False, progress: Progress = silent) -> Report:
        """Check every table against the others and every content against its digest.

        With `repair` orphans are collected first. What is damaged is told, never changed.
        """
        if repair:
            self.collect()
        return fsck(self._catalog, self._contents, progress)

    def close(self) -> None:
        self._janitor.close()
        self._catalog.close()


def _writable(connection: Connection, ref: Ref) -> bool:
    history.check_writable(history.point(connection, ref), ref)
    return True


def _small(data: bytes) -> Iterator[bytes]:
    """A generator, not iter(): it has the `close()` that readers are promised."""
    if data:
        yield data


def _not_found(connection: Connection, view: View, ref: Ref, path: str) -> NoReturn:
    removal = versions.removal(connection, view, path)
    if removal is None:
        raise FileNotFound(path, ref)
    raise FileRemoved(path, ref, Commit(ref.repo, removal.commit.hex()), removal.modified_ms)
