"""Files put together from parts: kept in pachd, so that every gateway knows them and a restart loses none.

Each upload is an open commit on a branch of its own in the target's repo, `_upload_<id>`: whoever may write to the repo
may do all of it, and nobody sees the branch as a bucket. (File sets would do for the bytes, but pachd forgets them
after half an hour, and only the gateway that made one knows it.)

    the commit's description   what the upload is: its path, its target, its attributes, as JSON
    its files                  the parts (`parts`)

    start_upload  StartCommit                       put_part    InspectCommit, ModifyFile
    list_parts    InspectCommit, GetFileTAR         abort       InspectCommit, ClearCommit, DeleteBranch, DropCommitSet
    finish        InspectCommit, GetFileSet, ComposeFileSet, GetFileTAR, CreateFileSet for each part, ComposeFileSet,
                  CreateFileSet, GetFile, InspectCommit, then as a write under a condition (`locking`), then
                  FinishCommit of the upload's own commit

The file is put together of the parts as they are at the first moment: one that is replaced meanwhile changes nothing.
That happens in a file set, which is counted before anybody sees it, for pachd copies what is not there to
nothing. The upload's commit is finished with another description, the result: so finishing can be asked for again,
until `expire_uploads` removes the branch.

An id is the time in microseconds, randomness, and a digest of the target: ids sort by time, and the uploads to one
branch are known by their names.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from falcon_s3.pfs import (
    Body,
    Branch,
    BranchNotFound,
    Check,
    Commit,
    CommitFinished,
    CommitNotFound,
    FileInfo,
    FileNotFound,
    NotFound,
    Part,
    PartNotFound,
    Ref,
    Repo,
    Unavailable,
    Upload,
    UploadNotFound,
)
from falcon_s3.pfs.pachd import failures, layers, locking, methods, names, parts, reading, users, writing
from falcon_s3.pfs.pachd.calls import Calls, Method
from falcon_s3.pfs.pachd.leases import Leases
from falcon_s3.pfs.pachd.locking import Condition
from falcon_s3.pfs.pachd.writing import Content
from falcon_s3.pfs.wire import pfs_pb2 as wire

PREFIX = "_upload_"
TIME_DIGITS, RANDOM_DIGITS, TARGET_DIGITS = 13, 11, 8
# How long the result of a finished upload can be asked for.
FINISHED_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Staged:
    """An upload as pachd keeps it."""

    upload: Upload
    commit: Commit  # where its parts are
    finished: str  # the id of the commit that it became; "" while it is under way


def target_of(ref: Ref) -> str:
    """What in the id of an upload tells which branch or commit it goes to."""
    text = f"branch {ref.name}" if isinstance(ref, Branch) else f"commit {ref.id}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=TARGET_DIGITS // 2).hexdigest()


def branch_of(repo: Repo, upload: str) -> Branch:
    """The hidden branch that keeps the upload of this id."""
    return Branch(repo, PREFIX + upload)


def started_ms(upload: str) -> int:
    """When the upload of this id began, in milliseconds since the epoch."""
    return int(upload[:TIME_DIGITS], 16) // 1000


def start(calls: Calls, ref: Ref, path: str, attributes: Mapping[str, str]) -> Upload:
    """Open the commit that keeps the parts, on a branch of its own, and what the upload is for in its description."""
    random = secrets.token_hex(RANDOM_DIGITS)[:RANDOM_DIGITS]
    identity = f"{time.time_ns() // 1000:0{TIME_DIGITS}x}{random}{target_of(ref)}"
    upload = Upload(identity, path, started_ms(identity), dict(attributes))
    request = wire.StartCommitRequest(
        branch=names.branch_message(branch_of(ref.repo, identity)),
        description=_description(path, attributes=upload.attributes),
    )
    with failures.about(ref):
        calls.change(methods.START_COMMIT, request)
    return upload


def _description(path: str, **more: object) -> str:
    return json.dumps({"upload": {"path": path, **more}})


def _look(calls: Calls, repo: Repo, identity: str) -> Staged | None:
    """The upload of an id, whatever it is for, finished or not."""
    if not names.UPLOAD_BRANCH.match(PREFIX + identity):
        return None
    try:
        info = reading.inspect_commit(calls, branch_of(repo, identity))
        described = json.loads(info.description)["upload"]
        upload = Upload(identity, described["path"], started_ms(identity), described.get("attributes", {}))
    except (NotFound, ValueError, KeyError, TypeError):
        return None
    return Staged(upload, names.commit_of(info.commit), described.get("finished", ""))


def _find(calls: Calls, ref: Ref, path: str, identity: str) -> Staged:
    """Raises UploadNotFound, and BranchNotFound or CommitNotFound where `ref` is not there."""
    names.check_ref(ref)
    staged = _look(calls, ref.repo, identity) if identity.endswith(target_of(ref)) else None
    if staged is None or staged.upload.path != path:
        reading.check_exists(calls, ref)
        raise UploadNotFound(identity)
    return staged


def find(calls: Calls, ref: Ref, path: str, identity: str) -> Staged:
    """An upload that is under way. Raises UploadNotFound and the like."""
    staged = _find(calls, ref, path, identity)
    if staged.finished:
        raise UploadNotFound(identity)
    return staged


def list_uploads(
    calls: Calls, ref: Ref, prefix: str, after: str, after_upload: str, delimiter: str
) -> Iterator[Upload]:
    """As `Pfs.list_uploads` has it: all are looked at, for they are ordered by their paths."""
    names.check_ref(ref)
    if isinstance(ref, Commit):
        reading.check_exists(calls, ref)
    here = _names(calls, ref)
    if isinstance(ref, Branch) and ref.name not in here:
        raise BranchNotFound(ref)
    staged = [_look(calls, ref.repo, name.removeprefix(PREFIX)) for name in here if _is_for(name, ref)]
    found = sorted(
        (one.upload for one in staged if one is not None and not one.finished), key=lambda one: (one.path, one.id)
    )
    return _fold([one for one in found if one.path.startswith(prefix)], prefix, (after, after_upload), delimiter)


def _fold(found: list[Upload], prefix: str, behind: tuple[str, str], delimiter: str) -> Iterator[Upload]:
    after, after_upload = behind
    last = ""
    for one in found:
        at = one.path.find(delimiter, len(prefix)) if delimiter else -1
        if at >= 0:
            folder = one.path[: at + len(delimiter)]
            if folder > after and folder != last:
                last = folder
                yield Upload("", folder, 0, {})
        elif one.path > after or (after_upload and one.path == after and one.id > after_upload):
            yield one


def _names(calls: Calls, ref: Ref) -> list[str]:
    """The branches of a repo, those of uploads included."""
    with failures.about(ref):
        info = calls.read(methods.INSPECT_REPO, wire.InspectRepoRequest(repo=names.repo_message(ref.repo)))
    return [branch.name for branch in info.branches]


def _is_for(name: str, ref: Ref) -> bool:
    return names.UPLOAD_BRANCH.match(name) is not None and name.endswith(target_of(ref))


def put_part(
    calls: Calls, ref: Ref, path: str, identity: str, numbered: int, body: Body, attributes: Mapping[str, str]
) -> Part:
    """Raises UploadNotFound, and what the body raises."""
    staged = find(calls, ref, path, identity)
    try:
        return parts.put(calls, staged.commit, numbered, body, attributes)
    except CommitFinished:
        raise UploadNotFound(identity) from None


# The end


def finish(
    calls: Calls, ref: Ref, path: str, identity: str, wanted: Sequence[tuple[int, str]], check: Check | None
) -> FileInfo:
    """The file of the parts `wanted`, by number and ETag. Raises UploadNotFound, PartNotFound, and what the check raises."""
    staged = find(calls, ref, path, identity)
    with Leases(calls) as leases:
        file = _written(calls, leases, staged, ref, wanted, check)
    _conclude(calls, staged, file.commit)
    return file


def _written(
    calls: Calls, leases: Leases, staged: Staged, ref: Ref, wanted: Sequence[tuple[int, str]], check: Check | None
) -> FileInfo:
    identity, path = staged.upload.id, staged.upload.path
    try:  # it takes the longer the more parts there are, whatever their size: as a MiB of each does
        source = layers.snapshot(calls.patient(len(wanted) << 20), staged.commit, leases)
    except CommitNotFound:  # it was aborted meanwhile
        raise UploadNotFound(identity) from None
    there = {part.number: part for part in parts.list_parts(calls, source)}
    for number, etag in wanted:
        if number not in there or there[number].etag != etag:
            raise PartNotFound(identity, number)
    head = writing.check_ref(calls, ref)
    content = Content(sum(there[number].size for number, _ in wanted))
    patient = calls.patient(content.size)
    try:
        file_set = layers.composed(patient, path, source, [parts.data_of(number) for number, _ in wanted], leases)
        layers.check_file_set(patient, file_set, path, content.size)
    except (CommitNotFound, FileNotFound):  # pachd forgets file sets while it cannot be reached for long
        raise Unavailable(f"the parts of upload {identity} were forgotten while they were put together") from None
    find(calls, ref, path, identity)  # not aborted meanwhile, nor finished by another
    # Who holds the lock of a condition writes at once, or not at all.
    condition = Condition([path], check, content)
    locking.write(calls if condition else patient, ref, [writing.from_file_set(path, file_set)], condition)
    return writing.written(patient, ref, path, content, head)


def _conclude(calls: Calls, staged: Staged, commit: Commit) -> None:
    """Keep the result instead of the upload. It may be asked for twice, as a read: the file is there already."""
    request = wire.FinishCommitRequest(
        commit=names.ref_message(staged.commit),
        description=_description(staged.upload.path, finished=commit.id),
    )
    try:
        with failures.about(staged.commit):
            calls.read(methods.FINISH_COMMIT, request)
    except CommitFinished:  # it was asked for twice
        pass


def finished(calls: Calls, ref: Ref, path: str, identity: str) -> FileInfo:
    """The file that an upload became. Raises UploadNotFound for one that is under way, or that nobody knows any more."""
    staged = _find(calls, ref, path, identity)
    if not staged.finished:
        raise UploadNotFound(identity)
    try:
        return reading.inspect_file(calls, Commit(ref.repo, staged.finished), path)
    except CommitNotFound:  # it was squashed or dropped
        raise UploadNotFound(identity) from None


def abort(calls: Calls, ref: Ref, path: str, identity: str) -> None:
    """Raises UploadNotFound."""
    staged = find(calls, ref, path, identity)
    try:
        discard(calls, staged)
    except CommitFinished:  # it was completed just now
        raise UploadNotFound(identity) from None


def discard(calls: Calls, staged: Staged) -> None:
    """The bytes go first: should the rest fail, what is left is small. Others may discard it at the same time.
    Raises CommitFinished for one that was completed meanwhile.

    Whoever calls this has looked at the user's rights: pachd lets everybody who may read an open commit clear it.
    """
    branch = branch_of(staged.commit.repo, staged.upload.id)
    steps: list[tuple[Method, object]] = [
        (methods.DELETE_BRANCH, wire.DeleteBranchRequest(branch=names.branch_message(branch), force=True)),
        (methods.DROP_COMMIT_SET, wire.DropCommitSetRequest(commit_set=wire.CommitSet(id=staged.commit.id))),
    ]
    if not staged.finished:
        clear = wire.ClearCommitRequest(commit=names.ref_message(staged.commit))
        steps.insert(0, (methods.CLEAR_COMMIT, clear))
    for method, request in steps:
        with suppress(NotFound), failures.about(staged.commit):
            calls.change(method, request)


def discard_all(calls: Calls, ref: Ref, branches: Sequence[str]) -> None:
    """Those to `ref` among the branches of its repo."""
    for name in branches:
        staged = _look(calls, ref.repo, name.removeprefix(PREFIX)) if _is_for(name, ref) else None
        if staged is not None:
            with suppress(CommitFinished):  # its result goes after a while
                discard(calls, staged)


def collect(calls: Calls, repo: Repo, branches: Sequence[str], upload_ms: int | None) -> int:
    """Discard uploads that began longer ago than `upload_ms`, and old results; how many. Raises Denied before the first."""
    now, count = time.time_ns() // 1_000_000, 0
    for name in branches:
        if not names.UPLOAD_BRANCH.match(name):
            continue
        identity = name.removeprefix(PREFIX)
        age = now - started_ms(identity)
        if age < min(FINISHED_MS, FINISHED_MS if upload_ms is None else upload_ms):
            continue
        staged = _look(calls, repo, identity)
        if staged is not None and (staged.finished or (upload_ms is not None and age >= upload_ms)):
            if not count:
                users.check_rights(calls, repo)
            with suppress(CommitFinished):
                discard(calls, staged)
                count += 1
    return count
