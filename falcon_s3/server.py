"""Serving: which engine runs the workers, and what each worker opens after the fork.

A worker is a process with a store of its own: neither SQLite connections nor threads survive a fork. The engine
starts as many as asked for, replaces one that dies, and on SIGTERM lets running requests end.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from falcon_s3 import _speedups
from falcon_s3.app import create_app
from falcon_s3.auth import Keyring
from falcon_s3.config import Config, ConfigError
from falcon_s3.pfs import Unavailable
from falcon_s3.pfs.embedded import EmbeddedPfs

logger = logging.getLogger("falcon_s3")

# How long requests may go on after SIGTERM, in seconds.
DRAIN_SECONDS = 30
# Between the death of a worker and its successor, in seconds.
RESPAWN_SECONDS = 0.5


def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError when it cannot start."""
    config.check()
    configure_logging(config.log_level)
    check_address(config)
    open_store(config).close()  # what is wrong with the folder is said here, once, and not by every worker
    if config.engine == "meinheld":
        from falcon_s3 import meinheld_engine

        meinheld_engine.run(config, functools.partial(load_app, config))
    else:
        run_granian(config)


def open_store(config: Config) -> EmbeddedPfs:
    try:
        return EmbeddedPfs(config.data)
    except Unavailable as ex:
        raise ConfigError(f"{ex}; choose another folder with --data") from ex


def load_app(config: Config) -> Callable[..., Any]:
    """The application of one worker, called in it."""
    configure_logging(config.log_level)
    store = EmbeddedPfs(config.data)
    atexit.register(store.close)
    keyring = Keyring({config.access_key: config.secret_key}) if config.access_key and config.secret_key else None
    kind = "compiled" if _speedups.compiled else "pure Python"
    logger.info("worker %d is ready, with the %s core", os.getpid(), kind)
    return create_app(store, keyring, config.region)


def run_granian(config: Config) -> None:
    from granian.constants import HTTPModes, Interfaces
    from granian.server import Server

    server = Server(
        "falcon_s3",
        address=config.host,
        port=config.port,
        interface=Interfaces.WSGI,
        workers=config.workers,
        blocking_threads=config.threads,
        http=HTTPModes.http1,
        websockets=False,
        # Connections a worker holds, idle ones included; as many requests as there are threads run at once.
        backpressure=1024,
        backlog=2048,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        workers_kill_timeout=DRAIN_SECONDS,
        log_level="warning",
        process_name=None,
    )
    server.serve(target_loader=functools.partial(load_target, config), wrap_loader=False)


def load_target(config: Config, *_: object) -> Callable[..., Any]:
    """What Granian calls in each worker."""
    return load_app(config)


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
