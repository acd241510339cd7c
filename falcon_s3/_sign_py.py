"""The headers and the query of a request, read and in canonical form: the readable twin.

Every request goes through here, and a signed one more than once, so each function takes one pass. Rule: the canonical
query is made from what arrived, decoded and encoded again once, and sorted by name and then by value.

Sources: PEP 3333 (what a server hands on); S3 API reference, "Signature Calculations for the Authorization Header".
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes

# What stands beside the signature in a query, and the signature, which is not part of what is signed.
AMAZON = "x-amz-"
SIGNATURE, DIGEST = "X-Amz-Signature", "X-Amz-Content-Sha256"
# What the signature of a link is made with, and in which order a Link tells it; and all that signs a link.
TERMS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")
FIELDS = frozenset((*TERMS, SIGNATURE, DIGEST))
# What a query says of a signature, as it is written there, and the query as it is signed, so without the signature:
# - the values of `TERMS` with & between them, each empty that is not there; None where there is none of `FIELDS`;
# - the signature; "" where there is none;
# - the digest, None where there is none;
# - the query.
# The last of a repeated parameter counts.
Link = tuple["str | None", str, "str | None", str]
# What is asked for: method, path, the query without what signs it, and the headers that `asked_of` is told to look at.
Question = tuple["str | None", ...]
# What the names of parameters claim of a query, as bits, and the name of a session's token, which counts in any case.
CLAIMS = {SIGNATURE: 1, "X-Amz-Algorithm": 1, "Signature": 2, "AWSAccessKeyId": 2}
SESSION = "x-amz-security-token"

# What is its own canonical form in a query, as most clients write it: unreserved characters (RFC 3986 section 2.3),
# and %XX for any byte but theirs.
_CANONICAL = re.compile(
    r"[A-Za-z0-9._~-]*(?:%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])[A-Za-z0-9._~-]*)*"
)
# The same in a path that arrives decoded, in which slashes stay.
_CANONICAL_PATH = re.compile(r"[A-Za-z0-9/._~-]*")
_SPACES = re.compile("  +")
# The longest name that is kept from one request to the next, because clients choose it.
_KEPT_CHARACTERS = 64


def headers_of(env: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a WSGI environment by lower-case name."""
    headers = {_header(name): env[name] for name in env if name.startswith("HTTP_")}
    for name, variable in (("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH")):
        value = env.get(variable)
        if value:
            headers[name] = value
    return headers


def _header(variable: str) -> str:
    return _lower(variable) if len(variable) <= _KEPT_CHARACTERS else _lower.__wrapped__(variable)


@lru_cache(maxsize=512)
def _lower(variable: str) -> str:
    return variable[5:].replace("_", "-").lower()


def parse_query(query: str) -> dict[str, str]:
    """The parameters of a query, decoded; the last of a repeated one counts. Raises UnicodeError for what is not UTF-8.

    What is not ASCII was sent so, and is handed on as Latin-1.
    """
    found = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            found[_decoded(name)] = _decoded(value)
    return found


def _decoded(text: str) -> str:
    text = text.replace("+", " ")
    if "%" not in text and text.isascii():
        return text
    return unquote_to_bytes(text.encode("latin-1")).decode()


def canonical_query(query: str) -> str:
    """The query as it is signed. Raises UnicodeError for what UTF-8 cannot encode."""
    return _joined([part.partition("=") for part in query.split("&") if part])


def link_of(query: str) -> tuple[Link, dict[str, str]]:
    """What the query says of a signature, and what else of it begins with x-amz- in any case, as it is written.

    Raises UnicodeError for what UTF-8 cannot encode.
    """
    parts = [part.partition("=") for part in query.split("&") if part]
    found = {name: value for name, _, value in parts if name[: len(AMAZON)].lower() == AMAZON}
    others = {name: value for name, value in found.items() if name not in FIELDS}
    query = _joined([part for part in parts if part[0] != SIGNATURE])
    if len(others) == len(found):
        return (None, "", None, query), others
    terms = "&".join([found.get(name, "") for name in TERMS])
    return (terms, found.get(SIGNATURE, ""), found.get(DIGEST), query), others


def asked_of(
    env: Mapping[str, Any], known: Container[str], asking: tuple[str, ...], parameters: Container[str]
) -> tuple[Question, dict[str, str], Link] | None:
    """What a request asks for, its headers, and what its query says of a signature.

    None for a request that says anything else: it has a header that is not `known`, or a parameter that neither signs
    nor is one of `parameters`. `asking` are the headers that are part of the question. All names count as they are
    written, headers in lower case.
    """
    query = env["QUERY_STRING"]
    headers = headers_of(env)
    names = [part.partition("=")[0] for part in query.split("&")] if query else []
    if (
        not query.isascii()
        or any(name not in known for name in headers)
        or any(name not in parameters and name not in FIELDS for name in names)
    ):
        return None
    plain = "&".join([part for part, name in zip(query.split("&"), names, strict=False) if name not in FIELDS])
    question = (env["REQUEST_METHOD"], env["PATH_INFO"], plain, *map(headers.get, asking))
    return question, headers, link_of(query)[0]


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed_headers: str, payload: str
) -> bytes:
    """What is hashed to be signed: `path` decoded, `query` in canonical form, `headers` by lower-case name.

    Raises UnicodeError for what UTF-8 cannot encode.
    """
    lines = []
    for name in signed_headers.split(";"):
        value = headers.get(name)
        if value is None:  # a server may answer this one itself and keep it from us
            value = "100-continue" if name == "expect" else ""
        value = value.strip()
        lines.append(f"{name}:{_SPACES.sub(' ', value) if '  ' in value else value}\n")
    return f"{method}\n{_canonical_path(path)}\n{query}\n{''.join(lines)}\n{signed_headers}\n{payload}".encode()


def _canonical_path(path: str) -> str:
    return path if _CANONICAL_PATH.fullmatch(path) else quote(path, safe="/-_.~")


def claims_of(query: str) -> int:
    """What the query claims to carry, by the names of its parameters, as they are written: the sum of 1 for a signature
    of Version 4, 2 for one of Version 2, and 4 for the token of a session.

    Only a name with a value counts, if it be empty.
    """
    claims = 0
    for part in query.split("&"):
        name, equals, _ = part.partition("=")
        if equals:
            claims |= CLAIMS.get(name, 0)
            if len(name) == len(SESSION) and name.isascii() and name.lower() == SESSION:
                claims |= 4
    return claims


def _joined(parts: list[tuple[str, str, str]]) -> str:
    pairs = sorted([(_canonical(name), _canonical(value)) for name, _, value in parts])
    return "&".join([f"{name}={value}" for name, value in pairs])


def _canonical(text: str) -> str:
    if _CANONICAL.fullmatch(text):
        return text
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")
