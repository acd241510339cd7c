"""What a store cannot do, each as an exception of its own."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon_s3.pfs.names import Branch, Commit, Ref, Repo


# What to do about a full disk.
MAKE_ROOM = "make room on it, or delete old versions, branches or uploads, whose bytes go an hour or two later"


class PfsError(Exception):
    """Something the caller asked for cannot be; nothing was changed."""


class InvalidName(PfsError):
    """A project, repo or branch name that PFS does not take."""


class InvalidPath(PfsError):
    """A path that this store does not take; the message names the character."""


class NotFound(PfsError):
    """What was named does not exist."""


class RepoNotFound(NotFound):
    def __init__(self, repo: Repo):
        super().__init__(f"repo {repo} not found")


class BranchNotFound(NotFound):
    def __init__(self, branch: Branch):
        super().__init__(f'branch "{branch.name}" not found in repo {branch.repo}')


class CommitNotFound(NotFound):
    def __init__(self, commit: Commit):
        super().__init__(f"commit {commit} not found")
        self.commit = commit


class FileNotFound(NotFound):
    def __init__(self, path: str, ref: Ref):
        super().__init__(f"file {path} not found in {ref}")


class FileRemoved(FileNotFound):
    """There was such a file; `commit` removed it, at `removed_ms` since the epoch."""

    def __init__(self, path: str, ref: Ref, commit: Commit, removed_ms: int):
        super().__init__(path, ref)
        self.commit = commit
        self.removed_ms = removed_ms


class UploadNotFound(NotFound):
    def __init__(self, upload: str):
        super().__init__(f"upload {upload} not found")


class PartNotFound(NotFound):
    """An upload has no such part, or has another one under that number."""

    def __init__(self, upload: str, number: int):
        super().__init__(f"part {number} of upload {upload} not found")
        self.number = number


class BranchExists(PfsError):
    def __init__(self, branch: Branch):
        super().__init__(f"branch {branch} already exists")


class BranchNotEmpty(PfsError):
    def __init__(self, branch: Branch):
        super().__init__(f"branch {branch} has files")


class CommitFinished(PfsError):
    def __init__(self, commit: Commit, why: str = "has already finished"):
        super().__init__(f"commit {commit} {why}")


class CommitOpen(PfsError):
    """A commit cannot be started because the branch's head is still open."""

    def __init__(self, commit: Commit):
        super().__init__(f"commit {commit} has not been finished")


class OutputBranch(PfsError):
    def __init__(self, branch: Branch):
        super().__init__(f"cannot start a commit on an output branch: {branch}")


class Denied(PfsError):
    """The user whose token was given has no right to that, or the token is none."""


class Unsupported(PfsError):
    """This store cannot do that; the message says what it cannot."""


class Unavailable(PfsError):
    """The store cannot answer now (slow, not reachable, out of files); the same request may succeed later.

    The message is what a client is told first: it begins with what is wrong.
    """


class DiskFull(Unavailable):
    """There is no room for what was to be written, nor will there be before somebody makes some."""

    def __init__(self, message: str = f"the disk is full: {MAKE_ROOM}"):
        super().__init__(message)


class Changed(Unavailable):
    """A file of an open commit is no longer what was found there: find it again."""


def not_written(what: str, ex: OSError) -> Unavailable:
    """What it is to a caller that the system did not write: DiskFull, or Unavailable as `what` says, and why."""
    return DiskFull() if ex.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable(f"{what}: {ex.strerror or ex}")
