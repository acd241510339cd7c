"""Commits and commit sets over gRPC.

A finished commit is finished at once: nothing is compacted or validated after it. The commits of one id are those of
one transaction; a commit on a branch makes none on the branches that are made from it, since there are no pipelines.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice, takewhile

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import Branch, CommitInfo, NotFound, lineage, records, repos, squash, targets, undo
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.schema import NEVER
from falcon_s3.pfs.service.calls import Context, Handler, Waiting, streaming, unary
from falcon_s3.pfs.service.names import (
    Unclear,
    branch_of,
    commit_info,
    commit_message,
    named_of,
    project_of,
    repo_of,
)
from falcon_s3.pfs.targets import Named, Target
from falcon_s3.pfs.wire import pfs_pb2 as wire

# How often a call that waits looks whether a commit was made or finished, by whatever process.
LOOK_SECONDS = 0.05
# States of a commit that is finished here as soon as it is one of them.
ENDED = (wire.FINISHING, wire.FINISHED)

# What may be part of a transaction: it is given a connection, and the id for its commits.


def start_commit(connection: Connection, request: wire.StartCommitRequest, identity: bytes | None) -> wire.Commit:
    branch = branch_of(request.branch)
    parent = None
    if request.HasField("parent") and (request.parent.id or request.parent.branch.name):
        # A parent may leave out the repo, which is the branch's.
        has_repo = request.parent.repo.name or request.parent.branch.repo.name
        parent = (
            named_of(request.parent) if has_repo else Named(branch.repo, request.parent.branch.name, request.parent.id)
        )
    started = lineage.start_commit(connection, branch, parent, request.description, identity)
    return commit_message(started.commit, branch.name)


def finish_commit(connection: Connection, request: wire.FinishCommitRequest, _identity: bytes | None) -> Empty:
    target = targets.resolve(connection, named_of(request.commit))
    if request.error:
        undo.fail(connection, target, request.error)
    else:
        lineage.finish_commit(connection, target, request.description)
    return Empty()


def squash_commit_set(connection: Connection, request: wire.SquashCommitSetRequest, _identity: bytes | None) -> Empty:
    """All of its commits, or none if one of them cannot be."""
    for info in lineage.commit_set(connection, request.commit_set.id.lower()):
        squash.squash(connection, targets.resolve(connection, Named(info.commit.repo, "", info.commit.id)))
    return Empty()


class Commits:
    def __init__(self, store: ExtendedPfs, waiting: Waiting):
        self._store = store
        self._waiting = waiting

    def methods(self) -> dict[str, Handler]:
        return {
            "InspectCommit": unary(wire.InspectCommitRequest, self.inspect_commit),
            "ListCommit": streaming(wire.ListCommitRequest, self.list_commits),
            "SubscribeCommit": streaming(wire.SubscribeCommitRequest, self.subscribe),
            "InspectCommitSet": streaming(wire.InspectCommitSetRequest, self.inspect_set),
            "ClearCommit": unary(wire.ClearCommitRequest, self.clear),
            "DropCommit": unary(wire.DropCommitRequest, self.drop),
            "DropCommitSet": unary(wire.DropCommitSetRequest, self.drop_set),
            "SquashCommit": unary(wire.SquashCommitRequest, self.squash),
            "ListCommitSet": streaming(wire.ListCommitSetRequest, self.list_sets),
        }

    def _message(self, info: CommitInfo) -> wire.CommitInfo:
        named = Named(info.commit.repo, "", info.commit.id)
        return self._store.look(lambda connection: self._told(connection, targets.resolve(connection, named), info))

    def _told(self, connection: Connection, target: Target, info: CommitInfo) -> wire.CommitInfo:
        children = lineage.children(connection, target)
        return commit_info(info, children, undo.error_of(connection, target), self._store.size(target.point))

    def _messages(self, infos: Iterable[CommitInfo]) -> Iterator[wire.CommitInfo]:
        """Without those that are squashed or dropped before their turn comes."""
        for info in infos:
            with suppress(NotFound):
                yield self._message(info)

    def _resolve(self, commit: wire.Commit) -> Target:
        named = named_of(commit)
        return self._store.look(lambda connection: targets.resolve(connection, named))

    def _finished(self, info: CommitInfo, context: Context) -> CommitInfo:
        """The commit once it is finished, or as it is when the client has gone."""
        if info.finished_ms is None:
            with self._waiting.room.taken():
                while self._waiting.pause(context, LOOK_SECONDS):
                    info = self._store.inspect_commit(info.commit)
                    if info.finished_ms is not None:
                        break
        return info

    def inspect_commit(self, request: wire.InspectCommitRequest, context: Context) -> wire.CommitInfo:
        named = named_of(request.commit)

        def job(connection: Connection) -> tuple[CommitInfo, wire.CommitInfo]:
            target = targets.resolve(connection, named)
            info = records.inspect_commit(connection, target.commit)
            return info, self._told(connection, target, info)

        info, message = self._store.look(job)
        if request.wait in ENDED and info.finished_ms is None:
            return self._message(self._finished(info, context))
        return message

    def list_commits(self, request: wire.ListCommitRequest, _context: Context) -> Iterator[wire.CommitInfo]:
        if request.HasField("from") and not request.HasField("to"):
            raise Unclear("cannot use `from` commit without `to` commit")
        if request.reverse and request.HasField("to"):
            raise Unclear("cannot use `reverse` together with `from` and `to`")
        if request.origin_kind not in {wire.ORIGIN_KIND_UNKNOWN, wire.USER}:
            return
        infos = iter(self._listed(request))
        number = request.number if request.number > 0 else None
        if request.reverse:
            infos = reversed(deque(infos, maxlen=number))
        yield from self._messages(islice(infos, number))

    def _listed(self, request: wire.ListCommitRequest) -> Iterable[CommitInfo]:
        """The commits of a request, newest first."""
        if request.HasField("to"):
            newest = self._resolve(request.to)
            end = self._resolve(getattr(request, "from")).commit if request.HasField("from") else None
            return takewhile(lambda info: info.commit != end, self._ancestors(newest))
        if request.repo.name:
            repo = repo_of(request.repo)
            self._store.look(lambda connection: repos.repo_id(connection, repo))
            return self._store.list_commits(repo)
        everything = [self._store.list_commits(info.repo) for info in self._store.look(repos.list_repos)]
        return heapq.merge(*everything, key=lambda info: -info.started_ms)

    def _ancestors(self, newest: Target) -> Iterator[CommitInfo]:
        """The commit and those before it."""
        start: int | None = newest.point.number
        # Any branch will do: commits are listed back from the number.
        where = Branch(newest.repo, "any")
        while start is not None:
            with self._store.read() as connection:
                infos, start = records.list_commits(connection, where, start, 100)
            yield from infos

    def subscribe(self, request: wire.SubscribeCommitRequest, context: Context) -> Iterator[wire.CommitInfo]:
        """Commits that are there and those that come, oldest first, each once it has come to the state asked for."""
        repo = repo_of(request.repo)
        number = self._resolve(getattr(request, "from")).point.number if request.HasField("from") else 0
        if request.origin_kind not in {wire.ORIGIN_KIND_UNKNOWN, wire.USER}:
            number = NEVER
        with self._waiting.room.taken():
            while True:
                found = self._store.look(
                    lambda connection, number=number: lineage.commits_after(  # type: ignore[misc]
                        connection, repo, request.branch, number
                    )
                )
                for number, info in found:  # noqa: B007  it is where the next look begins
                    ready = info
                    while ready.finished_ms is None and request.state in ENDED:
                        if not self._waiting.pause(context, LOOK_SECONDS):
                            return
                        ready = self._store.inspect_commit(info.commit)
                    yield self._message(ready)
                if not found and not self._waiting.pause(context, LOOK_SECONDS):
                    return

    def inspect_set(self, request: wire.InspectCommitSetRequest, context: Context) -> Iterator[wire.CommitInfo]:
        identity = request.commit_set.id.lower()
        for info in self._store.look(lambda connection: lineage.commit_set(connection, identity)):
            yield self._message(self._finished(info, context) if request.wait else info)

    def list_sets(self, request: wire.ListCommitSetRequest, _context: Context) -> Iterator[wire.CommitSetInfo]:
        project = project_of(request.project) if request.HasField("project") else None
        for identity in self._store.look(lineage.list_sets):
            infos: list[CommitInfo] = []
            with suppress(NotFound):  # squashed or dropped since
                infos = self._store.look(
                    lambda connection, identity=identity: lineage.commit_set(connection, identity)  # type: ignore[misc]
                )
            shown = list(self._messages(info for info in infos if project in (None, info.commit.repo.project)))
            if shown:
                yield wire.CommitSetInfo(commit_set=wire.CommitSet(id=identity), commits=shown)

    def clear(self, request: wire.ClearCommitRequest, _context: Context) -> Empty:
        """What was written to an open commit is gone."""
        named = named_of(request.commit)

        def job(connection: Connection) -> None:
            target = targets.resolve(connection, named)
            if not target.point.open:
                raise lineage.Refused(f"cannot clear finished commit {target}")
            undo.clear(connection, target)

        self._store.change(job)
        return Empty()

    def squash(self, request: wire.SquashCommitRequest, _context: Context) -> wire.SquashCommitResponse:
        """What it did becomes part of what follows it. `recursive` means commits of pipelines, which are none."""
        named = named_of(request.commit)
        self._store.change(lambda connection: squash.squash(connection, targets.resolve(connection, named)))
        return wire.SquashCommitResponse()

    def drop(self, request: wire.DropCommitRequest, _context: Context) -> wire.DropCommitResponse:
        """A commit that no other follows, with all that it did. `recursive` as for `squash`."""
        named = named_of(request.commit)
        self._store.change(lambda connection: undo.drop(connection, targets.resolve(connection, named)))
        return wire.DropCommitResponse()

    def drop_set(self, request: wire.DropCommitSetRequest, _context: Context) -> Empty:
        def job(connection: Connection) -> None:
            for info in reversed(lineage.commit_set(connection, request.commit_set.id.lower())):
                undo.drop(connection, targets.resolve(connection, Named(info.commit.repo, "", info.commit.id)))

        self._store.change(job)
        return Empty()
