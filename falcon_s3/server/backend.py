"""Backend: a store under a gateway, with whoever lets requests in to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from falcon_s3.admission import Gatekeeper
from falcon_s3.deferral import Starts
from falcon_s3.pfs import Pfs
from falcon_s3.pfs.kept import Kept


def nothing() -> None:
    """What is ready as soon as it is open."""


class Backend(NamedTuple):
    """What a worker opens after the fork; `close` releases all of it.

    `check` raises pfs.Unavailable while the store cannot answer. `kept` is where things are kept as long as nothing in
    the store changes; None for a store that cannot tell. `starts` is the store where it can start writes.
    """

    store: Pfs
    gatekeeper: Gatekeeper
    close: Callable[[], None]
    check: Callable[[], None] = nothing
    kept: Kept | None = None
    starts: Starts | None = None


class Greeting(NamedTuple):
    """What is said of a backend when the gateway starts."""

    where: str  # what is kept where
    who: str  # who may do what
    keys: str  # what stands before a command of aws, so that it works as it is typed
