"""What a store tells of what it holds, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from falcon_s3.pfs.names import Branch, Commit


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
    ended, `beginning()` at any time: the BLAKE3 of the chunks that came until then, 32 bytes. They belong to the
    body so that no byte is hashed twice.
    """

    def __iter__(self) -> Iterator[bytes]: ...

    def beginning(self) -> bytes: ...

    def digests(self) -> Digests: ...


# Called inside the write's transaction with what is at the path now (None: nothing); raises to refuse.
Check = Callable[[FileInfo | None], None]
