"""How many calls each operation costs, and which: what is dear on a cluster is the number of them."""

import itertools

import pytest

from falcon_s3.pfs import CHUNK_BYTES, Commit
from falcon_s3.pfs.pachd import methods, writing
from falcon_s3.pfs.pachd import names as names_of
from falcon_s3.pfs.pachd.names import branch_message
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pachd.wiretap import TappedPfs
from tests.pfs.bodies import Bytes, get, names, put


@pytest.fixture
def full(pfs: TappedPfs, branch):
    for path in ("a", "d/1", "d/2", "e/f/g", "z.txt"):
        put(pfs, branch, path, path.encode())
    pfs.calls()
    return branch


def refuse_nothing(found):
    pass


READS = [
    ("head", lambda pfs, ref: pfs.inspect_file(ref, "d/1"), ["InspectFile"]),
    ("get", lambda pfs, ref: get(pfs, ref, "d/1"), ["InspectFile", "GetFile"]),
    ("get of a range", lambda pfs, ref: get(pfs, ref, "d/1", 1, 2), ["InspectFile", "GetFile"]),
    ("head of a bucket", lambda pfs, ref: pfs.inspect_branch(ref), ["InspectBranch"]),
    ("buckets", lambda pfs, ref: pfs.list_branches(), ["ListRepo"]),
    ("list", lambda pfs, ref: names(pfs, ref), ["WalkFile"]),
    ("list of a prefix", lambda pfs, ref: names(pfs, ref, "d/"), ["WalkFile"]),
    ("list behind", lambda pfs, ref: names(pfs, ref, "", "d/1"), ["WalkFile"]),
    ("list, folded", lambda pfs, ref: names(pfs, ref, "", "", "/"), ["ListFile"]),
    ("list, folded, of a prefix", lambda pfs, ref: names(pfs, ref, "e/f", "", "/"), ["ListFile"]),
    ("list, folded by another delimiter", lambda pfs, ref: names(pfs, ref, "", "", "."), ["WalkFile"]),
]

WRITES = [
    (
        "put",
        lambda pfs, ref: (pfs.check_write(ref, "n"), pfs.put_file(ref, "n", Bytes(b"1"))),
        ["InspectBranch", "ModifyFile", "InspectFile", "InspectCommit"],
    ),
    (
        "put of a long body",
        lambda pfs, ref: pfs.put_file(ref, "n", Bytes(bytes(writing.SHORT_BYTES + 1))),
        ["InspectBranch", "CreateFileSet", "ModifyFile", "InspectFile", "InspectCommit"],
    ),
    (
        "copy",
        lambda pfs, ref: pfs.copy_file(ref, "n", pfs.inspect_file(ref, "a")),
        ["InspectFile", "InspectBranch", "ModifyFile", "InspectFile", "InspectCommit"],
    ),
    ("delete", lambda pfs, ref: pfs.delete_files(ref, ["a"]), ["InspectFile", "ModifyFile", "InspectBranch"]),
    (
        "delete of many",
        lambda pfs, ref: pfs.delete_files(ref, ["a", "d/1", "d/2", *map(str, range(500))]),
        ["InspectFile", "ModifyFile", "InspectBranch"],
    ),
    (
        "put under a condition",
        lambda pfs, ref: pfs.put_file(ref, "n", Bytes(b"1"), None, refuse_nothing),
        [
            *("InspectBranch", "CreateFileSet", "InspectFile", "StartCommit", "InspectFile", "ModifyFile"),
            *("DropCommitSet", "InspectFile", "InspectCommit"),
        ],
    ),
    (
        "delete under a condition",
        lambda pfs, ref: pfs.delete_files(ref, ["a"], refuse_nothing),
        ["InspectFile", "StartCommit", "InspectFile", "ModifyFile", "DropCommitSet", "InspectBranch"],
    ),
]


@pytest.mark.parametrize(("what", "call", "expected"), READS + WRITES, ids=[row[0] for row in READS + WRITES])
def test_an_operation_costs_these_calls(pfs, full, what, call, expected):
    call(pfs, full)
    assert pfs.calls() == expected, what


