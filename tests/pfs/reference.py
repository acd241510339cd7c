"""What a listing must be, said as plainly as possible: everything is sorted and filtered, nothing is clever."""

from __future__ import annotations

from collections.abc import Iterable


def listing(paths: Iterable[str], prefix: str = "", after: str = "", delimiter: str = "") -> list[str]:
    """The paths that `Pfs.list_files` gives for a commit that shows `paths`."""
    shown: list[str] = []
    for path in sorted(paths, key=str.encode):
        if not path.startswith(prefix):
            continue
        line = path
        if delimiter and delimiter in path[len(prefix) :]:
            line = path[: path.index(delimiter, len(prefix)) + len(delimiter)]
        if line.encode() > after.encode() and shown[-1:] != [line]:
            shown.append(line)
    return shown
