"""Admission: somebody who was let in, and the protocol of whoever lets them in."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from falcon_s3.pfs import Pfs
from falcon_s3.rights import Rights


class Admission(NamedTuple):
    """What whoever asks may do, what everybody may, and whose view of the store that is; None: the gateway's own."""

    rights: Rights
    everybody: Rights
    store: Pfs | None = None


class Gatekeeper(Protocol):
    """Who may sign, and who is let in; safe for many threads."""

    @property
    def is_open(self) -> bool:
        """Whether signatures are not looked at, since there is no key."""

    @property
    def about_secrets(self) -> str:
        """What whoever signs with a wrong secret is told besides."""

    def secret_of(self, access_key: str) -> str | None:
        """What the holder of the key signs with; None: there is no such key."""

    def admit(self, access_key: str) -> Admission:
        """Whose signature was found good; "": who did not sign.

        Raises AccessDenied or InvalidAccessKeyId for who is not let in, pfs.Unavailable if that cannot be told now.
        """

    def close(self) -> None: ...
