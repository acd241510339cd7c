"""Writes under a condition: of those that exclude each other, through any number of gateways, exactly one succeeds.

PFS writes on no condition, so that those who write on one take turns by a lock beside the branch (`lock`). What takes
long is brought first, as a file set that nobody sees; then

    the check is asked about the branch's head: what it refuses costs no lock
    the lock is taken; meanwhile, and then, the check is asked again, if what is there has changed
    ModifyFile: one commit, or part of an open one, with the removals and copies that bring the file
    the lock is given back

Writers without a condition take no lock. One that writes the same path within those few calls is not seen by the
check: its write comes before or after ours as if ours had begun earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from falcon_s3.pfs import Check, Commit, CommitNotFound, FileInfo, PfsError, Ref, Unavailable
from falcon_s3.pfs.pachd import lock, reading, writing
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.pachd.failures import BaseUnfinished
from falcon_s3.pfs.pachd.writing import Content
from falcon_s3.pfs.wire import pfs_pb2 as wire


class Condition:
    """Paths, what is asked about each, and what each is to be afterwards; None: not there."""

    def __init__(self, paths: Sequence[str], check: Check | None, wanted: Content | None = None):
        self._paths = paths
        self._check = check
        self._wanted = wanted
        self._seen: list[tuple[str, int] | None] | None = None

    def __bool__(self) -> bool:
        return self._check is not None

    @property
    def asked(self) -> bool:
        return self._seen is not None

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

    def is_done(self, calls: Calls, ref: Ref) -> bool:
        """Whether `ref` shows what is wanted, and did not when the check was asked last. False where it cannot be told."""
        try:
            found = [_find(calls, ref, path) for path in self._paths]
        except PfsError:
            return False
        ends = [
            file is None if self._wanted is None else file is not None and self._wanted.is_of(file) for file in found
        ]
        return all(ends) and [None if file is None else (file.etag, file.size) for file in found] != self._seen


def _find(calls: Calls, ref: Ref, path: str) -> FileInfo | None:
    """The file of a commit whose parent may still be in the making."""
    try:
        return reading.find_file(calls, ref, path)
    except BaseUnfinished:
        parent = reading.parent_of(reading.inspect_commit(calls, ref))
        if parent is None:
            raise
        with suppress(CommitNotFound):  # squashed meanwhile
            reading.inspect_commit(calls, parent, wire.FINISHED)
        return reading.find_file(calls, ref, path)


def write(calls: Calls, ref: Ref, changes: Sequence[bytes], condition: Condition) -> None:
    """Make changes, which take no time, as one commit. Raises what the check raises, and Unavailable."""
    if not condition:
        writing.modify(calls, ref, changes)
        return
    if not condition.asked:
        condition.ask(calls, ref)
    with lock.held(calls, ref, lambda: condition.ask(calls, ref)) as owner:
        condition.ask(calls, ref)
        with owner.writing():
            try:
                writing.modify(calls, ref, changes)
            except Unavailable:  # the answer may have been lost, not the write
                if not condition.is_done(calls, ref):
                    raise


def delete_files(calls: Calls, ref: Ref, paths: Sequence[str], check: Check | None) -> Commit | None:
    """Remove files in one commit if the check lets each go; None, and no commit, where none is there."""
    changes = writing.deletions(paths)
    condition = Condition(paths, check)  # none is to be there afterwards
    if not (condition.ask(calls, ref) if condition else writing.is_any(calls, ref, paths)):
        writing.check_ref(calls, ref)
        return None
    write(calls, ref, changes, condition)
    return writing.head_of(calls, ref)
