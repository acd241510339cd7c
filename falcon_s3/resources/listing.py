"""`/bucket` as a list of its objects: both versions of ListObjects.

A page is the first `max-keys` entries of a listing of the store. Files and folders count alike.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import falcon

from falcon_s3 import _speedups, errors, xml
from falcon_s3.pfs import Listed
from falcon_s3.request import S3Request

# The most entries of a page, and how many there are unless the client says.
MAX_KEYS = 1000
# Begins every continuation token, so that a text which is none is known as such.
TOKEN_MARK = b"falcon-s3:"


class Listing:
    """The objects of a branch's head or of a commit."""

    def list_objects(self, req: S3Request, resp: falcon.Response) -> None:
        """ListObjects and, with list-type=2, ListObjectsV2 (S3 API)."""
        kind = req.query.get("list-type")
        if kind == "2":
            resp.data = self._version_2(req)
        elif kind is None:
            resp.data = self._version_1(req)
        else:
            raise errors.InvalidArgument("list-type can only be 2.", fields={"ArgumentName": "list-type"})
        resp.content_type = xml.CONTENT_TYPE

    def _version_1(self, req: S3Request) -> bytes:
        marker = req.query.get("marker", "")
        page, listed = self._page(req, marker, owner=True)
        following = listed.last if listed.more and page.delimiter else None
        return xml.list_bucket_result_v1(page, marker, following)

    def _version_2(self, req: S3Request) -> bytes:
        query = req.query
        token, start_after = query.get("continuation-token"), query.get("start-after")
        after = key_of(token) if token else start_after or ""  # an empty token is the start, as an empty marker is
        page, listed = self._page(req, after, owner=query.get("fetch-owner", "").lower() == "true")
        following = token_of(listed.last) if listed.more else None
        return xml.list_bucket_result_v2(page, listed.number, start_after, token, following)

    def _page(self, req: S3Request, after: str, owner: bool) -> tuple[xml.Page, Listed]:
        query = req.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        encoded = url_encode(query)
        most = limit(query, "max-keys", MAX_KEYS)
        refuse_unordered(query)
        listed = req.store.list_page(req.ref, prefix, after, delimiter, most)
        rows = _speedups.contents_xml(listed.rows, encoded, owner)
        return xml.Page(req.bucket, prefix, delimiter, most, listed.more, rows, encoded), listed


def url_encode(query: Mapping[str, str]) -> bool:
    """Whether keys are to be percent-encoded in the answer."""
    encoding = query.get("encoding-type")
    if encoding not in (None, "", "url"):
        raise errors.InvalidArgument(
            "Invalid Encoding Method specified in Request",
            fields={"ArgumentName": "encoding-type", "ArgumentValue": encoding},
        )
    return encoding == "url"


def refuse_unordered(query: Mapping[str, str]) -> None:
    """Raise InvalidArgument for `allow-unordered` with a delimiter, which Ceph has, and Ceph's clients, not together.

    Alone it asks for nothing: an ordered listing is one of those that it allows.
    """
    if query.get("allow-unordered", "").lower() == "true" and query.get("delimiter"):
        raise errors.InvalidArgument(
            "allow-unordered and a delimiter cannot be used together", fields={"ArgumentName": "allow-unordered"}
        )


def limit(query: Mapping[str, str], name: str, most: int) -> int:
    """The size of a page that a parameter asks for: a larger one than `most` is `most`, as in S3."""
    text = query.get(name)
    if not text:
        return most
    number = text.lstrip("0") or "0"  # int() of thousands of digits is refused by Python, zeros or not
    if not (text.isascii() and text.isdigit()) or len(number) > 10 or int(number) > (1 << 31) - 1:
        raise errors.InvalidArgument(
            f"Argument {name} must be an integer between 0 and 2147483647",
            fields={"ArgumentName": name, "ArgumentValue": text},
        )
    return min(int(number), most)


def token_of(key: str) -> str:
    """The continuation token for a page that ends with `key`; opaque to clients."""
    return base64.urlsafe_b64encode(TOKEN_MARK + key.encode()).decode()


def key_of(token: str) -> str:
    """The key in a token of `token_of`; raises InvalidArgument for any other text."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if raw.startswith(TOKEN_MARK):
            return raw.removeprefix(TOKEN_MARK).decode()
    except (ValueError, binascii.Error):
        pass
    raise errors.InvalidArgument(
        "The continuation token provided is incorrect", fields={"ArgumentName": "continuation-token"}
    )
