"""The contract, part seven: files put together from parts, and copies, both without writing bytes again."""

from __future__ import annotations

import hashlib

import pytest

from falcon_s3.pfs import (
    CHUNK_BYTES,
    Branch,
    BranchNotFound,
    CommitFinished,
    FileNotFound,
    InvalidPath,
    OutputBranch,
    PartNotFound,
    Repo,
    UploadNotFound,
    uploads,
)
from tests.pfs.bodies import Breaking, Bytes, Unread, Wrong, check_books, get, put
from tests.pfs.reference import listing
from tests.pfs.stores import MASTER, REPO

DEV = Branch(REPO, "dev")
OTHER = Branch(Repo("research", "texts"), "master")


def start(pfs, path="a", ref=MASTER, **options):
    return pfs.start_upload(ref, path, **options).id


def part(pfs, upload, number, data, path="a", ref=MASTER, attributes=None):
    return pfs.put_part(ref, path, upload, number, Bytes(data), attributes)


def finish(pfs, upload, parts, path="a", ref=MASTER, etag="e-1", **options):
    return pfs.finish_upload(ref, path, upload, [(one.number, one.etag) for one in parts], etag, **options)


def ids(uploads):
    return [(one.path, one.id) for one in uploads]


@pytest.fixture
def quiet(pfs):
    """A context after which no commit was made and no file shows."""
    head = pfs.inspect_branch(MASTER).head
    yield
    assert pfs.inspect_branch(MASTER).head == head
    assert list(pfs.list_files(MASTER)) == []


@pytest.mark.parametrize(
    "sizes", [(0,), (5,), (20_000, 3), (3, 20_000, 0, 70_000, 1), (CHUNK_BYTES + 1, 2 * CHUNK_BYTES)]
)
def test_a_finished_upload_reads_as_its_parts_in_order(pfs, sizes):
    """Whole and at every edge of a part; finishing is one commit."""
    before = pfs.inspect_branch(MASTER).head
    upload = start(pfs)
    data = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    parts = [part(pfs, upload, number + 1, piece) for number, piece in enumerate(data)]
    file = finish(pfs, upload, parts)
    assert pfs.inspect_file(MASTER, "a") == file
    assert file.size == sum(sizes)
    assert pfs.inspect_commit(file.commit).parent == before
    whole = b"".join(data)
    assert get(pfs, MASTER, "a") == whole
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in pfs.open_file(file))
    edges = sorted(
        {0, 1, *(sum(sizes[:end]) + near for end in range(len(sizes) + 1) for near in (-1, 0, 1)), len(whole)}
    )
    for first in edges:
        for last in edges:
            if 0 <= first <= last:
                assert b"".join(pfs.open_file(file, first, last)) == whole[first:last], (first, last)
    [entry] = pfs.list_files(MASTER)
    assert (entry.size, entry.etag) == (len(whole), file.etag)
    check_books(pfs)


def test_an_upload_finished_with_no_parts_is_an_empty_file(pfs):
    """S3 does not ask for it; the parts that nobody named go."""
    upload = start(pfs)
    part(pfs, upload, 1, b"x" * 10_000)
    file = finish(pfs, upload, [])
    assert (file.size, get(pfs, MASTER, "a"), pfs.parts_of(file)) == (0, b"", [])
    copy = pfs.copy_file(MASTER, "b", file)
    assert (copy.size, get(pfs, MASTER, "b")) == (0, b"")
    check_books(pfs)


@pytest.mark.needs("attributes", "etags")
def test_a_finished_upload_has_the_etag_and_the_attributes_it_was_given(pfs):
    upload = start(pfs, attributes={"x": "1"})
    assert dict(pfs.inspect_upload(MASTER, "a", upload).attributes) == {"x": "1"}
    file = finish(pfs, upload, [part(pfs, upload, 1, b"x")], etag="abc-9", attributes={"x": "1"})
    assert (file.etag, dict(file.attributes)) == ("abc-9", {"x": "1"})
    [entry] = pfs.list_files(MASTER)
    assert entry.etag == "abc-9"


@pytest.mark.needs("versions")
def test_no_version_shows_before_an_upload_is_finished(pfs, quiet):
    part(pfs, start(pfs), 1, b"x" * 50_000)
    assert list(pfs.list_versions(MASTER)) == []


def test_nothing_of_an_upload_shows_before_it_is_finished(pfs, quiet):
    upload = start(pfs)
    part(pfs, upload, 1, b"x" * 50_000)
    assert pfs.inspect_upload(MASTER, "a", upload).path == "a"


