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

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

# Chunks between gateway and store are at most this long, so that memory per request is bounded.
CHUNK_BYTES = 1 << 20
# Longest path, in UTF-8 bytes: the longest key of S3.
PATH_BYTES = 1024

DEFAULT_PROJECT = "default"
DEFAULT_BRANCH = "master"
# What looks like a repo over gRPC and holds changes that wait (`filesets`).
FILESETS = "__filesets__"

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}\Z")
_PROJECT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,50}\Z")
_COMMIT_ID = re.compile(r"[0-9a-f]{12}4[0-9a-f]{19}\Z")


def is_commit_id(text: str) -> bool:
    """Whether `text` is a commit id: a UUIDv4 as 32 lower-case hexadecimal digits (PFS, uuid.go)."""
    return _COMMIT_ID.match(text) is not None


@dataclass(frozen=True, slots=True)
class Repo:
    project: str
    name: str

    def __str__(self) -> str:
        return self.name if self.project == DEFAULT_PROJECT else f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class Branch:
    repo: Repo
    name: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.name}"


@dataclass(frozen=True, slots=True)
class Commit:
    repo: Repo
    id: str

    def __str__(self) -> str:
        return f"{self.repo}@{self.id}"


Ref = Branch | Commit


class ListedBranch(Protocol):
    """What a list of branches tells of each; `BranchInfo` is one."""

    @property
    def branch(self) -> Branch: ...

    @property
    def created_ms(self) -> int: ...


class BranchInfo(NamedTuple):
    branch: Branch
    head: Commit
    head_open: bool | None  # the head was started and is not finished; None: not known without asking for the commit
    created_ms: int  # milliseconds since the epoch, as every `_ms` here
    provenance: tuple[Branch, ...]  # not empty: an output branch, written only through its open commits


class CommitInfo(NamedTuple):
    commit: Commit
    parent: Commit | None
    branch: str  # the branch it was made on, which may be gone by now
    started_ms: int
    finished_ms: int | None  # None: still open
    message: str


class FileInfo(NamedTuple):
    """One version of one file."""

    commit: Commit  # the commit that wrote this version
    path: str
    size: int  # bytes
    etag: str  # unquoted; changes when the content changes
    modified_ms: int
    attributes: Mapping[str, str]  # as given to put_file
    content: object  # the store's own handle on the bytes


class Entry(NamedTuple):
    """One line of a listing: a file, or (size -1, etag "") a folder, whose path ends with the delimiter."""

    path: str
    size: int
    etag: str
    modified_ms: int

    @property
    def is_folder(self) -> bool:
        return self.size < 0


class Listed(NamedTuple):
    """The first entries of a listing."""

    rows: bytes | Sequence[Entry]  # the entries; as bytes they are packed (falcon_s3/_listing_py.py)
    number: int
    last: str  # the path of the last of them
    more: bool  # there are others behind it

    @classmethod
    def of(cls, entries: Iterable[Entry], most: int) -> Listed:
        """The first `most` of a listing; takes one more from it."""
        rows = list(islice(entries, most + 1)) if most else []
        more = len(rows) > most
        del rows[most:]
        return cls(rows, len(rows), rows[-1].path if rows else "", more)


class FileVersion(NamedTuple):
    """One line of a listing of versions: what a commit did to a path, or (size -1) a folder."""

    path: str
    commit: str  # the id of the commit that wrote or removed it; "" for a folder
    size: int  # bytes; 0 where it was removed
    etag: str
    modified_ms: int
    is_latest: bool  # what the branch's head, or the commit listed, shows at the path
    is_removal: bool

    @property
    def is_folder(self) -> bool:
        return self.size < 0


class Upload(NamedTuple):
    """A file that is being put together from parts, seen by nobody until it is finished; or (id "") a folder."""

    id: str
    path: str
    started_ms: int
    attributes: Mapping[str, str]

    @property
    def is_folder(self) -> bool:
        return not self.id


class Part(NamedTuple):
    """A part of an upload, or of a file that was put together from parts."""

    number: int
    size: int  # bytes
    etag: str
    modified_ms: int
    attributes: Mapping[str, str]


class Digests(NamedTuple):
    """What was computed over a whole body, as raw bytes."""

    md5: bytes
    sha256: bytes | None = None  # None: nobody asked for it


class Body(Protocol):
    """The bytes to be stored: an iterable of chunks of 1..CHUNK_BYTES bytes, to be walked once.

    The check is the end of the walk: a body that turns out wrong (too short, wrong digest, bad signature)
    raises instead of ending, and the store discards the write. `digests()` may be called after the walk
    ended; it belongs to the body so that no byte is hashed twice.
    """

    def __iter__(self) -> Iterator[bytes]: ...

    def digests(self) -> Digests: ...


