"""Cross-origin requests: which pages of other sites a browser lets use the gateway (Fetch standard, "CORS protocol").

One list of origins for all buckets, from the command line. Functions over header values; who refuses and answers is
`app`. Rule: cookies and other credentials of browsers are never asked for, since signatures are no such thing.

Source: S3 API reference, OPTIONS object (RESTOPTIONSobject); S3 user guide, "Using cross-origin resource sharing".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from falcon_s3 import errors

ANY = "*"
# What a preflight may ask for.
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
# For how many seconds a browser may keep the answer to a preflight.
MAX_AGE_SECONDS = 600
# Headers of answers that a page may read besides those that it always may, and all that begin with x-amz-.
EXPOSED = frozenset(
    "accept-ranges content-disposition content-encoding content-range etag location retry-after".split()
)
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

# An origin as browsers send it (RFC 6454 section 6.2), with at most one `*` for a part of the host.
_PATTERN = re.compile(
    r"null|[a-z][a-z0-9+.-]*://(?=[^*]*\*?[^*]*\Z)(?:[a-z0-9.*_-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII
)
# What may be asked for as a header's name, since it is sent back (RFC 9110 section 5.6.2).
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]*", re.ASCII)


def is_pattern(text: str) -> bool:
    """Whether `text` says origins: `*`, `null`, or scheme://host[:port] with at most one `*` in the host."""
    return text == ANY or _PATTERN.fullmatch(text) is not None


class Origins:
    """The origins whose pages may use the gateway: none at all, those that fit a pattern, or any (`*`)."""

    def __init__(self, patterns: Iterable[str]):
        self._patterns = tuple(patterns)
        parts = (re.escape(pattern).replace(r"\*", "[^/]*") for pattern in self._patterns)
        self._allowed = re.compile("|".join(parts), re.IGNORECASE)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def allow(self, origin: str) -> str | None:
        """The value of Access-Control-Allow-Origin for a page of `origin`; None: the page may not read the answer."""
        if ANY in self._patterns:
            return ANY
        return origin if self and self._allowed.fullmatch(origin) else None

    def check_change(self, headers: Mapping[str, str]) -> None:
        """Refuse what a page of another site wants changed; for gateways on which everybody may do everything.

        There no signature tells that its maker meant it, and a browser sends any page's POST without asking first (Fetch
        standard, "CORS-safelisted method"), with the origin of the page. Raises AccessForbidden.
        """
        origin = headers.get("origin")
        if origin is None or self.allow(origin) is not None or origin.partition("://")[2] == headers.get("host"):
            return
        raise errors.AccessForbidden(
            f"CORSResponse: Pages of {origin} may change nothing: the gateway was not started with this origin."
        )

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that answer a browser which asks whether it may send a request; `headers` by lower-case name.

        Raises BadRequest for what is no such question, AccessForbidden where the answer is no.
        """
        origin, method = headers.get("origin", ""), headers.get("access-control-request-method", "")
        if not origin:
            raise errors.BadRequest("Insufficient information. Origin request header needed.")
        if method not in METHODS:
            raise errors.BadRequest(f"Invalid Access-Control-Request-Method: {method or 'null'}")
        if not self:
            raise errors.AccessForbidden("CORSResponse: CORS is not enabled: the gateway was started without origins.")
        allowed, names = self.allow(origin), headers.get("access-control-request-headers", "")
        if allowed is None or not _NAMES.fullmatch(names):
            raise errors.AccessForbidden
        answer = {
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Allow-Methods": ", ".join(METHODS),
            "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
            "Vary": VARY,
        }
        if names:
            answer["Access-Control-Allow-Headers"] = names
        return answer

    def answer(self, origin: str | None, names: Iterable[str]) -> dict[str, str]:
        """The headers added to an answer that has the headers `names`; `origin` None: no page asks."""
        if not self:
            return {}
        allowed = None if origin is None else self.allow(origin)
        if allowed is None:
            return {"Vary": VARY}  # a cache must not give this answer to a page of another origin
        lower = {name.lower() for name in names} | {"etag"}
        exposed = sorted(name for name in lower if name in EXPOSED or name.startswith("x-amz-"))
        return {
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Allow-Methods": ", ".join(METHODS),
            "Access-Control-Expose-Headers": ", ".join(exposed),
            "Vary": VARY,
        }
