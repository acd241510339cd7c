"""`falcon-s3 pfsd`: the embedded store over gRPC."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

import click

from falcon_s3 import __version__
from falcon_s3.cli.folder import NamedPath
from falcon_s3.config import DURABILITIES, LOG_LEVELS, Config, ConfigError
from falcon_s3.pfs import Unavailable
from falcon_s3.server import check_address, configure_logging
from falcon_s3.server.embedded import RELAXED
from falcon_s3.server.pfsd import DRAIN_SECONDS, INSTALL, checked

LISTEN = "127.0.0.1:30650"

logger = logging.getLogger("falcon_s3")


@click.command()
@click.option(
    "--listen", envvar="FALCON_S3_PFSD_LISTEN", show_envvar=True, default=LISTEN, show_default=True,
    metavar="HOST:PORT", help="Where to listen.",
)  # fmt: skip
@click.option(
    "--data", envvar="FALCON_S3_DATA", show_envvar=True, default=Config.data, show_default=True,
    type=NamedPath(path_type=Path), metavar="DIR", help="The folder of the store; created if missing.",
)  # fmt: skip
@click.option(
    "--anonymous", envvar="FALCON_S3_ANONYMOUS", show_envvar=True, is_flag=True,
    help="Allow listening beyond this machine, where everybody may do everything.",
)  # fmt: skip
@click.option(
    "--durability", envvar="FALCON_S3_DURABILITY", show_envvar=True, default=Config.durability, show_default=True,
    type=click.Choice(DURABILITIES), help="strict: what is acknowledged is on disk. relaxed: it is soon afterwards.",
)  # fmt: skip
@click.option(
    "--log-level", envvar="FALCON_S3_LOG_LEVEL", show_envvar=True, default=Config.log_level, show_default=True,
    type=click.Choice(LOG_LEVELS), help="What is logged.",
)  # fmt: skip
@click.option("--end-with", type=int, metavar="PID", hidden=True, help="End when this is no longer the parent.")
def pfsd(listen: str, data: Path, anonymous: bool, durability: str, log_level: str, end_with: int | None) -> None:
    """Serve the embedded store over gRPC, as pachd does (pfs_v2.API of Pachyderm 2).

    A gateway may serve the same folder at the same time: what is written through one is read through the other.
    Clients need no token; there are no users and no pipelines.

    \b
      falcon-s3 pfsd
      falcon-s3 serve --grpc 127.0.0.1:30650             both in one
    """  # noqa: D301  \b is what click keeps lines by
    try:
        from falcon_s3.pfs.service import Server
    except ImportError as ex:
        raise click.ClickException(f"pfsd needs grpcio ({ex}): {INSTALL}") from ex
    try:
        address = checked(listen, anonymous)
        check_address(address)
        server = Server(full(address), data, relaxed=durability == "relaxed")
    except (ConfigError, Unavailable, OSError) as ex:
        raise click.ClickException(str(ex)) from ex
    configure_logging(log_level)
    if durability == "relaxed" and end_with is None:
        logger.warning(RELAXED)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ending.set())
    server.start()
    if end_with is None:
        click.echo(f"falcon-s3 {__version__} pfsd on grpc://{listen}, data in {data.resolve()}", err=True)
    else:
        logger.info("pfsd is ready")
    # Again and again, also without a parent to look for: a signal that comes just before a wait does not end it.
    while not ending.wait(1):
        if end_with not in (None, os.getppid()):
            break
    logger.info("ending: running calls have %d seconds", DRAIN_SECONDS)
    server.stop(DRAIN_SECONDS)


def full(address: Config) -> str:
    """The address as grpc takes it."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
