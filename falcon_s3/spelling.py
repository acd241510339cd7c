"""How path, query and headers of a signed request are written: in canonical form, and as clients may have sent them.

Rule: a path arrives decoded (PEP 3333), and some clients sign it as they sent it. Each of the usual spellings is
therefore tried. All of them mean the same key, so that a signature is never good for another one.

Rule: of the names of headers WSGI tells hyphens and underscores as one (PEP 3333), and metadata may have both. What is
signed says how they were written, also where nobody looks at the signature.

Source: S3 API reference, "Signature Calculations for the Authorization Header".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote_to_bytes

from falcon_s3 import errors

_ESCAPE = re.compile("%..")
# What encoders leave as it is, besides what RFC 3986 calls unreserved: nothing, encodeURIComponent, Go's net/url, and
# those who escape only what a path cannot hold.
_LEFT_ALONE = ("", "!*'()", "$&+,:;=@", "!$&'()*+,:;=@")

# A path of more characters has no key that can be stored: it is not worth its spellings, each of which takes time.
_LONGEST = 2048

# What a request says of the headers that are signed: in the Authorization header, and in the query of a link.
_SIGNED = re.compile("SignedHeaders=([^,&\\s]+)")


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
    if len(path) > _LONGEST:
        yield quote(path)
        return
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


def headers_as_signed(headers: Mapping[str, str], query: str, prefix: str) -> Mapping[str, str]:
    """Headers by lower-case name, those that begin with `prefix` under the names that were signed, underscores and all.

    Which are signed only Version 4 says; without it they keep their hyphens.
    """
    if not any(name.startswith(prefix) for name in headers):
        return headers
    signed = _SIGNED.search(headers.get("authorization", "")) or _SIGNED.search(query)
    if signed is None:
        return headers
    names = [name for name in decoded(signed[1]).split(";") if "_" in name and name.startswith(prefix)]
    written = {name.replace("_", "-"): name for name in names}
    return {written.get(name, name): value for name, value in headers.items()}
