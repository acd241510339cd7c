"""The folder of the embedded store, as an option of the commands that work on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from falcon_s3.config import Config
from falcon_s3.keys import DATABASE as KEYS

CATALOG = "catalog.sqlite3"


def folder_and_form(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --data, the folder, and --json, for programs that read what it prints."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--data", envvar="FALCON_S3_DATA", show_envvar=True, default=Config.data, show_default=True,
        type=click.Path(path_type=Path), metavar="DIR", help="The folder of the store.",
    )(command)  # fmt: skip


def refuse_what_is_none(data: Path, *, keys: bool = False) -> None:
    """Tell of a folder without a store, which may be mistyped; one with `keys` alone will do where these are wanted."""
    if not any((data / name).is_file() for name in ((CATALOG, KEYS) if keys else (CATALOG,))):
        raise click.ClickException(
            f"there is no store in {data}: name its folder with --data, or start `falcon-s3 serve`"
        )
