"""Pickers of pfs_v2.API: commits, branches and projects named by a tree of choices. They raise Unclear, NotFound."""

from __future__ import annotations

from falcon_s3.pfs import Branch, Repo
from falcon_s3.pfs.service.names import Unclear, branch_of, project_of, repo_of
from falcon_s3.pfs.targets import Named
from falcon_s3.pfs.wire import pfs_pb2 as wire


def project_picked(picker: wire.ProjectPicker) -> str:
    return project_of(wire.Project(name=picker.name))


def repo_picked(picker: wire.RepoPicker) -> Repo:
    project = wire.Project(name=project_picked(picker.name.project))
    return repo_of(wire.Repo(name=picker.name.name, type=picker.name.type, project=project))


def branch_picked(picker: wire.BranchPicker) -> Branch:
    repo = repo_picked(picker.name.repo)
    project = wire.Project(name=repo.project)
    return branch_of(wire.Branch(repo=wire.Repo(name=repo.name, project=project), name=picker.name.name))


def commit_picked(picker: wire.CommitPicker) -> Named:
    kind = picker.WhichOneof("picker")
    if kind == "branch_head":
        branch = branch_picked(picker.branch_head)
        return Named(branch.repo, branch.name, "")
    if kind == "id":
        return Named(repo_picked(picker.id.repo), "", picker.id.id)
    if kind == "ancestor":
        start = commit_picked(picker.ancestor.start)
        return start._replace(id=f"{start.id}^{picker.ancestor.offset}")
    if kind == "branch_root":
        branch = branch_picked(picker.branch_root.branch)
        return Named(branch.repo, branch.name, f".{picker.branch_root.offset}")
    raise Unclear("commit must be specified: by a branch, an id, or a way from one of them")
