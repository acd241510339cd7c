"""What the store commands print: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

import click
import orjson


def show(as_json: bool, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns, or as a JSON array of objects with the columns as names."""
    if as_json:
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    texts = [
        [column.upper().replace("_", " ") for column in columns],
        *([text_of(cell) for cell in row] for row in rows),
    ]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def text_of(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, list):
        return ", ".join(map(str, cell)) or "-"
    return str(cell)


def moment(milliseconds: int | None) -> datetime | None:
    """Milliseconds since the epoch as a time in UTC."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
