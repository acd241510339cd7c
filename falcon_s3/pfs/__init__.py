"""The file system the gateway stands on: its values, its errors, and the one protocol every store keeps.

PFS holds repos; a repo has branches; a branch points at a commit; a commit shows files. This module knows
no S3 and no store. The sentences in `Pfs` are the contract: `tests/pfs` says them as tests, and every store
must pass all of them. There are no default methods on purpose: a default is convenient for who implements
and a trap for who relies on it.

Rules that hold for every store:

* **A write is a commit.** `put_file` and `delete_files` make exactly one, unless the branch's head is an open
  commit: then they join it. Readers see all of a write or nothing of it.
* **Acknowledged is durable.** A method that changes something returns after the change is on disk.
* **What raises changes nothing.**
* **Resolve once.** `inspect_file` gives a `FileInfo`; `open_file` takes it. So the header and the bytes of an
  answer can never come from two versions.
* **Names are text.** A path is any non-empty string without NUL that UTF-8 can encode; order is the order of
  its UTF-8 bytes. A store with a narrower rule says so in `check_write`, before any byte is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from falcon_s3.pfs.errors import (
    BranchExists,
    BranchNotEmpty,
    BranchNotFound,
    Changed,
    CommitFinished,
    CommitNotFound,
    CommitOpen,
    Denied,
    DiskFull,
    FileNotFound,
    FileRemoved,
    InvalidName,
    InvalidPath,
    NotFound,
    OutputBranch,
    PartNotFound,
    PfsError,
    RepoNotFound,
    Unavailable,
    Unsupported,
    UploadNotFound,
    not_written,
)
from falcon_s3.pfs.names import (
    DEFAULT_BRANCH,
    DEFAULT_PROJECT,
    FILESETS,
    PATH_BYTES,
    Branch,
    Commit,
    Ref,
    Repo,
    check_branch,
    check_path,
    is_commit_id,
)
from falcon_s3.pfs.values import (
    Body,
    BranchInfo,
    Check,
    CommitInfo,
    Digests,
    Entry,
    FileInfo,
    FileVersion,
    Listed,
    ListedBranch,
    Part,
    Upload,
)

__all__ = [
    "CHUNK_BYTES",
    "DEFAULT_BRANCH",
    "DEFAULT_PROJECT",
    "FILESETS",
    "PATH_BYTES",
    "Body",
    "Branch",
    "BranchExists",
    "BranchInfo",
    "BranchNotEmpty",
    "BranchNotFound",
    "Changed",
    "Check",
    "Commit",
    "CommitFinished",
    "CommitInfo",
    "CommitNotFound",
    "CommitOpen",
    "Denied",
    "Digests",
    "DiskFull",
    "Entry",
    "FileInfo",
    "FileNotFound",
    "FileRemoved",
    "FileVersion",
    "InvalidName",
    "InvalidPath",
    "Listed",
    "ListedBranch",
    "NotFound",
    "OutputBranch",
    "Part",
    "PartNotFound",
    "Pfs",
    "PfsError",
    "Ref",
    "Repo",
    "RepoNotFound",
    "Unavailable",
    "Unsupported",
    "Upload",
    "UploadNotFound",
    "check_branch",
    "check_path",
    "is_commit_id",
    "not_written",
]

# Chunks between gateway and store are at most this long, so that memory per request is bounded.
CHUNK_BYTES = 1 << 20


class Pfs(Protocol):
    """What the gateway asks of a store. All methods may be called from many threads at once."""

    def list_branches(self) -> Iterable[ListedBranch]:
        """Every branch of every repo, ordered by project, repo and branch name."""

    def inspect_branch(self, branch: Branch) -> BranchInfo:
        """MUST raise BranchNotFound if it, its repo or its project does not exist."""

    def create_branch(self, branch: Branch, head: Commit | None = None) -> BranchInfo:
        """Create the branch at `head`, or with an empty finished commit; its repo and project too if missing.

        MUST cost the same whatever number of files `head` shows. Raises InvalidName, BranchExists,
        CommitNotFound.
        """

    def delete_branch(self, branch: Branch, *, if_empty: bool = False) -> None:
        """Delete the branch, and its repo with the last branch. Commits of a repo that stays remain readable.

        With `if_empty` MUST raise BranchNotEmpty if the head shows a file, atomically with the deletion.
        Raises BranchNotFound.
        """

    def inspect_commit(self, commit: Commit) -> CommitInfo:
        """MUST raise CommitNotFound if the repo has no such commit."""

    def inspect_file(self, ref: Ref, path: str) -> FileInfo:
        """The file as `ref` shows it.

        MUST raise FileNotFound (FileRemoved, if the store can tell which commit removed it, and when), BranchNotFound or
        CommitNotFound.
        """

    def inspect_version(self, commit: Commit, path: str) -> FileInfo:
        """The file as `commit` shows it, unless its own version of the path was removed from history.

        Raises what `inspect_file` raises; FileNotFound for a version that `delete_versions` removed.
        """

    def list_files(self, ref: Ref, prefix: str = "", after: str = "", delimiter: str = "") -> Iterator[Entry]:
        """Files whose path begins with `prefix` and is greater than `after`, in UTF-8 byte order, lazily.

        With a `delimiter` (one or more characters), all files whose path has it at or behind the end of the
        prefix show as one folder entry, ending with the first such delimiter, in its place in the order; a
        folder not greater than `after` is left out with all that is below it. The cost MUST be that of the
        entries taken, not of the files in the commit or below a folder. The listing is of one commit, whatever
        is written meanwhile. Raises BranchNotFound or CommitNotFound (at the call, not at the first entry).
        """

    def list_page(self, ref: Ref, prefix: str, after: str, delimiter: str, most: int) -> Listed:
        """The first `most` entries of `list_files`, and whether there are more; of none it says that there are not.

        MUST give what `list_files` gives. Memory MUST be that of the entries. Raises what `list_files` raises.
        """

    def open_file(self, file: FileInfo, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes [start, stop) of exactly that version, in chunks of at most CHUNK_BYTES.

        The version is pinned at the call: it can be read to the end whatever is deleted meanwhile. The
        iterator has `close()`. Raises FileNotFound if that version has since been removed from history, unless its
        bytes came with the FileInfo; Changed if it may be found again, in another commit.
        """

    def list_versions(
        self, ref: Ref, prefix: str = "", after: str = "", after_commit: str = "", delimiter: str = ""
    ) -> Iterator[FileVersion]:
        """What the commits up to `ref` did to the paths that begin with `prefix`, lazily.

        Ordered by path, and of each path the newest first. With `after_commit` (an id) the listing goes on
        behind that version of the path `after`, else behind all of its versions. Folders as in `list_files`,
        also where every file in one was removed. Raises BranchNotFound or CommitNotFound, also for an
        `after_commit` that the repo does not have.
        """

    def delete_versions(
        self, ref: Ref, versions: Iterable[tuple[str, str]], check: Check | None = None
    ) -> list[FileVersion | None]:
        """Remove versions, each a path and a commit's id, from history for good; makes no commit.

        As if those commits had not touched those paths, for every branch whose history they are in: where one
        was the newest, the one before shows again; where it was a removal, the file is back. The bytes go when
        nothing else uses them. Gives what was removed for each, None where `ref`'s history has no such
        version. `check` is called with each file that goes (None for a removal); what it raises undoes all.
        Raises BranchNotFound, CommitFinished if `ref` is a commit, OutputBranch.
        """

    def set_attributes(self, ref: Ref, file: FileInfo, attributes: Mapping[str, str]) -> None:
        """Replace the attributes of exactly that version, wherever it shows; makes no commit.

        Raises FileNotFound if `ref`'s history has no such version (any more), Changed if an open commit has written the
        file again since it was found, BranchNotFound, CommitNotFound.
        """

    def written_branch(self, ref: Ref) -> Branch:
        """The branch that a write to `ref` belongs to: its own, or that of the open commit which takes the write.

        Several branches may be at one open commit; it is of the one that it was started on. Raises BranchNotFound,
        CommitNotFound.
        """

    def check_write(self, ref: Ref, path: str) -> None:
        """Raise what `put_file` would raise before it takes the first byte; reads no body.

        BranchNotFound, CommitNotFound, CommitFinished (`ref` is a commit that is not open), OutputBranch (a
        branch with provenance whose head is not open), InvalidPath.
        """

    def put_file(
        self,
        ref: Ref,
        path: str,
        body: Body,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        """Write or overwrite one file: one commit, or part of the open commit that `ref` names or heads.

        `attributes` is read after the body ended: what is learnt from the body can be among them. Whatever the
        body or `check` raises MUST be raised again, unchanged, and the write leaves nothing behind. `check` runs
        after the body was read, atomically with the write: of two writers whose checks
        exclude each other exactly one succeeds. Where the branch moves meanwhile `check` may be called again, with
        what is there then. Raises what `check_write` raises.
        """

    def copy_file(
        self,
        ref: Ref,
        path: str,
        source: FileInfo,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        """Write the content of `source`, of any repo, to a path, as `put_file` does, moving no bytes if possible.

        The copy has the source's size and ETag. Raises what `put_file` raises, and FileNotFound if that version
        of the source has since been removed from history.
        """

    def start_upload(self, ref: Ref, path: str, attributes: Mapping[str, str] | None = None) -> Upload:
        """Begin a file of parts. Its id sorts behind those of earlier uploads. Raises what `check_write` raises."""

    def inspect_upload(self, ref: Ref, path: str, upload: str) -> Upload:
        """MUST raise UploadNotFound unless such an upload to that path is under way; BranchNotFound as ever."""

    def list_uploads(
        self, ref: Ref, prefix: str = "", after: str = "", after_upload: str = "", delimiter: str = ""
    ) -> Iterator[Upload]:
        """Uploads under way, by path and then by id; folders as in `list_files`.

        With `after_upload` the listing goes on behind that id at the path `after`, else behind all uploads to
        that path. Raises BranchNotFound or CommitNotFound (at the call).
        """

    def put_part(
        self,
        ref: Ref,
        path: str,
        upload: str,
        number: int,
        body: Body,
        attributes: Mapping[str, str] | None = None,
    ) -> Part:
        """Write or overwrite one part; no commit. Raises what `inspect_upload` raises, before the body is read."""

    def list_parts(self, ref: Ref, path: str, upload: str, after: int = 0) -> list[Part]:
        """The parts whose number is greater than `after`, by number. Raises what `inspect_upload` raises."""

    def finish_upload(
        self,
        ref: Ref,
        path: str,
        upload: str,
        parts: Sequence[tuple[int, str]],
        etag: str,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        """Make the file out of parts, each named by number and ETag, in that order; as one write, like `put_file`.

        The file has the `etag` that is given. The upload and all of its parts are gone afterwards. Raises what
        `put_file` raises, UploadNotFound, and PartNotFound for a part that is not there with that ETag.
        """

    def inspect_finished(self, ref: Ref, path: str, upload: str) -> FileInfo:
        """The file that an upload was finished to, for as long as the store remembers (days).

        So that finishing can be asked for again. Raises UploadNotFound.
        """

    def abort_upload(self, ref: Ref, path: str, upload: str) -> None:
        """Discard the upload and its parts. Raises what `inspect_upload` raises."""

    def parts_of(self, file: FileInfo) -> list[Part]:
        """The parts that a file was put together from, numbered from 1; none for a file that was not."""

    def delete_files(
        self, ref: Ref, paths: Iterable[str], check: Check | None = None, gone: set[str] | None = None
    ) -> Commit | None:
        """Remove files: one commit for all of them. Paths that do not exist are no error.

        Gives the commit, or None when nothing was there to remove (then none is made). `check` is called for each
        path. Into `gone` go the paths that were there; all of them where the store cannot tell without asking for
        each. Raises what `check_write` raises, but for InvalidPath.
        """

    def close(self) -> None:
        """Release files, connections and threads. Nothing may be called afterwards."""
