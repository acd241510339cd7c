"""Changes to repos, branches and commits, one by one or as a transaction of pachd: all of them at once, or none.

A transaction is a list of requests. Each that is added is tried together with those before it, and all is undone;
finishing runs the list once more and keeps it. So what a transaction was told holds unless something else happened
in between, which finishing then says. All its commits get its id. Transactions live in the server's memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import NotFound
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.schema import now_ms
from falcon_s3.pfs.service import branches, commits, repos
from falcon_s3.pfs.service.calls import Context, Handler, unary
from falcon_s3.pfs.service.names import Unclear, new_id, timestamp
from falcon_s3.pfs.wire import pfs_pb2
from falcon_s3.pfs.wire import transaction_pb2 as wire

# The most that are open at a time; the oldest goes when there is one more.
MOST = 1000

# By the field of a TransactionRequest: what it does, on a connection and with the id for its commits.
CHANGES: dict[str, Callable[[Connection, Any, bytes | None], Any]] = {
    "create_repo": repos.create_repo,
    "delete_repo": repos.delete_repo,
    "start_commit": commits.start_commit,
    "finish_commit": commits.finish_commit,
    "squash_commit_set": commits.squash_commit_set,
    "create_branch": branches.create_branch,
    "delete_branch": branches.delete_branch,
}
METHODS = {
    "CreateRepo": (pfs_pb2.CreateRepoRequest, "create_repo"),
    "DeleteRepo": (pfs_pb2.DeleteRepoRequest, "delete_repo"),
    "StartCommit": (pfs_pb2.StartCommitRequest, "start_commit"),
    "FinishCommit": (pfs_pb2.FinishCommitRequest, "finish_commit"),
    "SquashCommitSet": (pfs_pb2.SquashCommitSetRequest, "squash_commit_set"),
    "CreateBranch": (pfs_pb2.CreateBranchRequest, "create_branch"),
    "DeleteBranch": (pfs_pb2.DeleteBranchRequest, "delete_branch"),
}


class _Undo(Exception):
    """Carries what a trial gave out of the job that it undoes."""

    def __init__(self, results: list[Any]):
        super().__init__("undone")
        self.results = results


class Transactions:
    """Those that are open, and the calls that may be part of one."""

    def __init__(self, store: ExtendedPfs):
        self._store = store
        self._open: dict[str, wire.TransactionInfo] = {}
        self._lock = threading.Lock()

    def pfs_methods(self) -> Iterator[tuple[str, Handler]]:
        for method, (request, field) in METHODS.items():
            yield method, unary(request, self._change(field))

    def methods(self) -> dict[str, Handler]:
        return {
            "BatchTransaction": unary(wire.BatchTransactionRequest, self.batch),
            "StartTransaction": unary(wire.StartTransactionRequest, self.start),
            "InspectTransaction": unary(wire.InspectTransactionRequest, self.inspect),
            "DeleteTransaction": unary(wire.DeleteTransactionRequest, self.delete),
            "ListTransaction": unary(wire.ListTransactionRequest, self.list_all),
            "FinishTransaction": unary(wire.FinishTransactionRequest, self.finish),
            "DeleteAll": unary(wire.DeleteAllRequest, self.delete_all),
        }

    def _change(self, field: str) -> Any:
        def call(request: Any, context: Context) -> Any:
            identity = _transaction_of(context)
            if not identity:
                return self._run([wire.TransactionRequest(**{field: request})], None)[-1]
            with self._lock:
                info = self._find(identity)
                wanted = [*info.requests, wire.TransactionRequest(**{field: request})]
                try:
                    self._run(wanted, identity, undo=True)
                except _Undo as undo:
                    results = undo.results
                info.requests.append(wanted[-1])
                info.responses.append(_response(results[-1]))
                return results[-1]

        return call

    def _run(
        self, requests: Sequence[wire.TransactionRequest], identity: str | None, *, undo: bool = False
    ) -> list[Any]:
        """Make the changes in one transaction of the store. With `undo`, raises _Undo."""

        def job(connection: Connection) -> list[Any]:
            results = []
            for request in requests:
                field = _field(request)
                commit_id = bytes.fromhex(identity) if identity else None
                results.append(CHANGES[field](connection, getattr(request, field), commit_id))
            if undo:
                raise _Undo(results)
            return results

        results = self._store.change(job)
        if any(request.HasField("delete_repo") for request in requests):
            self._store.tidy()
        return results

    def _find(self, identity: str) -> wire.TransactionInfo:
        info = self._open.get(identity)
        if info is None:
            raise NotFound(f"transaction {identity} not found")
        return info

    def _begin(self) -> wire.TransactionInfo:
        identity = new_id()
        return wire.TransactionInfo(transaction=wire.Transaction(id=identity), started=timestamp(now_ms()))

    def batch(self, request: wire.BatchTransactionRequest, _context: Context) -> wire.TransactionInfo:
        info = self._begin()
        results = self._run(request.requests, info.transaction.id)
        info.requests.extend(request.requests)
        info.responses.extend(map(_response, results))
        return info

    def start(self, _request: wire.StartTransactionRequest, _context: Context) -> wire.Transaction:
        info = self._begin()
        with self._lock:
            self._open[info.transaction.id] = info
            while len(self._open) > MOST:
                del self._open[next(iter(self._open))]
        return info.transaction

    def inspect(self, request: wire.InspectTransactionRequest, _context: Context) -> wire.TransactionInfo:
        with self._lock:
            return self._copy(self._find(request.transaction.id))

    def list_all(self, _request: wire.ListTransactionRequest, _context: Context) -> wire.TransactionInfos:
        with self._lock:
            return wire.TransactionInfos(transaction_info=map(self._copy, self._open.values()))

    @staticmethod
    def _copy(info: wire.TransactionInfo) -> wire.TransactionInfo:
        copied = wire.TransactionInfo()
        copied.CopyFrom(info)
        return copied

    def delete(self, request: wire.DeleteTransactionRequest, _context: Context) -> Empty:
        with self._lock:
            self._find(request.transaction.id)
            del self._open[request.transaction.id]
        return Empty()

    def delete_all(self, _request: wire.DeleteAllRequest, _context: Context) -> Empty:
        with self._lock:
            self._open.clear()
        return Empty()

    def finish(self, request: wire.FinishTransactionRequest, _context: Context) -> wire.TransactionInfo:
        with self._lock:
            info = self._find(request.transaction.id)
            results = self._run(info.requests, info.transaction.id)
            del self._open[request.transaction.id]
        del info.responses[:]
        info.responses.extend(map(_response, results))
        return info


def _transaction_of(context: Context) -> str:
    """The transaction that a call is part of; "" for none, which the Python client sends as an empty value."""
    for name, value in context.invocation_metadata():
        if name == "pach-transaction":
            return str(value)
    return ""


def _field(request: wire.TransactionRequest) -> str:
    for field, _ in request.ListFields():
        return str(field.name)
    raise Unclear("a request of a transaction must say what to do; pipelines and jobs are not served here")


def _response(result: Any) -> wire.TransactionResponse:
    return wire.TransactionResponse(commit=result if isinstance(result, pfs_pb2.Commit) else None)
