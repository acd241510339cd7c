"""ModifyFile: one stream, one commit, all of it or nothing."""

import random

import grpc
import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from falcon_s3.pfs.batch import STAGED_AT_ONCE
from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import _encode, add, branch, copy, delete, head


def test_a_stream_is_one_commit(pfsd, repo):
    """However many files it has, and also if it has none; the branch is made by it."""
    pfsd.write(head(repo), *((f"d/{number}", b"%d" % number) for number in range(50)))
    assert len(pfsd.commits(repo)) == 1 and len(pfsd.list(head(repo), "d")) == 50
    pfsd.write(head(repo))
    assert len(pfsd.commits(repo)) == 2


def test_adding_appends_and_overwriting_deletes_first(pfsd, repo):
    """Within a stream, and to what earlier commits wrote."""
    pfsd.write(head(repo), add("a", b"one "), add("b", b""), add("a", b"two "))
    pfsd.write(head(repo), add("/a", b"three"), add("b", b"b"))
    assert (pfsd.read(head(repo), "a"), pfsd.read(head(repo), "b")) == (b"one two three", b"b")
    pfsd.write(head(repo), add("a", b""))
    assert pfsd.read(head(repo), "a") == b"one two three"
    pfsd.write(head(repo), ("a", b"new"))
    assert pfsd.read(head(repo), "a") == b"new"
    assert pfsd.read(pfs_pb2.Commit(repo=repo, id="master^"), "a") == b"one two three"


def test_large_files_are_appended_to_without_being_written_again(pfsd, repo):
    """Ten times, each reading as a whole and from within; the store stays whole."""
    part = bytes(range(256)) * 1000
    commit = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
    for _ in range(5):
        pfsd.write(commit, add("log", part))
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit))
    for _ in range(5):
        pfsd.write(head(repo), add("log", part))
    assert pfsd.read(head(repo), "log") == part * 10
    assert pfsd.read(head(repo), "log", offset=len(part) * 9 + 5) == part[5:]
    assert pfsd.read(commit, "log") == part * 5
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_a_file_comes_in_chunks(pfsd, repo):
    """An empty one first, as both Python clients send them, and others between them."""
    chunk = b"0123456789abcdef" * (1 << 16) * 3
    pfsd.write(head(repo), delete("big"), add("big", b""), add("big", chunk), add("big", chunk), add("x", b"x"))
    assert pfsd.read(head(repo), "big") == chunk * 2


def test_bytes_in_other_forms_of_a_message_are_the_same(pfsd, repo):
    """With a field that nobody knows, or with no bytes at all, among messages of the ordinary form."""
    unknown = pfs_pb2.ModifyFileRequest.FromString(add("a", b"2").SerializeToString() + b"\x78\x01")
    without = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="a"))
    alone = pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="b"))
    pfsd.write(head(repo), add("a", b"1"), unknown, without, add("a", b"3"), alone)
    assert (pfsd.read(head(repo), "a"), pfsd.read(head(repo), "b")) == (b"123", b"")


