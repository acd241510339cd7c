"""Reading files over gRPC: found, listed, walked, matched, compared, and their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from falcon_s3._speedups import bytes_value
from falcon_s3.pfs import (
    CommitInfo,
    FileInfo,
    NotFound,
    PfsError,
    diff,
    files,
    filesets,
    folders,
    glob,
    records,
    targets,
)
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.folders import Item
from falcon_s3.pfs.repos import full
from falcon_s3.pfs.service.archive import archive
from falcon_s3.pfs.service.calls import Context, Handler, streaming, unary
from falcon_s3.pfs.service.names import Unclear, Unsupported, file_info, named_of
from falcon_s3.pfs.tree import View
from falcon_s3.pfs.wire import pfs_pb2 as wire


class NotOneFile(PfsError):
    """GetFile was asked for something else than one file."""


class Shown:
    """A commit or file set as a request named it, and what it shows."""

    def __init__(self, store: ExtendedPfs, commit: wire.Commit):
        named = named_of(commit)

        def job(connection: Connection) -> tuple[View, CommitInfo]:
            target = filesets.resolve(connection, named)
            info = records.commit_info(connection, target.repo, target.point.number)
            return targets.view_of(connection, target), info

        self.view, self.info = store.look(job)

    def message(self, item: Item) -> wire.FileInfo:
        return file_info(item, self.info)

    def not_found(self, path: str) -> NotFound:
        commit = self.info.commit
        return NotFound(f"file {path} not found in repo {full(commit.repo)} at commit {commit.id}")


class Files:
    def __init__(self, store: ExtendedPfs):
        self._store = store

    def methods(self) -> dict[str, Handler]:
        return {
            "InspectFile": unary(wire.InspectFileRequest, self.inspect_file),
            "ListFile": streaming(wire.ListFileRequest, self.list_files),
            "WalkFile": streaming(wire.WalkFileRequest, self.walk_files),
            "GlobFile": streaming(wire.GlobFileRequest, self.glob_files),
            "DiffFile": streaming(wire.DiffFileRequest, self.diff_files),
            "GetFile": streaming(wire.GetFileRequest, self.get_file, bytes_value),
            "GetFileTAR": streaming(wire.GetFileRequest, self.get_archive, bytes_value),
        }

    def inspect_file(self, request: wire.InspectFileRequest, _context: Context) -> wire.FileInfo:
        shown = self._shown(request.file)
        item = folders.find(self._store, shown.view, request.file.path)
        if item is None:
            raise shown.not_found(request.file.path)
        return shown.message(item)

    def _shown(self, file: wire.File) -> Shown:
        if not file.HasField("commit"):
            raise Unclear("file must have a commit")
        return Shown(self._store, file.commit)

    def list_files(self, request: wire.ListFileRequest, _context: Context) -> Iterator[wire.FileInfo]:
        shown, path = self._shown(request.file), request.file.path
        yield from self._page(shown, lambda after: folders.children(self._store, shown.view, path, after), request)

    def walk_files(self, request: wire.WalkFileRequest, _context: Context) -> Iterator[wire.FileInfo]:
        shown, path = self._shown(request.file), request.file.path
        if folders.key_of(path) and not folders.is_there(self._store, shown.view, path):
            raise NotFound(f"commit/{shown.info.commit.id} does not contain item: ({path})")
        yield from self._page(shown, lambda after: folders.walk(self._store, shown.view, path, after), request)

    def _page(
        self,
        shown: Shown,
        items: Callable[[str], Iterable[Item]],
        request: wire.ListFileRequest | wire.WalkFileRequest,
    ) -> Iterator[wire.FileInfo]:
        found = folders.page(items, request.paginationMarker.path, request.number, request.reverse)
        return map(shown.message, found)

    def glob_files(self, request: wire.GlobFileRequest, _context: Context) -> Iterator[wire.FileInfo]:
        shown = Shown(self._store, request.commit)
        items = glob.matching(self._store, shown.view, request.pattern)
        yield from map(shown.message, in_range(items, request.path_range))

    def diff_files(self, request: wire.DiffFileRequest, _context: Context) -> Iterator[wire.DiffFileResponse]:
        new = self._shown(request.new_file)
        if request.HasField("old_file"):
            old: Shown | None = self._shown(request.old_file)
            old_path = request.old_file.path
        else:
            old, old_path = self._parent(new), request.new_file.path
        for item, before in diff.differences(
            self._store, (new.view, request.new_file.path), (old.view, old_path) if old else None
        ):
            yield wire.DiffFileResponse(
                new_file=new.message(item) if item else None, old_file=old.message(before) if old and before else None
            )

    def _parent(self, shown: Shown) -> Shown | None:
        parent = shown.info.parent
        if parent is None:
            return None
        repo = wire.Repo(name=parent.repo.name, project=wire.Project(name=parent.repo.project))
        return Shown(self._store, wire.Commit(repo=repo, id=parent.id))

    # Bytes

    def get_file(self, request: wire.GetFileRequest, _context: Context) -> Iterator[bytes]:
        """One file, from `offset` on. An empty file is one empty message, as both Python clients can take it."""
        shown = self._asked(request)
        if request.offset < 0:
            raise Unclear("offset cannot be negative")
        items = [item for item in self._matching(shown, request) if not item.is_folder][:2]
        if len(items) > 1:
            raise NotOneFile("matched multiple files. Use GetFileTAR instead")
        if not items:
            raise NotOneFile("cannot get directory or non-regular file. Use GetFileTAR instead")
        file = self._file(shown, items[0])
        if not file.size:
            yield b""
            return
        yield from self._store.open_file(file, min(request.offset, file.size))

    def get_archive(self, request: wire.GetFileRequest, _context: Context) -> Iterator[bytes]:
        """All that the path matches, with what is in it, as a tar stream."""
        shown = self._asked(request)
        items = self._with_contents(shown, self._matching(shown, request))
        entries = ((item, None if item.is_folder else self._file(shown, item)) for item in items)
        yield from archive(entries, self._store.open_file)

    def _asked(self, request: wire.GetFileRequest) -> Shown:
        if request.URL:
            raise Unsupported("falcon-s3 pfsd sends files to the client only, not to another store")
        return self._shown(request.file)

    def _matching(self, shown: Shown, request: wire.GetFileRequest) -> Iterator[Item]:
        """What the path names as it stands, else what it matches as a glob. Raises NotFound for nothing.

        A path with a backslash is a glob before it is a name: who means that character writes two, as pachd needs it.
        """
        path = request.file.path
        ways = (self._globbed, self._named) if "\\" in path else (self._named, self._globbed)
        for way in ways:
            items = in_range(way(shown, path), request.path_range)
            first = next(items, None)
            if first is not None:
                yield first
                yield from items
                return
        raise shown.not_found(path)

    def _named(self, shown: Shown, path: str) -> Iterator[Item]:
        item = folders.find(self._store, shown.view, path)
        return iter(() if item is None else (item,))

    def _globbed(self, shown: Shown, path: str) -> Iterator[Item]:
        return glob.matching(self._store, shown.view, path) if glob.is_glob(path) else iter(())

    def _with_contents(self, shown: Shown, items: Iterable[Item]) -> Iterator[Item]:
        """The items, and all that is in the folders among them, each once."""
        inside = ""
        for item in items:
            if inside and item.path.startswith(inside):
                continue
            if item.is_folder:
                inside = item.path
                yield from folders.walk(self._store, shown.view, item.path)
            else:
                yield item

    def _file(self, shown: Shown, item: Item) -> FileInfo:
        with self._store.read() as connection:
            file = files.find(connection, shown.view, shown.info.commit.repo, item.path[1:])
        if file is None:  # taken out of history since it was listed
            raise shown.not_found(item.path)
        return file


def in_range(items: Iterable[Item], wanted: wire.PathRange) -> Iterator[Item]:
    """Those from `lower` on and before `upper`, where these are given."""
    for item in items:
        if item.path >= wanted.lower and not (wanted.upper and item.path >= wanted.upper):
            yield item
