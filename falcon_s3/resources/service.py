"""`/`: the list of buckets."""

from __future__ import annotations

import falcon

from falcon_s3 import buckets, xml
from falcon_s3.pfs import Pfs
from falcon_s3.request import S3Request


class Service:
    """All branches of all repos, as buckets."""

    def __init__(self, pfs: Pfs):
        self._pfs = pfs

    def list_buckets(self, req: S3Request, resp: falcon.Response) -> None:
        """ListBuckets (S3 API). A browser at `/` shows this document."""
        named = [(buckets.name_of(info.branch), info.created_ms) for info in self._pfs.list_branches()]
        named.sort()
        resp.data = xml.list_all_my_buckets(named)
        resp.content_type = xml.CONTENT_TYPE

    def health(self, req: S3Request, resp: falcon.Response) -> None:
        """`/~/health`: 200 when this worker answers."""
        resp.data = b"ok\n"
        resp.content_type = "text/plain"
