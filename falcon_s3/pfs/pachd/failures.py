"""What a call that failed means, by its code first and its text second.

pachd has codes for what is not found, exists or is not allowed; the rest is UNKNOWN with a text, which is often
wrapped in others: it is searched, never matched whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from falcon_s3.pfs import (
    Branch,
    BranchNotFound,
    Commit,
    CommitFinished,
    CommitNotFound,
    Denied,
    DiskFull,
    FileNotFound,
    InvalidName,
    InvalidPath,
    NotFound,
    OutputBranch,
    PfsError,
    Ref,
    Unavailable,
    Unsupported,
)

Code = grpc.StatusCode

NO_FILE = re.compile(r"file .* not found in repo .* at commit|does not contain item", re.DOTALL)
# Tokens that ran out, which older versions answer as their own failure (auth.go).
NO_TOKEN = re.compile(r"no authentication token|auth token is corrupted|token expiration is in the past")
# The text of ENOSPC in Go, and in PostgreSQL, of whatever pachd writes to; and that of a `falcon-s3 pfsd`.
NO_SPACE = re.compile("[Nn]o space left on device|the disk is full")
# Go's texts of connections that fail, and the classes of PostgreSQL's errors that pass (its manual, appendix A): of a
# database, or a store of chunks, that is restarted or has too much to do, for which pachd has no code.
IN_TROUBLE = re.compile(
    r"connection re(?:fused|set by peer)|broken pipe|i/o timeout|unexpected EOF|bad connection|SQLSTATE (?:08|40|53|57)"
)
OPEN_PARENT = re.compile(r"parent commit .* has not been finished", re.DOTALL)
OPEN_BASE = re.compile(r"base commit .* unfinished|commit .* not finished", re.DOTALL)
NO_AUTH = "the auth service is not activated"


class ParentOpen(Unavailable):
    """A commit cannot be started: the branch's head is open."""


class BaseUnfinished(Unavailable):
    """A commit cannot be read yet: the one before it is being finished."""


# Texts of pachd -> what they mean; the first that is found.
MEANINGS: tuple[tuple[re.Pattern[str], type[PfsError]], ...] = (
    (NO_TOKEN, Denied),
    (NO_SPACE, DiskFull),
    (OPEN_PARENT, ParentOpen),
    (OPEN_BASE, BaseUnfinished),
    (re.compile(r"path \(.*\) invalid|path collision", re.DOTALL), InvalidPath),
    (re.compile(r"name \(.*\) invalid|project name", re.DOTALL), InvalidName),
    (IN_TROUBLE, Unavailable),
)
FINISHED, OUTPUT = re.compile("has already finished|cannot clear finished commit"), "output branch"
# What a commit shows was thrown away, or is not put together yet.
FORGOTTEN = "the commit is forgotten"
# What may be otherwise when it is asked again.
PASSING = (
    Code.UNAVAILABLE,
    Code.DEADLINE_EXCEEDED,
    Code.RESOURCE_EXHAUSTED,
    Code.ABORTED,
    Code.CANCELLED,
    Code.INTERNAL,
    Code.DATA_LOSS,
)


def not_found(ref: Ref) -> NotFound:
    return BranchNotFound(ref) if isinstance(ref, Branch) else CommitNotFound(ref)


def meaning(error: grpc.RpcError, ref: Ref, path: str | None = None) -> PfsError:
    """The error of a call that was about `ref`, and the file at `path`."""
    code, text = code_of(error), text_of(error)
    if code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED):
        return Denied(text)
    if code is Code.NOT_FOUND:
        return FileNotFound(path, ref) if path is not None and NO_FILE.search(text) else not_found(ref)
    if FORGOTTEN in text:
        return not_found(ref)
    if FINISHED.search(text) and isinstance(ref, Commit):
        return CommitFinished(ref)
    if OUTPUT in text and isinstance(ref, Branch):
        return OutputBranch(ref)
    for pattern, kind in MEANINGS:
        if pattern.search(text):
            return kind(text)
    if code is Code.UNIMPLEMENTED:
        return Unsupported(f"this pachd cannot do that: {text}")
    if code is Code.CANCELLED:
        return Unavailable("pachd kept the call waiting for too long")
    if code in PASSING:
        return Unavailable(f"pachd did not answer ({code.name}): {text}")
    return PfsError(text)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    code = getattr(error, "code", None)  # every error of a call has one, though the type does not say so
    return Code.UNKNOWN if code is None else code()


def text_of(error: grpc.RpcError) -> str:
    details = getattr(error, "details", None)
    return str(error) if details is None else details() or ""


@contextmanager
def about(ref: Ref, path: str | None = None) -> Iterator[None]:
    """Calls inside are about `ref` and the file at `path`: what fails is raised in the store's words."""
    try:
        yield
    except grpc.RpcError as ex:
        raise meaning(ex, ref, path) from ex
