"""ModifyFile over gRPC: a stream of changes to files, which become one commit or part of an open one."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import batch, folders
from falcon_s3.pfs.batch import Batch, Copy
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service.calls import Context, Handler, uploading
from falcon_s3.pfs.service.names import Unclear, Unsupported, named_of
from falcon_s3.pfs.wire import pfs_pb2 as wire

# What "" and this mean: the file is of no datum of a pipeline.
DEFAULT_DATUM = "default"


class Modify:
    def __init__(self, store: ExtendedPfs):
        self._store = store

    def methods(self) -> dict[str, Handler]:
        return {"ModifyFile": uploading(wire.ModifyFileRequest, self.modify)}

    def modify(self, messages: Iterator[wire.ModifyFileRequest], _context: Context) -> Empty:
        """All changes of the stream, in order and at once; what cannot be written to is refused before the bytes."""
        first = next(messages, None)
        if first is None or not first.HasField("set_commit"):
            raise Unclear("first message must be a commit")
        named = named_of(first.set_commit)
        self._store.look(lambda connection: batch.check_target(connection, named))
        changes = self._store.batch()
        try:
            stream = Stream(messages)
            for message in stream:
                _collect(changes, message, stream)
            changes.apply(named)
        finally:
            changes.close()
        return Empty()


class Stream:
    """The messages of a stream, where the chunks of one file can be taken together."""

    def __init__(self, messages: Iterator[wire.ModifyFileRequest]):
        self._messages = messages
        self._waiting: wire.ModifyFileRequest | None = None

    def __iter__(self) -> Iterator[wire.ModifyFileRequest]:
        return self

    def __next__(self) -> wire.ModifyFileRequest:
        message, self._waiting = self._waiting, None
        return next(self._messages) if message is None else message

    def chunks(self, first: wire.AddFile) -> Iterator[bytes]:
        """The bytes of the message and of those that follow it for the same file."""
        add = first
        while True:
            if add.WhichOneof("source") == "raw" and add.raw.value:
                yield add.raw.value
            message = next(self._messages, None)
            if message is None:
                return
            add = message.add_file
            if not message.HasField("add_file") or add.path != first.path or add.HasField("url"):
                self._waiting = message
                return


def _collect(changes: Batch, message: wire.ModifyFileRequest, stream: Stream) -> None:
    """Take one change from the stream."""
    kind = message.WhichOneof("body")
    if kind == "add_file":
        add = message.add_file
        _check_datum(add.datum)
        if add.HasField("url"):
            raise Unsupported("falcon-s3 pfsd fetches nothing from URLs: send the bytes")
        changes.add(folders.check_key(add.path), stream.chunks(add))
    elif kind == "delete_file":
        delete = message.delete_file
        _check_datum(delete.datum)
        key = folders.check_key(delete.path)
        changes.delete(key + "/" if key and delete.path.endswith("/") else key)
    elif kind == "copy_file":
        copy = message.copy_file
        _check_datum(copy.datum)
        source = named_of(copy.src.commit)
        changes.copy(Copy(source, folders.key_of(copy.src.path), folders.key_of(copy.dst), copy.append))
    elif kind == "set_commit":
        raise Unclear("the commit is said once, in the first message")
    else:
        raise Unclear("a message must add, delete or copy a file")


def _check_datum(datum: str) -> None:
    if datum not in {"", DEFAULT_DATUM}:
        raise Unsupported("falcon-s3 pfsd runs no pipelines: leave the datum empty")
