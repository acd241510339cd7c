"""Names, times and infos between the store's values and messages.

Every commit is sent with its repo in both of the places that versions of pachd look at (`repo` since 2.6,
`branch.repo` before, which 2.10 and older dereference unasked), with project and type. In replies either may be
missing: `branch` since 2.11, `repo` before 2.6.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from falcon_s3.pfs import (
    DEFAULT_PROJECT,
    Branch,
    BranchInfo,
    BranchNotFound,
    Commit,
    CommitInfo,
    CommitNotFound,
    Entry,
    FileInfo,
    InvalidName,
    Ref,
    Repo,
    check_branch,
    is_commit_id,
)
from falcon_s3.pfs.pachd import paths
from falcon_s3.pfs.wire import pfs_pb2 as wire

USER = "user"
# Where file sets are read, by their ids as commits.
FILE_SETS = Repo(DEFAULT_PROJECT, "__filesets__")
# Branches on which uploads in parts are kept, those of locks, and those that are being deleted: shown to nobody.
UPLOAD_BRANCH = re.compile(r"_upload_[0-9a-f]{32}\Z")
HIDDEN_BRANCH = re.compile(rf"{UPLOAD_BRANCH.pattern}|_(?:lock|gone)_[0-9a-f]{{16}}\Z")

_TYPES = mimetypes.MimeTypes()  # the types that Python knows: the same on every machine
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


# To messages


def repo_message(repo: Repo) -> wire.Repo:
    return wire.Repo(name=repo.name, type=USER, project=wire.Project(name=repo.project))


def branch_message(branch: Branch) -> wire.Branch:
    return wire.Branch(repo=repo_message(branch.repo), name=branch.name)


def ref_message(ref: Ref) -> wire.Commit:
    """The commit that is named by its id, or that heads a branch."""
    repo = repo_message(ref.repo)
    if isinstance(ref, Branch):
        return wire.Commit(branch=wire.Branch(repo=repo, name=ref.name), repo=repo)
    return wire.Commit(branch=wire.Branch(repo=repo), id=ref.id, repo=repo)


def file_message(ref: Ref, path: str) -> wire.File:
    return wire.File(commit=ref_message(ref), path=paths.sent(path))


def check_ref(ref: Ref) -> None:
    """Raise BranchNotFound or CommitNotFound for what cannot be there, and for hidden branches.

    So names that pachd would read as something else (an id that is a branch's name, say) never get there.
    """
    if isinstance(ref, Commit):
        if not is_commit_id(ref.id) or not is_name(Branch(ref.repo, "any")):
            raise CommitNotFound(ref)
    elif not is_name(ref) or HIDDEN_BRANCH.match(ref.name):
        raise BranchNotFound(ref)


@lru_cache(maxsize=1024)
def is_name(branch: Branch) -> bool:
    try:
        check_branch(branch)
    except InvalidName:
        return False
    return True


# From messages


def milliseconds(time: Timestamp) -> int:
    return time.seconds * 1000 + time.nanos // 1_000_000


def repo_of(repo: wire.Repo) -> Repo:
    return Repo(repo.project.name or DEFAULT_PROJECT, repo.name)


def branch_of(branch: wire.Branch) -> Branch:
    return Branch(repo_of(branch.repo), branch.name)


def commit_of(commit: wire.Commit) -> Commit:
    return Commit(repo_of(commit.repo if commit.repo.name else commit.branch.repo), commit.id)


def branch_info(info: wire.BranchInfo) -> BranchInfo:
    """Versions before 2.11 do not tell when a branch was made."""
    branch = branch_of(info.branch)
    return BranchInfo(
        branch,
        Commit(branch.repo, info.head.id),
        None,
        milliseconds(info.created_at),
        tuple(map(branch_of, info.direct_provenance)),
    )


def commit_info(info: wire.CommitInfo) -> CommitInfo:
    """`finished_ms` is when the commit took no more writes; `branch` is empty where pachd does not tell (2.11)."""
    return CommitInfo(
        commit_of(info.commit),
        commit_of(info.parent_commit) if info.HasField("parent_commit") else None,
        info.commit.branch.name,
        milliseconds(info.started),
        milliseconds(info.finishing) if info.HasField("finishing") else None,
        info.description,
    )


def file_info(info: wire.FileInfo) -> FileInfo:
    """The time is that of the commit that shows the file, 0 while that is open; PFS keeps no other, and no attributes."""
    path = paths.received(info.file.path)
    return FileInfo(
        commit_of(info.file.commit),
        path,
        info.size_bytes,
        info.hash.hex(),
        milliseconds(info.committed),
        attributes_of(path),
        None,
    )


def entry(info: wire.FileInfo) -> Entry:
    """A file or a folder of a listing."""
    path = paths.received(info.file.path)
    if info.file_type == wire.DIR:
        return Entry(path, -1, "", 0)
    return Entry(path, info.size_bytes, info.hash.hex(), milliseconds(info.committed))


def attributes_of(path: str) -> Mapping[str, str]:
    """What is known of a file without any place to keep it: the type that its name tells."""
    found, packing = _TYPES.guess_type(path.rpartition("/")[2])
    if packing is not None:
        found = _PACKED.get(packing)
    return {} if found is None else {"content-type": found}
