"""Tokens: who may come in where the store has users of its own, as pachd has.

The access key is a token of the store, and so is the secret key: whoever signs with it is asked for by the store, and
works with their own view of it, so that it is the store that says what they may do. What the store said of a token
is kept for a few seconds. Where its auth is off everybody is let in, with any pair of equal keys or without any.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import NamedTuple, Protocol

from falcon_s3 import errors
from falcon_s3.admission import Admission
from falcon_s3.pfs import Denied, Pfs
from falcon_s3.rights import ALL, Rights

# How long the store's word on a token is kept, in seconds: who was let in, and who was not.
KNOWN_SECONDS = 5.0
REFUSED_SECONDS = 1.0
# The most tokens that are remembered, since whoever asks chooses them.
MOST_KNOWN = 1024


class View(Pfs, Protocol):
    """A store as one user sees it."""

    def who_am_i(self) -> str | None:
        """The user's name; None: there are no users, since auth is off. Raises Denied, Unavailable."""


class Users(Protocol):
    """A store that has users."""

    def as_user(self, token: str) -> View:
        """The store for who holds the token; "": for nobody in particular."""


class Known(NamedTuple):
    until: float  # on the monotonic clock
    admission: Admission | None  # None: refused


class Tokens:
    """A Gatekeeper that asks the store."""

    is_open = False
    about_secrets = "Here the secret key is the same as the access key: both are a token of Pachyderm."

    def __init__(self, users: Users):
        self._users = users
        self._known: dict[str, Known] = {}
        self._changing = threading.Lock()

    def secret_of(self, access_key: str) -> str | None:
        """The token itself: whether the store knows it is asked when the signature was found good."""
        return access_key if access_key and access_key.isascii() and access_key.isprintable() else None

    def admit(self, access_key: str) -> Admission:
        """Raises InvalidAccessKeyId for what is no token, AccessDenied for none where one is needed, Unavailable."""
        known = self._known.get(access_key)
        if known is None or known.until <= time.monotonic():
            known = self._ask(access_key)
        if known.admission is not None:
            return known.admission
        if access_key:
            raise errors.InvalidAccessKeyId(
                "The access key is no token that Pachyderm knows, or it has expired.",
                fields={"AWSAccessKeyId": access_key},
            )
        raise errors.AccessDenied(
            "Access Denied: Pachyderm's auth is on, so sign the request, with a token of Pachyderm for the access key"
            " and the same for the secret key."
        )

    def close(self) -> None:
        """Nothing is held that must be released."""

    def _ask(self, token: str) -> Known:
        view = self._users.as_user(token)
        try:
            name = view.who_am_i()
        except Denied:
            known = Known(time.monotonic() + REFUSED_SECONDS, None)
        else:
            everybody = ALL if name is None else Rights()
            admission = Admission(replace(ALL, holder=token), everybody, view)
            known = Known(time.monotonic() + KNOWN_SECONDS, admission)
        with self._changing:
            self._known.pop(token, None)  # so that the last is the newest
            while len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[token] = known
        return known
