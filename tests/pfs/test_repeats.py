"""A body that begins as a stored content does is stored as any other, and what is there is not written again."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import sys
import threading
from pathlib import Path

import pytest
from blake3 import blake3

from falcon_s3.pfs import CHUNK_BYTES, Unavailable, batch, contents, repeats
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.targets import Named
from tests.pfs.bodies import Breaking, Bytes, Wrong, check_books, get
from tests.pfs.stores import MASTER

STEP = 32 << 10
WHOLE = random.Random(11).randbytes(6 * STEP + 123)
OTHER = random.Random(12).randbytes(len(WHOLE))
# Where a body may part from the stored one: on both sides of the ends of chunks, and of the stored one.
PLACES = [1, STEP - 1, STEP, STEP + 1, 3 * STEP - 1, 3 * STEP, 3 * STEP + 1, len(WHOLE) - 1, len(WHOLE)]


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def pfs(data):
    store = EmbeddedPfs(data)
    store.create_branch(MASTER)
    yield store
    store.close()


def store_it(pfs, path, body):
    """Put it in chunks of STEP bytes, and look at what came of it."""
    file = pfs.put_file(MASTER, path, Bytes(body, STEP))
    assert (file.size, file.etag) == (len(body), hashlib.md5(body).hexdigest())
    assert get(pfs, MASTER, path) == body


def forget(pfs, path):
    """Remove it from history, so that its bytes may be collected."""
    pfs.delete_versions(MASTER, [(path, each.commit) for each in pfs.list_versions(MASTER, path)])


def files_of(data: Path) -> list[Path]:
    return [file for folder in ("contents", "incoming") for file in (data / folder).rglob("*") if file.is_file()]


class NeverMade:
    """Takes the place of a new file where there must be none."""

    def __init__(self, path: Path):
        raise AssertionError("a file was made")


@pytest.mark.parametrize("size", [len(WHOLE), 2 * STEP, STEP, STEP - 1])
def test_the_same_bytes_again_are_not_written(pfs, data, monkeypatch, size):
    """Not even to a file that is removed again; under the same path, and under another one."""
    store_it(pfs, "once", WHOLE[:size])
    monkeypatch.setattr(contents, "NewFile", NeverMade)
    store_it(pfs, "once", WHOLE[:size])
    store_it(pfs, "again", WHOLE[:size])
    assert len(files_of(data)) == 1
    check_books(pfs)


@pytest.mark.parametrize(("common", "more"), list(itertools.product(PLACES, [0, 1, STEP, 2 * STEP + 1])))
def test_a_body_that_goes_on_otherwise_has_its_own_bytes(pfs, data, common, more):
    """Wherever it parts from the one that is stored, and also where it ends there."""
    store_it(pfs, "once", WHOLE)
    body = WHOLE[:common] + OTHER[:more]
    store_it(pfs, "other", body)
    store_it(pfs, "other", body)
    assert get(pfs, MASTER, "once") == WHOLE
    assert len(files_of(data)) == len({data for data in (WHOLE, body) if len(data) > contents.INLINE_BYTES})
    check_books(pfs)


def test_much_in_common_is_copied_piece_by_piece(pfs, data):
    """Of a body that parts late."""
    long = random.Random(13).randbytes(2 * CHUNK_BYTES + 5 * STEP)
    store_it(pfs, "long", long)
    for place in (CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 3 * STEP):
        store_it(pfs, "other", long[:place] + OTHER)
    check_books(pfs)


def test_what_has_grown_is_followed_from_one_content_to_the_next(pfs, data, monkeypatch):
    """A body that begins as two stored ones do, and goes on as the second: of it nothing is written."""
    longer = WHOLE + OTHER
    store_it(pfs, "longer", longer)
    store_it(pfs, "once", WHOLE[: 2 * STEP] + OTHER)
    monkeypatch.setattr(contents, "NewFile", NeverMade)
    store_it(pfs, "again", longer)


def test_a_body_that_fails_leaves_nothing(pfs, data):
    """While it is followed, and after it went on otherwise."""
    store_it(pfs, "once", WHOLE)
    for body in (WHOLE, WHOLE[: 3 * STEP] + OTHER):
        with pytest.raises(Wrong):
            pfs.put_file(MASTER, "wrong", Breaking(body, STEP))
    assert len(files_of(data)) == 1
    check_books(pfs)


class Meanwhile(Bytes):
    """A body during which something happens, after its first chunk."""

    def __init__(self, data: bytes, happens):
        super().__init__(data, STEP)
        self._happens = happens

    def __iter__(self):
        for number, chunk in enumerate(super().__iter__()):
            if number == 1:
                self._happens()
            yield chunk


class Afterwards(Bytes):
    """A body after whose last chunk something happens."""

    def __init__(self, data: bytes, happens):
        super().__init__(data, STEP)
        self._happens = happens

    def __iter__(self):
        yield from super().__iter__()
        self._happens()


def test_what_is_copied_leaves_room_for_deletions(pfs, data, monkeypatch):
    """As what comes does: on a disk that became full, what a body has in common with another is not copied."""
    store_it(pfs, "once", WHOLE)
    with monkeypatch.context() as patch:
        full = Afterwards(WHOLE[: 6 * STEP], lambda: patch.setattr(pfs._contents._room, "is_scarce", lambda: True))
        with pytest.raises(Unavailable, match="the disk is full"):
            pfs.put_file(MASTER, "begins so", full)
        assert len(files_of(data)) == 1
    monkeypatch.setattr(contents, "NewFile", NeverMade)
    store_it(pfs, "again", WHOLE)  # it is followed still: nothing is wrong with it


TELLS_FILES = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not tell what is open")


def opened(data: Path) -> list[str]:
    """In which folders of the store the files of bytes are that this process has open, each as often as it has it."""
    links = [Path("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
    files = [Path(os.readlink(link)) for link in links if link.is_symlink()]
    return sorted(folder for folder in ("contents", "incoming") for file in files if data / folder in file.parents)


@TELLS_FILES
def test_a_body_has_one_file_open(pfs, data):
    """What it repeats, or that which it is written to: many are on their way for long. In the end it has none."""
    pfs._janitor.close()  # it looks at files, too
    longer = WHOLE[: 2 * STEP] + OTHER
    store_it(pfs, "longer", longer)
    store_it(pfs, "once", WHOLE)
    for body, its in ((WHOLE, "contents"), (longer, "contents"), (WHOLE[:STEP] + OTHER, "incoming")):
        found: list[list[str]] = []
        pfs.put_file(MASTER, "other", Afterwards(body, lambda found=found: found.append(opened(data))))
        assert found == [[its]]
        assert opened(data) == []


class Counting(Bytes):
    """A body that counts who holds on to its chunks when the next one is asked for: here the walk and who counts."""

    def __iter__(self):
        self.held: set[int] = set()
        chunks = list(super().__iter__())
        while chunks:
            chunk = chunks.pop(0)
            yield chunk
            yield b""  # whoever walks has let go of the one before by then
            self.held.add(sys.getrefcount(chunk))


def test_nobody_holds_on_to_a_chunk(pfs):
    """Not to the first either, while a client takes its time for the others."""
    for _ in range(2):
        body = Counting(WHOLE, STEP)
        pfs.put_file(MASTER, "any", body)
        assert body.held == {2}
        assert get(pfs, MASTER, "any") == WHOLE


@pytest.mark.parametrize("parts", [False, True])
def test_content_that_is_removed_meanwhile(pfs, data, parts):
    """What repeats it whole is refused, to be sent again, and then written; what goes on otherwise has its bytes."""
    store_it(pfs, "once", WHOLE)

    def remove():
        forget(pfs, "once")
        pfs.collect(0)
        assert files_of(data) == []

    body = WHOLE[: 3 * STEP] + OTHER if parts else WHOLE
    if parts:
        pfs.put_file(MASTER, "again", Meanwhile(body, remove))
    else:
        with pytest.raises(Unavailable, match="removed meanwhile"):
            pfs.put_file(MASTER, "again", Meanwhile(body, remove))
        assert files_of(data) == []
        store_it(pfs, "again", body)
    assert get(pfs, MASTER, "again") == body
    check_books(pfs)


def test_content_that_is_removed_during_a_stream(data, monkeypatch):
    """A stream of changes is refused, whether what it began with is moved then or later, and leaves no file."""
    pfs = ExtendedPfs(data)
    pfs.create_branch(MASTER)
    for at_once in (2, 100):
        monkeypatch.setattr(batch, "STAGED_AT_ONCE", at_once)
        store_it(pfs, "once", WHOLE)

        def chunks():
            yield WHOLE[: 2 * STEP]
            forget(pfs, "once")
            pfs.collect(0)
            yield WHOLE[2 * STEP :]

        changes = pfs.batch()
        with pytest.raises(Unavailable, match="was removed"):
            changes.add("other", [OTHER])
            changes.add("again", chunks())
            changes.apply(Named(MASTER.repo, MASTER.name, ""))
        changes.close()
        assert files_of(data) == []
    check_books(pfs)
    pfs.close()


@pytest.mark.parametrize("damage", ["flipped", "shorter", "gone"])
def test_what_is_damaged_is_not_copied(pfs, data, damage, caplog):
    """A body that goes on otherwise is refused, to be sent again, and then written as it is."""
    store_it(pfs, "once", WHOLE)
    [file] = files_of(data)
    if damage == "flipped":
        with file.open("r+b") as handle:
            handle.seek(STEP + 5)
            handle.write(bytes([WHOLE[STEP + 5] ^ 1]))
    elif damage == "shorter":
        with file.open("r+b") as handle:
            handle.truncate(STEP)
    else:
        file.unlink()
    body = WHOLE[: 3 * STEP] + OTHER
    if damage == "flipped":
        with pytest.raises(Unavailable, match="damaged"):
            pfs.put_file(MASTER, "other", Bytes(body, STEP))
        assert files_of(data) == [file]
        assert "falcon-s3 fsck" in caplog.text
    store_it(pfs, "other", body)


def as_a_file(pfs):
    store_it(pfs, "again", WHOLE)


def as_a_part(pfs):
    upload = pfs.start_upload(MASTER, "again")
    part = pfs.put_part(MASTER, "again", upload.id, 1, Bytes(WHOLE, STEP))
    pfs.finish_upload(MASTER, "again", upload.id, [(1, part.etag)], part.etag)


@pytest.mark.parametrize("again", [as_a_file, as_a_part])
@pytest.mark.parametrize("damage", [Path.unlink, lambda file: os.truncate(file, STEP)])
def test_bytes_that_come_again_take_the_place_of_a_file_that_is_gone_or_cut(pfs, data, damage, again, caplog):
    """So that what is acknowledged can be read, and what was stored before, too."""
    store_it(pfs, "once", WHOLE)
    [file] = files_of(data)
    damage(file)
    again(pfs)
    assert "take its place" in caplog.text
    assert get(pfs, MASTER, "once") == get(pfs, MASTER, "again") == WHOLE
    check_books(pfs)
    pfs.collect()
    [new] = files_of(data)
    assert new != file
    again(pfs)
    assert files_of(data) == [new]


def test_long_contents_are_not_followed(pfs, monkeypatch, data):
    """A body that parts from one late would wait for a long copy. The longest that are followed, are also by long bodies."""
    longest = OTHER[: 2 * STEP]
    monkeypatch.setattr(repeats, "MOST_BYTES", len(longest))
    store_it(pfs, "long", WHOLE)
    store_it(pfs, "longest", longest)
    for more in (b"1", OTHER, WHOLE):
        store_it(pfs, "begins so", longest + more)
    monkeypatch.setattr(contents, "NewFile", NeverMade)
    store_it(pfs, "again", longest)
    for body in (WHOLE, longest + b"1"):
        with pytest.raises(AssertionError, match="a file was made"):
            pfs.put_file(MASTER, "again", Bytes(body, STEP))


def test_another_store_knows_nothing_and_loses_nothing(pfs, data):
    """As after a restart: the bytes are written, known again, and removed; from then on they are followed."""
    store_it(pfs, "once", WHOLE)
    other = EmbeddedPfs(data)
    try:
        store_it(other, "again", WHOLE)
        assert len(files_of(data)) == 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(contents, "NewFile", NeverMade)
            store_it(other, "and again", WHOLE)
    finally:
        other.close()
    check_books(pfs)


def test_many_at_once(pfs, data):
    """Threads that send the same bytes, grown ones and others, while what nobody names is collected."""
    bodies = [WHOLE, WHOLE + OTHER, WHOLE[: 3 * STEP], WHOLE[: 3 * STEP] + OTHER, OTHER]
    wrong: list[object] = []

    def send(number: int) -> None:
        chosen = random.Random(number)
        for _ in range(20):
            body = chosen.choice(bodies)
            try:
                file = pfs.put_file(MASTER, f"file{number}", Bytes(body, STEP))
            except Unavailable as ex:
                if "removed meanwhile" not in str(ex):
                    wrong.append(ex)
                continue
            if file.etag != hashlib.md5(body).hexdigest() or get(pfs, MASTER, f"file{number}") != body:
                wrong.append(file)
            forget(pfs, f"file{number}")
            if not chosen.randrange(3):
                pfs.collect(0)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    check_books(pfs)


def test_a_content_that_nothing_uses_is_not_followed(pfs, data):
    """It may be gone at any time, before the body has ended; what came anew is used, and kept."""
    store_it(pfs, "once", WHOLE)
    forget(pfs, "once")

    def remove():
        assert pfs.collect(0) == 1

    pfs.put_file(MASTER, "again", Meanwhile(WHOLE, remove))
    assert get(pfs, MASTER, "again") == WHOLE
    forget(pfs, "again")
    store_it(pfs, "once more", WHOLE)
    assert len(files_of(data)) == 1
    check_books(pfs)


def test_a_stored_content_is_found_by_its_digest(pfs, data):
    """The one in a file; a small one lives in the catalog."""
    store_it(pfs, "large", WHOLE)
    store_it(pfs, "small", b"small")
    assert pfs._file_of(blake3(WHOLE).digest()) == (files_of(data)[0], len(WHOLE))
    assert pfs._file_of(blake3(b"small").digest()) is None
    assert pfs._file_of(blake3(b"unknown").digest()) is None
