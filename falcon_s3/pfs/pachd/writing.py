"""Files written, copied and removed: each one stream of changes, which pachd makes one commit of, or nothing.

What is written is looked at afterwards: pachd does not tell which commit it made, and gives up a commit whose paths
collide (a file `a` beside `a/b`) only after it has said yes. Until the next write such a commit is the branch's head,
and most reads of it fail: so it is dropped, and the write refused.

    put_file      InspectBranch, ModifyFile, InspectFile, InspectCommit
    copy_file     InspectBranch, ModifyFile, InspectFile, InspectCommit
    delete_files  InspectFile until one is there, ModifyFile, InspectBranch

To an open commit, CreateFileSet and AddFileSet do what ModifyFile does to a branch. So does CreateFileSet before it where a
body is long.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from falcon_s3.pfs import (
    Body,
    Branch,
    Commit,
    CommitFinished,
    CommitNotFound,
    Digests,
    FileInfo,
    InvalidPath,
    NotFound,
    OutputBranch,
    PfsError,
    Ref,
    Unavailable,
    hashes,
)
from falcon_s3.pfs.pachd import failures, framing, methods, names, paths, reading
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.pachd.stream import Stream
from falcon_s3.pfs.wire import pfs_pb2 as wire

# A body that is no longer is there before its stream of changes begins.
SHORT_BYTES = 256 << 10
# Commits that are looked through for a write that others have followed.
LOOK_BACK = 200
# How often a write is looked for while others squash or drop commits.
TRIES = 5
# How long what `check` found holds for the write that follows it on the same thread.
CHECKED_SECONDS = 5.0


def delete(path: str) -> bytes:
    """Remove a file; one that is not there is no error."""
    return _serialize(wire.ModifyFileRequest(delete_file=wire.DeleteFile(path=paths.sent(path))))


def add(path: str, content: bytes) -> bytes:
    """Append to a file, or make it."""
    return framing.add(paths.sent(path), content)


def copy(path: str, source: Ref, source_path: str, *, append: bool) -> bytes:
    """`append=False` replaces what is there, and changes nothing where the source is not there."""
    file = names.file_message(source, source_path)
    return _serialize(wire.ModifyFileRequest(copy_file=wire.CopyFile(dst=paths.sent(path), src=file, append=append)))


def target(ref: Ref) -> bytes:
    """The first message of a stream: what its changes are made to."""
    return _serialize(wire.ModifyFileRequest(set_commit=names.ref_message(ref)))


def _serialize(message: wire.ModifyFileRequest) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


@dataclass
class Content:
    """What was sent of a body: enough to know it again."""

    size: int = 0
    hashes: set[str] = field(default_factory=set)  # any of them, in hexadecimal; empty: only the size is known

    def is_of(self, file: FileInfo) -> bool:
        return file.size == self.size and (not self.hashes or file.etag in self.hashes)


def send_body(stream: Stream, path: str, body: Body) -> Content:
    """Overwrite the path with the body, as it comes. What the body raises is raised."""
    content, digest = Content(), hashes.Chunked()
    stream.send(delete(path))
    sent = paths.sent(path)
    for chunk in body:
        content.size += len(chunk)
        digest.update(chunk)
        stream.send(framing.add(sent, chunk))
    if not content.size:
        stream.send(add(path, b""))
    of_pachd = digest.digest()
    if of_pachd is not None:
        content.hashes = {of_pachd.hex(), hashes.of_pfsd(content.size, body.digests().md5.hex()).hex()}
    return content


class Checked(threading.local):
    """The last target that was checked on this thread: who checks and then writes asks pachd once."""

    def __init__(self) -> None:
        self._last: tuple[Ref, str, Commit | None, float] | None = None

    def note(self, ref: Ref, path: str, head: Commit | None) -> None:
        self._last = (ref, path, head, time.monotonic())

    def take(self, ref: Ref, path: str) -> tuple[bool, Commit | None]:
        """Whether this very write was checked just now, and the head that the branch had."""
        last, self._last = self._last, None
        if last is None or last[:2] != (ref, path) or time.monotonic() - last[3] > CHECKED_SECONDS:
            return False, None
        return True, last[2]


def check(calls: Calls, ref: Ref, path: str) -> Commit | None:
    """Raise what stands against a write; gives the head of a branch. Nothing is written."""
    paths.check(path)
    return check_ref(calls, ref)


def check_ref(calls: Calls, ref: Ref) -> Commit | None:
    """What `check` does, for any path."""
    names.check_ref(ref)
    if isinstance(ref, Commit):
        if reading.inspect_commit(calls, ref).HasField("finishing"):
            raise CommitFinished(ref)
        return None
    info = reading.inspect_branch(calls, ref)
    head = names.branch_info(info).head
    if info.provenance and reading.inspect_commit(calls, head).HasField("finishing"):
        raise OutputBranch(ref)
    return head


def modify(calls: Calls, ref: Ref, changes: Iterable[bytes]) -> None:
    """One stream of changes that are ready."""

    def fill(stream: Stream) -> Content:
        for change in changes:
            stream.send(change)
        return Content()

    _changed(calls, ref, fill)


def put(calls: Calls, ref: Ref, path: str, body: Body) -> Content:
    """Write one file, as one stream of changes. Raises what the body raises.

    A body that takes its time comes as a file set first: somebody may have opened the branch's head, and finish it meanwhile.
    """
    begun = Begun(body)
    if begun.is_whole or isinstance(ref, Commit):
        return _changed(calls, ref, lambda stream: send_body(stream, path, begun))
    identity, content = file_set(calls, ref, lambda stream: send_body(stream, path, begun))
    modify(calls, ref, [from_file_set(path, identity)])
    return content


class Begun:
    """A body of which the beginning has come, or all of it."""

    def __init__(self, body: Body):
        self._body = body
        self._rest = iter(body)
        self._came: list[bytes] = []
        size = 0
        for chunk in self._rest:
            self._came.append(chunk)
            size += len(chunk)
            if size > SHORT_BYTES:
                break
        self.is_whole = size <= SHORT_BYTES

    def __iter__(self) -> Iterator[bytes]:
        came, self._came = self._came, []
        came.reverse()
        while came:
            yield came.pop()
        yield from self._rest

    def beginning(self) -> bytes:
        return self._body.beginning()

    def digests(self) -> Digests:
        return self._body.digests()


def _changed(calls: Calls, ref: Ref, fill: Callable[[Stream], Content]) -> Content:
    """Changes made to a branch, as a commit, or to an open commit: there they come as a file set, in one short call.

    A ModifyFile in whose midst its commit is finished spoils it for good in pachd: nothing that it shows can be read any
    more. To a branch, whose head may be an open commit, it is short (`put`). AddFileSet looks at the commit in the
    transaction that adds to it.
    """
    if isinstance(ref, Commit):
        identity, content = file_set(calls, ref, fill)
        request = wire.AddFileSetRequest(commit=names.ref_message(ref), file_set_id=identity)
        with failures.about(ref):
            calls.change(methods.ADD_FILE_SET, request)
        return content
    with Stream(calls, methods.MODIFY_FILE, ref) as stream:
        stream.send(target(ref))
        content = fill(stream)
        stream.finish()
    return content


def file_set(calls: Calls, ref: Ref, fill: Callable[[Stream], Content]) -> tuple[str, Content]:
    """Changes that nobody sees yet; gives the id by which they can be added to a commit."""
    with Stream(calls, methods.CREATE_FILE_SET, ref) as stream:
        content = fill(stream)
        reply: wire.CreateFileSetResponse = stream.finish()
    return reply.file_set_id, content


def written(calls: Calls, ref: Ref, path: str, content: Content, before: Commit | None) -> FileInfo:
    """The file as it was just written: what `ref` shows, or what one of the commits since `before` shows.

    Others may have written the same path since, or what pachd gives up, or squashed or dropped commits. Raises InvalidPath
    where it gave up this write, CommitFinished where it lost it, Unavailable where what was written is nowhere.
    """
    for _ in range(TRIES):
        try:
            return _written(calls, ref, path, content, before)
        except CommitNotFound as ex:  # while it was looked at: its files are in the next one, or nowhere
            if ex.commit == ref:
                raise
    raise _not_shown(ref, path)


def _not_shown(ref: Ref, path: str) -> Unavailable:
    return Unavailable(f"the file {path} does not show in {ref} after it was written")


def _written(calls: Calls, ref: Ref, path: str, content: Content, before: Commit | None) -> FileInfo:
    """What `written` does. Raises CommitNotFound for a commit that was squashed or dropped meanwhile."""
    try:
        file = reading.find_file(calls, ref, path)
    except InvalidPath:
        file = None
    except CommitNotFound:
        check_ref(calls, ref)  # pachd takes a write to a commit that is finished meanwhile, and then shows neither
        raise
    if file is not None and (content.is_of(file) or isinstance(ref, Commit)):
        with suppress(CommitNotFound):  # given up, with what others had written
            if not reading.inspect_commit(calls, file.commit).error:
                return file
    for info in _commits(calls, ref, before):
        if info.error:
            _give_up(calls, info, path)
            continue
        file = reading.find_file(calls, names.commit_of(info.commit), path)
        if file is not None and content.is_of(file):
            return file
    raise _not_shown(ref, path)


def _commits(calls: Calls, ref: Ref, before: Commit | None) -> Iterator[wire.CommitInfo]:
    """The commits from `ref` back to `before`, which are finished, but for a head that somebody has opened."""
    at: Ref | None = ref
    for _ in range(LOOK_BACK):
        if at is None or at == before:
            return
        info = reading.inspect_commit(calls, at)
        if info.HasField("finishing") and not info.HasField("finished"):
            info = reading.inspect_commit(calls, names.commit_of(info.commit), wire.FINISHED)
        if names.commit_of(info.commit) == before:
            return
        yield info
        at = reading.parent_of(info)


def _give_up(calls: Calls, info: wire.CommitInfo, path: str) -> None:
    """Drop a commit that shows nothing but an error. Raises InvalidPath if it is because of this path."""
    request = wire.DropCommitSetRequest(commit_set=wire.CommitSet(id=info.commit.id))
    # It may have been dropped by another, or be followed by other commits, which do not show it either.
    with suppress(PfsError), failures.about(names.commit_of(info.commit)):
        calls.change(methods.DROP_COMMIT_SET, request)
    named = re.escape(paths.sent(path))
    if re.search(rf"\({named}[/) ]", info.error):
        raise InvalidPath(
            f"a file and a folder cannot have the same path: pachd gave up the write of {path}, {info.error}"
        )


def put_file(calls: Calls, ref: Ref, path: str, body: Body, head: Commit | None) -> FileInfo:
    """`head`: of the branch, before. The commit of what this gives shows the file as written, and so does each since
    that did not write the path again; where others write at the same time it may be one of theirs.
    """
    content = put(calls, ref, path, body)
    return written(calls, ref, path, content, head)


@contextmanager
def copying(calls: Calls, source: FileInfo) -> Iterator[None]:
    """Around a copy: what is not found is the source where its commit is gone, which is raised as Changed."""
    try:
        yield
    except NotFound:
        try:
            reading.inspect_commit(calls, source.commit)
        except CommitNotFound:
            raise reading.gone(source.commit) from None
        raise


def copied(calls: Calls, ref: Ref, path: str, source: FileInfo, head: Commit | None) -> FileInfo:
    """The copy just made by pachd, which has the hash of its source. Raises FileNotFound if the source has gone."""
    try:
        return written(calls, ref, path, Content(source.size, {source.etag}), head)
    except Unavailable:
        reading.inspect_file(calls, source.commit, source.path)
        raise


def from_file_set(path: str, identity: str) -> bytes:
    """Overwrite the path with what a file set has there."""
    return copy(path, Commit(names.FILE_SETS, identity), path, append=False)


def deletions(wanted: Iterable[str]) -> list[bytes]:
    """A path that nothing can have is not sent: PFS would take it for another."""
    return [delete(path) for path in wanted if paths.is_path(path)]


def is_any(calls: Calls, ref: Ref, wanted: Iterable[str]) -> bool:
    """Whether one of the files is there."""
    names.check_ref(ref)
    return any(reading.find_file(calls, ref, path) is not None for path in wanted if paths.is_path(path))


def head_of(calls: Calls, ref: Ref) -> Commit:
    """The commit that shows what was just written."""
    return names.branch_info(reading.inspect_branch(calls, ref)).head if isinstance(ref, Branch) else ref
