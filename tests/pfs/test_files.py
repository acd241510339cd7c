"""The contract, part two: a file is written, described, and read byte for byte."""

from __future__ import annotations

import hashlib
import random
import time

import pytest

from falcon_s3.pfs import CHUNK_BYTES, Branch, BranchNotFound, Commit, CommitNotFound, FileNotFound, InvalidPath, Repo
from tests.pfs.bodies import Breaking, Bytes, Unread, Wrong, get, names, put
from tests.pfs.stores import MASTER, REPO

# Around the sizes where a store may change its way: nothing, small, a page, an inline threshold, a chunk.
SIZES = [0, 1, 100, 4096, 16383, 16384, 16385, 65536, 100_000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_333_333]

NASTY_PATHS = [
    "a", "a/", "a//b", "a/b", "a.txt", "/", "//", "/a", "../x", "..", ".", "./a", "a/../b", "+", "a b", " ", "%2F", "%",
    "?x=1", "#", "&<>\"'", "\\", "*", "[a]", "\x01", "\x1f", "\r", "\n", "\t", "\x7f", "\x80", "ü", "u\u0308", "\ufeff",
    "\ufffe", "\uffff", "\U0001f600", "\U0010ffff", "\ud7ff", "\ue000", "日本", "k" * 1024, "ü" * 512, "\U0001f600" * 256,
    "CON", "a'; DROP TABLE version; --", "~", "\u2028", "A", "İ", "ſ",
]  # fmt: skip


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_put_is_what_is_read(pfs, size):
    data = noise(size)
    before = time.time_ns() // 1_000_000
    written = pfs.put_file(MASTER, "a", Bytes(data, 65_537))
    after = time.time_ns() // 1_000_000
    found = pfs.inspect_file(MASTER, "a")
    assert found == written
    assert (found.path, found.size) == ("a", size)
    assert found.commit == pfs.inspect_branch(MASTER).head
    assert before <= found.modified_ms <= after
    chunks = list(pfs.open_file(found))
    assert b"".join(chunks) == data
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    [entry] = pfs.list_files(MASTER)
    assert (entry.path, entry.size, entry.etag, entry.modified_ms) == ("a", size, found.etag, found.modified_ms)
    assert not entry.is_folder


@pytest.mark.needs("attributes")
def test_attributes_are_kept_as_they_were_given(pfs):
    attributes = {"content-type": "text/plain", "x": "ü\n"}
    written = put(pfs, MASTER, "a", b"", attributes)
    assert dict(written.attributes) == attributes
    assert pfs.inspect_file(MASTER, "a") == written


@pytest.mark.needs("attributes")
def test_attributes_are_read_after_the_body(pfs):
    told: dict[str, str] = {}

    class Telling(Bytes):
        def __iter__(self):
            yield from super().__iter__()
            told["learnt"] = "yes"

    assert dict(pfs.put_file(MASTER, "b", Telling(b"x"), told).attributes) == {"learnt": "yes"}


def test_attributes_not_given_are_empty(pfs):
    assert dict(put(pfs, MASTER, "a").attributes) == {}
    put(pfs, MASTER, "a", b"", {"x": "1"})
    put(pfs, MASTER, "a", b"")
    assert dict(pfs.inspect_file(MASTER, "a").attributes) == {}


