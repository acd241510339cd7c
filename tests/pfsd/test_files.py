"""Reading files over gRPC."""

import contextlib
import io
import os
import sys
import tarfile
import time

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import _encode, add, branch, copy, head

# In the order of their bytes, folders with their slash.
FILES = {"a.txt": b"1", "a/b": b"22", "a/c/d": b"333", "a/c/e": b"4444", "a0": b"", "z": b"55555"}
WALK = ["/", "/a.txt", "/a/", "/a/b", "/a/c/", "/a/c/d", "/a/c/e", "/a0", "/z"]


@pytest.fixture(scope="module")
def commit(pfsd):
    repo = pfsd.new_repo()
    pfsd.write(head(repo), *FILES.items())
    return head(repo)


def file(commit, path):
    return pfs_pb2.File(commit=commit, path=path)


def inspect(pfsd, commit, path):
    return pfsd.call("InspectFile", pfs_pb2.InspectFileRequest(file=file(commit, path)))


@pytest.mark.parametrize(
    "path, found, kind, size",
    [
        ("a/b", "/a/b", pfs_pb2.FILE, 2),
        ("/a/b", "/a/b", pfs_pb2.FILE, 2),
        ("//a//b", "/a/b", pfs_pb2.FILE, 2),
        ("/a", "/a/", pfs_pb2.DIR, 9),
        ("/a/", "/a/", pfs_pb2.DIR, 9),
        ("/", "/", pfs_pb2.DIR, 15),
        ("", "/", pfs_pb2.DIR, 15),
        ("a0", "/a0", pfs_pb2.FILE, 0),
    ],
)
def test_files_and_folders_are_inspected(pfsd, commit, path, found, kind, size):
    """A folder has the size of all below it, and its path ends with a slash."""
    info = inspect(pfsd, commit, path)
    assert (info.file.path, info.file_type, info.size_bytes) == (found, kind, size)
    assert len(info.hash) == 32 and info.committed.seconds > 0
    assert len(info.file.commit.id) == 32 and info.file.commit.repo.name == commit.branch.repo.name
    assert info.file.datum == ("default" if kind == pfs_pb2.FILE else "")


@pytest.mark.parametrize("path", ["/none", "/a/b/c", "a/bb", "/a/b/", "ä"])
@pytest.mark.parametrize("method", ["InspectFile", "GetFile", "GetFileTAR"])
def test_a_missing_file_is_told_as_it_was_asked_for(pfsd, commit, method, path):
    """The Python client looks for these very words."""
    request = pfs_pb2.InspectFileRequest if method == "InspectFile" else pfs_pb2.GetFileRequest
    text = pfsd.refused("NOT_FOUND", method, request(file=file(commit, path)))
    (identity,) = pfsd.commits(commit.branch.repo)
    assert text == f"file {path} not found in repo default/{commit.branch.repo.name} at commit {identity}"


def test_the_root_of_an_empty_commit(pfsd, repo):
    """It is not there, and lists as nothing."""
    pfsd.write(head(repo))
    pfsd.refused("NOT_FOUND", "InspectFile", pfs_pb2.InspectFileRequest(file=file(head(repo), "/")))
    assert pfsd.list(head(repo)) == pfsd.list(head(repo), method="WalkFile") == []


def test_listings_show_what_is_directly_in_a_folder(pfsd, commit):
    """A file lists as itself, what is not there as nothing."""
    assert pfsd.list(commit) == ["/a.txt", "/a/", "/a0", "/z"]
    assert pfsd.list(commit, "a") == pfsd.list(commit, "/a/") == ["/a/b", "/a/c/"]
    assert pfsd.list(commit, "/a/b") == ["/a/b"]
    assert pfsd.list(commit, "/none") == []


def test_walks_show_a_folder_and_all_below_it(pfsd, commit):
    """Each folder right before what is in it."""
    assert pfsd.list(commit, "/", "WalkFile") == WALK
    assert pfsd.list(commit, "a/c", "WalkFile") == ["/a/c/", "/a/c/d", "/a/c/e"]
    assert pfsd.list(commit, "z", "WalkFile") == ["/z"]
    request = pfs_pb2.WalkFileRequest(file=file(commit, "/none"))
    assert pfsd.refused("NOT_FOUND", "WalkFile", request).endswith(" does not contain item: (/none)")


@pytest.mark.parametrize("method, full", [("ListFile", ["/a.txt", "/a/", "/a0", "/z"]), ("WalkFile", WALK)])
def test_pages_cover_a_listing_in_both_directions(pfsd, commit, method, full):
    """Behind the marker, or before it and descending; the marker itself is in neither."""
    for size in range(1, len(full) + 2):
        for reverse in (False, True):
            seen, marker = [], None
            while True:
                page = pfsd.list(commit, "/", method, number=size, marker=marker, reverse=reverse)
                if not page:
                    break
                assert len(page) <= size
                seen += page
                marker = page[-1]
            assert seen == (full[::-1] if reverse else full)
    assert pfsd.list(commit, "/", method, marker=full[1]) == full[2:]


