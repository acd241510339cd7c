"""Branches over gRPC."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import Branch, BranchInfo, branches
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service.calls import Context, Handler, streaming, unary
from falcon_s3.pfs.service.names import Unsupported, branch_info, branch_of, named_of, repo_of
from falcon_s3.pfs.wire import pfs_pb2 as wire

# What may be part of a transaction: it is given a connection, and the id for its commits.


def create_branch(connection: Connection, request: wire.CreateBranchRequest, _identity: bytes | None) -> Empty:
    if request.HasField("trigger"):
        raise Unsupported("triggers are not served by falcon-s3 pfsd: a branch moves when it is written or moved")
    branch = branch_of(request.branch)
    head = None
    if request.HasField("head") and (request.head.id or request.head.branch.name):
        head = named_of(request.head)
    branches.create_branch(connection, branch, head, [branch_of(each) for each in request.provenance])
    return Empty()


def delete_branch(connection: Connection, request: wire.DeleteBranchRequest, _identity: bytes | None) -> Empty:
    branches.delete_branch(connection, branch_of(request.branch), request.force)
    return Empty()


class Branches:
    def __init__(self, store: ExtendedPfs):
        self._store = store

    def methods(self) -> dict[str, Handler]:
        return {
            "InspectBranch": unary(wire.InspectBranchRequest, self.inspect_branch),
            "ListBranch": streaming(wire.ListBranchRequest, self.list_branches),
        }

    def inspect_branch(self, request: wire.InspectBranchRequest, _context: Context) -> wire.BranchInfo:
        branch = branch_of(request.branch)

        def job(connection: Connection) -> wire.BranchInfo:
            edges = branches.graph(connection)
            return message(branches.inspect_branch(connection, branch, edges), edges, branches.turned(edges))

        return self._store.look(job)

    def list_branches(self, request: wire.ListBranchRequest, _context: Context) -> Iterator[wire.BranchInfo]:
        repo = repo_of(request.repo) if request.repo.name else None

        def job(connection: Connection) -> tuple[list[BranchInfo], dict[Branch, set[Branch]]]:
            return branches.list_branches(connection, repo), branches.graph(connection)

        infos, edges = self._store.look(job)
        made = branches.turned(edges)
        for info in reversed(infos) if request.reverse else infos:
            yield message(info, edges, made)


def message(info: BranchInfo, edges: dict[Branch, set[Branch]], made: dict[Branch, set[Branch]]) -> wire.BranchInfo:
    """`edges` say of each branch what it is made from, `made` what is made from it."""
    return branch_info(info, branches.above(edges, info.branch), branches.above(made, info.branch))
