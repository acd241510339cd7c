"""Which paths PFS takes (storage/paths.go), and how a path is written on the wire: with a slash before it.

A path that breaks the rule would be stored under another name (`a//b` as `a/b`) or not at all, so that it is refused
before anything is sent, and nothing is found under it.
"""

from __future__ import annotations

import re

from falcon_s3.pfs import InvalidPath, check_path

NOT_PRINTABLE = re.compile(r"[^ -~]")
GLOB_CHARACTER = re.compile(r"[*?\[\]{}!()@+^]")


def check(path: str) -> None:
    """Raise InvalidPath, which names what is not taken, unless PFS stores the path under this very name."""
    check_path(path)
    found = NOT_PRINTABLE.search(path)
    if found:
        raise InvalidPath(f"path ({path!a}) invalid: only printable ASCII characters are allowed, not {found[0]!a}")
    found = GLOB_CHARACTER.search(path)
    if found:
        raise InvalidPath(f"path ({path}) invalid: globbing character ({found[0]}) not allowed in path")
    for element in path.split("/"):
        if element in {".", ".."}:
            raise InvalidPath(f"path ({path}) invalid: relative file paths are not allowed: {element}")
        if not element:
            raise InvalidPath(f"path ({path}) invalid: a slash (/) at the beginning, at the end or after another slash")


def is_path(path: str) -> bool:
    try:
        check(path)
    except InvalidPath:
        return False
    return True


def sent(path: str) -> str:
    return "/" + path


def as_glob(path: str) -> str:
    """As GetFile takes it, where a backslash takes the next character as it is.

    Two would do for a glob, but pachd looks only among the paths that begin as the glob does before its first `[`.
    """
    return sent(path).replace("\\", "[\\\\]")


def received(path: str) -> str:
    """The path of a reply; that of a folder keeps the slash at its end."""
    return path.removeprefix("/")