@pytest.mark.parametrize(
    "options, text",
    [
        ({"reverse": True}, "number must be > 0 when reverse is true"),
        ({"number": 100_001}, "cannot return more than 100000 files at a time"),
    ],
)
def test_pages_that_cannot_be(pfsd, commit, options, text):
    """In words of pachd."""
    for method, request in (("ListFile", pfs_pb2.ListFileRequest), ("WalkFile", pfs_pb2.WalkFileRequest)):
        assert pfsd.refused("UNKNOWN", method, request(file=file(commit, "/"), **options)) == text


@pytest.mark.parametrize(
    "pattern, found",
    [
        ("/*", ["/a.txt", "/a/", "/a0", "/z"]),
        ("a*", ["/a.txt", "/a/", "/a0"]),
        ("/a/*", ["/a/b", "/a/c/"]),
        ("/*/*", ["/a/b", "/a/c/"]),
        ("/a/*/e", ["/a/c/e"]),
        ("/**", WALK[1:]),
        ("/a/**", ["/a/b", "/a/c/", "/a/c/d", "/a/c/e"]),
        ("/", ["/"]),
        ("/a/b", ["/a/b"]),
        ("/a/c/", ["/a/c/"]),
        ("/{z,a0}", ["/a0", "/z"]),
        ("/none*", []),
        ("/none/*", []),
    ],
)
def test_globs(pfsd, commit, pattern, found):
    """Files and folders, in the order of a walk."""
    infos = pfsd.call("GlobFile", pfs_pb2.GlobFileRequest(commit=commit, pattern=pattern))
    assert [info.file.path for info in infos] == found


def test_globs_in_a_range_of_paths(pfsd, commit):
    """The lower end is in it, the upper is not."""
    wanted = pfs_pb2.PathRange(lower="/a/b", upper="/z")
    infos = pfsd.call("GlobFile", pfs_pb2.GlobFileRequest(commit=commit, pattern="**", path_range=wanted))
    assert [info.file.path for info in infos] == WALK[3:-1]


def test_a_bad_glob_is_refused(pfsd, commit):
    """In words."""
    request = pfs_pb2.GlobFileRequest(commit=commit, pattern="/[a")
    assert "invalid" in pfsd.refused("UNKNOWN", "GlobFile", request)


def test_a_file_is_read_from_an_offset(pfsd, commit):
    """Beyond its end there is nothing, and no error."""
    assert [pfsd.read(commit, "z", offset=offset) for offset in (0, 2, 5, 99)] == [b"55555", b"555", b"", b""]
    pfsd.refused("UNKNOWN", "GetFile", pfs_pb2.GetFileRequest(file=file(commit, "z"), offset=-1))


def test_an_empty_file_is_one_empty_message(pfsd, commit):
    """The older Python client asks for the first message whatever there is."""
    messages = pfsd.call("GetFile", pfs_pb2.GetFileRequest(file=file(commit, "a0")))
    assert [message.value for message in messages] == [b""]


@pytest.mark.parametrize(
    "path, text",
    [
        ("/a", "cannot get directory or non-regular file. Use GetFileTAR instead"),
        ("/", "cannot get directory or non-regular file. Use GetFileTAR instead"),
        ("/a/c/*", "matched multiple files. Use GetFileTAR instead"),
    ],
)
def test_get_file_gives_one_file(pfsd, commit, path, text):
    """A glob that matches one is as good as its path."""
    assert pfsd.refused("UNKNOWN", "GetFile", pfs_pb2.GetFileRequest(file=file(commit, path))) == text
    assert pfsd.read(commit, "/a/c/*e") == b"4444"


def test_no_message_but_that_of_an_empty_file_is_empty(pfsd, repo):
    """Go clients take an empty message for the end; in an archive too, whose entries are padded to 512 bytes."""
    files = {"none": b"", "short": b"1", "even": b"1" * 512, "last": b"2"}
    pfsd.write(head(repo), *files.items())
    for path, content in files.items():
        request = pfs_pb2.GetFileRequest(file=file(head(repo), path))
        assert [message.value for message in pfsd.call("GetFile", request)] == [content]
        assert all(message.value for message in pfsd.call("GetFileTAR", request))
    assert untarred(pfsd, head(repo), "/") == {"/": None} | {"/" + path: content for path, content in files.items()}


def test_two_backslashes_mean_one(pfsd, repo):
    """As in pachd, where the path of GetFile is a glob; one alone is found too, if nothing else is meant."""
    pfsd.write(head(repo), ("a\\b", b"1"), ("a\\\\b", b"2"), ("c\\d", b"3"))
    paths = ("a\\\\b", "a[\\\\]b", "a\\\\\\\\b", "c\\d")
    assert [pfsd.read(head(repo), path) for path in paths] == [b"1", b"1", b"2", b"3"]


def untarred(pfsd, commit, path):
    request = pfs_pb2.GetFileRequest(file=file(commit, path))
    stream = io.BytesIO(b"".join(message.value for message in pfsd.call("GetFileTAR", request)))
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        return {
            entry.name + ("/" if entry.isdir() else ""): archive.extractfile(entry).read() if entry.isfile() else None
            for entry in archive
        }


