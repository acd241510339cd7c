"""Names, times and infos between messages and the store's values.

Requests name a commit's repo in either of two places, and say the project and the type or not: all of it is taken.
Replies fill both places, so that clients of every version find what they look for.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from falcon_s3.pfs import DEFAULT_PROJECT, Branch, BranchInfo, Commit, CommitInfo, NotFound, PfsError, Repo
from falcon_s3.pfs.repos import full
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2

if TYPE_CHECKING:
    from falcon_s3.pfs.folders import Item

USER = "user"


class Unclear(PfsError):
    """A request does not say what it is about."""


class Unsupported(PfsError):
    """Something of pachd that this server does not do."""


# From messages


def project_of(project: pfs_pb2.Project) -> str:
    return project.name or DEFAULT_PROJECT


def repo_of(repo: pfs_pb2.Repo) -> Repo:
    """Raises Unclear, and NotFound for repos of pipelines."""
    if not repo.name:
        raise Unclear("repo cannot be nil")
    found = Repo(project_of(repo.project), repo.name)
    if repo.type not in {"", USER}:
        raise NotFound(f"repo {full(found)}.{repo.type} not found")
    return found


def branch_of(branch: pfs_pb2.Branch) -> Branch:
    """Raises Unclear, NotFound."""
    if not branch.name:
        raise Unclear("branch must be specified")
    return Branch(repo_of(branch.repo), branch.name)


def named_of(commit: pfs_pb2.Commit) -> Named:
    """Raises Unclear, NotFound."""
    repo = commit.repo if commit.repo.name else commit.branch.repo
    if not repo.name:
        raise Unclear("commit must have a repo")
    return Named(repo_of(repo), commit.branch.name, commit.id)


# To messages


def timestamp(milliseconds: int | None) -> Timestamp | None:
    if milliseconds is None:
        return None
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def repo_message(repo: Repo) -> pfs_pb2.Repo:
    return pfs_pb2.Repo(name=repo.name, type=USER, project=pfs_pb2.Project(name=repo.project))


def branch_message(branch: Branch) -> pfs_pb2.Branch:
    return pfs_pb2.Branch(repo=repo_message(branch.repo), name=branch.name)


def commit_message(commit: Commit, branch: str) -> pfs_pb2.Commit:
    """`branch`: the one it was made on."""
    return pfs_pb2.Commit(
        branch=branch_message(Branch(commit.repo, branch)), id=commit.id, repo=repo_message(commit.repo)
    )


def branch_info(info: BranchInfo, provenance: list[Branch], subvenance: list[Branch]) -> pfs_pb2.BranchInfo:
    return pfs_pb2.BranchInfo(
        branch=branch_message(info.branch),
        head=commit_message(info.head, info.branch.name),
        provenance=map(branch_message, provenance),
        subvenance=map(branch_message, subvenance),
        direct_provenance=map(branch_message, info.provenance),
        created_at=timestamp(info.created_ms),
    )


def commit_info(info: CommitInfo, children: list[Commit], error: str, size: int) -> pfs_pb2.CommitInfo:
    finished = timestamp(info.finished_ms)
    return pfs_pb2.CommitInfo(
        commit=commit_message(info.commit, info.branch),
        origin=pfs_pb2.CommitOrigin(kind=pfs_pb2.USER),
        description=info.message,
        parent_commit=commit_message(info.parent, info.branch) if info.parent else None,
        child_commits=[commit_message(child, info.branch) for child in children],
        started=timestamp(info.started_ms),
        finishing=finished,
        finished=finished,
        error=error,
        size_bytes_upper_bound=size,
        details=pfs_pb2.CommitInfo.Details(size_bytes=size) if finished else None,
    )


def file_info(item: Item, info: CommitInfo) -> pfs_pb2.FileInfo:
    """`info`: of the commit that shows the file."""
    return pfs_pb2.FileInfo(
        file=pfs_pb2.File(
            commit=commit_message(info.commit, info.branch),
            path=item.path,
            datum="" if item.is_folder else "default",
        ),
        file_type=pfs_pb2.DIR if item.is_folder else pfs_pb2.FILE,
        committed=timestamp(info.finished_ms),
        size_bytes=item.size,
        hash=item.hash,
    )


def new_id() -> str:
    """An id for a transaction, whose commits get it too."""
    return uuid.uuid4().hex
