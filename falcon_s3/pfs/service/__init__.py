"""The embedded store as pfs_v2.API over gRPC, so that what is made for pachd works with it.

    calls          how calls come in and go out, errors included
    names          names, times and infos between messages and the store's values
    pickers        names as trees of choices
    repos, branches, commits, files, modify, filesets, walks    the methods, by what they are about
    transactions   several changes at once
    cluster        version, cluster, users (there are none), checks
    absent         what a cluster has besides, and this server has not

What pachd does and the store cannot is answered UNIMPLEMENTED with a sentence. grpc is known here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.service import absent, calls
from falcon_s3.pfs.service.branches import Branches
from falcon_s3.pfs.service.calls import Room, Service, Waiting
from falcon_s3.pfs.service.cluster import checks, services
from falcon_s3.pfs.service.commits import Commits
from falcon_s3.pfs.service.files import Files
from falcon_s3.pfs.service.filesets import FileSets
from falcon_s3.pfs.service.modify import Modify
from falcon_s3.pfs.service.repos import Repos
from falcon_s3.pfs.service.transactions import Transactions
from falcon_s3.pfs.service.walks import Walks

# Calls served at a time besides those that take as long as their clients like (calls.WAITERS, calls.SENDERS).
THREADS = 64
# The longest message, both ways, as in pachd (grpcutil): clients send 19 MiB at a time.
MESSAGE_BYTES = 20 << 20
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the same address is refused
    # A client that is gone without a word is given up within 40 seconds, with its calls; by default within two hours.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Go clients of pachd ping every 20 seconds; by default grpc ends such connections.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
)


class Server:
    """The store in the folder `data` on an address, HOST:PORT. Raises Unavailable, and OSError for the address.

    `interceptors` see each call before it is answered; `relaxed` as of the store.
    """

    def __init__(
        self, listen: str, data: Path, interceptors: Sequence[grpc.ServerInterceptor] = (), *, relaxed: bool = False
    ):
        self._store = ExtendedPfs(data, relaxed=relaxed)
        self._waiting = Waiting()
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS + calls.WAITERS + calls.SENDERS, thread_name_prefix="call"),
            handlers=[self._pfs(), *self._others(data)],
            interceptors=list(interceptors),
            options=OPTIONS,
        )
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), self._server)
        self._server.add_generic_rpc_handlers((absent.Rest(),))
        try:
            bound = self._server.add_insecure_port(listen)
        except RuntimeError:
            bound = 0
        if not bound:
            self._store.close()
            raise OSError(f"cannot listen on {listen}")

    def _pfs(self) -> Service:
        store, senders = self._store, Room(calls.SENDERS, "send changes")
        self._transactions = Transactions(store)
        methods = {
            **Repos(store).methods(),
            **Branches(store).methods(),
            **Commits(store, self._waiting).methods(),
            **Files(store).methods(),
            **Modify(store, senders).methods(),
            **FileSets(store, senders).methods(),
            **Walks(store).methods(),
            **checks(store),
            **dict(self._transactions.pfs_methods()),
        }
        return Service("pfs_v2.API", methods)

    def _others(self, data: Path) -> list[Service]:
        return [*services(data), *absent.services(), Service("transaction_v2.API", self._transactions.methods())]

    def start(self) -> None:
        self._server.start()

    def stop(self, seconds: float) -> None:
        """Take no more calls, let those that run end for so long, and close the store."""
        ended = self._server.stop(seconds)
        self._waiting.close()
        ended.wait()
        self._store.close()
