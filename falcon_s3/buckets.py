"""Bucket names and what they mean in PFS: `[commit.][branch.]repo[.project]`, read here and written here.

A bucket is a branch, or one commit of a repo. The dot is in no PFS name, so a name has one reading:

    images                     the branch `master` of the repo `images`
    dev.images                 the branch `dev`
    dev.images.research        the same in the project `research`
    <commit>.dev.images        that commit of `images`; also `<commit>.images`, `<commit>.dev.images.research`

The first part is a commit if it looks like a commit id; a branch name never does. The branch in the name of a
commit's bucket says where a reader found it; the commit alone decides what is shown.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from falcon_s3 import pfs

# As long as PFS lets one of its names be, and as Pachyderm's own gateway lets a bucket be.
NAME_LENGTH = 255


@lru_cache(maxsize=1024)
def parse(name: str) -> pfs.Ref:
    """The branch or commit that the bucket `name` shows, whether it exists or not; raises pfs.InvalidName."""
    branch, commit = _read(name)
    return branch if commit is None else pfs.Commit(branch.repo, commit)


def branch_of(name: str) -> pfs.Branch:
    """The branch in the bucket `name`, also if it shows a commit: `master` if it says none. Raises pfs.InvalidName."""
    return _read(name)[0]


def _read(name: str) -> tuple[pfs.Branch, str | None]:
    """The branch, and the commit if the name has one."""
    if len(name) > NAME_LENGTH:
        raise pfs.InvalidName(f"bucket name invalid: it has {len(name)} characters; at most {NAME_LENGTH} are allowed")
    first, *others = name.split(".")
    commit = first if pfs.is_commit_id(first) else None
    parts = others if commit is not None else [first, *others]
    if len(parts) == 1:
        parts = [pfs.DEFAULT_BRANCH, *parts]
    if len(parts) == 2:
        parts = [*parts, pfs.DEFAULT_PROJECT]
    if len(parts) != 3:
        raise pfs.InvalidName(f"bucket name ({name}) invalid: it must be [commit.][branch.]repo[.project]")
    branch = pfs.Branch(pfs.Repo(parts[2], parts[1]), parts[0])
    pfs.check_branch(branch)
    return branch, commit


def name_of(branch: pfs.Branch) -> str:
    """The bucket name that shows `branch`: with the project only outside the default one."""
    name = f"{branch.name}.{branch.repo.name}"
    return name if branch.repo.project == pfs.DEFAULT_PROJECT else f"{name}.{branch.repo.project}"


def of_host(host: str, domains: Collection[str]) -> str:
    """The bucket that a Host header names: what stands before one of the domains; "" if the path names it.

    The longest domain counts. Host names are lower-case here, since they are the same in any case (RFC 9110 section
    4.2.3); a port and the dot at the end of a full name do not count.
    """
    found = ""
    if domains:
        name = host.partition(":")[0].lower().removesuffix(".")
        if name not in domains:
            rests = [name.removesuffix(f".{domain}") for domain in domains if name.endswith(f".{domain}")]
            found = min(rests, key=len, default="")
    return found
