"""Keyring: the access keys as one worker knows them, with what each may do.

The operator's own key, from the environment, is fixed and may do everything. Others are in the key store, which the
command line changes while the gateway runs: a worker asks at most once a second whether it has changed, and reads it
anew only then. Rule: what is wrong with the key store lets nobody in, but keeps in who was in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from falcon_s3 import errors
from falcon_s3.admission import Admission
from falcon_s3.key_cipher import KeyStoreError
from falcon_s3.keys import KeyStore
from falcon_s3.rights import ALL, Rights

logger = logging.getLogger(__name__)

# Between two looks at the key store, in seconds: every request that begins so much after a change obeys it.
LOOK_SECONDS = 1.0
NOBODY = Rights()


class Known(NamedTuple):
    """What a worker knows at one time; replaced as a whole."""

    secrets: Mapping[str, str]
    admissions: Mapping[str, Admission]  # of those who sign
    everybody: Rights
    is_open: bool


def known(secrets: Mapping[str, str], rights: Mapping[str, Rights], is_open: bool) -> Known:
    """`rights` are by access key, those of everybody under ""; a key without any may do nothing."""
    everybody = rights.get("") or NOBODY
    admissions = {key: Admission(rights.get(key) or Rights(holder=key), everybody) for key in secrets}
    return Known(secrets, admissions, everybody, is_open)


class Keyring:
    """A Gatekeeper over access keys of our own.

    `fixed` are secrets by access key, which may do everything. `opens` says whether everybody may do everything as
    long as there is no key at all. `store` is closed with the keyring.
    """

    def __init__(self, fixed: Mapping[str, str] | None = None, store: KeyStore | None = None, *, opens: bool = False):
        self._fixed = dict(fixed or {})
        self._fixed_rights = {key: replace(ALL, holder=key) for key in self._fixed}
        self._store = store
        self._opens = opens and not self._fixed
        self._known = known(self._fixed, self._fixed_rights, self._opens and store is None)
        self._looking = threading.Lock()
        self._next_look = float("inf") if store is None else 0.0
        self._version: int | None = None
        self._problem: str | None = None

    about_secrets = ""

    @property
    def is_open(self) -> bool:
        """Whether everybody may do everything, since there is no key."""
        return self._now().is_open

    def secret_of(self, access_key: str) -> str | None:
        """None for a key that is not there, or disabled."""
        return self._now().secrets.get(access_key)

    def admit(self, access_key: str) -> Admission:
        """Raises AccessDenied for who does not sign, unless anybody may read something."""
        now = self._now()
        admission = now.admissions.get(access_key)
        if admission is not None:
            return admission
        if not (access_key or now.everybody.read):
            raise errors.AccessDenied("Access Denied: requests must be signed with an access key.")
        rights = Rights(holder=access_key) if access_key else now.everybody  # the key was taken away just now
        return Admission(rights, now.everybody)

    def close(self) -> None:
        if self._store is not None:
            with self._looking:
                self._next_look = float("inf")
                self._store.close()

    def _now(self) -> Known:
        if time.monotonic() >= self._next_look:
            with self._looking:
                now = time.monotonic()
                if now >= self._next_look and self._store is not None:
                    self._look(self._store)
                    self._next_look = now + LOOK_SECONDS
        return self._known

    def _look(self, store: KeyStore) -> None:
        problem = None
        try:
            version = store.version()
            if version == self._version:
                return
            found = store.load()
            rights = {key: found.rights[key] for key in found.secrets}
            self._known = known(
                {**found.secrets, **self._fixed},
                {"": Rights(found.anonymous), **rights, **self._fixed_rights},
                self._opens and not found.rights,
            )
            self._version = version if found.problem is None else None  # what is wrong may be put right
            problem = found.problem
        except KeyStoreError as ex:
            self._version, problem = None, str(ex)
        if problem != self._problem:
            self._problem = problem
            if problem is not None:
                logger.error("%s", problem)