@pytest.mark.parametrize(
    "path, names",
    [("/", WALK), ("/a/c", ["/a/c/", "/a/c/d", "/a/c/e"]), ("z", ["/z"]), ("/a*", WALK[1:-1]), ("/**", WALK[1:])],
)
def test_an_archive_has_all_that_matches_and_what_is_in_it(pfsd, commit, path, names):
    """Each entry once, folders too, by their absolute paths."""
    found = untarred(pfsd, commit, path)
    assert [name.replace("//", "/") for name in found] == names
    for name, content in found.items():
        assert content == FILES.get(name.strip("/")) or name.endswith("/")


def test_an_archive_takes_long_names_and_large_files(pfsd, repo):
    """Longer than a tar header holds, larger than a message."""
    name, content = "/".join(["x" * 200] * 4), bytes(range(256)) * 100_000
    pfsd.write(head(repo), add(name, content[: 10 << 20]), add(name, content[10 << 20 :]))
    assert untarred(pfsd, head(repo), name) == {"/" + name: content}
    assert pfsd.read(head(repo), name) == content


def test_hashes_are_those_of_the_content(pfsd, repo):
    """Equal for equal files and folders, in whatever commit; different when anything below is."""
    pfsd.write(head(repo), ("a/x", b"1"), ("b/x", b"1"))
    before = {path: inspect(pfsd, head(repo), path).hash for path in ("a/x", "b/x", "a", "b", "/")}
    assert before["a/x"] == before["b/x"] and before["a"] == before["b"] != before["/"]
    listed = pfsd.call("ListFile", pfs_pb2.ListFileRequest(file=file(head(repo), "/")))
    assert [info.hash for info in listed] == [before["a"], before["b"]]
    pfsd.write(head(repo), ("b/x", b"2"))
    after = {path: inspect(pfsd, head(repo), path).hash for path in before}
    assert {path for path in before if before[path] != after[path]} == {"b/x", "b", "/"}


def differences(pfsd, new, old=None):
    request = pfs_pb2.DiffFileRequest(new_file=new, old_file=old)
    return [(reply.new_file.file.path, reply.old_file.file.path) for reply in pfsd.call("DiffFile", request)]


def test_differences_to_the_parent_and_to_any_other(pfsd, repo):
    """What is new, changed or gone, with the folders that it is in."""
    pfsd.write(head(repo), ("a/same", b"1"), ("a/old", b"1"), ("b/x", b"1"))
    pfsd.write(head(repo), ("a/old", b"2"), ("c", b"3"), pfs_pb2.ModifyFileRequest(delete_file={"path": "b/x"}))
    changed = [("/", "/"), ("/a/", "/a/"), ("/a/old", "/a/old"), ("", "/b/"), ("", "/b/x"), ("/c", "")]
    assert differences(pfsd, file(head(repo), "/")) == changed
    parent = pfs_pb2.Commit(repo=repo, id="master^")
    assert differences(pfsd, file(head(repo), "/"), file(parent, "/")) == changed
    assert differences(pfsd, file(parent, "/"), file(head(repo), "/")) == [(old, new) for new, old in changed]
    assert differences(pfsd, file(head(repo), "/a")) == changed[1:3]
    assert differences(pfsd, file(head(repo), "/"), file(head(repo), "/")) == []
    assert differences(pfsd, file(parent, "/c")) == []
    pfsd.write(head(repo), copy(head(repo), "/a", "/d"))
    assert differences(pfsd, file(head(repo), "/a"), file(head(repo), "/d")) == []


def test_old_commits_stay_readable(pfsd, repo):
    """By id, whatever the branch shows now."""
    commit = pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(repo)))
    pfsd.write(commit, ("a", b"1"))
    info = inspect(pfsd, commit, "a")
    assert not info.HasField("committed")
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit))
    pfsd.write(head(repo), ("a", b"2"))
    assert pfsd.read(pfs_pb2.Commit(repo=repo, id=commit.id), "a") == b"1"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_client_that_goes_leaves_no_file_open(pfsd, repo):
    """However often it reads the beginning of a large file only."""
    pfsd.write(head(repo), *(add("large", bytes(8 << 20)) for _ in range(5)))
    request = pfs_pb2.GetFileRequest(file=file(head(repo), "large"))

    def read_some():
        call = pfsd.channel.unary_stream("/pfs_v2.API/GetFile", _encode, None)(request, timeout=30)
        next(call)
        call.cancel()

    def open_files():
        found = 0
        for number in fds():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                found += "/contents/" in os.readlink(f"/proc/{pfsd.process.pid}/fd/{number}")
        return found

    def fds():
        return os.listdir(f"/proc/{pfsd.process.pid}/fd")

    for _ in range(50):
        read_some()
    end = time.monotonic() + 30
    while time.monotonic() < end and open_files():
        time.sleep(0.05)
    assert open_files() == 0