@pytest.mark.parametrize("size", [0, 1, 100, 16384, 16385, 2_500_000])
def test_any_range_of_bytes_can_be_read(pfs, size):
    data = noise(size)
    file = put(pfs, MASTER, "a", data)
    chance = random.Random(size)
    points = sorted(
        {0, 1, size // 2, size - 1, size, size + 1, size + 10**9, *(chance.randrange(size + 1) for _ in "1234")}
    )
    for start in (point for point in points if point >= 0):
        assert b"".join(pfs.open_file(file, start)) == data[start:]
        for stop in (point for point in points if point >= start):
            assert b"".join(pfs.open_file(file, start, stop)) == data[start:stop], (start, stop)


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_file_opened_once_can_be_read_to_the_end_whatever_happens_to_it(pfs, size):
    """The version is pinned at the call, not at the first chunk."""
    data = noise(size)
    reader = pfs.open_file(put(pfs, MASTER, "a", data))
    half_read = pfs.open_file(pfs.inspect_file(MASTER, "a"))
    start = next(half_read)
    put(pfs, MASTER, "a", b"new")
    pfs.delete_files(MASTER, ["a"])
    pfs.delete_branch(MASTER)
    if hasattr(pfs, "collect"):
        pfs.collect(grace_ms=0)
    assert b"".join(reader) == data
    assert start + b"".join(half_read) == data


def test_a_reader_can_be_closed_at_any_point(pfs):
    for size in (0, 10, 3_000_000):
        file = put(pfs, MASTER, "a", noise(size))
        pfs.open_file(file).close()
        reader = pfs.open_file(file)
        next(reader, b"")
        reader.close()
        reader.close()
        assert next(iter(reader), None) is None, "a closed reader gives nothing more"


@pytest.mark.needs("books")
def test_a_version_removed_from_history_cannot_be_opened(pfs):
    file = put(pfs, MASTER, "a", noise(100_000))
    small = put(pfs, MASTER, "b", b"1")
    pfs.delete_branch(MASTER)
    pfs.collect(grace_ms=-1000)
    for gone in (file, small):
        with pytest.raises(FileNotFound):
            pfs.open_file(gone)


@pytest.mark.parametrize("path", NASTY_PATHS, ids=ascii)
def test_a_path_is_kept_byte_for_byte(pfs, path):
    try:
        pfs.check_write(MASTER, path)
    except InvalidPath:
        with pytest.raises(InvalidPath):
            pfs.put_file(MASTER, path, Unread())
        return
    put(pfs, MASTER, path, path.encode())
    assert names(pfs, MASTER) == [path]
    assert pfs.inspect_file(MASTER, path).path == path
    assert get(pfs, MASTER, path) == path.encode()
    pfs.delete_files(MASTER, [path])
    assert names(pfs, MASTER) == []


def test_all_the_nasty_paths_live_side_by_side(pfs):
    taken = []
    for path in NASTY_PATHS:
        try:
            put(pfs, MASTER, path, path.encode())
        except InvalidPath:
            continue
        taken.append(path)
    assert names(pfs, MASTER) == sorted(taken, key=str.encode)
    for path in taken:
        assert get(pfs, MASTER, path) == path.encode()
    for path in taken[::2]:
        pfs.delete_files(MASTER, [path])
    for path in taken[1::2]:
        assert get(pfs, MASTER, path) == path.encode()
    assert names(pfs, MASTER) == sorted(taken[1::2], key=str.encode)


@pytest.mark.parametrize("path", ["", "\0", "a\0b", "k" * 1025, "ü" * 513, "\ud800", "a\udfff", "\udcff"], ids=ascii)
def test_paths_that_are_no_paths_are_refused_before_the_body_is_read(pfs, path):
    before = pfs.inspect_branch(MASTER)
    with pytest.raises(InvalidPath):
        pfs.check_write(MASTER, path)
    with pytest.raises(InvalidPath):
        pfs.put_file(MASTER, path, Unread())
    assert pfs.inspect_branch(MASTER) == before


@pytest.mark.parametrize("path", ["", "\0", "k" * 1025, "\ud800", "nothing"], ids=ascii)
def test_reading_what_cannot_be_there_finds_nothing(pfs, path):
    with pytest.raises(FileNotFound):
        pfs.inspect_file(MASTER, path)
    assert pfs.delete_files(MASTER, [path]) is None


@pytest.mark.parametrize("name", ["", "\0", "a" * 1000, "\ud800", "a.b", "ü"], ids=ascii)
def test_branches_and_repos_that_cannot_be_are_not_there(pfs, name):
    for branch in (Branch(REPO, name), Branch(Repo("default", name), "master"), Branch(Repo(name, "images"), "master")):
        for call in (
            lambda: pfs.inspect_branch(branch),
            lambda: pfs.list_files(branch),
            lambda: pfs.inspect_file(branch, "a"),
            lambda: pfs.delete_branch(branch),
            lambda: pfs.put_file(branch, "a", Unread()),
        ):
            with pytest.raises(BranchNotFound):
                call()


def test_a_folder_is_not_a_file(pfs):
    put(pfs, MASTER, "a/b")
    for path in ("a", "a/", "a/b/"):
        with pytest.raises(FileNotFound):
            pfs.inspect_file(MASTER, path)


@pytest.mark.parametrize("size", [0, 10, 16384, 16385, 3_000_000])
def test_a_body_that_raises_leaves_nothing_behind(pfs, size):
    put(pfs, MASTER, "old", b"old")
    before = pfs.inspect_branch(MASTER)
    for path in ("old", "new"):
        with pytest.raises(Wrong):
            pfs.put_file(MASTER, path, Breaking(noise(size)))
    assert pfs.inspect_branch(MASTER) == before
    assert names(pfs, MASTER) == ["old"]
    assert get(pfs, MASTER, "old") == b"old"
    if hasattr(pfs, "fsck"):
        report = pfs.fsck()
        assert (report.problems, report.orphans, report.contents) == ([], 0, 1)


@pytest.mark.parametrize(
    "error", [OSError(28, "from the client"), ValueError("x"), KeyboardInterrupt(), GeneratorExit()]
)
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_whatever_a_body_raises_comes_out_unchanged(pfs, size, error):
    class Raising(Bytes):
        def __iter__(self):
            yield from super().__iter__()
            raise error

    with pytest.raises(type(error)) as raised:
        pfs.put_file(MASTER, "a", Raising(noise(size)))
    assert raised.value is error
    assert names(pfs, MASTER) == []


def test_the_etag_changes_with_the_content_and_only_with_it(pfs):
    first = put(pfs, MASTER, "a", b"1").etag
    assert first
    assert '"' not in first
    assert put(pfs, MASTER, "a", b"2").etag != first
    assert put(pfs, MASTER, "b", b"1").etag == first


@pytest.mark.needs("books")
def test_equal_content_is_stored_once(pfs):
    for size in (0, 10, 16384, 16385, 200_000):
        for number in range(5):
            put(pfs, MASTER, f"{size}/{number}", noise(size))
    report = pfs.fsck()
    assert report.problems == []
    assert report.contents == 5
    assert report.bytes == 0 + 10 + 16384 + 16385 + 200_000
    assert report.orphans == 0


@pytest.mark.needs("books")
def test_content_is_kept_as_long_as_one_file_uses_it(pfs):
    data = noise(50_000)
    put(pfs, MASTER, "a", data)
    pfs.create_branch(other := Branch(Repo("default", "other"), "master"))
    put(pfs, other, "b", data)
    pfs.delete_branch(MASTER)
    pfs.collect(grace_ms=-1000)
    assert get(pfs, other, "b") == data
    pfs.delete_branch(other)
    pfs.collect(grace_ms=-1000)
    report = pfs.fsck()
    assert (report.problems, report.contents, report.bytes, report.orphans) == ([], 0, 0, 0)


@pytest.mark.needs("etags")
def test_the_etag_is_the_md5(pfs):
    assert put(pfs, MASTER, "a", b"hello").etag == hashlib.md5(b"hello").hexdigest()


def test_ids_that_are_no_ids_are_commits_not_found(pfs):
    head = pfs.inspect_branch(MASTER).head.id
    spaced = f"{head[:4]} {head[4:]}"
    for text in (
        head.upper(),
        spaced,
        head + " ",
        "",
        "x",
        "0" * 32,
        "zz" * 16,
        "0123456789ab4def0123456789abcdef",
        "ü",
        "\ud800",
    ):
        commit = Commit(REPO, text)
        for call in (
            lambda: pfs.inspect_commit(commit),
            lambda: pfs.inspect_file(commit, "a"),
            lambda: pfs.list_files(commit),
            lambda: pfs.check_write(commit, "a"),
            lambda: pfs.put_file(commit, "a", Unread()),
            lambda: pfs.delete_files(commit, ["a"]),
        ):
            with pytest.raises(CommitNotFound):
                call()
