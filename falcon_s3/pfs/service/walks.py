"""Walks over gRPC: back through the commits that touched a file, and along what branches and commits are made from."""

from __future__ import annotations

from collections.abc import Iterator

from falcon_s3.pfs import Branch, branches, folders, lineage, targets
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.lineage import NotFinished
from falcon_s3.pfs.service.branches import message
from falcon_s3.pfs.service.calls import Context, Handler, streaming
from falcon_s3.pfs.service.names import Unclear, commit_message, named_of
from falcon_s3.pfs.service.pickers import branch_picked, commit_picked
from falcon_s3.pfs.targets import Target
from falcon_s3.pfs.wire import pfs_pb2 as wire

# Of each branch, those one step away.
Edges = dict[Branch, set[Branch]]


class Walks:
    def __init__(self, store: ExtendedPfs):
        self._store = store

    def methods(self) -> dict[str, Handler]:
        return {
            "FindCommits": streaming(wire.FindCommitsRequest, self.find_commits),
            "WalkCommitProvenance": streaming(wire.WalkCommitProvenanceRequest, self.walk_commits),
            "WalkCommitSubvenance": streaming(wire.WalkCommitSubvenanceRequest, self.walk_commits),
            "WalkBranchProvenance": streaming(wire.WalkBranchProvenanceRequest, self.walk_up),
            "WalkBranchSubvenance": streaming(wire.WalkBranchSubvenanceRequest, self.walk_down),
        }

    def find_commits(self, request: wire.FindCommitsRequest, _context: Context) -> Iterator[wire.FindCommitsResponse]:
        """The commits from `start` back that wrote or removed a file, each as it is found; at last how far it went."""
        if not request.file_path:
            raise Unclear("file path must be specified")
        start, path = named_of(request.start), folders.key_of(request.file_path)
        target: Target | None = self._store.look(lambda connection: targets.resolve(connection, start))
        searched = found = 0
        while target is not None:
            if target.point.open:
                raise NotFinished(f"commit {target} not finished")
            here = target

            def look(connection: Connection, here: Target = here) -> tuple[bool, str, Target | None]:
                return lineage.changed(connection, here, path), *lineage.back(connection, here)

            changed, branch, target = self._store.look(look)
            message = commit_message(here.commit, branch)
            if changed:
                found += 1
                yield wire.FindCommitsResponse(found_commit=message, commits_searched=searched)
            searched += 1
            if found and found == request.limit:
                break
        yield wire.FindCommitsResponse(last_searched_commit=message, commits_searched=searched)

    def walk_commits(
        self, request: wire.WalkCommitProvenanceRequest | wire.WalkCommitSubvenanceRequest, _context: Context
    ) -> Iterator[wire.CommitInfo]:
        """Nothing, once the commits are found: only pipelines make commits from others."""
        for named in [commit_picked(each) for each in request.start]:
            self._store.look(lambda connection, named=named: targets.resolve(connection, named))  # type: ignore[misc]
        yield from ()

    def walk_up(self, request: wire.WalkBranchProvenanceRequest, _context: Context) -> Iterator[wire.BranchInfo]:
        """What the branches are made from, nearest first."""
        yield from self._walk(request, down=False)

    def walk_down(self, request: wire.WalkBranchSubvenanceRequest, _context: Context) -> Iterator[wire.BranchInfo]:
        """What is made from the branches, nearest first."""
        yield from self._walk(request, down=True)

    def _walk(
        self, request: wire.WalkBranchProvenanceRequest | wire.WalkBranchSubvenanceRequest, *, down: bool
    ) -> list[wire.BranchInfo]:
        starts = [branch_picked(each) for each in request.start]

        def job(connection: Connection) -> list[wire.BranchInfo]:
            edges = branches.graph(connection)
            made = branches.turned(edges)
            for each in starts:
                branches.inspect_branch(connection, each, edges)
            met = walk(made if down else edges, starts, request.max_depth, request.max_branches)
            return [message(branches.inspect_branch(connection, each, edges), edges, made) for each in met]

        return self._store.look(job)


def walk(edges: Edges, starts: list[Branch], depth: int, most: int) -> list[Branch]:
    """All that is met from the starts on, without them, step by step; 0: as deep, and as many, as there are."""
    met = dict.fromkeys(starts)
    ring, steps = starts, 0
    while ring and (not depth or steps < depth):
        ring = branches.in_order({each for branch in ring for each in edges.get(branch, ())} - met.keys())
        met |= dict.fromkeys(ring)
        steps += 1
    found = list(met)[len(set(starts)) :]
    return found[:most] if most else found
