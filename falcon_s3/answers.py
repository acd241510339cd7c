"""Answers: the small answers to reads that were given last, given again as long as nothing was written.

What a GET or a HEAD of an object, a bucket or a listing is answered follows from what was asked and from what is in
the store; who asks decides only whether it may be told. So the whole answer is kept as the store keeps what it read
(`pfs.kept`, which also tells that it is still so), and given again to whoever asks the same: after the signature
was verified and the rights were looked at, as for every request. Anything but a plain yes takes the long way, which
also says what was wrong.

Rule: it fails closed. What a header or a parameter that is not named here would change is not known, so a request
that has one takes the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from falcon_s3 import _speedups, errors
from falcon_s3.auth import Authentication
from falcon_s3.pfs import PfsError
from falcon_s3.pfs.kept import Kept
from falcon_s3.plain_puts import PlainPuts
from falcon_s3.request import REQUEST_ID, new_id
from falcon_s3.rights import READ

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
# Status, headers and body.
Given = tuple[int, Headers, bytes]

# In a WSGI environment, by whoever answers: the full name of the bucket that was read, with the right to read it.
PLACE = "falcon_s3.place"
# The largest body that is kept, in bytes.
MOST_BYTES = 64 << 10
METHODS = frozenset(("GET", "HEAD"))
STATUS = {"200 OK": 200, "206 Partial Content": 206}
LINES = {status: line for line, status in STATUS.items()}
# Headers that change no answer, or none that is kept: who asks, with what, and how the answer is written down.
ASIDE = frozenset(
    "accept accept-encoding accept-language amz-sdk-invocation-id amz-sdk-request authorization connection"
    " content-type date user-agent x-amz-content-sha256 x-amz-date x-amz-user-agent".split()
)
# Headers that are part of the question.
ASKING = ("host", "range", "x-amz-checksum-mode")
KNOWN = ASIDE.union(ASKING)
# Parameters that are part of the question. Those of a link that its maker meant as headers are not known.
PARAMETERS = frozenset(
    "continuation-token delimiter encoding-type fetch-owner list-type marker max-keys prefix start-after versionId"
    " x-id".split()
)


class Answer(NamedTuple):
    """An answer that is kept; `place` is the bucket that was read."""

    place: str
    status: int
    headers: Headers  # without the id of a request
    body: bytes


class Answers:
    """WSGI middleware. Without an `authentication` everybody may ask everything.

    A server that has other ways for what takes longer calls its parts itself: `given`; `begun`, which is that of `puts`,
    where it can answer later; and `ask` for the rest.
    """

    def __init__(
        self, app: Application, kept: Kept, authentication: Authentication | None, puts: PlainPuts | None = None
    ):
        self._app = app
        self._kept = kept
        self._authentication = authentication
        if puts is not None:
            self.begun = puts.begun

    def __call__(self, env: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        given = self.given(env)
        if given is None:
            return self.ask(env, start_response)
        status, headers, body = given
        start_response(LINES[status], headers)
        return [body]

    def given(self, env: dict[str, Any]) -> Given | None:
        """The answer, if it is kept and whoever asks may have it. At once: neither client nor store is waited for."""
        if env["REQUEST_METHOD"] not in METHODS:
            return None
        asked = _speedups.asked_of(env, KNOWN, ASKING, PARAMETERS)
        if asked is None:
            return None
        question, headers, link = asked
        kept: Answer | None = self._kept.get(question)
        if kept is None:
            return None
        place, status, told, body = kept
        if self._authentication is not None:
            try:
                if not self._authentication.rights_of(env, headers, link).allows(place, READ):
                    return None
            except (errors.S3Error, PfsError):
                return None
        return status, [*told, (REQUEST_ID, new_id())], body

    def ask(self, env: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer the long way, and keep what can be kept."""
        asked = None
        # What names no host only HTTP/1.0 may ask, so it is not kept for others.
        if env["REQUEST_METHOD"] in METHODS and env.get("HTTP_HOST"):
            asked = _speedups.asked_of(env, KNOWN, ASKING, PARAMETERS)
        if asked is None or self._kept.get(asked[0]) is not None:
            return self._app(env, start_response)
        question = asked[0]
        state = self._kept.state()
        told: list[tuple[str, Headers]] = []

        def start(status: str, headers: Headers, exc_info: object = None) -> Any:
            told.append((status, headers))
            return start_response(status, headers, *(() if exc_info is None else (exc_info,)))

        body = self._app(env, start)
        status, headers = told[-1]
        if PLACE in env and status in STATUS and isinstance(body, list):
            size = sum(map(len, body))
            if size <= MOST_BYTES:
                told_again = [each for each in headers if each[0] != REQUEST_ID]
                answer = Answer(env[PLACE], STATUS[status], told_again, b"".join(body))
                self._kept.keep(question, answer, size + sum(len(part or "") for part in question), state)
        return body
