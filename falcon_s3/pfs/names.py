"""What things are called: repos, branches, commits and paths, and which names there may be.

Source: Pachyderm, `src/internal/ancestry/ancestry.go`, and its rule for projects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from falcon_s3.pfs.errors import InvalidName, InvalidPath

# Longest path, in UTF-8 bytes: the longest key of S3.
PATH_BYTES = 1024

DEFAULT_PROJECT = "default"
DEFAULT_BRANCH = "master"
# What looks like a repo over gRPC and holds changes that wait (`filesets`).
FILESETS = "__filesets__"

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_PROJECT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,50}\Z")
_COMMIT_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}\Z")


def is_commit_id(text: str) -> bool:
    """Whether `text` is a commit id: a UUIDv4 as 32 lower-case hexadecimal digits (PFS, uuid.go)."""
    return _COMMIT_ID.match(text) is not None


@dataclass(frozen=True, slots=True)
class Repo:
    project: str
    name: str

    def __str__(self) -> str:
        return self.name if self.project == DEFAULT_PROJECT else f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class Branch:
    repo: Repo
    name: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.name}"


@dataclass(frozen=True, slots=True)
class Commit:
    repo: Repo
    id: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.id}"


Ref = Branch | Commit


def check_branch(branch: Branch) -> None:
    """Raise InvalidName unless PFS takes the branch's three names.

    The rule (PFS, ancestry.go and the project rule): letters, digits, `_` and `-`; projects begin with a
    letter or digit and have at most 51 characters; a branch name that looks like a commit id is refused.
    """
    if not _PROJECT.match(branch.repo.project):
        raise InvalidName(
            f"project name ({branch.repo.project}) invalid: at most 51 letters, digits, underscores and dashes, "
            "beginning with a letter or digit"
        )
    if branch.repo.name == FILESETS:
        raise InvalidName(f"repo name ({FILESETS}) invalid: it is reserved")
    for name in (branch.repo.name, branch.name):
        if not _NAME.match(name):
            raise InvalidName(
                f"name ({name}) invalid: only alphanumeric characters, underscores, and dashes are allowed"
            )
    if is_commit_id(branch.name.lower()):  # pachd takes ids in either case
        raise InvalidName(f"branch name ({branch.name}) invalid: it looks like a commit id")


def check_path(path: str) -> None:
    """Raise InvalidPath unless `path` is 1..PATH_BYTES bytes of UTF-8 without NUL."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError as ex:
        raise InvalidPath("path invalid: it is not text that UTF-8 can encode") from ex
    if not 0 < length <= PATH_BYTES:
        raise InvalidPath(f"path invalid: it has {length} bytes; 1 to {PATH_BYTES} are allowed")
    if "\0" in path:
        raise InvalidPath("path invalid: it contains a NUL character")
