"""Globs as pfs_v2.API has them, matched against the files and folders of a commit.

`*` and `?` stop at a slash, `**` does not; `[abc]`, `[a-c]`, `[!a]`; `{a,b}`; and groups `@(a|b)` one of,
`?(a)` at most one, `*(a)` any number, `+(a)` at least one, `!(a)` anything else up to a slash. A backslash takes the
next character as it is. Folders are matched without their slash.

A pattern is matched by following all positions it can have reached at once, so that no pattern takes longer than its
length times the square of the path's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from falcon_s3.pfs import InvalidPath, folders, tree
from falcon_s3.pfs.folders import Item
from falcon_s3.pfs.tree import Readers, View

SPECIAL = frozenset("*?[]{}!()@+\\")
# Groups inside groups.
DEEPEST = 20
LONGEST = 4096


class Step(NamedTuple):
    """One element of a pattern: where it can end in a text, from each position it can begin at."""

    ends: Callable[[str, set[int]], set[int]]


class Glob:
    """A pattern, with or without the slash at its beginning or end. Raises InvalidPath if it is none."""

    def __init__(self, pattern: str):
        self.pattern = "/" + pattern.strip("/")
        if len(self.pattern) > LONGEST:
            raise InvalidPath(f"glob invalid: it has {len(self.pattern)} characters; {LONGEST} are allowed")
        self.steps, end = _parse(self.pattern, 0, "", 0)[0], len(self.pattern)
        assert end == len(self.pattern)

    def matches(self, path: str) -> bool:
        text = path.rstrip("/") or "/"
        if text == "/" or self.pattern == "/":
            return text == self.pattern
        return len(text) in _run(self.steps, text, {0})


def is_glob(path: str) -> bool:
    return not SPECIAL.isdisjoint(path)


def matching(readers: Readers, view: View, pattern: str) -> Iterator[Item]:
    """The files and folders that match, in the order of a walk."""
    glob = Glob(pattern)
    if glob.pattern == "/":
        root = folders.folder(readers, view, "")
        return iter(() if root is None else (root,))
    segments = glob.pattern[1:].split("/")
    if any(each in glob.pattern for each in ("**", "{", "(", "[", "\\")):  # a slash in these may separate nothing
        plain = 0
        while plain < len(segments) - 1 and not is_glob(segments[plain]):
            plain += 1
        base = "/" + "".join(segment + "/" for segment in segments[:plain])
        return (item for item in folders.walk(readers, view, base) if glob.matches(item.path))
    return _descend(readers, view, "", segments)


def _descend(readers: Readers, view: View, prefix: str, segments: list[str]) -> Iterator[Item]:
    """What matches below a folder, reading no folder that does not."""
    first, rest = segments[0], segments[1:]
    if not is_glob(first):
        if rest:
            yield from _descend(readers, view, prefix + first + "/", rest)
            return
        item = folders.find_file(readers, view, "/" + prefix + first)
        yield from () if item is None else (item,)
        below = folders.folder(readers, view, prefix + first + "/")
        yield from () if below is None else (below,)
        return
    glob = Glob(first)
    for entry in tree.entries(readers, view, prefix, "", "/"):
        if not glob.matches("/" + entry.path[len(prefix) :]):
            continue
        if rest:
            if entry.is_folder:
                yield from _descend(readers, view, entry.path, rest)
        elif entry.is_folder:
            below = folders.folder(readers, view, entry.path)
            yield from () if below is None else (below,)
        elif entry.path != prefix:
            yield folders.file_of(entry)


def _run(steps: list[Step], text: str, starts: set[int]) -> set[int]:
    for step in steps:
        if not starts:
            break
        starts = step.ends(text, starts)
    return starts


# Elements


def _literal(character: str) -> Step:
    return Step(lambda text, starts: {start + 1 for start in starts if text.startswith(character, start)})


def _one(text: str, starts: set[int]) -> set[int]:
    return {start + 1 for start in starts if start < len(text) and text[start] != "/"}


def _star(text: str, starts: set[int]) -> set[int]:
    found: set[int] = set()
    for start in starts:
        end = start
        while end not in found:
            found.add(end)
            if end >= len(text) or text[end] == "/":
                break
            end += 1
    return found


def _double_star(text: str, starts: set[int]) -> set[int]:
    return set(range(min(starts), len(text) + 1))


def _class(negated: bool, ranges: list[tuple[str, str]]) -> Step:
    def taken(character: str) -> bool:
        return character != "/" and any(low <= character <= high for low, high in ranges) is not negated

    return Step(lambda text, starts: {start + 1 for start in starts if start < len(text) and taken(text[start])})


def _group(kind: str, alternatives: list[list[Step]]) -> Step:
    def once(text: str, starts: set[int]) -> set[int]:
        return set().union(*(_run(steps, text, starts) for steps in alternatives))

    def many(text: str, starts: set[int]) -> set[int]:
        found: set[int] = set()
        new = once(text, starts)
        while new:
            found |= new
            new = once(text, new) - found
        return found

    def other(text: str, starts: set[int]) -> set[int]:
        return set().union(*(_star(text, {start}) - once(text, {start}) for start in starts))

    return Step(
        {
            "@": once,
            "?": lambda text, starts: starts | once(text, starts),
            "+": many,
            "*": lambda text, starts: starts | many(text, starts),
            "!": other,
        }[kind]
    )


# Reading


def _parse(pattern: str, start: int, closing: str, depth: int) -> tuple[list[Step], int]:
    """Elements from `start` up to the first of the characters `closing`, and where that is."""
    if depth > DEEPEST:
        raise InvalidPath(f"glob ({pattern}) invalid: groups inside groups are {DEEPEST} at most")
    steps: list[Step] = []
    at = start
    while at < len(pattern) and pattern[at] not in closing:
        character, following = pattern[at], pattern[at + 1 : at + 2]
        if character in "@?*+!" and following == "(":
            step, at = _parse_group(pattern, at + 2, character, "|", ")", depth)
        elif character == "{":
            step, at = _parse_group(pattern, at + 1, "@", ",", "}", depth)
        elif character == "[":
            step, at = _parse_class(pattern, at + 1)
        elif character == "*" and following == "*":
            step, at = Step(_double_star), at + 2
        elif character in "*?":
            step, at = Step(_star if character == "*" else _one), at + 1
        elif character == "\\" and following:
            step, at = _literal(following), at + 2
        else:
            step, at = _literal(character), at + 1
        steps.append(step)
    if closing and at >= len(pattern):
        raise InvalidPath(f"glob ({pattern}) invalid: {closing[-1]} is missing")
    return steps, at


def _parse_group(pattern: str, at: int, kind: str, separator: str, closing: str, depth: int) -> tuple[Step, int]:
    alternatives = []
    while True:
        steps, at = _parse(pattern, at, separator + closing, depth + 1)
        alternatives.append(steps)
        at += 1
        if pattern[at - 1] == closing:
            return _group(kind, alternatives), at


def _parse_class(pattern: str, at: int) -> tuple[Step, int]:
    negated = pattern[at : at + 1] in {"!", "^"}
    at += negated
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and (pattern[at] != "]" or not ranges):
        low = pattern[at]
        if pattern[at + 1 : at + 2] == "-" and pattern[at + 2 : at + 3] not in {"", "]"}:
            ranges.append((low, pattern[at + 2]))
            at += 3
        else:
            ranges.append((low, low))
            at += 1
    if at >= len(pattern):
        raise InvalidPath(f"glob ({pattern}) invalid: ] is missing")
    return _class(negated, ranges), at + 1
