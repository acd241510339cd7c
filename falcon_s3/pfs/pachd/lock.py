"""The lock of a branch: an open commit, of which a branch has one at most, with a description that says what it is.

Who finds it held waits; who finds it without an owner finishes it. An owner that was taken for dead finds its commit
finished, to which pachd adds nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from falcon_s3.pfs import Branch, Commit, CommitFinished
from falcon_s3.pfs.pachd import failures, methods, names, reading
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.wire import pfs_pb2 as wire

DESCRIPTION = "falcon-s3: a write under a condition"
# A lock is held for four calls; one that is older has no owner.
HELD_SECONDS = 30.0
# How long a lock is waited for: longer than one without an owner is held.
WAIT_SECONDS = 60.0
PAUSE_SECONDS = (0.005, 0.25)  # at first, at most


def is_lock(info: wire.CommitInfo) -> bool:
    """Whether the commit is a lock that is held."""
    return info.description == DESCRIPTION and not info.HasField("finishing")


def take(calls: Calls, branch: Branch) -> Commit:
    """Raises failures.ParentOpen while the branch's head is open."""
    request = wire.StartCommitRequest(branch=names.branch_message(branch), description=DESCRIPTION)
    with failures.about(branch):
        reply = calls.change(methods.START_COMMIT, request)
    return Commit(branch.repo, reply.id)


def give_back(calls: Calls, commit: Commit) -> None:
    """Finish the commit; that another has done so is no error."""
    try:
        with failures.about(commit):
            calls.change(methods.FINISH_COMMIT, wire.FinishCommitRequest(commit=names.ref_message(commit)))
    except CommitFinished:
        pass


def release(calls: Calls, info: wire.CommitInfo) -> None:
    """Finish a lock that has no owner any more."""
    if time.time() - info.started.seconds > HELD_SECONDS:
        give_back(calls, names.commit_of(info.commit))


def settled(calls: Calls, info: wire.CommitInfo) -> wire.CommitInfo:
    """The commit, once it is no lock that is held: whether pachd keeps what is in it shows when it is finished."""
    commit = names.commit_of(info.commit)
    for _ in pauses():
        if not is_lock(info):
            break
        release(calls, info)
        info = reading.inspect_commit(calls, commit)
    if info.description == DESCRIPTION and info.HasField("finishing") and not info.HasField("finished"):
        info = reading.inspect_commit(calls, commit, wire.FINISHED)
    return info


def pauses() -> Iterator[None]:
    """Yields again and again, with longer and longer pauses, for as long as a lock is waited for."""
    end = time.monotonic() + WAIT_SECONDS
    pause, most = PAUSE_SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  not a secret
        pause = min(most, pause * 2)
