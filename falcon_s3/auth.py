"""Who is asking: the middleware that lets a request in or refuses it, before anything else looks at it.

With a gatekeeper every request must carry a valid signature, but for what it lets anybody do; without one, or while it
is open, everybody is let in, and signatures are not looked at; what a link says in its query counts all the same. What
whoever asks may do is in `req.rights`, which `app` asks before each operation; the gatekeeper of a store that has users
of its own gives each request that user's view. Our own endpoints below `/~/` are open to all: they tell nothing of the
data.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import falcon

from falcon_s3 import _sign_py, _speedups, buckets, errors, sigv2, sigv4
from falcon_s3.admission import Gatekeeper
from falcon_s3.request import S3Request
from falcon_s3.rights import ALL, Rights
from falcon_s3.signature import SESSION, VERSION_2, VERSION_4, Identity, SecretOf, SignedRequest, headers_of_link
from falcon_s3.spelling import path_of


class Authentication:
    """Falcon middleware: verifies each request against what the gatekeeper knows.

    `region` is the one that Version 4 signs for; None: any will do. `domains` are those of virtual hosts.
    """

    def __init__(self, gatekeeper: Gatekeeper, region: str | None = None, domains: tuple[str, ...] = ()):
        self._gatekeeper = gatekeeper
        self._region = region
        self._domains = domains

    def process_request(self, req: S3Request, resp: falcon.Response) -> None:
        """Raises InvalidAction, and what `identity_of` and `Gatekeeper.admit` raise."""
        env = req.env
        if is_action(req) and not self._bucket_of(env):
            raise errors.InvalidAction
        if env["PATH_INFO"].startswith("/~/") and not self._bucket_of(env):
            return
        if self._gatekeeper.is_open:
            if env["QUERY_STRING"] and (found := carried(text_of(env["QUERY_STRING"]))):
                take_headers(req, found)
            return
        if is_form(req):  # it is signed in its fields: `resources.form`
            req.rights = req.everybody = Rights()
            return
        identity = self.identity_of(env, req.lower_headers)
        req.access_key = identity.access_key
        req.chunk_verifier = identity.chunks
        if identity.headers:
            take_headers(req, identity.headers)
        req.admit(self._gatekeeper.admit(req.access_key))

    def rights_of(self, env: dict[str, Any], headers: Mapping[str, str], link: _sign_py.Link) -> Rights:
        """What whoever asks may do, without a form; `headers` and `link` as `_speedups.asked_of` tells them.

        Raises what `process_request` raises.
        """
        gatekeeper = self._gatekeeper
        if gatekeeper.is_open:
            return ALL
        access_key = self._reader(env, headers, link)
        if access_key is None:
            access_key = self.identity_of(env, headers).access_key
        return gatekeeper.admit(access_key).rights

    def _reader(self, env: dict[str, Any], headers: Mapping[str, str], link: _sign_py.Link) -> str | None:
        """Who signed as most clients do; None: `identity_of` tells. Nothing that it refuses is let in here.

        What `asked_of` tells of has neither a signature of Version 2 in its query nor the token of a session. The region
        is looked at even where it need not be.
        """
        if (link[0] is None) == ("authorization" not in headers):  # not signed, or in two ways
            return None
        path = env["PATH_INFO"]
        if not path.isascii():
            path = text_of(path)
        try:
            return sigv4.reader(
                env["REQUEST_METHOD"], path, headers, link, self._gatekeeper.secret_of, time.time(), self._region
            )
        except errors.S3Error:
            return None

    def identity_of(self, env: dict[str, Any], headers: Mapping[str, str]) -> Identity:
        """Who signed; `headers` by lower-case name. Raises what `identify` raises."""
        path, query = text_of(env["PATH_INFO"]), text_of(env["QUERY_STRING"])  # what is not UTF-8 the router refuses
        request = SignedRequest(env["REQUEST_METHOD"], path, query, headers, self._bucket_of(env))
        try:
            return identify(request, self._gatekeeper.secret_of, self._region)
        except errors.SignatureDoesNotMatch as ex:
            path_of(env["PATH_INFO"])  # what is not UTF-8 has no spelling to be signed
            ex.message = f"{ex.message} {self._gatekeeper.about_secrets}".rstrip()
            empty = [name for name, value in headers.items() if value == ""]
            if empty:  # some clients send an empty Accept-Encoding
                which = f"Each of the headers {', '.join(empty)}" if len(empty) > 1 else f"The header {empty[0]}"
                ex.message += f" {which} {errors.LOST_TEXT}"
            raise

    def _bucket_of(self, env: dict[str, Any]) -> str:
        """The bucket that the host names; "" if the path names it."""
        return buckets.of_host(env.get("HTTP_HOST", ""), self._domains) if self._domains else ""


def text_of(part: str) -> str:
    """A part of WSGI's environment, which is in Latin-1 (PEP 3333), as text."""
    return part if part.isascii() else part.encode("latin-1").decode(errors="replace")


def take_headers(req: S3Request, found: Mapping[str, str]) -> None:
    """What a link carries in its query is a header, unless who follows it sent that. Raises InvalidArgument."""
    req.lower_headers = {**headers_of_link(found), **req.lower_headers}


def carried(query: str) -> Mapping[str, str]:
    """The headers in the query of a link, whose signature nobody looks at."""
    claims = _speedups.claims_of(query)
    if claims & VERSION_4:
        return sigv4.carried(query)
    return sigv2.carried(query) if claims & VERSION_2 else {}


def is_form(req: S3Request) -> bool:
    """Whether the request is a form upload, which alone is answered to a POST without a query.

    What else it may be is refused.
    """
    return req.method == "POST" and not req.env["QUERY_STRING"] and not req.lower_headers.get("authorization")


def is_action(req: S3Request) -> bool:
    """Whether the request is one of STS or IAM, of a client that takes this for the address of all services.

    They are POSTs of a form to the root (AWS_ENDPOINT_URL names the address of each service that has none of its own).
    """
    if req.method != "POST" or req.env["PATH_INFO"] != "/" or req.env["QUERY_STRING"]:
        return False
    return req.lower_headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def identify(request: SignedRequest, secret_of: SecretOf, region: str | None) -> Identity:
    """Who signed the request, in whichever form; an empty Authorization header is none.

    Raises InvalidRequest for two signatures, InvalidToken, and what the `verify` of `sigv2` and `sigv4` raise.
    """
    authorization = request.headers.get("authorization", "").strip()
    claims = _speedups.claims_of(request.query) if request.query else 0
    old = claims & VERSION_2
    forms = bool(authorization) + bool(claims & VERSION_4) + bool(old)
    if not forms:
        return Identity("")
    if forms > 1:
        raise errors.InvalidRequest("Only one auth mechanism allowed: a header, or query parameters of one version.")
    if "x-amz-security-token" in request.headers or claims & SESSION:
        raise errors.InvalidToken("There are no temporary credentials here: leave out the session token.")
    if old or authorization.startswith(sigv2.SCHEME):
        return sigv2.verify(request, secret_of, time.time())
    return sigv4.verify(request, secret_of, time.time(), region_for(request, region))


def region_for(request: SignedRequest, region: str | None) -> str | None:
    """The region that must be signed for; None: any.

    Clients list buckets, and ask where one is, in the name of us-east-1 before they know, as S3 lets them.
    """
    is_service = request.path == "/" and not request.bucket
    is_location = request.method == "GET" and request.query.partition("=")[0] == "location"
    return None if is_service or is_location else region
