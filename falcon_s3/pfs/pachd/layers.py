"""One file put together of many, in file sets, where nobody sees it yet.

Several copies to one path are no append within one stream: pachd writes an entry for each, and then gives up the
commit. They are in the layers of a file set, of which each is made by a stream of its own. pachd goes through the bytes
of all parts twice: as each becomes a layer, and as the layers are joined. What is made meanwhile is kept by `leases`.

    snapshot          GetFileSet, ComposeFileSet
    composed          CreateFileSet for each part, ComposeFileSet, CreateFileSet
    check_file_set    GetFile
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from falcon_s3.pfs import Commit, FileNotFound
from falcon_s3.pfs.pachd import failures, framing, methods, names, paths, writing
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.pachd.leases import MADE_SECONDS, Leases
from falcon_s3.pfs.pachd.stream import Stream
from falcon_s3.pfs.pachd.writing import Content
from falcon_s3.pfs.wire import pfs_pb2 as wire

# Calls at a time for a file that is put together.
LAYERS_AT_ONCE = 8


def snapshot(calls: Calls, commit: Commit, leases: Leases) -> Commit:
    """All that an open commit shows now, as a file set of one layer.

    In an open commit pachd looks through each write whenever it reads anything: with a look for each of its parts, an
    upload would take as long as the square of their number.
    """
    with failures.about(commit):
        every = calls.change(methods.GET_FILE_SET, wire.GetFileSetRequest(commit=names.ref_message(commit)))
    return Commit(names.FILE_SETS, _joined(calls, commit, [leases.add(every.file_set_id)], leases, compact=True))


def _joined(calls: Calls, source: Commit, layers: Sequence[str], leases: Leases, *, compact: bool) -> str:
    """The id of a file set that shows what these show, one above the other."""
    request = wire.ComposeFileSetRequest(file_set_ids=layers, ttl_seconds=MADE_SECONDS, compact=compact)
    with failures.about(source):
        return leases.add(calls.change(methods.COMPOSE_FILE_SET, request).file_set_id)


def composed(calls: Calls, path: str, source: Commit, parts: Sequence[str], leases: Leases) -> str:
    """A file set in which the path has the bytes of all these files of a file set, one after another; its id.

    The layers are joined at once, by one more copy: else each that reads them would join them. (`compact` would, too,
    but ten at a time and the results again.)
    """

    def layer(part: str) -> str:
        return _made_of(calls, path, source, part, leases)

    if not parts:
        return leases.add(writing.file_set(calls, source, lambda stream: _empty(stream, path))[0])
    with ThreadPoolExecutor(min(LAYERS_AT_ONCE, len(parts)), thread_name_prefix="layer") as threads:
        layers = list(threads.map(layer, parts))
    if len(layers) == 1:
        return layers[0]
    joined = _joined(calls, source, layers, leases, compact=False)
    return _made_of(calls, path, Commit(names.FILE_SETS, joined), path, leases)


def _empty(stream: Stream, path: str) -> Content:
    stream.send(writing.delete(path))
    stream.send(writing.add(path, b""))
    return Content()


def _made_of(calls: Calls, path: str, source: Commit, source_path: str, leases: Leases) -> str:
    """A file set that shows one file, the copy of another; its id."""

    def fill(stream: Stream) -> Content:
        stream.send(writing.copy(path, source, source_path, append=True))
        return Content()

    return leases.add(writing.file_set(calls, source, fill)[0])


def check_file_set(calls: Calls, identity: str, path: str, size: int) -> None:
    """Raise FileNotFound unless the file set shows a file of this size: pachd copies what is not there to nothing.

    The last byte is asked for, and there is no other behind it. To tell the size itself, pachd would read it all, for
    the hash that comes with it.
    """
    commit = Commit(names.FILE_SETS, identity)
    request = wire.GetFileRequest(file=names.file_message(commit, path), offset=max(0, size - 1))
    request.file.path = paths.as_glob(path)
    wanted = min(size, 1)
    with failures.about(commit, path):
        replies = calls.replies(methods.GET_FILE, request)
        try:
            for reply in replies:
                wanted -= len(framing.chunk(reply))
                if wanted < 0:
                    break
        finally:
            replies.close()
    if wanted:
        raise FileNotFound(path, commit)