TO_A_COMMIT = [
    (
        "put",
        lambda pfs, commit: pfs.put_file(commit, "n", Bytes(b"1")),
        ["InspectCommit", "CreateFileSet", "AddFileSet", "InspectFile", *["InspectCommit"] * 2],
    ),
    (
        "copy",
        lambda pfs, commit: pfs.copy_file(commit, "n", pfs.inspect_file(commit, "a")),
        ["InspectFile", *["InspectCommit"] * 2, "CreateFileSet", "AddFileSet", "InspectFile", *["InspectCommit"] * 2],
    ),
    (
        "delete",
        lambda pfs, commit: pfs.delete_files(commit, ["a"]),
        ["InspectFile", "InspectCommit", "CreateFileSet", "AddFileSet"],
    ),
]


@pytest.mark.parametrize(("what", "call", "expected"), TO_A_COMMIT, ids=[row[0] for row in TO_A_COMMIT])
def test_no_stream_of_changes_goes_to_an_open_commit(pfs, full, what, call, expected):
    """Finished in the midst of one, it would show nothing any more, in pachd."""
    request = wire.StartCommitRequest(branch=branch_message(full))
    commit = Commit(full.repo, pfs._calls.change(methods.START_COMMIT, request).id)
    pfs.calls()
    call(pfs, commit)
    assert pfs.calls() == expected, what


class Finishing(Bytes):
    """A body in whose midst something happens."""

    def __init__(self, data, doing):
        super().__init__(data)
        self._doing = doing

    def __iter__(self):
        for number, chunk in enumerate(super().__iter__()):
            if number == 2:
                self._doing()
            yield chunk


def test_no_stream_of_changes_to_a_branch_waits_for_a_body(pfs, full):
    """Somebody may have opened its head, and finish it in the midst of the upload, which then comes behind it."""
    request = wire.StartCommitRequest(branch=branch_message(full))
    commit = Commit(full.repo, pfs._calls.change(methods.START_COMMIT, request).id)
    seen = []

    def finish():
        seen.extend(pfs.calls())
        pfs._calls.change(methods.FINISH_COMMIT, wire.FinishCommitRequest(commit=names_of.ref_message(commit)))

    data = bytes(CHUNK_BYTES) * 3
    file = pfs.put_file(full, "n", Finishing(data, finish))
    assert "ModifyFile" not in seen
    assert (file.size, get(pfs, full, "n") == data) == (len(data), True)
    assert file.commit != commit
    assert names(pfs, commit) == ["a", "d/1", "d/2", "e/f/g", "z.txt"]


def test_a_listing_asks_no_further_than_it_is_taken(pfs, branch):
    """5,000 files: what a page of S3 takes is one call, all of them are one for each 2,000."""
    writing.modify(pfs._calls, branch, (writing.add(f"{number:05}", b"x") for number in range(5000)))
    pfs.calls()
    page = list(itertools.islice(pfs.list_files(branch), 1001))
    assert (len(page), pfs.calls()) == (1001, ["WalkFile"])
    assert len(names(pfs, branch)) == 5000
    assert pfs.calls() == ["WalkFile"] * 3
    assert names(pfs, branch, "", "04998") == ["04999"]
    assert pfs.calls() == ["WalkFile"]


def test_an_upload_in_parts_costs_these_calls(pfs, branch):
    upload = pfs.start_upload(branch, "a").id
    assert pfs.calls() == ["InspectBranch", "StartCommit"]
    parts = [pfs.put_part(branch, "a", upload, number, Bytes(b"x" * number)) for number in (1, 2, 3)]
    assert pfs.calls() == ["InspectCommit", "ModifyFile"] * 3
    assert pfs.list_parts(branch, "a", upload) == parts
    assert pfs.calls() == ["InspectCommit", "GetFileTAR"]
    pfs.finish_upload(branch, "a", upload, [(part.number, part.etag) for part in parts], "unused")
    assert pfs.calls() == [
        *("InspectCommit", "GetFileSet", "ComposeFileSet", "GetFileTAR", "InspectBranch"),
        *("CreateFileSet", "CreateFileSet", "CreateFileSet", "ComposeFileSet", "CreateFileSet", "GetFile"),
        *("InspectCommit", "ModifyFile", "InspectFile", "InspectCommit", "FinishCommit"),
    ]
    aborted = pfs.start_upload(branch, "a").id
    pfs.calls()
    pfs.abort_upload(branch, "a", aborted)
    assert pfs.calls() == ["InspectCommit", "ClearCommit", "DeleteBranch", "DropCommitSet"]
