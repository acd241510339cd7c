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

from falcon_s3 import _sign_py, _speedups, errors
from falcon_s3.auth import Authentication
from falcon_s3.pfs import PfsError
from falcon_s3.pfs.kept import Kept
from falcon_s3.request import REQUEST_ID, new_id
from falcon_s3.rights import Right

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

# In a WSGI environment, by whoever answers: the full name of the bucket that was read, with the right to read it.
PLACE = "falcon_s3.place"
# The largest body that is kept, in bytes.
MOST_BYTES = 64 << 10
METHODS = frozenset(("GET", "HEAD"))
STATUS = frozenset(("200 OK", "206 Partial Content"))
# Headers that change no answer, or none that is kept: who asks, with what, and how the answer is written down.
ASIDE = frozenset(
    "accept accept-encoding accept-language amz-sdk-invocation-id amz-sdk-request authorization connection"
    " content-type date user-agent x-amz-content-sha256 x-amz-date x-amz-user-agent".split()
)
# Headers that are part of the question.
ASKING = ("host", "range", "x-amz-checksum-mode")
KNOWN = ASIDE.union(ASKING)
# Parameters that sign.
SIGNING = frozenset(_sign_py.FIELDS)
# Parameters that are part of the question. Those of a link that its maker meant as headers are not known.
PARAMETERS = frozenset(
    "continuation-token delimiter encoding-type fetch-owner list-type marker max-keys prefix start-after versionId"
    " x-id".split()
)


class Question(NamedTuple):
    """What an answer follows from: the query is without what signs it."""

    method: str
    path: str
    query: str
    host: str | None
    range: str | None
    checksum_mode: str | None


class Answer(NamedTuple):
    place: str
    status: str
    headers: Headers  # without the id of a request
    body: list[bytes]


class Answers:
    """WSGI middleware. Without an `authentication` everybody may ask everything."""

    def __init__(self, app: Application, kept: Kept, authentication: Authentication | None):
        self._app = app
        self._kept = kept
        self._authentication = authentication

    def __call__(self, env: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if env["REQUEST_METHOD"] not in METHODS:
            return self._app(env, start_response)
        headers = _speedups.headers_of(env)
        question = question_of(env, headers)
        if question is None:
            return self._app(env, start_response)
        answer: Answer | None = self._kept.get(question)
        if answer is None:
            return self._ask(question, env, start_response)
        try:
            if self._authentication is not None:
                self._authentication.rights_of(env, headers).check(answer.place, Right.READ)
        except (errors.S3Error, PfsError):
            return self._app(env, start_response)
        start_response(answer.status, [*answer.headers, (REQUEST_ID, new_id())])
        return answer.body

    def _ask(self, question: Question, env: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer the long way, and keep what can be kept."""
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
                answer = Answer(env[PLACE], status, [each for each in headers if each[0] != REQUEST_ID], body)
                self._kept.keep(question, answer, size + len(question.path) + len(question.query), state)
        return body


def question_of(env: dict[str, Any], headers: dict[str, str]) -> Question | None:
    """What is asked by one of `METHODS`; None for what is never kept."""
    if not headers.keys() <= KNOWN:
        return None
    query = env["QUERY_STRING"]
    if query:
        query = _speedups.plain_query(query, SIGNING, PARAMETERS)
        if query is None:
            return None
    get = headers.get
    return Question(
        env["REQUEST_METHOD"], env["PATH_INFO"], query, get("host"), get("range"), get("x-amz-checksum-mode")
    )
