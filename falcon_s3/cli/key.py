"""Commands on access keys. They work while the gateway runs or not; a running one takes a change within two seconds."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from falcon_s3.cli.folder import folder_and_form, refuse_what_is_none
from falcon_s3.cli.table import moment, show
from falcon_s3.key_cipher import VARIABLE, KeyStoreError
from falcon_s3.keys import KeyStore, StoredKey
from falcon_s3.pfs.disk_sync import make_folder
from falcon_s3.rights import ALL, ANY, InvalidPattern, Rights, pattern_of

LONGEST_NAME = 100
COLUMNS = ("key", "name", "state", "read", "write", "purge", "created")


def on_keys(*, create: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options --data and --json and the opened keys; what goes wrong with them becomes one line.

    A folder that is not there is made if `create`; else it is told, for it may be mistyped.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @folder_and_form
        @functools.wraps(command)
        def run(data: Path, **arguments: Any) -> None:
            if not create:
                refuse_what_is_none(data, keys=True)
            try:
                make_folder(data)
                keys = KeyStore(data, os.environ.get(VARIABLE) or None)
                try:
                    command(keys, **arguments)
                finally:
                    keys.close()
            except OSError as ex:
                raise click.ClickException(f"the data folder {data} cannot be used: {ex.strerror or ex}") from ex
            except KeyStoreError as ex:
                raise click.ClickException(str(ex)) from ex

        return run

    return decorate


class Pattern(click.ParamType):  # type: ignore[type-arg]
    """A pattern of bucket names."""

    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return pattern_of(str(value))
        except InvalidPattern as ex:
            self.fail(str(ex), param, ctx)


def patterns(name: str, help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(f"--{name}", type=Pattern(), multiple=True, metavar="PATTERN", help=help_text)


@click.group()
def key() -> None:
    """Access keys: who may read and write which buckets.

    Without any key, and none in FALCON_S3_ACCESS_KEY, everybody who reaches the gateway may do everything; with the
    first one requests must be signed. A running gateway takes every change within two seconds.

    A PATTERN is a shell pattern of bucket names in full, branch.repo (or branch.repo.project), in which * stands for
    any characters: '*', 'master.images', '*.images', 'master.img-*'. Quote it.
    """


def plain(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not (name.isprintable() or not name) or len(name) > LONGEST_NAME:
        raise click.BadParameter(f"a name has at most {LONGEST_NAME} characters, all printable")
    return name


@key.command("create")
@click.option("--name", default="", callback=plain, metavar="TEXT", help="Whose it is, for `key list`.")
@patterns("read", "Buckets it may read. Can be repeated, as the next two.")
@patterns("write", "Buckets it may write, and read.")
@patterns("purge", "Buckets in which it may permanently delete versions.")
@click.option("--admin", is_flag=True, help="It may do everything, everywhere.")
@on_keys(create=True)
def key_create(
    keys: KeyStore,
    as_json: bool,
    name: str,
    read: tuple[str, ...],
    write: tuple[str, ...],
    purge: tuple[str, ...],
    admin: bool,
) -> None:
    """Create a key, and show its secret, this once.

    Without a pattern it may read and write everything, and permanently delete nothing.

    \b
      falcon-s3 key create --name backup --read '*'
      falcon-s3 key create --name ingest --write master.images --write 'dev.*'
    """  # noqa: D301  \b is what click keeps lines by
    if admin and (read or write or purge):
        raise click.UsageError("--admin is for everything: leave out the patterns")
    rights = Rights(distinct(read), distinct(write), distinct(purge))
    if admin:
        rights = ALL
    elif rights == Rights():
        rights = Rights(write=(ANY,))
    made, secret = keys.create(name, rights)
    columns = ("key", "secret", "name", "read", "write", "purge")
    show(as_json, columns, [(made.rights.holder, secret, made.name or None, *columns_of(made.rights))])


@key.command("list")
@on_keys()
def key_list(keys: KeyStore, as_json: bool) -> None:
    """All keys with what they may do, the oldest first; never a secret."""
    show_keys(as_json, keys.list_keys())


@key.command("disable")
@click.argument("access_key", metavar="KEY")
@on_keys()
def key_disable(keys: KeyStore, as_json: bool, access_key: str) -> None:
    """Let a key in no longer, until it is enabled again."""
    show_keys(as_json, [keys.enable(access_key, False)])


@key.command("enable")
@click.argument("access_key", metavar="KEY")
@on_keys()
def key_enable(keys: KeyStore, as_json: bool, access_key: str) -> None:
    """Let a disabled key in again."""
    show_keys(as_json, [keys.enable(access_key, True)])


@key.command("delete")
@click.argument("access_key", metavar="KEY")
@on_keys()
def key_delete(keys: KeyStore, as_json: bool, access_key: str) -> None:
    """Delete a key for good."""
    show_keys(as_json, [keys.delete(access_key)])
    if not keys.list_keys():
        warn_of_no_keys()


@key.command("anonymous")
@patterns("read", "Buckets that anybody may read, instead of those before. Can be repeated.")
@click.option("--none", "nothing", is_flag=True, help="Nobody may read anything without a key.")
@on_keys()
def key_anonymous(keys: KeyStore, as_json: bool, read: tuple[str, ...], nothing: bool) -> None:
    """Show or set which buckets may be read without a key.

    \b
      falcon-s3 key anonymous                             what it is now
      falcon-s3 key anonymous --read 'master.public-*'
      falcon-s3 key anonymous --none
    """  # noqa: D301  \b is what click keeps lines by
    if nothing and read:
        raise click.UsageError("--none and --read contradict each other")
    if nothing or read:
        keys.allow_anonymous(read)
    show(as_json, ("read",), [(each,) for each in keys.anonymous()])
    if read and not keys.list_keys():
        warn_of_no_keys()


def distinct(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))


def columns_of(rights: Rights) -> tuple[list[str], list[str], list[str]]:
    return list(rights.read), list(rights.write), list(rights.purge)


def show_keys(as_json: bool, found: Iterable[StoredKey]) -> None:
    rows = [
        (
            each.rights.holder,
            each.name or None,
            "enabled" if each.enabled else "disabled",
            *columns_of(each.rights),
            moment(each.created_ms),
        )
        for each in found
    ]
    show(as_json, COLUMNS, rows)


def warn_of_no_keys() -> None:
    click.echo(
        "There is no key: a gateway that listens on this machine only, and has none in FALCON_S3_ACCESS_KEY, lets"
        " everybody do everything.",
        err=True,
    )