def test_more_files_than_may_be_open(pfsd, repo):
    """What is staged is brought to its place on the way; equal files are stored once."""
    count = STAGED_AT_ONCE * 2 + 10
    pfsd.write(head(repo), *((f"f/{number:04}", b"%04d" % (number // 2) * 8192) for number in range(count)))
    assert len(pfsd.list(head(repo), "/f")) == count
    assert pfsd.read(head(repo), "/f/0003") == b"0001" * 8192
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_deleting_takes_a_file_or_a_folder(pfsd, repo):
    """A folder by its slash only; what is not there is no error."""
    files = [("d/a", b"1"), ("d/b/c", b"2"), ("d2", b"3"), ("e", b"4")]
    pfsd.write(head(repo), *files)
    pfsd.write(head(repo), delete("d"), delete("none"), delete("none/"))
    assert len(pfsd.list(head(repo), method="WalkFile")) == 7
    pfsd.write(head(repo), delete("/d/"), delete("e"))
    assert pfsd.list(head(repo)) == ["/d2"]
    pfsd.write(head(repo), *files)
    pfsd.write(head(repo), delete("/"))
    assert pfsd.list(head(repo)) == []


def test_changes_are_made_in_order(pfsd, repo):
    """What is added and deleted in one stream is not there; added, deleted and added is."""
    pfsd.write(head(repo), add("a", b"1"), delete("a"), add("b", b"1"), delete("b"), add("b", b"2"))
    assert (pfsd.list(head(repo)), pfsd.read(head(repo), "b")) == (["/b"], b"2")


def test_files_and_folders_are_copied(pfsd, repo):
    """From any repo and commit, appended or in place of what was there; a source that is not there is no error."""
    other = pfsd.new_repo()
    pfsd.write(head(other), ("d/a", b"1"), ("d/e/b", b"2"), ("c", b"3"))
    pfsd.write(head(repo), ("c", b"old"))
    pfsd.write(
        head(repo),
        copy(head(other), "/d", "to"),
        copy(head(other), "c", "/c", append=True),
        copy(head(other), "no", "n"),
    )
    assert pfsd.list(head(repo), method="WalkFile") == ["/", "/c", "/to/", "/to/a", "/to/e/", "/to/e/b"]
    assert pfsd.read(head(repo), "c") == b"old3"
    pfsd.write(head(repo), copy(head(other), "c", "c"), copy(head(repo), "/", "all"))
    assert pfsd.read(head(repo), "c") == b"3" and pfsd.read(head(repo), "all/to/a") == b"1"
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_a_folder_is_copied_below_itself_as_it_was(pfsd, repo):
    """Not with what the copy has put there already."""
    pfsd.write(head(repo), ("a/x", b"1"), ("a/z/x", b"2"))
    pfsd.write(head(repo), copy(head(repo), "a", "a/z"))
    assert [pfsd.read(head(repo), path) for path in ("a/x", "a/z/x", "a/z/z/x")] == [b"1", b"1", b"2"]
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


@pytest.mark.parametrize(
    "path, text",
    [
        ("ä", "only printable ASCII characters allowed"),
        ("a\nb", "only printable ASCII characters allowed"),
        ("a*b", "globbing character (*) not allowed in path"),
        ("a/(b", "globbing character (() not allowed in path"),
        ("a+b", "globbing character (+) not allowed in path"),
        ("../a", "relative file paths are not allowed"),
        ("a/./b", "relative file paths are not allowed"),
        ("", "path"),
        ("x" * 1025, "path invalid: it has 1025 bytes"),
    ],
)
def test_a_bad_path_undoes_the_stream(pfsd, repo, path, text):
    """Nothing is written, no commit is made."""
    messages = [pfs_pb2.ModifyFileRequest(set_commit=head(repo)), add("good", b"1"), add(path, b"2")]
    assert text in pfsd.refused("UNKNOWN", "ModifyFile", messages)
    assert pfsd.commits(repo) == []


def test_what_fails_when_it_is_applied_leaves_no_files(pfsd, repo):
    """Those that were brought to their places already are gone at once, and not when the store is opened next."""
    contents = pfsd.data / "contents"
    before = set(contents.rglob("*"))
    unknown = pfs_pb2.Commit(repo=repo, id="0" * 32)
    files = [add(f"f/{number}", random.Random(number).randbytes(50_000)) for number in range(3)]
    commit = pfs_pb2.ModifyFileRequest(set_commit=head(repo))
    pfsd.refused("NOT_FOUND", "ModifyFile", [commit, *files, copy(unknown, "a", "b")])
    assert set(contents.rglob("*")) == before
    assert pfsd.commits(repo) == []


def test_paths_are_kept_in_one_spelling(pfsd, repo):
    """Slashes in a row or at the end collapse, as in pachd."""
    pfsd.write(head(repo), add("//a///b/", b"1"), add("c d~#%&=:;,$'\"\\|<>", b"2"))
    assert pfsd.list(head(repo), method="WalkFile")[1:] == ["/a/", "/a/b", "/c d~#%&=:;,$'\"\\|<>"]


@pytest.mark.parametrize(
    "messages, code, text",
    [
        ([], "UNKNOWN", "first message must be a commit"),
        ([add("a", b"")], "UNKNOWN", "first message must be a commit"),
        (["commit", "commit"], "UNKNOWN", "the commit is said once"),
        (["commit", pfs_pb2.ModifyFileRequest()], "UNKNOWN", "must add, delete or copy"),
        (
            ["commit", pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="a", datum="d", raw=BytesValue()))],
            "UNIMPLEMENTED",
            "datum",
        ),
        (
            ["commit", pfs_pb2.ModifyFileRequest(add_file=pfs_pb2.AddFile(path="a", url={"URL": "http://x"}))],
            "UNIMPLEMENTED",
            "URLs",
        ),
    ],
)
def test_streams_that_make_no_sense_are_refused(pfsd, repo, messages, code, text):
    """In words, and nothing is written."""
    commit = pfs_pb2.ModifyFileRequest(set_commit=head(repo))
    assert text in pfsd.refused(code, "ModifyFile", [commit if each == "commit" else each for each in messages])
    assert pfsd.commits(repo) == []


def test_a_missing_repo_is_told_before_the_bytes_are_read(pfsd):
    """The stream is refused while the client is still sending."""

    def messages():
        yield pfs_pb2.ModifyFileRequest(set_commit=head(pfs_pb2.Repo(name="none")))
        for _ in range(100_000):  # it would take minutes
            yield add("a", bytes(1 << 20))

    assert pfsd.refused("NOT_FOUND", "ModifyFile", messages()) == "repo default/none not found"


def test_a_client_that_goes_leaves_nothing(pfsd, repo):
    """Neither a commit nor staged bytes."""
    call = None

    def messages():
        yield pfs_pb2.ModifyFileRequest(set_commit=head(repo))
        yield add("a", bytes(4 << 20))
        call.cancel()
        yield add("a", b"more")

    stream = messages()
    call = pfsd.channel.stream_unary("/pfs_v2.API/ModifyFile", _encode, None).future(stream, timeout=30)
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
        call.result()
    pfsd.write(head(repo), ("b", b"1"))
    assert pfsd.list(head(repo)) == ["/b"] and len(pfsd.commits(repo)) == 1
