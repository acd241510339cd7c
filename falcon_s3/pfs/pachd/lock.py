"""The lock of a branch: an open commit on a hidden branch beside it, of which a branch has one at most.

    _lock_<digest of the branch's name>    held while its head is open, and says so in its description

StartCommit refuses a second open commit, through whichever gateway it comes; DropCommitSet gives the lock back and
leaves nothing. The branch itself would do, but is spoilt by it: pachd adds what a ModifyFile brings that began while
the head was open to that very commit, also when it was finished meanwhile, which is then "forgotten" for ever; and
writes that begin a moment earlier are refused, since the head has not been finished.

Who finds the lock without an owner drops it. An owner that was slow gives up before it writes. Whether a lock was taken,
or given back, is not known when the connection breaks meanwhile: such a one has no owner either, and this process knows
it by its description.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from falcon_s3.pfs import Branch, Commit, NotFound, PfsError, Ref, Unavailable
from falcon_s3.pfs.pachd import failures, methods, names, reading
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.pachd.failures import ParentOpen
from falcon_s3.pfs.wire import pfs_pb2 as wire

PREFIX, DIGITS = "_lock_", 16
DESCRIPTION = "falcon-s3: a write under a condition"
# The descriptions of locks that this process has asked for or given back, and had no answer; the most that are remembered.
_ownerless: set[str] = set()
MOST_OWNERLESS = 1000
# An owner that has held the lock for so long writes no more.
OWNED_SECONDS = 15.0
# A lock that is older has no owner: what the owner began last has come to its end, too.
HELD_SECONDS = 120.0
# By how much our clock and pachd's, which tells when a lock was taken, may differ: who waits has a clock of its own as well.
SKEW_SECONDS = 300.0
# How long a lock is waited for: longer than one without an owner is held.
WAIT_SECONDS = 180.0
# Who waits for longer than this is one of a few (`Channel.waiters`): else a lock without an owner would take all threads.
MOMENT_SECONDS = 2.0
PAUSE_SECONDS = (0.005, 0.25)  # at first, at most


def branch_of(ref: Ref) -> Branch:
    """The hidden branch for writes to a branch or open commit."""
    text = ref.name if isinstance(ref, Branch) else ref.id
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=DIGITS // 2).hexdigest()
    return Branch(ref.repo, PREFIX + digest)


class Owner:
    """Who holds the lock of a branch or open commit."""

    def __init__(self, ref: Ref):
        self._ref = ref
        self._taken = time.monotonic()
        self.sure = True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The write that the lock is held for. Raises Unavailable if the lock was held for too long before it.

        Where it is not known what became of the write, nobody else gets the lock before it has come to its end.
        """
        if time.monotonic() - self._taken > OWNED_SECONDS:
            raise Unavailable(f"the write to {self._ref} took too long, and was given up")
        try:
            yield
        except Unavailable:
            self.sure = False
            raise


@contextmanager
def held(calls: Calls, ref: Ref, waiting: Callable[[], object]) -> Iterator[Owner]:
    """Hold the lock.

    While another holds it, `waiting` is called again and again. Raises what that raises, and Unavailable after a while.
    """
    description = f"{DESCRIPTION} ({secrets.token_hex(8)})"
    commit = _take(calls, ref, description, waiting)
    owner = Owner(ref)
    try:
        yield owner
    finally:
        if owner.sure:
            try:
                drop(calls, commit)
            except PfsError:  # others give it up after a while
                _disown(description)


def _disown(description: str) -> None:
    if len(_ownerless) == MOST_OWNERLESS:
        _ownerless.clear()
    _ownerless.add(description)


def _take(calls: Calls, ref: Ref, description: str, waiting: Callable[[], object]) -> Commit:
    begun = time.monotonic()
    pause, most = PAUSE_SECONDS
    branch = branch_of(ref)
    seen: dict[str, float] = {}
    request = wire.StartCommitRequest(branch=names.branch_message(branch), description=description)
    with ExitStack() as place:
        is_patient = False
        while time.monotonic() - begun < WAIT_SECONDS:
            try:
                with failures.about(ref):
                    return Commit(ref.repo, calls.change(methods.START_COMMIT, request).id)
            except ParentOpen:
                waiting()
                _release(calls, branch, seen)
            except Unavailable:
                _disown(description)
                _release(calls, branch, seen)
                raise
            if not is_patient and time.monotonic() - begun > MOMENT_SECONDS:
                if not calls.channel.waiters.acquire(blocking=False):
                    raise Unavailable(f"others are writing to {ref}, and many wait for them already")
                is_patient = True
                place.callback(calls.channel.waiters.release)
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  not a secret
            pause = min(most, pause * 2)
    raise Unavailable(f"others were writing to {ref} all the time")


def _release(calls: Calls, branch: Branch, seen: dict[str, float]) -> None:
    """Drop a lock that has no owner any more. `seen`: since when each has been waited for, by its commit."""
    with suppress(NotFound):  # given back meanwhile
        info = reading.inspect_commit(calls, branch)
        if info.HasField("finishing"):
            return
        waited = time.monotonic() - seen.setdefault(info.commit.id, time.monotonic())
        age = max(waited, time.time() - info.started.seconds - SKEW_SECONDS)
        if info.description in _ownerless or age > HELD_SECONDS:
            drop(calls, names.commit_of(info.commit))
            _ownerless.discard(info.description)


def drop(calls: Calls, commit: Commit) -> None:
    """Take back a commit with all that is in it. One that is gone already is no error.

    So it may be asked twice for, as for a read: a lock that stays because a connection broke holds all others off.
    """
    request = wire.DropCommitSetRequest(commit_set=wire.CommitSet(id=commit.id))
    with suppress(NotFound), failures.about(commit):
        calls.read(methods.DROP_COMMIT_SET, request)


def discard(calls: Calls, branch: Branch) -> None:
    """Delete the hidden branch of a branch that is being deleted, if there is one."""
    hidden = branch_of(branch)
    with suppress(NotFound), failures.about(hidden):
        calls.change(methods.DELETE_BRANCH, wire.DeleteBranchRequest(branch=names.branch_message(hidden), force=True))
