"""Serving: what each worker opens, and which engine runs the workers.

A worker is a process with stores of its own, of data and of keys: neither SQLite connections nor threads survive a
fork. Both engines keep the same promises: they start as many workers as asked for, replace one that dies, let running
requests end on SIGTERM and SIGINT, and leave no worker behind when they are killed themselves.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from falcon_s3 import _speedups
from falcon_s3.app import create_app
from falcon_s3.config import Config, ConfigError
from falcon_s3.keyring import Keyring
from falcon_s3.keys import KeyStore, KeyStoreError, has_keys
from falcon_s3.pfs import Unavailable
from falcon_s3.pfs.embedded import EmbeddedPfs

logger = logging.getLogger("falcon_s3")

DAY_MS = 24 * 3_600_000

# What an engine calls in each worker: gives the WSGI application, and what releases its store.
Load = Callable[[], tuple[Callable[..., Any], Callable[[], None]]]


def serve(config: Config, ready: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT; `ready` is called when nothing more can be refused.

    Raises ConfigError when it cannot start.
    """
    check_config(config)
    configure_logging(config.log_level)
    check_address(config)
    open_store(config).close()  # what is wrong with the folder is said here, once, and not by every worker
    check_keys(config)
    load = functools.partial(load_app, config)
    if config.engine == "meinheld":
        from falcon_s3.server import meinheld

        meinheld.engine()
        ready()
        meinheld.run(config.host, config.port, config.workers, load)
    else:
        from falcon_s3.server import granian

        ready()
        granian.run(config.host, config.port, config.workers, config.threads, load)


def open_store(config: Config) -> EmbeddedPfs:
    try:
        return EmbeddedPfs(config.data)
    except Unavailable as ex:
        raise ConfigError(f"{ex}; choose another folder with --data") from ex


def check_config(config: Config) -> None:
    """Raise ConfigError for what cannot work, or be safe with the keys there are."""
    try:
        config.check(keys=has_keys(config.data))
    except KeyStoreError as ex:
        raise ConfigError(str(ex)) from ex


def check_keys(config: Config) -> None:
    """Raise ConfigError if the stored keys cannot be used; makes their database where there is none."""
    try:
        keys = KeyStore(config.data, config.keys_secret)
        problem = keys.load().problem
        keys.close()
    except KeyStoreError as ex:
        problem = str(ex)
    if problem is not None:
        raise ConfigError(problem)


def load_app(config: Config) -> tuple[Callable[..., Any], Callable[[], None]]:
    """The application of one worker, and what closes its stores. Called in the worker, after the fork."""
    configure_logging(config.log_level)
    store = EmbeddedPfs(config.data, config.upload_days * DAY_MS)
    fixed = {config.access_key: config.secret_key} if config.access_key and config.secret_key else {}
    keyring = Keyring(fixed, KeyStore(config.data, config.keys_secret), opens=config.opens_without_keys)
    kind = "compiled" if _speedups.compiled else "pure Python"
    logger.info("worker %d is ready, with the %s core", os.getpid(), kind)

    def close() -> None:
        keyring.close()
        store.close()

    return create_app(store, keyring, config.region, config.domains, config.cors_origins), close


def check_address(config: Config) -> None:
    """Raise ConfigError now if the address cannot be listened on: an engine would say it worse."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as ex:
            raise ConfigError(
                f"cannot listen on {config.listen}: {ex.strerror}; stop what uses it, or choose another with --listen"
            ) from ex


def configure_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
