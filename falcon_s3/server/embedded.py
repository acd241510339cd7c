"""The embedded store under a gateway, with access keys of its own."""

from __future__ import annotations

import logging

from falcon_s3.config import Config, ConfigError
from falcon_s3.key_cipher import KeyStoreError
from falcon_s3.keyring import Keyring
from falcon_s3.keys import KeyStore, has_keys
from falcon_s3.pfs import Unavailable
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.server.backend import Backend, Greeting

logger = logging.getLogger("falcon_s3")

RELAXED = (
    "durability is relaxed: a power cut may take back what was written in the last second, though it was acknowledged"
)
DAY_MS = 24 * 3_600_000


def check(config: Config) -> Greeting:
    """Raise ConfigError for a folder or keys that cannot be used or would not be safe: once, not by every worker.

    Makes the folder and the database of keys where there are none.
    """
    try:
        config.check_keys(stored=has_keys(config.data))
        EmbeddedPfs(config.data).close()
        if config.durability == "relaxed":
            logger.warning(RELAXED)
    except KeyStoreError as ex:
        raise ConfigError(str(ex)) from ex
    except Unavailable as ex:
        raise ConfigError(f"{ex}; choose another folder with --data") from ex
    try:
        keys = KeyStore(config.data, config.keys_secret)
        problem = keys.load().problem
        keys.close()
    except KeyStoreError as ex:
        problem = str(ex)
    if problem is not None:
        raise ConfigError(problem)
    return greeting(config)


def greeting(config: Config) -> Greeting:
    """What `serve` says of it."""
    stored = has_keys(config.data)
    signing = [f"the access key {config.access_key}"] if config.access_key else []
    if stored:
        signing.append("one of those that `falcon-s3 key list` shows")
    return Greeting(
        f"data in {config.data.resolve()}",
        f"requests must be signed with {', or '.join(signing)}"
        if signing
        else "everybody who reaches it may do everything: no access key is set",
        "" if signing else "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any ",
    )


def opened(config: Config) -> Backend:
    """The backend of one worker, of the store that `check` has made. Called in the worker, after the fork.

    A worker that replaces another makes none: where the disk of the folder was unmounted it would serve an empty one, to
    everybody, since there are no keys in it.
    """
    store = EmbeddedPfs(config.data, config.upload_days * DAY_MS, relaxed=config.durability == "relaxed", creates=False)
    fixed = {config.access_key: config.secret_key} if config.access_key and config.secret_key else {}
    keyring = Keyring(fixed, KeyStore(config.data, config.keys_secret), opens=config.opens_without_keys)

    def close() -> None:
        keyring.close()
        store.close()

    return Backend(store, keyring, close, store.check, kept=store.kept, starts=store)
