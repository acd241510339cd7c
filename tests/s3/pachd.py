"""The store of a pachd under a gateway, as the tests of S3 use it beside the gateway."""

from __future__ import annotations

from falcon_s3 import buckets
from falcon_s3.pfs.pachd import PachdPfs, methods, names
from falcon_s3.pfs.pachd.address import parse
from falcon_s3.pfs.pachd.calls import Calls
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pfs.remote import RemoteStore


class PachdStore(RemoteStore):
    """With the names as they are: only what is handed to `clear` is ever removed."""

    def __init__(self, address, token=""):
        PachdPfs.__init__(self, parse(address))
        self._calls = Calls(self._channel, token)
        self._writable = set() if token else None

    def clear(self, made):
        """Delete the repos of these buckets, which tests made."""
        for repo in {buckets.branch_of(bucket).repo for bucket in made}:
            request = wire.DeleteRepoRequest(repo=names.repo_message(repo), force=True)
            self._calls.change(methods.DELETE_REPO, request)