def test_parts_are_told_as_they_were_put(pfs):
    upload = start(pfs)
    for number in (3, 10_000, 1):
        part(pfs, upload, number, b"x" * number, attributes={"number": str(number)})
    replaced = part(pfs, upload, 3, b"other", attributes={"n": "new"})
    parts = pfs.list_parts(MASTER, "a", upload)
    assert [one.number for one in parts] == [1, 3, 10_000]
    assert parts[1] == replaced
    assert (replaced.size, replaced.etag) == (5, hashlib.md5(b"other").hexdigest())
    assert [dict(one.attributes) for one in parts] == [{"number": "1"}, {"n": "new"}, {"number": "10000"}]
    assert [one.number for one in pfs.list_parts(MASTER, "a", upload, after=3)] == [10_000]


@pytest.mark.needs("parts")
def test_the_parts_of_a_finished_file_are_known_and_of_others_there_are_none(pfs):
    upload = start(pfs)
    parts = [part(pfs, upload, number, b"x" * number, attributes={"n": str(number)}) for number in (2, 5, 7)]
    file = finish(pfs, upload, parts)
    told = pfs.parts_of(file)
    assert [one.number for one in told] == [1, 2, 3]
    assert [one[1:] for one in told] == [one[1:] for one in parts]
    assert pfs.parts_of(put(pfs, MASTER, "b")) == []


def test_only_the_parts_named_are_used_and_the_others_go(pfs):
    upload = start(pfs)
    parts = [part(pfs, upload, number, bytes([64 + number]) * 30_000) for number in (1, 2, 3)]
    finish(pfs, upload, [parts[0], parts[2]])
    assert get(pfs, MASTER, "a") == b"A" * 30_000 + b"C" * 30_000
    if hasattr(pfs, "collect"):
        assert pfs.collect(grace_ms=-1) == 1
    assert get(pfs, MASTER, "a") == b"A" * 30_000 + b"C" * 30_000
    check_books(pfs)


def test_a_part_that_is_not_there_or_is_another_refuses_the_whole(pfs, quiet):
    upload = start(pfs)
    one = part(pfs, upload, 1, b"x")
    for wanted in ([(2, one.etag)], [(1, "0" * 32)], [(1, one.etag), (2, one.etag)]):
        with pytest.raises(PartNotFound) as caught:
            pfs.finish_upload(MASTER, "a", upload, wanted, "e")
        assert caught.value.number == wanted[-1][0]
    assert pfs.list_parts(MASTER, "a", upload) == [one]


@pytest.mark.parametrize("end", ["finish", "abort"])
def test_an_upload_that_ended_is_no_more(pfs, end):
    upload = start(pfs)
    parts = [part(pfs, upload, 1, b"x")]
    if end == "finish":
        file = finish(pfs, upload, parts)
        assert pfs.inspect_finished(MASTER, "a", upload) == file
    else:
        pfs.abort_upload(MASTER, "a", upload)
        with pytest.raises(UploadNotFound):
            pfs.inspect_finished(MASTER, "a", upload)
    assert list(pfs.list_uploads(MASTER)) == []
    for call in (
        lambda: pfs.inspect_upload(MASTER, "a", upload),
        lambda: pfs.list_parts(MASTER, "a", upload),
        lambda: pfs.put_part(MASTER, "a", upload, 2, Unread()),
        lambda: finish(pfs, upload, parts),
        lambda: pfs.abort_upload(MASTER, "a", upload),
    ):
        with pytest.raises(UploadNotFound):
            call()


def test_an_upload_is_found_at_its_own_path_and_branch_only(pfs):
    pfs.create_branch(DEV)
    upload = start(pfs)
    for ref, path, name in (
        (MASTER, "b", upload),
        (DEV, "a", upload),
        (MASTER, "a", "x"),
        (MASTER, "\ud800", "\ud800"),
    ):
        with pytest.raises(UploadNotFound):
            pfs.inspect_upload(ref, path, name)
    with pytest.raises(BranchNotFound):
        pfs.inspect_upload(OTHER, "a", upload)


