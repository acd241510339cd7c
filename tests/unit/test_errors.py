"""Errors of a store as S3 tells them: which code, with which status, and which words come first."""

from __future__ import annotations

import errno

import pytest

from falcon_s3 import errors, pfs

FULL = (507, "InsufficientCapacity", "The disk is full: make room on it")


def written(number):
    return pfs.not_written("the object cannot be stored now", OSError(number, "Why"))


@pytest.mark.parametrize(
    ("raised", "status", "code", "begins"),
    [
        (pfs.DiskFull(), *FULL),
        (written(errno.ENOSPC), *FULL),
        (written(errno.EDQUOT), *FULL),
        (written(errno.EMFILE), 503, "ServiceUnavailable", "The object cannot be stored now: Why. Please try again"),
        (written(errno.EIO), 503, "ServiceUnavailable", "The object cannot be stored now: Why. Please try again"),
        (pfs.Unavailable("pachd is slow."), 503, "ServiceUnavailable", "Pachd is slow. Please try again"),
        (pfs.Changed("the file k was written"), 503, "ServiceUnavailable", "The file k was written. Please try again"),
        (pfs.Denied("no right"), 403, "AccessDenied", "Access Denied: no right"),
    ],
)
def test_what_a_client_is_told(raised, status, code, begins):
    """What is wrong stands before what S3 says of its code, where that does not tell."""
    error = errors.of(raised)
    assert (error.status, error.code) == (status, code)
    assert error.message.startswith(begins)
    assert "Retry-After" in error.headers if status == 503 else "Retry-After" not in error.headers
