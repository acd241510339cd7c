"""File sets over gRPC: changes to files that wait to become part of commits."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import FILESETS, Repo, filesets, targets, tree
from falcon_s3.pfs.batch import Copy, Difference, Pour
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service.calls import Context, Handler, Room, unary, uploading
from falcon_s3.pfs.service.modify import Change, change_of, collect
from falcon_s3.pfs.service.names import Unclear, named_of
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2 as wire

# How much a shard has at most when the request does not say it.
SHARD_FILES = 1_000_000
SHARD_BYTES = 1 << 30


class FileSets:
    def __init__(self, store: ExtendedPfs, room: Room):
        self._store = store
        self._room = room

    def methods(self) -> dict[str, Handler]:
        return {
            "CreateFileSet": uploading(change_of, self.create, self._room),
            "GetFileSet": unary(wire.GetFileSetRequest, self.get),
            "AddFileSet": unary(wire.AddFileSetRequest, self.add),
            "RenewFileSet": unary(wire.RenewFileSetRequest, self.renew),
            "ComposeFileSet": unary(wire.ComposeFileSetRequest, self.compose),
            "ShardFileSet": unary(wire.ShardFileSetRequest, self.shard),
        }

    def create(self, messages: Iterator[Change], _context: Context) -> wire.CreateFileSetResponse:
        """The changes of a stream of ModifyFile, which names no commit."""
        changes = self._store.batch()
        try:
            collect(changes, messages)
            return wire.CreateFileSetResponse(file_set_id=changes.keep(0))
        finally:
            changes.close()

    def get(self, request: wire.GetFileSetRequest, _context: Context) -> wire.CreateFileSetResponse:
        """All that a commit shows, or (DIFF) what it did to what was there before it."""
        source = named_of(request.commit)
        self._store.look(lambda connection: filesets.resolve(connection, source))  # tells what is not there
        changes = self._store.batch()
        if request.type == wire.GetFileSetRequest.DIFF:
            changes.then(Difference(source))
        else:
            changes.then(Copy(source, "", "", append=True))
        return wire.CreateFileSetResponse(file_set_id=changes.keep(0))

    def add(self, request: wire.AddFileSetRequest, _context: Context) -> Empty:
        """Make its changes in an open commit. It lives on."""
        named = named_of(request.commit)
        changes = self._store.batch()
        changes.then(Pour(request.file_set_id))
        changes.apply(named, only_open=True)
        return Empty()

    def renew(self, request: wire.RenewFileSetRequest, _context: Context) -> Empty:
        self._store.change(lambda connection: filesets.renew(connection, request.file_set_id, request.ttl_seconds))
        return Empty()

    def compose(self, request: wire.ComposeFileSetRequest, _context: Context) -> wire.CreateFileSetResponse:
        """One file set that does what these do one after another."""
        changes = self._store.batch()
        for identity in request.file_set_ids:
            changes.then(Pour(identity))
        return wire.CreateFileSetResponse(file_set_id=changes.keep(request.ttl_seconds))

    def shard(self, request: wire.ShardFileSetRequest, _context: Context) -> wire.ShardFileSetResponse:
        """Ranges of paths, of about as many files or bytes each, that together hold all paths."""
        if request.num_files < 0 or request.size_bytes < 0:
            raise Unclear("num_files and size_bytes cannot be negative")
        named = Named(Repo("default", FILESETS), "", request.file_set_id)

        def job(connection: Connection) -> tree.View:
            return targets.view_of(connection, filesets.resolve(connection, named))

        most_files, most_bytes = request.num_files or SHARD_FILES, request.size_bytes or SHARD_BYTES
        shards = [wire.PathRange()]
        files = size = 0
        for entry in tree.entries(self._store, self._store.look(job), "", "", ""):
            if files >= most_files or size >= most_bytes:
                shards[-1].upper = "/" + entry.path
                shards.append(wire.PathRange(lower="/" + entry.path))
                files = size = 0
            files += 1
            size += entry.size
        return wire.ShardFileSetResponse(shards=shards)
