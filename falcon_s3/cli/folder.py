"""The folder of the embedded store, as an option of the commands that work on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from falcon_s3.config import Config
from falcon_s3.keys import DATABASE as KEYS
from falcon_s3.pfs.catalog import CATALOG


class NamedPath(click.Path):
    """A path that has a name: none at all, as of a variable that is not set, is the current folder for Python."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("it is empty, as a variable is that is not set; the current folder is .", param, ctx)
        return super().convert(value, param, ctx)


def folder_and_form(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --data, the folder, and --json, for programs that read what it prints."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--data", envvar="FALCON_S3_DATA", show_envvar=True, default=Config.data, show_default=True,
        type=NamedPath(path_type=Path), metavar="DIR", help="The folder of the store.",
    )(command)  # fmt: skip


def refuse_what_is_none(data: Path, *, keys: bool = False) -> None:
    """Tell of a folder without a store, which may be mistyped; one with `keys` alone will do where these are wanted."""
    if not any((data / name).is_file() for name in ((CATALOG, KEYS) if keys else (CATALOG,))):
        raise click.ClickException(
            f"there is no store in {data}: name its folder with --data, or start `falcon-s3 serve`"
        )
