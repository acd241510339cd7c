"""ModifyFile over gRPC: a stream of changes to files, which become one commit or part of an open one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.empty_pb2 import Empty

from falcon_s3._speedups import added_file
from falcon_s3.pfs import batch, folders
from falcon_s3.pfs.batch import Batch, Copy, Delete
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service.calls import Context, Handler, Room, parsed, uploading
from falcon_s3.pfs.service.names import Unclear, Unsupported, named_of
from falcon_s3.pfs.wire import pfs_pb2 as wire

# What "" and this mean: the file is of no datum of a pipeline.
DEFAULT_DATUM = "default"


class Added(NamedTuple):
    """A message that adds bytes to a file: all but a few of a stream, and the long ones."""

    path: str
    datum: str
    chunk: bytes


Change = Added | wire.ModifyFileRequest


def change_of(message: bytes) -> Change:
    """The change that a message asks for. Raises Broken."""
    added = added_file(message)
    if added is not None:
        return Added._make(added)
    request: wire.ModifyFileRequest = parsed(wire.ModifyFileRequest, message)
    if request.HasField("add_file") and not request.add_file.HasField("url"):
        add = request.add_file
        return Added(add.path, add.datum, add.raw.value)
    return request


class Modify:
    def __init__(self, store: ExtendedPfs, room: Room):
        self._store = store
        self._room = room

    def methods(self) -> dict[str, Handler]:
        return {"ModifyFile": uploading(change_of, self.modify, self._room)}

    def modify(self, messages: Iterator[Change], _context: Context) -> Empty:
        """All changes of the stream, in order and at once; what cannot be written to is refused before the bytes."""
        first = next(messages, None)
        if not isinstance(first, wire.ModifyFileRequest) or not first.HasField("set_commit"):
            raise Unclear("first message must be a commit")
        named = named_of(first.set_commit)
        self._store.look(lambda connection: batch.check_target(connection, named))
        changes = self._store.batch()
        try:
            collect(changes, messages)
            changes.apply(named)
        finally:
            changes.close()
        return Empty()


class Stream:
    """The changes of a stream, where the chunks of one file can be taken together."""

    def __init__(self, messages: Iterator[Change]):
        self._messages = messages
        self._waiting: Change | None = None

    def __iter__(self) -> Iterator[Change]:
        return self

    def __next__(self) -> Change:
        change, self._waiting = self._waiting, None
        return next(self._messages) if change is None else change

    def chunks(self, first: Added) -> Iterator[bytes]:
        """The bytes of the message and of those that follow it for the same file."""
        change: Change | None = first
        while isinstance(change, Added) and (change.path, change.datum) == (first.path, first.datum):
            if change.chunk:
                yield change.chunk
            change = next(self._messages, None)
        self._waiting = change


def collect(changes: Batch, messages: Iterator[Change]) -> None:
    """Take all changes from a stream, behind the message that says where they are to be made."""
    stream = Stream(messages)
    for change in stream:
        if isinstance(change, Added):
            _check_datum(change.datum)
            changes.add(folders.check_key(change.path), stream.chunks(change))
        else:
            _collect(changes, change)


def _collect(changes: Batch, message: wire.ModifyFileRequest) -> None:
    """Take one change that is no bytes."""
    kind = message.WhichOneof("body")
    if kind == "add_file":
        raise Unsupported("falcon-s3 pfsd fetches nothing from URLs: send the bytes")
    if kind == "delete_file":
        delete = message.delete_file
        _check_datum(delete.datum)
        key = folders.check_key(delete.path)
        changes.then(Delete(key + "/" if key and delete.path.endswith("/") else key))
    elif kind == "copy_file":
        copy = message.copy_file
        _check_datum(copy.datum)
        source = named_of(copy.src.commit)
        changes.then(Copy(source, folders.key_of(copy.src.path), folders.key_of(copy.dst), copy.append))
    elif kind == "set_commit":
        raise Unclear("the commit is said once, in the first message")
    else:
        raise Unclear("a message must add, delete or copy a file")


def _check_datum(datum: str) -> None:
    if datum not in {"", DEFAULT_DATUM}:
        raise Unsupported("falcon-s3 pfsd runs no pipelines: leave the datum empty")
