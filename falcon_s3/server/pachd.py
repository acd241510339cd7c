"""pachd under a gateway: found before anything starts, connected to in each worker; its tokens are the access keys.

Nothing of gRPC is used before the fork, which its threads and connections do not survive: what is asked of pachd
before the workers start is asked by a process of its own.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from falcon_s3.config import Config, ConfigError
from falcon_s3.pfs import Denied, PfsError, Unavailable
from falcon_s3.pfs.pachd import PachdPfs
from falcon_s3.pfs.pachd.address import Address, parse
from falcon_s3.server import context, reach
from falcon_s3.server.backend import Backend, Greeting
from falcon_s3.server.expiry import Expiry
from falcon_s3.tokens import Tokens

# How long pachd is waited for before it is said that there is none.
FIND_SECONDS = 10.0
# The same where somebody wants to know whether the gateway is ready.
READY_SECONDS = 2.0
DAY_MS = 24 * 3_600_000


class Found(NamedTuple):
    """What pachd said of itself."""

    address: Address
    has_auth: bool


def address_of(config: Config) -> Address:
    """Where pachd is. Raises ConfigError."""
    try:
        if config.pachd == context.CONFIG:
            return context.active_address(config.pachd_ca)
        return parse(config.pachd, config.pachd_ca)
    except OSError as ex:
        raise ConfigError(f"the file {ex.filename} cannot be read: {ex.strerror}") from ex
    except ValueError as ex:
        raise ConfigError(str(ex)) from ex


def check(config: Config) -> Greeting:
    """Raise ConfigError unless there is a pachd that this gateway can stand in front of."""
    address = address_of(config)
    # A process that is forked, and not a new one, so that the command line is not run again.
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork"), initializer=silence) as apart:
        found = apart.submit(find, address, config.pachd_token or "").result()
    if not (found.has_auth or config.opens_without_keys):
        raise ConfigError(
            f"the auth of pachd is off, so everybody who reaches {config.listen} could read, write and delete"
            " everything: activate it with `pachctl auth activate`, or listen on 127.0.0.1, or say --anonymous if that"
            " is what you want"
        )
    return greeting(found)


def silence() -> None:
    """What gRPC prints of connections that fail is said better here."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def find(address: Address, token: str) -> Found:
    """Ask what is at the address, and whether the gateway's own token is good there. Raises ConfigError."""
    store = PachdPfs(address, deadline=FIND_SECONDS)
    try:
        store.check_version()
        has_auth = store.who_am_i() is not None
    except Denied:
        has_auth = True
        if token:
            check_token(store.as_user(token))
    except Unavailable as ex:
        raise ConfigError(reach.why_not(address) or str(ex)) from None
    except PfsError as ex:
        raise ConfigError(f"what answers at {address} cannot be used: {ex}") from None
    finally:
        store.close()
    return Found(address, has_auth)


def check_token(own: PachdPfs) -> None:
    """Raise ConfigError unless pachd knows whose token that is."""
    try:
        own.who_am_i()
    except Denied as ex:
        raise ConfigError(f"FALCON_S3_PACHD_TOKEN is refused by pachd: {ex}") from None


def greeting(found: Found) -> Greeting:
    """What `serve` says of it."""
    if found.has_auth:
        who = "requests must be signed: the access key and the secret key are both a token of Pachyderm"
        key = "TOKEN"
    else:
        who = (
            "everybody who reaches it may do everything: the auth of pachd is off; keys, if any, must be two equal ones"
        )
        key = "any"
    return Greeting(
        f"in front of pachd at {found.address}", who, f"AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={key} "
    )


def opened(config: Config) -> Backend:
    """The backend of one worker. Called in the worker, after the fork."""
    address = address_of(config)
    store = PachdPfs(
        address,
        deadline=config.pachd_seconds,
        upload_ms=config.upload_days * DAY_MS,
        waiters=config.threads // 2,  # the other half serves those who wait for nobody
    )
    asked = PachdPfs(address, deadline=READY_SECONDS)
    expiry = Expiry(store.as_user(config.pachd_token or "").expire_uploads, is_user=bool(config.pachd_token))

    def close() -> None:
        expiry.close()
        asked.close()
        store.close()

    return Backend(store, Tokens(store), close, asked.check_version)
