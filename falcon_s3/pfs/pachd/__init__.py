"""PachdPfs: the protocol on a pachd, or on what speaks like one, over gRPC.

    address    where it is                          calls      channel, deadlines, second tries
    methods    what is called                       failures   what an error's code and text mean
    names      values <-> messages                  framing    chunks <-> messages
    paths      which paths PFS takes                users      tokens, versions
    reading, listing                                branches
    stream, writing    changes on their way, as one commit
    lock, locking    writes under a condition       uploads, layers    files in parts, put together

What PFS has no place for is not kept: attributes are dropped, but for those whose loss would be a lie, which are
refused, and a content type is what the file's name tells. The ETag of a file is PFS's own hash of it. A file's commit
is the commit that it was found in, and its time is that commit's: when it was finished, or started while it is open.

The channel is opened by the constructor, which calls nothing: make one in each process, after the fork.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from falcon_s3.pfs import (
    Body,
    Branch,
    BranchInfo,
    Check,
    Commit,
    CommitInfo,
    Entry,
    FileInfo,
    FileVersion,
    Listed,
    Part,
    Ref,
    Repo,
    Unsupported,
    Upload,
)
from falcon_s3.pfs.pachd import branches, listing, locking, names, parts, reading, uploads, users, writing
from falcon_s3.pfs.pachd.address import Address
from falcon_s3.pfs.pachd.branches import BranchEntry
from falcon_s3.pfs.pachd.calls import WAITERS, Calls, Channel
from falcon_s3.pfs.pachd.locking import Condition
from falcon_s3.pfs.pachd.reading import Reader
from falcon_s3.pfs.pachd.writing import Content

# Attributes that a client sets on purpose, one by one, and would look for.
REFUSED_ATTRIBUTES = {"x-amz-tagging": "tags"}
NO_VERSIONS = "PFS finds the versions of a file only by reading the whole history: list the commits with pachctl"
NO_DELETION = "PFS removes no single version from history: drop or squash whole commits with pachctl"
NO_ATTRIBUTES = "PFS has no place for tags and metadata beside a file"


class PachdPfs:
    """Safe for many threads. `deadline`: seconds that pachd may keep one step of an answer waiting. `waiters`: how many
    threads may wait for the turns of others for longer than a moment.

    `upload_ms`: uploads that are not finished so long after they began are discarded by `expire_uploads`; None: they stay.
    """

    def __init__(
        self, address: Address, *, deadline: float = 30.0, upload_ms: int | None = None, waiters: int = WAITERS
    ):
        self.address = address
        self._upload_ms = upload_ms
        self._channel = Channel(address, deadline, waiters)
        self._calls = Calls(self._channel)
        self._checked = writing.Checked()
        # The repos that the user was found to have the right to write to. A view is made anew every few seconds, and to
        # a branch pachd lets no write through without the right; to an open commit it does. None: nobody in particular.
        self._writable: set[Repo] | None = None

    def as_user(self, token: str) -> PachdPfs:
        """The same store for the user of a token; "" is nobody in particular. It needs no closing."""
        view = object.__new__(PachdPfs)
        view.__dict__.update(self.__dict__)
        view._calls = Calls(self._channel, token)
        view._checked = writing.Checked()
        view._writable = set() if token else None
        return view

    def who_am_i(self) -> str | None:
        """The name of the user; None where pachd knows no users. Raises Denied for a token that is none, Unavailable."""
        return users.who_am_i(self._calls)

    def check_version(self) -> None:
        """Raise Unavailable if nothing answers, PfsError if what answers is no pachd of version 2."""
        users.check_version(self._calls)

    def close(self) -> None:
        self._channel.close()

    # Branches and commits

    def list_branches(self) -> list[BranchEntry]:
        return branches.list_branches(self._calls)

    def inspect_branch(self, branch: Branch) -> BranchInfo:
        return names.branch_info(reading.inspect_branch(self._calls, branch))

    def create_branch(self, branch: Branch, head: Commit | None = None) -> BranchInfo:
        return branches.create_branch(self._calls, branch, head)

    def delete_branch(self, branch: Branch, *, if_empty: bool = False) -> None:
        branches.delete_branch(self._calls, branch, if_empty=if_empty)

    def inspect_commit(self, commit: Commit) -> CommitInfo:
        names.check_ref(commit)
        return names.commit_info(reading.inspect_commit(self._calls, commit))

    # Reading

    def inspect_file(self, ref: Ref, path: str) -> FileInfo:
        names.check_ref(ref)
        return reading.inspect_file(self._calls, ref, path)

    def inspect_version(self, commit: Commit, path: str) -> FileInfo:
        return self.inspect_file(commit, path)

    def list_files(self, ref: Ref, prefix: str = "", after: str = "", delimiter: str = "") -> Iterator[Entry]:
        return reading.dated(self._calls, ref, listing.list_files(self._calls, ref, prefix, after, delimiter))

    def list_page(self, ref: Ref, prefix: str, after: str, delimiter: str, most: int) -> Listed:
        return Listed.of(self.list_files(ref, prefix, after, delimiter), most)

    def open_file(self, file: FileInfo, start: int = 0, stop: int | None = None) -> Reader:
        return Reader(self._calls, file, start, file.size if stop is None else min(stop, file.size))

    # Writing

    def written_branch(self, ref: Ref) -> Branch:
        info = self.inspect_commit(self.inspect_branch(ref).head if isinstance(ref, Branch) else ref)
        return ref if isinstance(ref, Branch) and info.finished_ms is not None else Branch(ref.repo, info.branch)

    def check_write(self, ref: Ref, path: str) -> None:
        self._checked.note(ref, path, self._look(ref, path))

    def _look(self, ref: Ref, path: str) -> Commit | None:
        """What stands against a write, the user's rights too; gives the branch's head."""
        head = writing.check(self._calls, ref, path)
        self._check_rights(ref.repo)
        return head

    def _check_rights(self, repo: Repo) -> None:
        """Raise Denied unless the user may write to the repo."""
        if self._writable is not None and repo not in self._writable:
            users.check_rights(self._calls, repo)
            self._writable.add(repo)

    def _check(self, ref: Ref, path: str, attributes: Mapping[str, str] | None) -> Commit | None:
        """What stands against a write, unless it was looked at just now; gives the branch's head."""
        for name, what in REFUSED_ATTRIBUTES.items():
            if attributes and name in attributes:
                raise Unsupported(f"{NO_ATTRIBUTES}: leave out the {what}")
        done, head = self._checked.take(ref, path)
        return head if done else self._look(ref, path)

    def put_file(
        self,
        ref: Ref,
        path: str,
        body: Body,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        head = self._check(ref, path, attributes)
        if check is None:
            return writing.put_file(self._calls, ref, path, body, head)
        file_set, content = writing.file_set(self._calls, ref, lambda stream: writing.send_body(stream, path, body))
        locking.write(self._calls, ref, [writing.from_file_set(path, file_set)], Condition([path], check, content))
        return writing.written(self._calls, ref, path, content, head)

    def copy_file(
        self,
        ref: Ref,
        path: str,
        source: FileInfo,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        head = self._check(ref, path, attributes)
        change = writing.copy(path, source.commit, source.path, append=False)
        content = Content(source.size, {source.etag})
        with writing.copying(self._calls, source):
            locking.write(self._calls, ref, [change], Condition([path], check, content))
            return writing.copied(self._calls, ref, path, source, head)

    def delete_files(
        self, ref: Ref, paths: Iterable[str], check: Check | None = None, gone: set[str] | None = None
    ) -> Commit | None:
        wanted = list(dict.fromkeys(paths))
        names.check_ref(ref)
        self._check_rights(ref.repo)
        commit = locking.delete_files(self._calls, ref, wanted, check)
        if gone is not None and commit is not None:
            gone.update(wanted)
        return commit

    # What PFS has no place for

    def list_versions(
        self, ref: Ref, prefix: str = "", after: str = "", after_commit: str = "", delimiter: str = ""
    ) -> NoReturn:
        raise Unsupported(NO_VERSIONS)

    def delete_versions(
        self, ref: Ref, versions: Iterable[tuple[str, str]], check: Check | None = None
    ) -> list[FileVersion | None]:
        raise Unsupported(NO_DELETION)

    def set_attributes(self, ref: Ref, file: FileInfo, attributes: Mapping[str, str]) -> None:
        raise Unsupported(NO_ATTRIBUTES)

    def parts_of(self, file: FileInfo) -> list[Part]:
        return []

    # Files in parts

    def start_upload(self, ref: Ref, path: str, attributes: Mapping[str, str] | None = None) -> Upload:
        self._check(ref, path, attributes)
        return uploads.start(self._calls, ref, path, attributes or {})

    def inspect_upload(self, ref: Ref, path: str, upload: str) -> Upload:
        return uploads.find(self._calls, ref, path, upload).upload

    def list_uploads(
        self, ref: Ref, prefix: str = "", after: str = "", after_upload: str = "", delimiter: str = ""
    ) -> Iterator[Upload]:
        return uploads.list_uploads(self._calls, ref, prefix, after, after_upload, delimiter)

    def put_part(
        self,
        ref: Ref,
        path: str,
        upload: str,
        number: int,
        body: Body,
        attributes: Mapping[str, str] | None = None,
    ) -> Part:
        names.check_ref(ref)
        self._check_rights(ref.repo)
        # The attributes are read after the body: what is learnt from it may be among them.
        return uploads.put_part(self._calls, ref, path, upload, number, body, {} if attributes is None else attributes)

    def list_parts(self, ref: Ref, path: str, upload: str, after: int = 0) -> list[Part]:
        return parts.list_parts(self._calls, uploads.find(self._calls, ref, path, upload).commit, after)

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
        """The file's ETag is PFS's hash, as of every file, whatever `etag` says."""
        names.check_ref(ref)
        self._check_rights(ref.repo)
        return uploads.finish(self._calls, ref, path, upload, parts, check)

    def inspect_finished(self, ref: Ref, path: str, upload: str) -> FileInfo:
        return uploads.finished(self._calls, ref, path, upload)

    def abort_upload(self, ref: Ref, path: str, upload: str) -> None:
        names.check_ref(ref)
        self._check_rights(ref.repo)
        uploads.abort(self._calls, ref, path, upload)

    def expire_uploads(self) -> int:
        """Discard uploads that are too old, and the results of finished ones; how many. And what deletions left."""
        return branches.collect_uploads(self._calls, self._upload_ms)
