"""How the path and the query of a signed request are written: in canonical form, and as clients may have sent them.

Rule: a path arrives decoded (PEP 3333), and some clients sign it as they sent it. Each of the usual spellings is
therefore tried. All of them mean the same key, so that a signature is never good for another one.

Source: S3 API reference, "Signature Calculations for the Authorization Header".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

from falcon_s3 import errors

_ESCAPE = re.compile("%..")
# What encoders leave as it is, besides what RFC 3986 calls unreserved: nothing, encodeURIComponent, Go's net/url, and
# those who escape only what a path cannot hold.
_LEFT_ALONE = ("", "!*'()", "$&+,:;=@", "!$&'()*+,:;=@")


def parameters(query: str) -> Iterator[tuple[str, str]]:
    """The parameters of a raw query, decoded, those without `=` with an empty value."""
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield decoded(name), decoded(value)


def decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def path_of(path_info: str) -> str:
    """The path of WSGI, which is in Latin-1 (PEP 3333), as text. Raises InvalidURI for what is not UTF-8."""
    try:
        return path_info.encode("latin-1").decode()
    except UnicodeError as ex:
        raise errors.InvalidURI("The key is not UTF-8.") from ex


def spellings(path: str, bucket: str) -> Iterator[str]:
    """How a client may have written a path, each once; what RFC 3986 asks for, and nearly all send, comes first.

    `bucket` is the one that the host names; "" if the path does.
    """
    start = 1 if bucket else path.find("/", 1) + 1 or len(path)
    head, key = path[:start], path[start:]
    seen = set()
    for slash in ("/", ""):
        for safe in _LEFT_ALONE:
            upper = quote(head, safe=safe + "/") + quote(key, safe=safe + slash)
            for written in (upper, _ESCAPE.sub(lambda escape: escape[0].lower(), upper)):
                if written not in seen:
                    seen.add(written)
                    yield written
