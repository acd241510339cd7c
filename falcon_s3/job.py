"""A job: the buckets of a gateway that shows nothing but the inputs of one job, and takes its output.

    output = "edges@master=<commit>"            an open commit, written as the bucket `out`
    [inputs]
    images = "research/images@dev=<commit>"     read as the bucket `images`, as that commit shows it

A file of TOML, or of JSON with the same names. A commit is `[project/]repo@[branch=]id`: the id decides what is
shown, the branch (`master` if there is none) which right is needed. Each bucket has a full name besides, that of the
commit's bucket, by which everything else knows it. The output cannot be read, as in Pachyderm's own gateway: it is no
result before the job has ended.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from falcon_s3 import buckets, pfs
from falcon_s3.pfs import Entry, FileInfo, Listed, Ref

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OUT = "out"

_BUCKET = re.compile(r"[a-zA-Z0-9_.-]{1,255}", re.ASCII)
_COMMIT = re.compile(r"(?:([^/@]+)/)?([^/@]+)@(?:([^=@]+)=)?([^=@]+)")


class JobError(ValueError):
    """The file describes no job; the message says why."""


@dataclass(frozen=True)
class Job:
    """What a job may read and write."""

    places: Mapping[str, str]  # the full names of the buckets

    @property
    def output(self) -> Ref | None:
        """The commit that is written; None: the job has no output."""
        return buckets.parse(self.places[OUT]) if OUT in self.places else None

    def describe(self) -> str:
        """Its buckets in a few words."""
        inputs = sorted(self.places.keys() - {OUT})
        read = f"{', '.join(inputs)} can be read" if inputs else "nothing can be read"
        return f"{read}, {OUT} can be written" if OUT in self.places else read


def read(path: Path) -> Job:
    """The job that a file describes. Raises JobError."""
    try:
        text = path.read_text("utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as ex:
        raise JobError(f"the job's file {path} cannot be read: {ex.strerror}") from ex
    except ValueError as ex:
        raise JobError(f"the job's file {path} is not valid: {ex}") from ex
    try:
        return job_of(found)
    except JobError as ex:
        raise JobError(f"{path}: {ex}") from ex


def job_of(found: Any) -> Job:
    """A job from the fields of its file. Raises JobError."""
    if not isinstance(found, dict) or found.keys() - {"inputs", "output"}:
        raise JobError("a job has inputs and an output, and nothing else")
    inputs, output = found.get("inputs", {}), found.get("output")
    if not isinstance(inputs, dict):
        raise JobError("inputs must be commits by the names of their buckets")
    places = {}
    for name, commit in inputs.items():
        if not _BUCKET.fullmatch(name) or name == OUT:
            raise JobError(f"{name!r} cannot be an input's bucket: letters, digits, '_', '-' and dots, and not {OUT!r}")
        places[name] = place_of(commit)
    if output is not None:
        places[OUT] = place_of(output)
    if not places:
        raise JobError("the job has neither an input nor an output")
    return Job(places)


def place_of(text: Any) -> str:
    """The full name of the bucket of a commit, `[project/]repo@[branch=]id`. Raises JobError."""
    found = _COMMIT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise JobError(f"{text!r} is no commit: write [project/]repo@[branch=]id")
    project, repo, branch, commit = found.groups()
    if not pfs.is_commit_id(commit):
        raise JobError(f"{text!r} is no commit: {commit} is no commit id, which has 32 hexadecimal digits")
    place = f"{commit}.{branch or pfs.DEFAULT_BRANCH}.{repo}.{project or pfs.DEFAULT_PROJECT}"
    try:
        buckets.parse(place)
    except pfs.InvalidName as ex:
        raise JobError(f"{text!r} is no commit: {ex}") from ex
    return place


class JobPfs:
    """A store in which the output of a job shows no file. All else is the store's own."""

    def __init__(self, store: pfs.Pfs, output: Ref | None):
        self._store = store
        self._output = output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def inspect_file(self, ref: Ref, path: str) -> FileInfo:
        if ref == self._output:
            raise pfs.FileNotFound(path, ref)
        try:
            return self._store.inspect_file(ref, path)
        except pfs.FileRemoved as ex:  # by a commit that a job does not see
            raise pfs.FileNotFound(path, ref) from ex

    def inspect_version(self, commit: pfs.Commit, path: str) -> NoReturn:
        raise pfs.Unsupported("a job sees one version of each file")

    def list_files(self, ref: Ref, prefix: str = "", after: str = "", delimiter: str = "") -> Iterator[Entry]:
        if ref == self._output:
            return iter(())
        return self._store.list_files(ref, prefix, after, delimiter)

    def list_page(self, ref: Ref, prefix: str, after: str, delimiter: str, most: int) -> Listed:
        if ref == self._output:
            return Listed.of((), most)
        return self._store.list_page(ref, prefix, after, delimiter, most)
