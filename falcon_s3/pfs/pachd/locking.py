"""Writes under a condition: of those that exclude each other, through any number of gateways, exactly one succeeds.

PFS writes on no condition, but a branch has at most one open commit, and StartCommit refuses a second: the open commit
is the lock. The bytes are brought first, as a file set that nobody sees; then

    the check is asked about the branch's head: what it refuses costs no commit
    StartCommit            the lock; while another holds it, this is tried again
    the check is asked again, if what is there has changed
    AddFileSet, FinishCommit

Unconditional writers join the open commit: what they write to other paths is in it and stays, so that it is finished
also when the second check refuses, and is then an empty commit. One that writes the same path within those few calls
is not seen by the check: its write comes before or after ours as if ours had begun earlier.

A gateway that dies holding the lock leaves the commit open, until someone else takes the lock from it (`lock`).

A head that someone else has opened (a pipeline, a user's `start commit`) is joined: the check is asked about it and
the file set added, in two calls, between which another may write. Two writers through one gateway's process exclude
each other even then.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from falcon_s3.pfs import Check, Commit, CommitFinished, FileInfo, Ref, Unavailable
from falcon_s3.pfs.pachd import failures, lock, methods, names, reading, writing
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.pachd.failures import BaseUnfinished, ParentOpen
from falcon_s3.pfs.wire import pfs_pb2 as wire

# Writers of this process into open commits that are not ours.
_joining = threading.Lock()


class Condition:
    """Paths, and what is asked about each."""

    def __init__(self, paths: Sequence[str], check: Check | None):
        self._paths = paths if check is not None else ()
        self._check = check
        self._seen: list[tuple[str, int] | None] | None = None

    def ask(self, calls: Calls, ref: Ref) -> bool:
        """Let the check decide on what `ref` shows, unless it is what it decided on before; whether any is there."""
        if self._check is None:
            return False
        found = [_find(calls, ref, path) for path in self._paths]
        seen = [None if file is None else (file.etag, file.size) for file in found]
        if seen != self._seen:
            for file in found:
                self._check(file)
        self._seen = seen
        return any(seen)


def _find(calls: Calls, ref: Ref, path: str) -> FileInfo | None:
    """The file of a commit whose parent may still be in the making."""
    try:
        return reading.find_file(calls, ref, path)
    except BaseUnfinished:
        parent = reading.parent_of(reading.inspect_commit(calls, ref))
        if parent is None:
            raise
        reading.inspect_commit(calls, parent, wire.FINISHED)
        return reading.find_file(calls, ref, path)


def add(calls: Calls, ref: Ref, file_set: str, condition: Condition) -> Commit:
    """Add a file set to a branch, as one commit, or to an open commit. Raises what the check raises, Unavailable."""
    if isinstance(ref, Commit):
        return _join(calls, ref, file_set, condition)
    for _ in lock.pauses():
        condition.ask(calls, ref)
        try:
            commit = lock.take(calls, ref)
        except ParentOpen:
            info = reading.inspect_commit(calls, ref)
            if lock.is_lock(info):
                lock.release(calls, info)
            elif not info.HasField("finishing"):
                with suppress(CommitFinished):
                    return _join(calls, names.commit_of(info.commit), file_set, condition)
            continue
        try:
            condition.ask(calls, commit)
            _add(calls, commit, file_set)
        except CommitFinished:  # it was taken for one without an owner
            raise Unavailable(f"the write to {ref} took too long, and was given up") from None
        finally:
            lock.give_back(calls, commit)
        return commit
    raise Unavailable(f"others were writing to {ref} all the time")


def _join(calls: Calls, commit: Commit, file_set: str, condition: Condition) -> Commit:
    with _joining:
        condition.ask(calls, commit)
        _add(calls, commit, file_set)
    return commit


def _add(calls: Calls, commit: Commit, file_set: str) -> None:
    request = wire.AddFileSetRequest(commit=names.ref_message(commit), file_set_id=file_set)
    with failures.about(commit):
        calls.change(methods.ADD_FILE_SET, request)


def delete_files(calls: Calls, ref: Ref, paths: Sequence[str], check: Check) -> Commit | None:
    """Remove files in one commit if the check lets each go; None, and no commit, where none is there."""
    names.check_ref(ref)
    condition = Condition(paths, check)
    if not condition.ask(calls, ref):
        writing.check_ref(calls, ref)
        return None
    return add(calls, ref, writing.removed(calls, ref, paths), condition)
