"""`/`: the list of buckets."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

import falcon

from falcon_s3 import buckets, errors, xml
from falcon_s3.request import S3Request
from falcon_s3.rights import Right

# The parameters of ListBuckets; with any of them each bucket says its region, as in S3.
PARAMETERS = frozenset(("prefix", "max-buckets", "continuation-token", "bucket-region"))
# The most buckets of a page (S3 API, ListBuckets).
MAX_BUCKETS = 10_000
# Stands before the name in a continuation token, with the digest of both: what was changed on its way is no token.
TOKEN_MARK = b"falcon-s3 buckets:"
DIGEST_BYTES = 8


class Service:
    """All branches of all repos, as buckets."""

    def __init__(self, region: str, check: Callable[[], None] | None = None):
        self._region = region
        self._check = check

    def list_buckets(self, req: S3Request, resp: falcon.Response) -> None:
        """ListBuckets (S3 API): those that whoever asks may read, all of them unless max-buckets says how many.

        A browser at `/` shows this document.
        """
        query = req.query
        most = max_buckets(query.get("max-buckets"))
        prefix, after = query.get("prefix", ""), bucket_of(query.get("continuation-token"))
        named = [(buckets.name_of(info.branch), info.created_ms) for info in req.store.list_branches()]
        named = [each for each in named if each[0].startswith(prefix) and each[0] > after]
        named = [each for each in named if req.rights.allows(each[0], Right.READ)]
        if query.get("bucket-region", "") not in ("", self._region):
            named = []
        named.sort()
        following = None
        if most is not None and len(named) > most:
            del named[most:]
            following = token_of(named[-1][0])
        resp.data = xml.list_all_my_buckets(
            named,
            region=self._region if PARAMETERS & query.keys() else None,
            prefix=query.get("prefix"),
            token=following,
        )
        resp.content_type = xml.CONTENT_TYPE

    def health(self, req: S3Request, resp: falcon.Response) -> None:
        """`/~/health`: 200 when this worker answers, whether the store does or not: a restart would not help it."""
        resp.data = b"ok\n"
        resp.content_type = "text/plain"

    def ready(self, req: S3Request, resp: falcon.Response) -> None:
        """`/~/ready`: 200 when the store answers too; else 503, with what is wrong."""
        if self._check is not None:
            self._check()
        self.health(req, resp)


def max_buckets(text: str | None) -> int | None:
    """The size of a page; None: all there are. Raises InvalidArgument."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MAX_BUCKETS or len(text) > 9:
        raise errors.InvalidArgument(
            f"max-buckets must be a whole number from 1 to {MAX_BUCKETS}",
            fields={"ArgumentName": "max-buckets", "ArgumentValue": text},
        )
    return int(text)


def token_of(name: str) -> str:
    """The continuation token for a page that ends with the bucket `name`; opaque to clients.

    It is not secret: whoever made one up could as well name that bucket.
    """
    marked = TOKEN_MARK + name.encode()
    return base64.urlsafe_b64encode(hashlib.sha256(marked).digest()[:DIGEST_BYTES] + marked).decode()


def bucket_of(token: str | None) -> str:
    """The bucket in a token of `token_of`, "" if there is no token; raises InvalidArgument for any other text."""
    if not token:
        return ""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        name = raw[DIGEST_BYTES:].removeprefix(TOKEN_MARK).decode()
    except (ValueError, binascii.Error):
        name = ""
    if token_of(name) != token:
        raise errors.InvalidArgument(
            "The continuation token provided is incorrect", fields={"ArgumentName": "continuation-token"}
        )
    return name