def test_what_cannot_be_written_cannot_be_begun(pfs):
    file = put(pfs, MASTER, "a")
    output = Branch(Repo("default", "thumbs"), "master")
    pfs.create_branch(output, provenance=[MASTER])
    for ref, path, error in (
        (OTHER, "a", BranchNotFound),
        (output, "a", OutputBranch),
        (file.commit, "a", CommitFinished),
        (MASTER, "", InvalidPath),
        (MASTER, "\0", InvalidPath),
    ):
        with pytest.raises(error):
            pfs.start_upload(ref, path)
        with pytest.raises(error):
            pfs.copy_file(ref, path, file)
    assert list(pfs.list_uploads(MASTER)) == []


def test_a_body_or_a_check_that_raises_leaves_everything_as_it_was(pfs, quiet):
    upload = start(pfs)
    one = part(pfs, upload, 1, b"x" * 40_000)
    with pytest.raises(Wrong):
        pfs.put_part(MASTER, "a", upload, 1, Breaking(b"y" * 40_000))
    assert pfs.list_parts(MASTER, "a", upload) == [one]

    def refuse(file):
        assert file is None
        raise Wrong

    with pytest.raises(Wrong):
        finish(pfs, upload, [one], check=refuse)
    assert pfs.list_parts(MASTER, "a", upload) == [one]
    check_books(pfs)


def test_attributes_of_a_part_are_read_after_the_body(pfs):
    """So that what is learnt from the body can be among them."""
    told: dict[str, str] = {}

    class Telling(Bytes):
        def __iter__(self):
            yield from super().__iter__()
            told["learnt"] = "yes"

    upload = start(pfs)
    assert dict(pfs.put_part(MASTER, "a", upload, 1, Telling(b"x"), told).attributes) == {"learnt": "yes"}


def test_uploads_are_listed_by_path_and_age_from_any_place_on(pfs):
    for path in ("b", "a", "c/1", "c/2", "a", "d"):
        start(pfs, path)
    everything = ids(pfs.list_uploads(MASTER))
    assert [path for path, _ in everything] == ["a", "a", "b", "c/1", "c/2", "d"]
    for position, (path, upload) in enumerate(everything):
        assert ids(pfs.list_uploads(MASTER, after=path, after_upload=upload)) == everything[position + 1 :]
        assert ids(pfs.list_uploads(MASTER, after=path)) == [one for one in everything if one[0] > path]
    assert ids(pfs.list_uploads(MASTER, "c/")) == everything[3:5]
    folded = [one.path for one in pfs.list_uploads(MASTER, delimiter="/")]
    assert folded == ["a", "a", "b", "c/", "d"]
    for after in ("", "a", "c/", "c/1", "z"):
        names = [path for path, _ in everything]
        shown = [one.path for one in pfs.list_uploads(MASTER, "", after, "", "/")]
        assert list(dict.fromkeys(shown)) == listing(names, "", after, "/")
    with pytest.raises(BranchNotFound):
        pfs.list_uploads(OTHER)


def test_a_branch_takes_its_uploads_with_it(pfs):
    pfs.create_branch(DEV)
    upload = start(pfs, ref=DEV)
    part(pfs, upload, 1, b"x" * 40_000, ref=DEV)
    pfs.delete_branch(DEV)
    pfs.create_branch(DEV)
    assert list(pfs.list_uploads(DEV)) == []
    with pytest.raises(UploadNotFound):
        pfs.inspect_upload(DEV, "a", upload)
    if hasattr(pfs, "collect"):
        assert pfs.collect(grace_ms=-1) == 1
        assert pfs.fsck().bytes == 0


def test_an_upload_into_an_open_commit_joins_it(pfs):
    commit = pfs.start_commit(MASTER)
    for ref, path in ((MASTER, "a"), (commit, "b")):
        upload = start(pfs, path, ref)
        assert finish(pfs, upload, [part(pfs, upload, 1, b"x", path, ref)], path, ref).commit == commit
    assert [entry.path for entry in pfs.list_files(commit)] == ["a", "b"]


@pytest.mark.needs("books", "versions")
def test_equal_parts_and_equal_files_are_stored_once(pfs):
    for path in ("a", "b"):
        upload = start(pfs, path)
        finish(pfs, upload, [part(pfs, upload, number, b"x" * 50_000, path) for number in (1, 2)], path)
    put(pfs, MASTER, "c", b"x" * 50_000)
    report = pfs.fsck()
    assert (report.problems, report.bytes) == ([], 50_000)
    versions = [(one.path, one.commit) for one in pfs.list_versions(MASTER)]
    pfs.delete_versions(MASTER, versions[:2])
    pfs.collect(grace_ms=-1)
    assert get(pfs, MASTER, "c") == b"x" * 50_000
    pfs.delete_versions(MASTER, versions[2:])
    pfs.collect(grace_ms=-1)
    assert pfs.fsck().contents == 0


