"""pfsd beside the workers of a gateway: the same folder over gRPC, from a process of its own that is looked after.

It is a process that knows nothing of the workers: grpc survives no fork. Like a worker it is replaced when it dies,
lets running calls end on SIGTERM, and ends when the gateway was killed.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from falcon_s3.config import Config, ConfigError, is_loopback

logger = logging.getLogger("falcon_s3")

# What the extra `pachd` brings.
NEEDED = ("grpc", "grpc_health", "google.protobuf")
INSTALL = "pip install 'falcon-s3[pachd]'"
# How long running calls are given to end, in seconds.
DRAIN_SECONDS = 30
# Between its death and its successor, in seconds.
RESPAWN_SECONDS = 0.5
# A thread that starts processes must not take what the gateway waits for.
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def checked(listen: str, anonymous: bool) -> Config:
    """The address as a Config. Raises ConfigError for one where nobody should listen."""
    config = Config(listen=listen)
    if not anonymous and not is_loopback(config.host):
        raise ConfigError(
            f"everybody who reaches {listen} could read, write and delete everything: listen on 127.0.0.1,"
            " or say --anonymous if that is what you want"
        )
    return config


def check(config: Config) -> Config:
    """The address of `--grpc` as a Config. Raises ConfigError for what cannot work beside the gateway."""
    for name in NEEDED:
        try:
            found = importlib.util.find_spec(name)
        except ImportError:
            found = None
        if found is None:
            raise ConfigError(f"--grpc needs grpcio ({name} is not installed): {INSTALL}")
    try:
        grpc = checked(config.grpc, config.anonymous)
    except ConfigError as ex:
        raise ConfigError(str(ex).replace("listen must", "grpc must")) from ex
    everywhere = {"0.0.0.0", "::", ""}
    if grpc.port == config.port and (grpc.host == config.host or everywhere & {grpc.host, config.host}):
        raise ConfigError(f"--grpc {config.grpc} is where the gateway itself listens: choose another port")
    return grpc


@contextmanager
def beside(config: Config) -> Iterator[None]:
    """Runs it as long as the block lasts, where `--grpc` was said."""
    if not config.grpc:
        yield
        return
    keeper = Keeper([
        *(sys.executable, "-m", "falcon_s3", "pfsd", "--listen", config.grpc, "--data", str(config.data.resolve())),
        *("--log-level", config.log_level, "--end-with", str(os.getpid())),
        *(["--anonymous"] if config.anonymous else []),
    ])  # fmt: skip
    try:
        yield
    finally:
        keeper.end()


class Keeper:
    """Runs a command until it is told to end, again whenever it dies."""

    def __init__(self, command: Sequence[str]):
        self._command = command
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="pfsd", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while (process := self._start()) is not None:
            process.wait()
            if not self._ending.wait(RESPAWN_SECONDS):
                logger.error("pfsd has died; it is replaced")

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._ending.is_set():
                return None
            # A session of its own: ctrl-C in a terminal is for the gateway, which then ends it.
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603  our own command
            return self._process

    def end(self) -> None:
        """Let running calls end, and wait for that."""
        with self._lock:
            self._ending.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(DRAIN_SECONDS + 5)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
