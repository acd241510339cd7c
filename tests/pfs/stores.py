"""The stores the contract is tried on. Another store takes part by a row in `STORES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from falcon_s3.pfs import Branch, BranchInfo, Commit, CommitInfo, Pfs, Ref, Repo
from falcon_s3.pfs.embedded import EmbeddedPfs

REPO = Repo("default", "images")
MASTER = Branch(REPO, "master")


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


# Name -> what opens the store that is kept in a folder; called again on the same folder it opens it again.
STORES: dict[str, Callable[[Path], Store]] = {"embedded": EmbeddedPfs}
