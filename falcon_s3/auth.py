"""Who is asking: the middleware that lets a request in or refuses it, before anything else looks at it.

With a keyring every request must carry a valid signature; without one everybody is let in, and signatures are not
looked at. Our own endpoints below `/~/` are open to all: they tell nothing of the data.
"""

from __future__ import annotations

import time

import falcon

from falcon_s3 import errors, sigv4
from falcon_s3.request import S3Request


class Keyring:
    """The access keys and their secrets."""

    def __init__(self, secrets: dict[str, str]):
        self._secrets = secrets

    def secret_of(self, access_key: str) -> str | None:
        return self._secrets.get(access_key)


class Authentication:
    """Falcon middleware: verifies each request against the keyring. `region` None: any region in its scope will do."""

    def __init__(self, keyring: Keyring, region: str | None = None):
        self._keyring = keyring
        self._region = region

    def process_request(self, req: S3Request, resp: falcon.Response) -> None:
        """Raises AccessDenied for who does not sign, and what `sigv4.verify` raises."""
        env = req.env
        path = env["PATH_INFO"]
        if path.startswith("/~/"):
            return
        if not path.isascii():
            path = path.encode("latin-1").decode(errors="replace")  # what is not UTF-8 the router refuses
        request = sigv4.SignedRequest(req.method, path, env["QUERY_STRING"], req.lower_headers)
        identity = identify(request, self._keyring, self._region)
        req.access_key = identity.access_key
        req.chunk_verifier = identity.chunks
        if not req.access_key:
            raise errors.AccessDenied


def identify(request: sigv4.SignedRequest, keyring: Keyring, region: str | None) -> sigv4.Identity:
    """Who signed the request, whose access key is "" if nobody did. Raises what `sigv4.verify` raises."""
    if "authorization" in request.headers or sigv4.is_presigned(request.query):
        return sigv4.verify(request, keyring.secret_of, time.time(), region)
    return sigv4.Identity("", None)
