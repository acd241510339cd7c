"""Files found and read: one call to find one, one stream for its bytes, which are counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import grpc
from google.protobuf.message import DecodeError

from falcon_s3.pfs import (
    CHUNK_BYTES,
    Branch,
    Changed,
    Commit,
    CommitNotFound,
    Entry,
    FileInfo,
    FileNotFound,
    Ref,
    Unavailable,
)
from falcon_s3.pfs.pachd import failures, framing, methods, names, paths
from falcon_s3.pfs.pachd.calls import Calls, Replies
from falcon_s3.pfs.wire import pfs_pb2 as wire


def inspect_branch(calls: Calls, branch: Branch) -> wire.BranchInfo:
    """Raises BranchNotFound."""
    names.check_ref(branch)
    with failures.about(branch):
        info: wire.BranchInfo = calls.read(
            methods.INSPECT_BRANCH, wire.InspectBranchRequest(branch=names.branch_message(branch))
        )
    return info


def inspect_commit(calls: Calls, ref: Ref, wait: wire.CommitState = wire.STARTED) -> wire.CommitInfo:
    """Raises CommitNotFound or BranchNotFound."""
    with failures.about(ref):
        info: wire.CommitInfo = calls.read(
            methods.INSPECT_COMMIT, wire.InspectCommitRequest(commit=names.ref_message(ref), wait=wait)
        )
    return info


def check_exists(calls: Calls, ref: Ref) -> None:
    """Raise BranchNotFound or CommitNotFound unless it is there."""
    names.check_ref(ref)
    if isinstance(ref, Branch):
        inspect_branch(calls, ref)
    else:
        inspect_commit(calls, ref)


def inspect_file(calls: Calls, ref: Ref, path: str) -> FileInfo:
    """Raises FileNotFound, BranchNotFound, CommitNotFound; `ref` is one that there may be (`names.check_ref`)."""
    if not paths.is_path(path):  # pachd would look for another
        check_exists(calls, ref)
        raise FileNotFound(path, ref)
    with failures.about(ref, path):
        info = calls.read(methods.INSPECT_FILE, wire.InspectFileRequest(file=names.file_message(ref, path)))
    if info.file_type != wire.FILE or paths.received(info.file.path) != path:
        raise FileNotFound(path, ref)
    file = names.file_info(info)
    return file if file.modified_ms else file._replace(modified_ms=started_ms(calls, ref))


def started_ms(calls: Calls, ref: Ref) -> int:
    """When the commit was started: the time of its files while it is open, for which pachd tells none."""
    return names.milliseconds(inspect_commit(calls, ref).started)


def dated(calls: Calls, ref: Ref, entries: Iterator[Entry]) -> Iterator[Entry]:
    """The entries of a listing, those of an open commit with its time, which is asked for once."""
    started = 0
    for entry in entries:
        if entry.modified_ms or entry.is_folder:
            yield entry
        else:
            started = started or started_ms(calls, ref)
            yield entry._replace(modified_ms=started)


def find_file(calls: Calls, ref: Ref, path: str) -> FileInfo | None:
    """The file, or None where the commit shows none."""
    try:
        return inspect_file(calls, ref, path)
    except FileNotFound:
        return None


def gone(commit: Commit) -> Changed:
    """What it is to who found something in a commit that is no more: a branch that showed it shows another one."""
    return Changed(f"the commit {commit} was squashed or dropped meanwhile")


def parent_of(info: wire.CommitInfo) -> Commit | None:
    return names.commit_info(info).parent


class Reader(Iterator[bytes]):
    """The bytes [start, stop) of a file of a commit: neither more nor fewer, or Unavailable.

    That is Changed where the file is shorter by now, or longer, which is told before the last of its bytes is given; and
    where the commit was squashed or dropped since the file was found in it, so that another shows it now.

    PFS has no end to ask for, so that the call is cancelled at `stop`. The first CHUNK_BYTES are there when this is made,
    or all: what cannot be read raises before an answer has begun, and so does what has another length by now, if it is
    no longer than that now, or was. The commit is the one the file was found in; only in one that is still open may the
    file change after it was found.
    """

    def __init__(self, calls: Calls, file: FileInfo, start: int, stop: int):
        self._file = file
        self._left = max(0, stop - start)
        self._to_end = stop >= file.size
        self._messages: deque[bytes] = deque()  # that came and were not given yet
        self._at = 0  # how much of the first of them was
        self._replies: Replies | None = None
        if self._left:
            request = wire.GetFileRequest(file=names.file_message(file.commit, file.path), offset=start)
            request.file.path = paths.as_glob(file.path)
            try:
                with failures.about(file.commit, file.path):
                    self._replies = calls.replies(methods.GET_FILE, request)
                self._begin()
            except CommitNotFound:
                self.close()
                raise gone(file.commit) from None
            except BaseException:
                self.close()
                raise

    def _begin(self) -> None:
        came = 0
        while came < min(self._left, CHUNK_BYTES):
            came += self._take(self._left - came)
        if self._to_end and (came > self._left or (came == self._left and self._received())):
            raise self._changed()

    def _take(self, missing: int) -> int:
        """Have one message more waiting; gives its length. Raises Unavailable when pachd has none, though some is missing."""
        message = self._received()
        if not message:
            raise Changed(f"pachd ended {self._file.path} of {self._file.commit} {missing} bytes before its end")
        self._messages.append(message)
        return len(message)

    def _received(self) -> bytes:
        """The next message that has bytes; none: there is no more."""
        try:
            while self._replies is not None and (reply := next(self._replies, None)) is not None:
                if message := framing.chunk(reply):
                    return message
        except grpc.RpcError as ex:
            raise failures.meaning(ex, self._file.commit, self._file.path) from ex
        except DecodeError as ex:
            raise Unavailable("pachd sent what is no bytes of a file") from ex
        return b""

    def _changed(self) -> Changed:
        return Changed(f"the file {self._file.path} of {self._file.commit} was written while it was read")

    def __iter__(self) -> Reader:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        if not self._messages:
            self._take(self._left)
        message = self._messages[0]
        chunk = message[self._at : self._at + min(CHUNK_BYTES, self._left)]  # no copy where it is the whole message
        self._at += len(chunk)
        self._left -= len(chunk)
        if self._at == len(message):
            self._messages.popleft()
            self._at = 0
        if not self._left:
            if self._to_end and (self._messages or self._received()):
                raise self._changed()
            self.close()
        return chunk

    def close(self) -> None:
        self._left = 0
        self._messages.clear()
        self._at = 0
        if self._replies is not None:
            self._replies.close()
            self._replies = None