# Called inside the write's transaction with what is at the path now (None: nothing); raises to refuse.
Check = Callable[[FileInfo | None], None]


class PfsError(Exception):
    """Something the caller asked for cannot be; nothing was changed."""


class InvalidName(PfsError):
    """A project, repo or branch name that PFS does not take."""


class InvalidPath(PfsError):
    """A path that this store does not take; the message names the character."""


class NotFound(PfsError):
    """What was named does not exist."""


class RepoNotFound(NotFound):
    def __init__(self, repo: Repo):
        super().__init__(f"repo {repo} not found")


class BranchNotFound(NotFound):
    def __init__(self, branch: Branch):
        super().__init__(f'branch "{branch.name}" not found in repo {branch.repo}')


class CommitNotFound(NotFound):
    def __init__(self, commit: Commit):
        super().__init__(f"commit {commit} not found")
        self.commit = commit


class FileNotFound(NotFound):
    def __init__(self, path: str, ref: Ref):
        super().__init__(f"file {path} not found in {ref}")


class FileRemoved(FileNotFound):
    """There was such a file; `commit` removed it."""

    def __init__(self, path: str, ref: Ref, commit: Commit):
        super().__init__(path, ref)
        self.commit = commit


class UploadNotFound(NotFound):
    def __init__(self, upload: str):
        super().__init__(f"upload {upload} not found")


class PartNotFound(NotFound):
    """An upload has no such part, or has another one under that number."""

    def __init__(self, upload: str, number: int):
        super().__init__(f"part {number} of upload {upload} not found")
        self.number = number


class BranchExists(PfsError):
    def __init__(self, branch: Branch):
        super().__init__(f"branch {branch} already exists")


class BranchNotEmpty(PfsError):
    def __init__(self, branch: Branch):
        super().__init__(f"branch {branch} has files")


class CommitFinished(PfsError):
    def __init__(self, commit: Commit):
        super().__init__(f"commit {commit} has already finished")


class CommitOpen(PfsError):
    """A commit cannot be started because the branch's head is still open."""

    def __init__(self, commit: Commit):
        super().__init__(f"commit {commit} has not been finished")


class OutputBranch(PfsError):
    def __init__(self, branch: Branch):
        super().__init__(f"cannot start a commit on an output branch: {branch}")


class Denied(PfsError):
    """The user whose token was given has no right to that, or the token is none."""


class Unsupported(PfsError):
    """This store cannot do that; the message says what it cannot."""


class Unavailable(PfsError):
    """The store cannot answer now (disk full, slow, not reachable); the same request may succeed later."""


class Changed(Unavailable):
    """A file of an open commit is no longer what was found there: find it again."""


def check_branch(branch: Branch) -> None:
    """Raise InvalidName unless PFS takes the branch's three names.

    The rule (PFS, ancestry.go and the project rule): letters, digits, `_` and `-`; projects begin with a
    letter or digit and have at most 51 characters; a branch name that looks like a commit id is refused.
    """
    if not _PROJECT.match(branch.repo.project):
        raise InvalidName(
            f"project name ({branch.repo.project}) invalid: at most 51 letters, digits, underscores and dashes, "
            "beginning with a letter or digit"
        )
    if branch.repo.name == FILESETS:
        raise InvalidName(f"repo name ({FILESETS}) invalid: it is reserved")
    for name in (branch.repo.name, branch.name):
        if not _NAME.match(name):
            raise InvalidName(
                f"name ({name}) invalid: only alphanumeric characters, underscores, and dashes are allowed"
            )
    if is_commit_id(branch.name.lower()):  # pachd takes ids in either case
        raise InvalidName(f"branch name ({branch.name}) invalid: it looks like a commit id")


def check_path(path: str) -> None:
    """Raise InvalidPath unless `path` is 1..PATH_BYTES bytes of UTF-8 without NUL."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError as ex:
        raise InvalidPath("path invalid: it is not text that UTF-8 can encode") from ex
    if not 0 < length <= PATH_BYTES:
        raise InvalidPath(f"path invalid: it has {length} bytes; 1 to {PATH_BYTES} are allowed")
    if "\0" in path:
        raise InvalidPath("path invalid: it contains a NUL character")


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

        MUST raise FileNotFound (FileRemoved, if the store can tell which commit removed it), BranchNotFound or
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
        bytes came with the FileInfo.
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

    def set_attributes(self, file: FileInfo, attributes: Mapping[str, str]) -> None:
        """Replace the attributes of exactly that version, wherever it shows; makes no commit.

        Raises FileNotFound if the version has since been removed from history.
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
