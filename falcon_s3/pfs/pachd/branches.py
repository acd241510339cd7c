"""Branches listed, made and deleted, with the repos and projects that they need.

What each costs:

    list_branches   ListRepo: one call for all repos, which name their branches
    inspect_branch  InspectBranch
    create_branch   InspectBranch, CreateBranch; CreateRepo and CreateProject where they are missing
    delete_branch   InspectBranch, DeleteBranch, InspectRepo; DeleteRepo with the last branch
    if_empty        InspectBranch, WalkFile, BatchTransaction, InspectBranch, WalkFile, InspectRepo; DeleteRepo with the
                    last branch, or else DeleteBranch

A branch is deleted with the uploads to it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
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
    Denied,
    InvalidName,
    NotFound,
    PfsError,
    Ref,
    Repo,
    Unavailable,
    check_branch,
)
from falcon_s3.pfs.pachd import failures, listing, lock, methods, names, reading, uploads
from falcon_s3.pfs.pachd.calls import Calls, Method
from falcon_s3.pfs.pachd.failures import Code
from falcon_s3.pfs.wire import pfs_pb2 as wire
from falcon_s3.pfs.wire import transaction_pb2

# The name that a branch has while it is looked at once more, before it is gone: with the second in which that began.
ASIDE = "_gone_"
TIME_DIGITS, RANDOM_BYTES = 8, 4
# When that is over, certainly: who began it was ended in its midst.
ASIDE_SECONDS = 24 * 3600


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
    """What comes between the deletion of the last branch and that of its repo is lost."""
    names.check_ref(branch)
    info = reading.inspect_branch(calls, branch)
    aside = None
    if if_empty:
        if not _is_empty(calls, branch):
            raise BranchNotEmpty(branch)
        aside = _set_aside(calls, branch)
    with failures.about(branch):
        if aside is None:
            calls.change(methods.DELETE_BRANCH, wire.DeleteBranchRequest(branch=info.branch, force=True))
        repo = calls.read(methods.INSPECT_REPO, wire.InspectRepoRequest(repo=names.repo_message(branch.repo)))
        left = [each.name for each in repo.branches]
        if any(not names.HIDDEN_BRANCH.match(name) for name in left) or _have_files(calls, branch.repo, left, aside):
            uploads.discard_all(calls, branch, left)
            lock.discard(calls, branch)
            if aside is not None:
                calls.change(methods.DELETE_BRANCH, _deletion(aside))
        else:
            calls.change(methods.DELETE_REPO, wire.DeleteRepoRequest(repo=names.repo_message(branch.repo), force=True))


def _is_empty(calls: Calls, ref: Ref) -> bool:
    return next(listing.list_files(calls, ref, "", "", ""), None) is None


def _deletion(branch: Branch) -> wire.DeleteBranchRequest:
    return wire.DeleteBranchRequest(branch=names.branch_message(branch), force=True)


def _set_aside(calls: Calls, branch: Branch) -> Branch:
    """Give an empty branch a hidden name instead of its own. Raises BranchNotEmpty if it has files by then.

    PFS deletes on no condition. So the head that the branch had in the very moment of its deletion is kept under the
    hidden name, and looked at: with what came after the first look the branch is made again.
    """
    aside = Branch(branch.repo, f"{ASIDE}{int(time.time()):0{TIME_DIGITS}x}{secrets.token_hex(RANDOM_BYTES)}")
    try:
        with failures.about(branch):
            _rename(calls, branch, aside)
    except Unavailable:  # the answer may have been lost, not the change
        if not _is_there(calls, aside):
            raise
    try:
        is_empty = _is_empty(calls, _head_aside(calls, aside))
    except PfsError:
        _bring_back(calls, branch, aside)
        raise
    if not is_empty:
        _bring_back(calls, branch, aside)
        raise BranchNotEmpty(branch)
    return aside


def _have_files(calls: Calls, repo: Repo, there: Sequence[str], empty: Branch | None) -> bool:
    """Whether another has files that is set aside, or was when that was interrupted: nothing else leads to them."""
    for name in there:
        if _is_aside(name) and (empty is None or name != empty.name):
            with suppress(NotFound):  # it was brought back, or deleted, just now
                if not _is_empty(calls, _head_aside(calls, Branch(repo, name))):
                    return True
    return False


def _is_aside(name: str) -> bool:
    return name.startswith(ASIDE) and names.HIDDEN_BRANCH.match(name) is not None


def _is_there(calls: Calls, aside: Branch) -> bool:
    try:
        _head_aside(calls, aside)
    except NotFound:
        return False
    return True


def _head_aside(calls: Calls, aside: Branch) -> Commit:
    with failures.about(aside):
        request = wire.InspectBranchRequest(branch=names.branch_message(aside))
        return names.branch_info(calls.read(methods.INSPECT_BRANCH, request)).head


def _bring_back(calls: Calls, branch: Branch, aside: Branch) -> None:
    """Another may have made the branch again, which then stays as it is; the files are in the repo's commits."""
    with failures.about(branch):
        try:
            reading.inspect_branch(calls, branch)
        except BranchNotFound:
            _rename(calls, aside, branch)
        else:
            calls.change(methods.DELETE_BRANCH, _deletion(aside))


def _rename(calls: Calls, branch: Branch, name: Branch) -> None:
    """All at once, or not at all."""
    create = wire.CreateBranchRequest(branch=names.branch_message(name), head=names.ref_message(branch))
    requests = [
        transaction_pb2.TransactionRequest(create_branch=create),
        transaction_pb2.TransactionRequest(delete_branch=_deletion(branch)),
    ]
    calls.change(methods.BATCH_TRANSACTION, transaction_pb2.BatchTransactionRequest(requests=requests))


def _collect_aside(calls: Calls, repo: Repo, there: Sequence[str]) -> None:
    """Delete the branches that were set aside long ago. One with files stays: its name is the last that leads to them."""
    for name in there:
        if not _is_aside(name):
            continue
        if time.time() - int(name[len(ASIDE) : len(ASIDE) + TIME_DIGITS], 16) < ASIDE_SECONDS:
            continue
        aside = Branch(repo, name)
        with suppress(NotFound):  # another gateway was earlier
            if _is_empty(calls, _head_aside(calls, aside)):
                with failures.about(aside):
                    calls.change(methods.DELETE_BRANCH, _deletion(aside))


def collect_uploads(calls: Calls, upload_ms: int | None) -> int:
    """As `uploads.collect`, in all repos, with what deletions left. Raises Denied at the end if the user may not do so in one of them."""
    with failures.about(Branch(names.FILE_SETS, "")):
        infos = list(calls.replies(methods.LIST_REPO, wire.ListRepoRequest(type=names.USER)))
    count, denied = 0, None
    for info in infos:
        repo, there = names.repo_of(info.repo), [each.name for each in info.branches]
        try:
            count += uploads.collect(calls, repo, there, upload_ms)
            _collect_aside(calls, repo, there)
        except Denied as ex:
            denied = ex
    if denied is not None:
        raise denied
    return count
