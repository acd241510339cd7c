"""Branches listed, made and deleted, with the repos and projects that they need.

What each costs:

    list_branches   ListRepo: one call for all repos, which name their branches
    inspect_branch  InspectBranch
    create_branch   InspectBranch, CreateBranch; CreateRepo and CreateProject where they are missing
    delete_branch   InspectBranch, DeleteBranch, InspectRepo; DeleteRepo with the last branch; if it must be empty,
                    WalkFile, and ListCommit before and after

A branch is deleted with the uploads to it.
"""

from __future__ import annotations

from typing import NamedTuple

import grpc

from falcon_s3.pfs import (
    Branch,
    BranchExists,
    BranchInfo,
    BranchNotEmpty,
    BranchNotFound,
    Commit,
    CommitNotFound,
    InvalidName,
    Repo,
    check_branch,
)
from falcon_s3.pfs.pachd import failures, listing, lock, methods, names, reading, uploads
from falcon_s3.pfs.pachd.calls import Calls, Method
from falcon_s3.pfs.pachd.failures import Code
from falcon_s3.pfs.wire import pfs_pb2 as wire

# Among so many commits there is one that is of no upload, or none is looked for.
NEWEST_COMMITS = 100


class BranchEntry(NamedTuple):
    """A branch in a list; the time is that of its repo, which is what the list tells."""

    branch: Branch
    created_ms: int


def list_branches(calls: Calls) -> list[BranchEntry]:
    with failures.about(Branch(names.FILE_SETS, "")):
        found = [
            BranchEntry(Branch(names.repo_of(info.repo), branch.name), names.milliseconds(info.created))
            for info in calls.replies(methods.LIST_REPO, wire.ListRepoRequest(type=names.USER))
            for branch in info.branches
            if not names.HIDDEN_BRANCH.match(branch.name)
        ]
    return sorted(found, key=lambda one: (one.branch.repo.project, one.branch.repo.name, one.branch.name))


def create_branch(calls: Calls, branch: Branch, head: Commit | None) -> BranchInfo:
    """Pachd would move a branch that is there; that it is not is looked at just before."""
    check_branch(branch)
    if names.HIDDEN_BRANCH.match(branch.name):
        raise InvalidName(f"branch name ({branch.name}) invalid: it is one of those that are kept hidden")
    if head is not None and head.repo != branch.repo:
        raise CommitNotFound(Commit(branch.repo, head.id))
    try:
        reading.inspect_branch(calls, branch)
    except BranchNotFound:
        pass
    else:
        raise BranchExists(branch)
    request = wire.CreateBranchRequest(branch=names.branch_message(branch))
    if head is not None:
        names.check_ref(head)
        request.head.CopyFrom(names.ref_message(head))
        with failures.about(head):
            calls.change(methods.CREATE_BRANCH, request)
    else:
        with failures.about(branch):
            _with_repo(calls, branch.repo, request)
    return names.branch_info(reading.inspect_branch(calls, branch))


def _with_repo(calls: Calls, repo: Repo, request: wire.CreateBranchRequest) -> None:
    """Create the branch, after its repo, after its project."""
    if not _missing(calls, methods.CREATE_BRANCH, request):
        return
    create_repo = wire.CreateRepoRequest(repo=names.repo_message(repo))
    if _missing(calls, methods.CREATE_REPO, create_repo):
        _missing(calls, methods.CREATE_PROJECT, wire.CreateProjectRequest(project=wire.Project(name=repo.project)))
        _missing(calls, methods.CREATE_REPO, create_repo)
    calls.change(methods.CREATE_BRANCH, request)


def _missing(calls: Calls, method: Method, request: object) -> bool:
    """Make something; True if what it must be in is not there. That another makes it at the same time is no error."""
    try:
        calls.change(method, request)
    except grpc.RpcError as ex:
        code = failures.code_of(ex)
        if code is not Code.ALREADY_EXISTS and code is not Code.NOT_FOUND:
            raise
        return code is Code.NOT_FOUND
    return False


def delete_branch(calls: Calls, branch: Branch, *, if_empty: bool) -> None:
    """PFS deletes on no condition. What came between the look and the deletion is seen after it, and the branch made
    again at it; only what comes between that and the deletion of the repo, with its last branch, is lost.
    """
    names.check_ref(branch)
    newest = _newest(calls, branch) if if_empty else None
    info = reading.inspect_branch(calls, branch)
    head = names.branch_info(info).head
    if if_empty and next(listing.list_files(calls, head, "", "", ""), None) is not None:
        raise BranchNotEmpty(branch)
    with failures.about(branch):
        calls.change(methods.DELETE_BRANCH, wire.DeleteBranchRequest(branch=info.branch, force=True))
        came = _newest(calls, branch) if if_empty else None
        if came is not None and came != newest:
            again = wire.CreateBranchRequest(branch=info.branch, head=names.ref_message(came))
            calls.change(methods.CREATE_BRANCH, again)
            raise BranchNotEmpty(branch)
        repo = calls.read(methods.INSPECT_REPO, wire.InspectRepoRequest(repo=names.repo_message(branch.repo)))
        left = [each.name for each in repo.branches]
        if any(not names.HIDDEN_BRANCH.match(name) for name in left):
            uploads.discard_all(calls, branch, left)
            lock.discard(calls, branch)
        else:
            calls.change(methods.DELETE_REPO, wire.DeleteRepoRequest(repo=names.repo_message(branch.repo), force=True))


def _newest(calls: Calls, branch: Branch) -> Commit | None:
    """The newest commit of the branch's repo, but for those of uploads."""
    with failures.about(branch):
        request = wire.ListCommitRequest(repo=names.repo_message(branch.repo), number=NEWEST_COMMITS)
        found = list(calls.replies(methods.LIST_COMMIT, request))
    return next((names.commit_of(info.commit) for info in found if not _is_hidden(info)), None)


def _is_hidden(info: wire.CommitInfo) -> bool:
    return uploads.is_ours(info.description) or info.description == lock.DESCRIPTION


def collect_uploads(calls: Calls, upload_ms: int | None) -> int:
    """As `uploads.collect`, in all repos."""
    with failures.about(Branch(names.FILE_SETS, "")):
        infos = list(calls.replies(methods.LIST_REPO, wire.ListRepoRequest(type=names.USER)))
    return sum(
        uploads.collect(calls, names.repo_of(info.repo), [each.name for each in info.branches], upload_ms)
        for info in infos
    )
