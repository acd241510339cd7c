"""S3Request: one request, typed: what is asked for, by whom, and how its body is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import falcon

from falcon_s3 import errors
from falcon_s3.admission import Admission
from falcon_s3.pfs import Pfs
from falcon_s3.rights import ALL, Rights


class S3Request(falcon.Request):
    """Falcon's request with what the walk through the gateway adds, each set once, by the module named.

    Attributes:
        request_id: 16 hexadecimal digits, on every answer (here).
        query: the query parameters, decoded; the last of a repeated one counts (here).
        lower_headers: header values by lower-case name (here).
        bucket, key: from the path; empty where the path has none (routing).
        is_reading: whether the body was asked for, which invites a client that waits for 100 Continue (here).
        access_key: whose signature was verified; "" for nobody's (auth).
        rights: what whoever asks may do; without a gatekeeper everything (auth).
        everybody: what those may do who do not sign; without a gatekeeper everything (auth).
        store: what the request reads and writes (app; auth, where whoever asks has a view of their own).
        chunk_verifier: checks the signatures inside a signed aws-chunked body; None if there are none (auth).
    """

    __slots__ = (
        "access_key",
        "bucket",
        "chunk_verifier",
        "everybody",
        "is_reading",
        "key",
        "lower_headers",
        "query",
        "request_id",
        "rights",
        "store",
    )

    store: Pfs

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None):
        super().__init__(env, options)
        self.request_id = os.urandom(8).hex().upper()
        self.bucket = ""
        self.key = ""
        self.is_reading = False
        self.access_key = ""
        self.rights: Rights = ALL
        self.everybody: Rights = ALL
        self.chunk_verifier: Any = None
        self.lower_headers: Mapping[str, str] = headers_of(env)
        self.query: Mapping[str, str] = {}

    def admit(self, admission: Admission) -> None:
        """Whoever asks is let in."""
        self.rights, self.everybody, store = admission
        if store is not None:
            self.store = store

    def open_body(self) -> Callable[[int], bytes]:
        """A function that reads so many bytes of the body, fewer only at its end."""
        self.is_reading = True
        read: Callable[[int], bytes] = self.env["wsgi.input"].read
        return read


def headers_of(env: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a WSGI environment (PEP 3333) by lower-case name."""
    headers = {name[5:].replace("_", "-").lower(): env[name] for name in env if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if env.get(name):
            headers[name.replace("_", "-").lower()] = env[name]
    return headers


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query string, decoded; raises InvalidURI for what is not UTF-8."""
    found = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found[decode(name.replace("+", " "))] = decode(value.replace("+", " "))
    return found


def decode(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()  # what is not ASCII was sent so (PEP 3333)
    except UnicodeError as ex:
        raise errors.InvalidURI from ex
