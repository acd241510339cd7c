"""`falcon-s3`: the gateway and the tools of the embedded store, from the command line.

`serve` is here; the commands on repos, branches and commits are in `store`, those on access keys in `key`, the tables
they print in `table`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from falcon_s3 import __version__
from falcon_s3.cli.folder import NamedPath
from falcon_s3.cli.key import key
from falcon_s3.cli.pfsd import pfsd
from falcon_s3.cli.store import branch, commit, fsck, repo
from falcon_s3.config import DURABILITIES, ENGINES, LOG_LEVELS, Config, ConfigError, read_file
from falcon_s3.job import read as read_job
from falcon_s3.server import serve as run
from falcon_s3.server.backend import Greeting

DEFAULTS = Config()
PREFIX = "FALCON_S3_"
# Settings of `serve` that are no options, for what is on a command line others see.
SECRETS = ("ACCESS_KEY", "SECRET_KEY", "KEYS_SECRET", "PACHD_TOKEN")
# What else is read from the environment and is no option of `serve`.
OTHER_VARIABLES = (*SECRETS, "PURE", "PFSD_LISTEN")
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="falcon-s3")
def main() -> None:
    """An S3 gateway for versioned data.

    Every branch of every repo is a bucket (the branch master of the repo images is the bucket master.images),
    every write is a commit, and every old commit stays readable.

    \b
      falcon-s3 serve                                  start on http://127.0.0.1:30600
      falcon-s3 branch list                            what there is
      falcon-s3 commit list images@master              what happened to it
      falcon-s3 branch create images@fix --head ID     go back, and on from there
    """  # noqa: D301  \b is what click keeps lines by


def option(name: str, *, default: object, **settings: Any) -> Callable[[Command], Command]:
    """An option of `serve`, with its variable; its default is shown, and applied after the file is read."""
    variable = PREFIX + name.upper().replace("-", "_")
    text = f"{settings.pop('help')}  [default: {default}]"
    return click.option(f"--{name}", envvar=variable, show_envvar=True, default=None, help=text, **settings)


@main.command()
@option("listen", default=DEFAULTS.listen, metavar="HOST:PORT", help="Where to listen.")
@option(
    "data",
    default=DEFAULTS.data,
    type=NamedPath(path_type=Path),
    metavar="DIR",
    help="Where everything is kept; created if missing.",
)
@click.option(
    "--pachd",
    envvar="FALCON_S3_PACHD",
    show_envvar=True,
    metavar="ADDRESS",
    help="Serve what a Pachyderm cluster keeps, instead of --data: grpc://HOST:30650, grpcs:// with TLS, or config for"
    " the active context of pachctl. PACHD_ADDRESS, or else PACH_CONFIG, does the same where neither option is given.",
)
@click.option(
    "--pachd-ca",
    envvar="FALCON_S3_PACHD_CA",
    show_envvar=True,
    type=NamedPath(path_type=Path),
    metavar="FILE",
    help="The certificates (PEM) that sign that of a grpcs:// address; else those that the system trusts.",
)
@option(
    "pachd-seconds",
    default=DEFAULTS.pachd_seconds,
    type=int,
    metavar="N",
    help="How long pachd may keep a request waiting before it fails (503), to be tried again.",
)
@click.option(
    "--job",
    envvar="FALCON_S3_JOB",
    show_envvar=True,
    type=NamedPath(path_type=Path),
    metavar="FILE",
    help="A TOML or JSON file that describes a job: its inputs are shown as buckets that can be read, its output is"
    " the bucket out, which can be written, and nothing else is shown. See the README.",
)
@click.option(
    "--grpc",
    envvar="FALCON_S3_GRPC",
    show_envvar=True,
    metavar="HOST:PORT",
    help="Serve the folder over gRPC too, as `falcon-s3 pfsd` does, in a process of its own: 127.0.0.1:30650, say.",
)
@option("workers", default="the number of cores", type=int, metavar="N", help="Worker processes.")
@option("threads", default=DEFAULTS.threads, type=int, metavar="N", help="Requests that one worker serves at a time.")
@option(
    "engine",
    default=DEFAULTS.engine,
    type=click.Choice(ENGINES),
    help="The HTTP server. meinheld must be installed by itself, answers one request at a time in each worker, takes"
    " bodies below 2 GiB, and holds uploads back until they are complete: see the README.",
)
@option(
    "region",
    default=DEFAULTS.region,
    metavar="NAME",
    help="The region the buckets say they are in, and that signatures of Version 4 must be for.",
)
@click.option(
    "--domain",
    envvar="FALCON_S3_DOMAIN",
    show_envvar=True,
    multiple=True,
    metavar="NAME",
    callback=lambda _context, _parameter, names: ",".join(names) or None,
    help="A domain whose subdomains are buckets: with s3.example.org, http://master.images.s3.example.org/key is the"
    " object key of the bucket master.images. Can be repeated, or be several separated by commas.",
)
@click.option(
    "--cors-origin",
    envvar="FALCON_S3_CORS_ORIGIN",
    show_envvar=True,
    multiple=True,
    metavar="ORIGIN",
    callback=lambda _context, _parameter, names: ",".join(names) or None,
    help="An origin whose web pages may use the gateway from a browser: https://app.example.org,"
    " https://*.example.org, or * for all. Can be repeated, or be several separated by commas.",
)
@click.option(
    "--anonymous",
    envvar="FALCON_S3_ANONYMOUS",
    show_envvar=True,
    is_flag=True,
    default=None,
    help="Allow listening beyond this machine without an access key.",
)
@option(
    "durability",
    default=DEFAULTS.durability,
    type=click.Choice(DURABILITIES),
    help="strict: what is acknowledged is on disk. relaxed: it is soon afterwards; a power cut may take back the last"
    " second, and damages nothing.",
)
@option(
    "upload-days",
    default=DEFAULTS.upload_days,
    type=int,
    metavar="N",
    help="Multipart uploads that nobody completes are discarded after so many days.",
)
@option("log-level", default=DEFAULTS.log_level, type=click.Choice(LOG_LEVELS), help="What is logged.")
@click.option(
    "--config",
    "config_file",
    envvar="FALCON_S3_CONFIG",
    show_envvar=True,
    type=NamedPath(path_type=Path),
    metavar="FILE",
    help='A TOML file of settings by their long names (log_level = "debug"); flags and variables win.',
)
def serve(config_file: Path | None, **chosen: Any) -> None:
    """Start the gateway, on the embedded store or in front of a Pachyderm cluster.

    On the embedded store access keys are made by `falcon-s3 key create`. One more, which may do everything, is taken from
    FALCON_S3_ACCESS_KEY and FALCON_S3_SECRET_KEY (or access_key and secret_key in the file), never from the command
    line, where others could see it. With any key every request must be signed;
    without one everybody who reaches the gateway may do everything, so it listens on this machine only.
    FALCON_S3_KEYS_SECRET is what the secrets of stored keys are encrypted with, if it is not in the folder.

    In front of pachd the access key and the secret key are both a token of Pachyderm (`pachctl auth get-robot-token`).
    Where its auth is off any two equal keys will do, or none, and again it listens on this machine only.
    FALCON_S3_PACHD_TOKEN is a token of the gateway's own, with which uploads that nobody completes are discarded.

    \b
      falcon-s3 serve
      falcon-s3 serve --listen 127.0.0.1:9000 --data /srv/s3 --workers 4
      falcon-s3 serve --grpc 127.0.0.1:30650
      falcon-s3 serve --pachd grpc://127.0.0.1:30650
      FALCON_S3_ACCESS_KEY=me FALCON_S3_SECRET_KEY=... falcon-s3 serve --listen 0.0.0.0:30600
    """  # noqa: D301  \b is what click keeps lines by
    warn_of_misspelt(os.environ)
    try:
        config = configured(config_file, chosen)
        run(config, lambda greeting: greet(config, greeting))
    except ConfigError as ex:
        raise click.ClickException(str(ex)) from ex


def warn_of_misspelt(environment: Iterable[str]) -> None:
    """Name the variables that are nearly one of ours. Others are left alone: Kubernetes sets some of a service's name."""
    options = (each.envvar for each in serve.params if isinstance(each, click.Option))
    known = {str(each).removeprefix(PREFIX) for each in options} | set(OTHER_VARIABLES)
    for name in (each.removeprefix(PREFIX) for each in environment if each.startswith(PREFIX)):
        if name not in known and (meant := difflib.get_close_matches(name, known, n=1, cutoff=0.8)):
            click.echo(f"Warning: {PREFIX}{name} is not read: did you mean {PREFIX}{meant[0]}?", err=True)


