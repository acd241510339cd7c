"""pfsd beside the workers of a gateway: the same folder over gRPC, from a process of its own that is looked after.

It is a process that knows nothing of the workers: grpc survives no fork. Like a worker it is replaced when it dies,
lets running calls end on SIGTERM, and ends when the gateway was killed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from falcon_s3.config import Config, ConfigError, is_loopback

logger = logging.getLogger("falcon_s3")

# What the extra `pachd` brings.
NEEDED = ("grpc", "grpc_health", "google.protobuf")
INSTALL = "pip install 'falcon-s3[pachd]'"
# It finds what the gateway finds, where that does: `-m` would take modules of the current folder first, such as those of a
# checkout, uncompiled, when the gateway is one that was installed.
BEGINNING = "import sys; sys.path[:] = {!r}; from falcon_s3.__main__ import main; main()"
# How long running calls are given to end, in seconds.
DRAIN_SECONDS = 30
# Between its death and its successor, in seconds.
RESPAWN_SECONDS = 0.5
# How often it is seen that the gateway is gone, in seconds.
LOOK_SECONDS = 1


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
    """Runs it as long as the block lasts, where `--grpc` was said. Forks: no thread may be there yet."""
    if not config.grpc:
        yield
        return
    gateway = os.getpid()
    keeper = os.fork()
    if not keeper:
        code = 1
        try:
            Keeper(command(config), gateway).run()
            code = 0
        except BaseException:
            logger.exception("pfsd cannot be run")
        finally:
            os._exit(code)
    try:
        yield
    finally:
        os.kill(keeper, signal.SIGTERM)
        os.waitpid(keeper, 0)


def command(config: Config) -> list[str]:
    """What runs pfsd, from the process that looks after it."""
    return [
        *(
            sys.executable,
            "-c",
            BEGINNING.format(sys.path),
            "pfsd",
            "--listen",
            config.grpc,
            "--data",
            str(config.data.resolve()),
        ),
        *("--durability", config.durability, "--log-level", config.log_level, "--end-with", str(os.getpid())),
        *(["--anonymous"] if config.anonymous else []),
    ]


class Keeper:
    """A process that runs a command, again whenever it dies, until SIGTERM comes or the process `parent` is gone.

    It is not the gateway's own: what its engine forks meanwhile would inherit the pipes of a command that is started.
    """

    def __init__(self, command: Sequence[str], parent: int):
        self._command = command
        self._parent = parent
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        os.setsid()  # ctrl-C in a terminal is for the gateway, which then ends this
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._end)
        while not self._ending.is_set() and os.getppid() == self._parent:
            if self._process is None:
                self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)  # noqa: S603  our own
                if self._ending.is_set():  # said before there was a process to say it to
                    self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK_SECONDS)
                if not self._ending.is_set():
                    self._process = None
                    logger.error("pfsd has died; it is replaced")
                    time.sleep(RESPAWN_SECONDS)
        self._drain()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending.set()
        if self._process is not None:
            self._process.terminate()

    def _drain(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(DRAIN_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
