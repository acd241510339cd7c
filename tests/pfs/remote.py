"""PachdPfs as a store under test: in repos of its own, whoever else uses the pachd, and with what tests need besides."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from falcon_s3.pfs import Branch, BranchInfo, Commit, CommitInfo, CommitOpen, NotFound, Ref
from falcon_s3.pfs.pachd import PachdPfs, failures, methods, names, reading, writing
from falcon_s3.pfs.pachd.address import Address
from falcon_s3.pfs.pachd.calls import Calls, Channel, Method
from falcon_s3.pfs.wire import pfs_pb2 as wire

FOREIGN = "foreign/"


class Names:
    """Other names for repos and projects, which nobody else has; those of others are marked as foreign."""

    def __init__(self) -> None:
        self._tag = f"t{uuid.uuid4().hex[:8]}"
        self._numbers = itertools.count()
        self._sent: dict[tuple[str, str], str] = {}
        self._received: dict[tuple[str, str], str] = {}

    def send(self, kind: str, name: str) -> str:
        if name in ("", "default", names.FILE_SETS.name):
            return name
        if (kind, name) not in self._sent:
            other = f"{self._tag}-{next(self._numbers)}"
            self._sent[kind, name], self._received[kind, other] = other, name
        return self._sent[kind, name]

    def receive(self, kind: str, name: str) -> str:
        if name in ("", "default", names.FILE_SETS.name):
            return name
        return self._received.get((kind, name), FOREIGN + name)


KINDS = {"pfs_v2.Repo": "repo", "pfs_v2.Project": "project"}


def is_repeated(field: FieldDescriptor) -> bool:
    """Of all versions of protobuf: the newest have no label, the oldest nothing else."""
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return field.label == FieldDescriptor.LABEL_REPEATED


def rename(message: Message, change: Callable[[str, str], str]) -> Message:
    """Change the names of all repos and projects in a message."""
    kind = KINDS.get(message.DESCRIPTOR.full_name)
    if kind is not None:
        message.name = change(kind, message.name)  # type: ignore[attr-defined]
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if is_repeated(field) else (value,):
            rename(each, change)
    return message


class RenamingChannel(Channel):
    """A channel that says other names than its caller."""

    def __init__(self, address: Address, deadline: float, aliases: Names):
        super().__init__(address, deadline)
        self._aliases = aliases

    def callable(self, kind: str, method: Method, serialize: Callable[[Any], bytes] | None) -> Any:
        def send(message: Any) -> bytes:
            if serialize is None:
                message = wire.ModifyFileRequest.FromString(message)
            copied = type(message).FromString(message.SerializeToString())
            return rename(copied, self._aliases.send).SerializeToString()

        def receive(data: bytes) -> Any:
            reply = method.reply(data)
            return rename(reply, self._aliases.receive) if isinstance(reply, Message) else reply

        return super().callable(kind, Method(method.path, receive), send)


class RemoteStore(PachdPfs):
    """A store under test on a pachd, for who holds the token. With the same `aliases`, it has the same repos again."""

    def __init__(self, address: Address, aliases: Names, deadline: float = 30.0, token: str = ""):
        super().__init__(address, deadline=deadline)
        self._channel.close()
        self._channel = RenamingChannel(address, deadline, aliases)
        self._calls = Calls(self._channel, token)
        self._writable = set() if token else None

    def list_branches(self) -> list[BranchInfo]:  # type: ignore[override]
        """All that is told of each branch, by a call for each."""
        return [
            self.inspect_branch(each.branch)
            for each in super().list_branches()
            if not each.branch.repo.name.startswith(FOREIGN)
        ]

    def inspect_branch(self, branch: Branch) -> BranchInfo:
        """With `head_open`, by a second call."""
        info = super().inspect_branch(branch)
        return info._replace(head_open=self.inspect_commit(info.head).finished_ms is None)

    def create_branch(
        self, branch: Branch, head: Commit | None = None, provenance: Sequence[Branch] = ()
    ) -> BranchInfo:
        super().create_branch(branch, head)
        if provenance:
            request = wire.CreateBranchRequest(
                branch=names.branch_message(branch), provenance=map(names.branch_message, provenance)
            )
            if head is not None:
                request.head.CopyFrom(names.ref_message(head))
            self._calls.change(methods.CREATE_BRANCH, request)
            if self.inspect_branch(branch).head_open:  # pachd has begun the commit that a pipeline would fill
                self.finish_commit(branch)
        return self.inspect_branch(branch)

    def start_commit(self, branch: Branch, message: str = "") -> Commit:
        request = wire.StartCommitRequest(branch=names.branch_message(branch), description=message)
        try:
            with failures.about(branch):
                return Commit(branch.repo, self._calls.change(methods.START_COMMIT, request).id)
        except failures.ParentOpen:
            raise CommitOpen(self.inspect_branch(branch).head) from None

    def finish_commit(self, ref: Ref, message: str | None = None) -> CommitInfo:
        commit = self.inspect_branch(ref).head if isinstance(ref, Branch) else ref
        request = wire.FinishCommitRequest(commit=names.ref_message(commit), description=message or "")
        with failures.about(commit):
            self._calls.change(methods.FINISH_COMMIT, request)
        return names.commit_info(reading.inspect_commit(self._calls, commit, wire.FINISHED))

    def fill(self, branch: Branch, paths: Iterable[str]) -> None:
        """Write files of one byte, all in one call."""
        writing.modify(self._calls, branch, (writing.add(path, b"x") for path in paths))

    def clear(self) -> None:
        """Delete everything that this store made, for good."""
        made = [info for info in super().list_branches() if not info.branch.repo.name.startswith(FOREIGN)]
        for repo in {info.branch.repo for info in made}:
            request = wire.DeleteRepoRequest(repo=names.repo_message(repo), force=True)
            with contextlib.suppress(grpc.RpcError, NotFound):
                self._calls.change(methods.DELETE_REPO, request)
        for project in {info.branch.repo.project for info in made} - {"default"}:
            request = wire.DeleteProjectRequest(project=wire.Project(name=project), force=True)
            with contextlib.suppress(grpc.RpcError):
                self._calls.change(DELETE_PROJECT, request)


DELETE_PROJECT = Method(f"{methods.PFS}/DeleteProject", methods.CREATE_PROJECT.reply)
