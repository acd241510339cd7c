"""`falcon-s3 pfsd`: the embedded store over gRPC."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import click

from falcon_s3 import __version__
from falcon_s3.config import Config, ConfigError, is_loopback
from falcon_s3.pfs import Unavailable
from falcon_s3.server import check_address, configure_logging

LISTEN = "127.0.0.1:30650"
# How long running calls are given to end.
STOP_SECONDS = 30

logger = logging.getLogger("falcon_s3")


@click.command()
@click.option(
    "--listen", envvar="FALCON_S3_PFSD_LISTEN", show_envvar=True, default=LISTEN, show_default=True,
    metavar="HOST:PORT", help="Where to listen.",
)  # fmt: skip
@click.option(
    "--data", envvar="FALCON_S3_DATA", show_envvar=True, default=Config.data, show_default=True,
    type=click.Path(path_type=Path), metavar="DIR", help="The folder of the store; created if missing.",
)  # fmt: skip
@click.option(
    "--anonymous", envvar="FALCON_S3_ANONYMOUS", show_envvar=True, is_flag=True,
    help="Allow listening beyond this machine, where everybody may do everything.",
)  # fmt: skip
def pfsd(listen: str, data: Path, anonymous: bool) -> None:
    """Serve the embedded store over gRPC, as pachd does (pfs_v2.API of Pachyderm 2).

    A gateway may serve the same folder at the same time: what is written through one is read through the other.
    Clients need no token; there are no users and no pipelines.

    \b
      falcon-s3 pfsd
      falcon-s3 serve & falcon-s3 pfsd --listen 127.0.0.1:30650
    """  # noqa: D301  \b is what click keeps lines by
    try:
        from falcon_s3.pfs.service import Server
    except ImportError as ex:
        raise click.ClickException(f"pfsd needs grpcio ({ex}): pip install 'falcon-s3[pachd]'") from ex
    try:
        server = Server(checked(listen, anonymous), data)
    except (ConfigError, Unavailable, OSError) as ex:
        raise click.ClickException(str(ex)) from ex
    configure_logging("info")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ending.set())
    server.start()
    click.echo(f"falcon-s3 {__version__} pfsd on grpc://{listen}, data in {data.resolve()}", err=True)
    ending.wait()
    logger.info("ending: running calls have %d seconds", STOP_SECONDS)
    server.stop(STOP_SECONDS)


def checked(listen: str, anonymous: bool) -> str:
    """The address in full. Raises ConfigError for one that cannot be listened on, or should not be."""
    config = Config(listen=listen)
    if not anonymous and not is_loopback(config.host):
        raise ConfigError(
            f"everybody who reaches {listen} could read, write and delete everything: listen on 127.0.0.1,"
            " or say --anonymous if that is what you want"
        )
    check_address(config)
    return f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"