def test_many_parts_make_one_file(pfs):
    upload = start(pfs)
    count = 2000 if hasattr(pfs, "fsck") else 200
    parts = [part(pfs, upload, number, b"%06d" % number) for number in range(1, count + 1)]
    file = finish(pfs, upload, parts)
    assert get(pfs, MASTER, "a") == b"".join(b"%06d" % number for number in range(1, count + 1))
    assert b"".join(pfs.open_file(file, 5, 14)) == b"1000002000003"[:9]


def test_a_copy_has_the_bytes_and_moves_none(pfs):
    """To another path, another branch, another repo in another project, and from an old commit."""
    pfs.create_branch(DEV)
    pfs.create_branch(OTHER)
    old = put(pfs, MASTER, "a", b"1" * 50_000)
    put(pfs, MASTER, "a", b"2")
    for ref, path in ((MASTER, "a"), (MASTER, "b/c"), (DEV, "a"), (OTHER, "d")):
        before = pfs.inspect_branch(ref).head
        copy = pfs.copy_file(ref, path, pfs.inspect_file(old.commit, "a"))
        assert pfs.inspect_file(ref, path) == copy
        assert (copy.size, copy.etag) == (old.size, old.etag)
        assert pfs.inspect_commit(copy.commit).parent == before
        assert get(pfs, ref, path) == b"1" * 50_000
    if hasattr(pfs, "fsck"):
        report = pfs.fsck()
        assert (report.problems, report.bytes) == ([], 50_001)
    pfs.delete_branch(MASTER)
    pfs.delete_branch(DEV)
    if hasattr(pfs, "collect"):
        pfs.collect(grace_ms=-1)
    assert get(pfs, OTHER, "d") == b"1" * 50_000


@pytest.mark.needs("attributes")
def test_a_copy_has_the_attributes_it_is_given(pfs):
    old = put(pfs, MASTER, "a", b"1", {"x": "old"})
    assert dict(pfs.copy_file(MASTER, "b", old, {"x": "new"}).attributes) == {"x": "new"}


@pytest.mark.needs("parts", "books")
def test_a_copy_of_parts_is_of_parts(pfs):
    upload = start(pfs)
    file = finish(pfs, upload, [part(pfs, upload, number, b"x" * 20_000) for number in (1, 2)], etag="e-2")
    copy = pfs.copy_file(MASTER, "b", file)
    assert (copy.etag, len(pfs.parts_of(copy))) == ("e-2", 2)
    pfs.delete_versions(MASTER, [("a", file.commit.id)])
    pfs.collect(grace_ms=-1)
    assert get(pfs, MASTER, "b") == b"x" * 40_000


def test_a_copy_under_a_check_is_decided_by_what_is_there(pfs):
    source, there = put(pfs, MASTER, "a", b"1"), put(pfs, MASTER, "b", b"2")
    seen = []

    def check(file):
        seen.append(file)
        raise Wrong

    with pytest.raises(Wrong):
        pfs.copy_file(MASTER, "b", source, None, check)
    assert seen in ([there], [there, there])  # it is asked again where its write shared a transaction with another's
    assert get(pfs, MASTER, "b") == b"2"


@pytest.mark.needs("books", "versions")
def test_what_was_collected_cannot_be_copied(pfs):
    source = put(pfs, MASTER, "a", b"1")
    pfs.delete_versions(MASTER, [("a", source.commit.id)])
    pfs.collect(grace_ms=-1)
    with pytest.raises(FileNotFound):
        pfs.copy_file(MASTER, "b", source)
    assert list(pfs.list_files(MASTER)) == []


@pytest.mark.needs("books")
def test_an_upload_that_is_finished_while_its_parts_are_listed_does_not_seem_empty(pfs, monkeypatch):
    upload = start(pfs)
    parts = [part(pfs, upload, 1, b"x")]
    inspect = uploads._inspect
    calls = []

    def inspect_and_finish(*arguments):
        found = inspect(*arguments)
        calls.append(arguments)
        if len(calls) == 1:
            finish(pfs, upload, parts)
        return found

    monkeypatch.setattr(uploads, "_inspect", inspect_and_finish)
    with pytest.raises(UploadNotFound):
        pfs.list_parts(MASTER, "a", upload)
