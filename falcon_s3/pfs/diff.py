"""What differs between two commits, or between a folder in each: as DiffFile of pfs_v2.API tells it."""

from __future__ import annotations

from collections.abc import Iterator

from falcon_s3.pfs import folders
from falcon_s3.pfs.folders import Item
from falcon_s3.pfs.tree import Readers, View


def differences(
    readers: Readers, new: tuple[View, str] | None, old: tuple[View, str] | None
) -> Iterator[tuple[Item | None, Item | None]]:
    """What is new, changed (both are given) or gone, folders included, in the order of their paths below the two.

    Each side is a view and a path in it; None: a side that shows nothing. Compares sizes and ETags, reads no content.
    """
    sides = [_below(readers, side) for side in (new, old)]
    heads = [next(side, None) for side in sides]
    while heads[0] is not None or heads[1] is not None:
        least = min(head[0] for head in heads if head is not None)
        now: list[Item | None] = [None, None]
        for index, head in enumerate(heads):
            if head is not None and head[0] == least:
                now[index] = head[1]
                heads[index] = next(sides[index], None)
        if now[0] is None or now[1] is None or now[0].hash != now[1].hash:
            yield now[0], now[1]


def _below(readers: Readers, side: tuple[View, str] | None) -> Iterator[tuple[str, Item]]:
    """Each item with its path relative to the side's."""
    if side is None:
        return
    view, path = side
    base = "/" + folders.key_of(path)
    for item in folders.walk(readers, view, path):
        yield item.path[len(base) :].lstrip("/"), item