def configured(config_file: Path | None, chosen: dict[str, Any]) -> Config:
    """The configuration: flags and variables over the file over pachctl's variables over the defaults."""
    settings = read_file(config_file) if config_file else {}
    for name in SECRETS:
        chosen[name.lower()] = os.environ.get(f"{PREFIX}{name}") or None
    settings |= {name: value for name, value in chosen.items() if value is not None}
    if settings.get("pachd") and "data" in settings:
        raise ConfigError(
            "what is in front of pachd keeps no data itself: leave out --data (or FALCON_S3_DATA), or --pachd"
        )
    if not {"pachd", "data", "grpc"} & settings.keys():
        settings["pachd"] = os.environ.get("PACHD_ADDRESS") or ("config" if os.environ.get("PACH_CONFIG") else "")
    for name in ("data", "pachd_ca", "job"):
        if name in settings:
            settings[name] = Path(settings[name])
    assert settings.keys() <= {each.name for each in fields(Config)}  # options are named like the fields
    return Config(**settings)


def greet(config: Config, greeting: Greeting) -> None:
    """Say where the gateway is and what to type next."""
    aws = f"{greeting.keys}aws --endpoint-url {config.url} s3"
    lines = [
        f"falcon-s3 {__version__} on {config.url}, {greeting.where}",
        greeting.who,
    ]
    if config.grpc:
        lines.append(f"pfsd on grpc://{config.grpc}: everybody who reaches that may do everything, without a key")
    if config.job is not None:
        lines += [f"only the buckets of a job are shown: {read_job(config.job).describe()}"]
    else:
        lines += [
            "try, in another terminal:",
            f"  {aws} mb s3://master.images",
            f"  {aws} cp README.md s3://master.images/",
            f"  {aws} ls s3://master.images",
        ]
    click.echo("\n".join(lines), err=True)


for command in (pfsd, repo, branch, commit, key, fsck):
    main.add_command(command)
