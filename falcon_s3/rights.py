"""Rights: which buckets somebody may read, write, and remove versions from for good.

Rights are held by pattern: a shell pattern (fnmatch, in which `*` stands for dots too; letters count as they are
written) on the full name of a bucket, `branch.repo` or `branch.repo.project`. So `images` and `master.images`, which are
one bucket, need one right, and the bucket of a commit needs that of the branch in its name.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from falcon_s3 import buckets, errors, pfs

ANY = "*"
LONGEST_PATTERN = 255

_PATTERN = re.compile(r"[A-Za-z0-9_.*?\[\]!-]+", re.ASCII)


class Right(Enum):
    """What can be done to a bucket, in the words of a refusal."""

    READ = "read"
    WRITE = "write to"
    PURGE = "permanently delete versions in"


# Found in 13 ns, where a member of an Enum takes 77.
READ = Right.READ


class InvalidPattern(ValueError):
    """The pattern can be no bucket's; the message says why."""


@dataclass(frozen=True)
class Rights:
    """What one holder may do, as patterns of buckets. Who may write may read; who may purge needs the others besides."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    purge: tuple[str, ...] = ()
    holder: str = ""  # the access key; "" for those who do not sign

    def allows(self, bucket: str, right: Right) -> bool:
        """Whether the holder has the right to the bucket, named in any form. Raises pfs.InvalidName."""
        if right is READ and ANY in self.read:  # as most are asked for
            return True
        patterns = self._patterns(right)
        if not patterns or ANY in patterns:
            return bool(patterns)
        name = buckets.name_of(buckets.branch_of(bucket))
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    def is_unlimited(self, right: Right) -> bool:
        """Whether the holder has the right to every bucket."""
        return ANY in self._patterns(right)

    def _patterns(self, right: Right) -> tuple[str, ...]:
        if right is READ:
            return self.read + self.write
        return self.write if right is Right.WRITE else self.purge

    def check(self, bucket: str, *rights: Right) -> None:
        """Raise AccessDenied unless the holder has one of the rights to the bucket; and what `allows` raises."""
        for right in rights:
            if self.allows(bucket, right):
                break
        else:
            who = f"The access key {self.holder}" if self.holder else "Whoever does not sign the request"
            name = buckets.name_of(buckets.branch_of(bucket))
            raise errors.AccessDenied(f"Access Denied: {who} may not {rights[0].value} {name}.")

    def check_change(self, store: pfs.Pfs, bucket: str, *rights: Right) -> None:
        """What `check` does, for what changes the bucket: into an open commit that takes a right to two branches.

        They are the one in the bucket's name and the one that the commit is on, which the change is seen on.
        """
        self.check(bucket, *rights)
        if not any(self.is_unlimited(right) for right in rights):
            with contextlib.suppress(pfs.NotFound):  # which is told in another way
                self.check(buckets.name_of(store.written_branch(buckets.parse(bucket))), *rights)


ALL = Rights((ANY,), (ANY,), (ANY,))


# The canned access control lists, each with the right that it gives to everybody; None: to nobody but owners.
CANNED: Mapping[str, Right | None] = {
    "": None,
    "private": None,
    "bucket-owner-read": None,
    "bucket-owner-full-control": None,
    "public-read": Right.READ,
    "authenticated-read": Right.READ,
    "public-read-write": Right.WRITE,
}
# Canned lists that give something to services of Amazon.
CANNED_FOR_AMAZON = frozenset(("aws-exec-read", "log-delivery-write"))


def check_grants(headers: Mapping[str, str], bucket: str, everybody: Rights) -> None:
    """Refuse what a request wants to grant, unless it is so already: there are no access control lists.

    `headers` by lower-case name; `everybody` is what those may do who do not sign. Raises InvalidArgument for a
    canned list that S3 does not have, NotImplemented for one that would change something, and for x-amz-grant-*.
    Source: S3 user guide, "Access control list (ACL) overview", "Canned ACL".
    """
    canned = headers.get("x-amz-acl", "")
    if canned not in CANNED and canned not in CANNED_FOR_AMAZON:
        raise errors.InvalidArgument(
            "There is no such canned access control list.",
            fields={"ArgumentName": "x-amz-acl", "ArgumentValue": canned},
        )
    right = CANNED.get(canned)
    if canned in CANNED_FOR_AMAZON or (right is not None and not everybody.allows(bucket, right)):
        raise errors.NotImplemented(
            f"Access control lists are not implemented: {canned} is not so here. Leave it out: who may read without a"
            " signature is for the operator to say.",
            fields={"Header": "x-amz-acl"},
        )
    for name in headers:
        if name.startswith("x-amz-grant-"):
            raise errors.NotImplemented("Access control lists are not implemented.", fields={"Header": name})


def pattern_of(text: str) -> str:
    """The pattern as it is kept: a plain bucket name in its full form. Raises InvalidPattern."""
    if len(text) > LONGEST_PATTERN or not _PATTERN.fullmatch(text):
        raise InvalidPattern(
            f"{text!r} is no pattern of bucket names: these have letters, digits, '_', '-' and dots, and a pattern also"
            " '*', '?' and sets such as '[a-z]'"
        )
    if any(mark in text for mark in "*?["):
        return text
    try:
        if isinstance(buckets.parse(text), pfs.Commit):
            raise InvalidPattern(f"{text} shows a commit, which whoever may read its branch may read: name the branch")
        return buckets.name_of(buckets.branch_of(text))
    except pfs.InvalidName as ex:
        raise InvalidPattern(str(ex)) from ex
