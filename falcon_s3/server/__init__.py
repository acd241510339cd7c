"""Serving: what each worker opens, and which engine runs the workers.

A worker is a process with stores of its own, of data and of keys: neither SQLite connections nor threads survive a
fork. Both engines keep the same promises: they start as many workers as asked for, replace one that dies, let running
requests end on SIGTERM and SIGINT, and leave no worker behind when they are killed themselves.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from falcon_s3 import _speedups, job, pfs
from falcon_s3.app import create_app
from falcon_s3.config import Config, ConfigError
from falcon_s3.job import Job
from falcon_s3.key_cipher import KeyStoreError
from falcon_s3.server import memory, pfsd
from falcon_s3.server.backend import Backend, Greeting

logger = logging.getLogger("falcon_s3")

# What an engine calls in each worker: gives the WSGI application, and what releases its store.
Load = Callable[[], tuple[Callable[..., Any], Callable[[], None]]]


def serve(config: Config, ready: Callable[[Greeting], None]) -> None:
    """Run until SIGTERM or SIGINT; `ready` is called when nothing more can be refused.

    Raises ConfigError when it cannot start.
    """
    config.check()
    configure_logging(config.log_level)
    check_address(config)
    if config.grpc:
        check_address(pfsd.check(config), option="--grpc")
    job_of(config)  # what is wrong with it is said before anything starts
    if config.engine == "granian":
        memory.keep_little()
    greeting = backend_of(config).check(config)
    load = functools.partial(load_app, config)
    if config.engine == "meinheld":
        from falcon_s3.server import meinheld

        meinheld.engine()
        ready(greeting)
        with pfsd.beside(config):
            meinheld.run(config.host, config.port, config.workers, load)
    else:
        from falcon_s3.server import granian

        ready(greeting)
        with pfsd.beside(config):
            granian.run(config.host, config.port, config.workers, config.threads, load, near=not config.pachd)


def backend_of(config: Config) -> Any:
    """The module of what is under the gateway: it has `check` and `opened`. Raises ConfigError."""
    if not config.pachd:
        from falcon_s3.server import embedded

        return embedded
    try:
        from falcon_s3.server import pachd
    except ImportError as ex:
        raise ConfigError(f"--pachd needs grpcio ({ex}): pip install 'falcon-s3[pachd]'") from ex
    return pachd


def job_of(config: Config) -> Job | None:
    """The job whose buckets are shown; None: all buckets are. Raises ConfigError."""
    try:
        return None if config.job is None else job.read(config.job)
    except job.JobError as ex:
        raise ConfigError(str(ex)) from ex


# Between the attempts to serve where that is not possible now.
RETRY_SECONDS = 1.0


def load_app(config: Config) -> tuple[Callable[..., Any], Callable[[], None]]:
    """The application of one worker, and what closes its stores. Called in the worker, after the fork.

    Raises SystemExit, and tells why, where it cannot serve now: the one that replaces it may.
    """
    configure_logging(config.log_level)
    try:
        backend: Backend = backend_of(config).opened(config)
    except (pfs.Unavailable, KeyStoreError) as ex:
        logger.error("this worker cannot serve: %s", ex)  # noqa: TRY400  the sentence says it
        time.sleep(RETRY_SECONDS)
        raise SystemExit(1) from ex
    kind = "compiled" if _speedups.compiled else "pure Python"
    logger.info("worker %d is ready, with the %s core", os.getpid(), kind)
    only = job_of(config)
    app = create_app(
        backend.store,
        backend.gatekeeper,
        config.region,
        config.domains,
        config.cors_origins,
        job=only,
        check=backend.check,
        kept=backend.kept,
        starts=backend.starts,
    )
    return app, backend.close


# What to do about an address that cannot be listened on.
ADVICE = {
    errno.EADDRINUSE: "stop what uses it, or choose another with {}",
    errno.EACCES: "ports below 1024 need a right that you do not have: choose another with {}",
}


# A server that was killed leaves processes behind, which see that within a second or two, and let go of its address.
GIVEN_UP_SECONDS = 5


def check_address(config: Config, option: str = "--listen") -> None:
    """Raise ConfigError now if the address cannot be listened on: an engine would say it worse.

    One that is in use is waited for: who starts a server again at once may do so before the address is given up.
    """
    refused = refusal(config)
    if refused is not None and refused.errno == errno.EADDRINUSE:
        logger.warning("%s is in use: waiting %d seconds for it to be given up", config.listen, GIVEN_UP_SECONDS)
        end = time.monotonic() + GIVEN_UP_SECONDS
        while refused is not None and time.monotonic() < end:
            time.sleep(0.05)
            refused = refusal(config)
    if refused is not None:
        advice = ADVICE.get(refused.errno or 0, f"choose an address of this machine with {option}")
        raise ConfigError(f"cannot listen on {config.listen}: {refused.strerror}; {advice.format(option)}") from refused


def refusal(config: Config) -> OSError | None:
    """Why the address cannot be listened on; None: it can."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as ex:
            return ex
    return None


def configure_logging(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
