"""The stores the contract is tried on, and what each cannot do. Another store takes part by a row in `STORES`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from falcon_s3.pfs import Branch, BranchInfo, Commit, CommitInfo, Pfs, Ref, Repo, janitor

REPO = Repo("default", "images")
MASTER = Branch(REPO, "master")


@contextmanager
def nobody_cleans(data: Path) -> Iterator[None]:
    """No store on the folder cleans up, which would be a write too, and have a part in a turn."""
    with janitor.alone(data / "janitor.lock") as mine:
        assert mine
        yield


class Store(Pfs, Protocol):
    """A store under test: the protocol, and what a test needs to bring it into every state."""

    def create_branch(
        self, branch: Branch, head: Commit | None = None, provenance: Sequence[Branch] = ()
    ) -> BranchInfo:
        """As the protocol says; with `provenance` an output branch."""

    def start_commit(self, branch: Branch, message: str = "") -> Commit:
        """Open a commit, which becomes the branch's head. Raises CommitOpen."""

    def finish_commit(self, ref: Ref, message: str | None = None) -> CommitInfo:
        """Close an open commit. Raises CommitFinished."""


class Kind(NamedTuple):
    """A kind of store. A test that `needs` what is named here is not for it."""

    cannot: Mapping[str, str]  # what -> why


PFS = {
    "attributes": "PFS has no place for attributes beside a file",
    "versions": "PFS has no list of a file's versions, and removes none",
    "origins": "PFS tells the commit that shows a file, and its time, not those that the file came with",
    "parts": "PFS does not know of which parts a file was put together",
    "etags": "the ETag of a file in PFS is its hash, which nobody can choose",
    "paths": "PFS takes the paths of its rule only",
    "output commits": "only pipelines open commits on their output branches in PFS",
    "markers": "PFS is not asked which of the files that are to be removed are there",
    "unequal keys": "the access key is the token of a pachd, and the secret key is the same",
    "completions": "of two requests that complete an upload at once both may make a commit, of the same content",
    "books": "how a pachd keeps its bytes, and for how long, is its own affair",
}
# Of a pachd whose auth is on, besides.
USERS = {"no signature": "whoever does not sign is not let in"}
STORES = {
    "embedded": Kind({}),
    # A pachd on a free port: `falcon-s3 pfsd`.
    "pfsd": Kind(PFS),
    # Any pachd, whose address is given as --pachd.
    "cluster": Kind(
        {**PFS, "branches of commits": "pachd 2.11 and later does not tell on which branch a commit was made"}
    ),
}
