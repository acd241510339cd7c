"""Files and folders of a commit as pfs_v2.API shows them: absolute paths, folders with a slash, sizes, hashes.

The store keeps keys (`a/b`), of which folders are only the beginnings. Here a key is the path `/a/b`, and folders
come as entries of their own, each before what is in it. A folder's size and hash are those of all below it, so that
naming one costs as much as listing it. Keys that end with a slash, as S3 clients make them for empty folders, show
as folders only.

The hash is opaque, 32 bytes, and equal for files of equal size and ETag and for folders of equal files. It is not
the one that pachd would compute, which needs every byte cut up as its storage does.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from falcon_s3.pfs import Entry, InvalidPath, PfsError, hashes, tree
from falcon_s3.pfs.tree import Readers, View

MOST = 100_000
# pachd refuses what its globs would read otherwise (storage/paths.go).
NOT_PRINTABLE = re.compile(r"[^ -~]")
GLOB_CHARACTER = re.compile(r"[*?\[\]{}!()@+^]")


class BadPage(PfsError):
    """A page that cannot be asked for."""


class Item(NamedTuple):
    """A file or folder."""

    path: str  # absolute; a folder's ends with a slash
    size: int  # bytes
    hash: bytes

    @property
    def is_folder(self) -> bool:
        return self.path.endswith("/")


def key_of(path: str) -> str:
    """The key of a path in any spelling: without the slash at its beginning or end, and without empty elements."""
    cleaned = posixpath.normpath("/" + path)
    return cleaned.lstrip("/")


def check_key(path: str) -> str:
    """The key of a path that is to be written. Raises InvalidPath by the rule of pachd (storage/paths.go)."""
    if NOT_PRINTABLE.search(path):
        raise InvalidPath(f"path ({path}) invalid: only printable ASCII characters allowed")
    found = GLOB_CHARACTER.search(path)
    if found:
        raise InvalidPath(f"path ({path}) invalid: globbing character ({found[0]}) not allowed in path")
    if any(element in {".", ".."} for element in path.split("/")):
        raise InvalidPath(f"path ({path}) invalid: relative file paths are not allowed")
    return key_of(path)


def folder(readers: Readers, view: View, key: str) -> Item | None:
    """The folder of all keys that begin with `key`, which is empty or ends with a slash; None if there are none."""
    size, digest, empty = 0, hashlib.blake2b(digest_size=32), True
    for entry in tree.entries(readers, view, key, "", ""):
        empty = False
        size += entry.size
        digest.update(f"{entry.path[len(key) :]}\n{entry.size} {entry.etag}\n".encode())
    return None if empty else Item("/" + key, size, digest.digest())


def find(readers: Readers, view: View, path: str) -> Item | None:
    """The file at the path, else the folder."""
    key = key_of(path)
    return find_file(readers, view, path) or folder(readers, view, key + "/" if key else "")


def find_file(readers: Readers, view: View, path: str) -> Item | None:
    """The file at a path; None where there is none, also where a folder is."""
    if path.endswith("/"):
        return None
    with readers.read() as connection:
        for key in dict.fromkeys((path.removeprefix("/"), key_of(path))):  # a key of S3 may have slashes in a row
            version = tree.find(connection, view, key)
            if version is not None:
                return Item("/" + key, version.size, hashes.of_pfsd(version.size, version.etag))
    return None


def children(readers: Readers, view: View, path: str, after: str = "") -> Iterator[Item]:
    """What is directly in a folder, behind the path `after`; a file for itself; nothing for what is not there."""
    found = find_file(readers, view, path)
    if found is not None:
        yield from (item for item in (found,) if item.path > after)
        return
    key = key_of(path)
    prefix = key + "/" if key else ""
    for entry in tree.entries(readers, view, prefix, after.removeprefix("/"), "/"):
        if entry.is_folder:
            below = folder(readers, view, entry.path)
            if below is not None:
                yield below
        elif not entry.path.endswith("/"):
            yield file_of(entry)


def walk(readers: Readers, view: View, path: str, after: str = "") -> Iterator[Item]:
    """A folder and all below it, those whose path is greater than `after`; a file for itself."""
    found = find_file(readers, view, path)
    if found is not None:
        yield from (item for item in (found,) if item.path > after)
        return
    key = key_of(path)
    prefix = key + "/" if key else ""
    shown: tuple[str, ...] = ()
    for entry in tree.entries(readers, view, prefix, after.removeprefix("/"), ""):
        parents = tuple(_parents(entry.path, prefix))
        for parent in parents:
            if parent not in shown and "/" + parent > after:
                below = folder(readers, view, parent)
                if below is not None:
                    yield below
        shown = parents
        if not entry.path.endswith("/"):
            yield file_of(entry)


def _parents(key: str, prefix: str) -> Iterator[str]:
    """The folders of a key from the one named by `prefix` on."""
    yield prefix
    end = key.find("/", len(prefix))
    while end >= 0:
        yield key[: end + 1]
        end = key.find("/", end + 1)


def file_of(entry: Entry) -> Item:
    return Item("/" + entry.path, entry.size, hashes.of_pfsd(entry.size, entry.etag))


def page(items: Callable[[str], Iterable[Item]], marker: str, number: int, reverse: bool) -> Iterator[Item]:
    """A page of a listing: up to `number` items (0: all) behind the marker, or, reversed, before it and descending.

    `items` gives the listing behind a path. Raises BadPage.
    """
    if number > MOST:
        raise BadPage("cannot return more than 100000 files at a time")
    if reverse and number <= 0:
        raise BadPage("number must be > 0 when reverse is true")
    if marker and not marker.startswith("/"):
        marker = "/" + marker
    if reverse:
        last: deque[Item] = deque(maxlen=number)
        for item in items(""):
            if marker and item.path >= marker:
                break
            last.append(item)
        return reversed(last)
    return _first(items(marker), number)


def _first(items: Iterable[Item], number: int) -> Iterator[Item]:
    for count, item in enumerate(items, 1):
        yield item
        if count == number:
            return


def is_there(readers: Readers, view: View, path: str) -> bool:
    """Whether there is a file at the path or below it."""
    if find_file(readers, view, path) is not None:
        return True
    key = key_of(path)
    return next(tree.entries(readers, view, key + "/" if key else "", "", ""), None) is not None
