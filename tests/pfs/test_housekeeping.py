"""The embedded store finds what was damaged, says what it found, and clears away only what nothing names."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import random
import resource
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
from blake3 import blake3

from falcon_s3.pfs import Branch, BranchNotFound, Digests, Repo, Unavailable, contents, janitor
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.pfs.tree import PAGE_ENTRIES
from tests.pfs.bodies import Bytes, Wrong, get, names, put
from tests.pfs.stores import MASTER
from tests.pfs.waiting import until

LARGE = random.Random(1).randbytes(100_000)


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize("replaced", [True, False])
def test_nothing_is_written_to_a_store_that_was_taken_away(data, replaced):
    """Moved aside, say, and a backup put in its place: what was acknowledged then was lost when the gateway ended."""
    with contextlib.closing(EmbeddedPfs(data)) as pfs:
        pfs.create_branch(MASTER)
        put(pfs, MASTER, "before")
        pfs.check()
        data.rename(data.with_name("aside"))
        if replaced:
            EmbeddedPfs(data).close()
        for attempt in (pfs.check, lambda: put(pfs, MASTER, "after"), lambda: put(pfs, MASTER, "after", LARGE)):
            with pytest.raises(Unavailable):
                attempt()
        if replaced:
            shutil.rmtree(data)
        data.with_name("aside").rename(data)
        pfs.check()
        put(pfs, MASTER, "after")
        assert names(pfs, MASTER) == ["after", "before"]


@pytest.fixture
def sound(data):
    """A store with small and large files, old versions, a removal, and pages that were split."""
    pfs = EmbeddedPfs(data)
    pfs.create_branch(MASTER)
    put(pfs, MASTER, "large", LARGE)
    put(pfs, MASTER, "small", b"small")
    for number in range(PAGE_ENTRIES + 10):
        put(pfs, MASTER, f"n{number:04}")
    put(pfs, MASTER, "small", b"smaller")
    pfs.delete_files(MASTER, ["n0000"])
    yield pfs
    pfs.close()


def content_file(data: Path) -> Path:
    [file] = [file for file in (data / "contents").rglob("*") if file.is_file()]
    return file


def flip(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    damaged[50_000] ^= 1
    file.write_bytes(damaged)


def execute(statement: str):
    def run(data: Path) -> None:
        connection = sqlite3.connect(data / "catalog.sqlite3")
        assert connection.execute(statement).rowcount > 0
        connection.commit()
        connection.close()

    return run


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda data: flip(content_file(data)), "is damaged"),
        (lambda data: os.truncate(content_file(data), 99_999), "cannot be read"),
        (lambda data: os.truncate(content_file(data), 0), "cannot be read"),
        (lambda data: content_file(data).unlink(), "cannot be read"),
        (execute("UPDATE content SET data = x'00' WHERE data = CAST('small' AS BLOB)"), "is damaged"),
        (execute("DELETE FROM content WHERE data IS NULL"), "not there"),
        (execute("UPDATE content SET uses = uses + 1 WHERE data IS NULL"), "used 1 times and says 2"),
        (execute("UPDATE content SET uses = 0 WHERE data IS NULL"), "used 1 times and says 0"),
        (execute("DELETE FROM entry WHERE path = 'large'"), "entries"),
        (
            execute("UPDATE entry SET about = about || 'x' WHERE path = 'large'"),
            "lists large, which is not its version",
        ),
        (
            execute("UPDATE entry SET about = '1' || about WHERE path = 'small'"),
            "lists small, which is not its version",
        ),
        (execute("DELETE FROM version WHERE path = 'large'"), "lists large, which is not its version"),
        (execute("DELETE FROM version WHERE path = 'n0000' AND content IS NULL"), "files and has versions of"),
        (execute("UPDATE page SET live = live - 1 WHERE last > 1000000000"), "of them live"),
        (execute("DELETE FROM entry WHERE page = (SELECT min(id) FROM page)"), "entries"),
        (execute("UPDATE branch SET head = 12345"), "branch master points at commit number 12345"),
        (execute("DELETE FROM line"), "line"),
    ],
)
def test_damage_is_found(sound, data, damage, said):
    assert sound.fsck().problems == []
    damage(data)
    problems = sound.fsck().problems
    assert any(said in problem for problem in problems), problems


def overwrite(data: Path, *tables: str) -> None:
    """The first page of each of these tables in the catalog."""
    connection = sqlite3.connect(data / "catalog.sqlite3")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    pages = [page for name, page in connection.execute("SELECT name, rootpage FROM sqlite_schema") if name in tables]
    connection.close()
    with (data / "catalog.sqlite3").open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)


def test_a_damaged_catalog_is_found_and_is_unavailable(data):
    """fsck says so, and reads and writes fail as what may work again when the file is mended."""
    pfs = EmbeddedPfs(data)
    pfs.create_branch(MASTER)
    pfs.close()
    overwrite(data, "branch", "version")
    pfs = EmbeddedPfs(data)
    problems = pfs.fsck().problems

    assert problems
    assert all("catalog" in problem for problem in problems)
    with pytest.raises(Unavailable, match="the catalog is damaged"):
        pfs.list_branches()
    with pytest.raises(Unavailable, match="the catalog is damaged"):
        pfs.create_branch(Branch(Repo("default", "images"), "dev"))
    pfs.close()


def test_what_is_no_catalog_is_told_when_the_store_is_opened(data):
    data.mkdir()
    (data / "catalog.sqlite3").write_text("something else\n" * 100)
    with pytest.raises(Unavailable, match=r"catalog\.sqlite3 cannot be used: file is not a database"):
        EmbeddedPfs(data)


@pytest.mark.parametrize(
    "damage, why",
    [(lambda file: os.truncate(file, 50_000), "damaged"), (os.remove, "No such file")],
    ids=["cut", "gone"],
)
def test_a_damaged_content_file_is_not_read_as_if_it_were_whole(sound, data, damage, why, caplog):
    damage(content_file(data))
    with pytest.raises(Unavailable, match=why):
        sound.open_file(sound.inspect_file(MASTER, "large"))
    assert "large" in caplog.text and "fsck" in caplog.text


def test_the_report_counts_what_is_there(sound):
    report = sound.fsck()
    assert report.versions == PAGE_ENTRIES + 10 + 4
    assert report.contents == 4
    assert report.bytes == len(LARGE) + len(b"small") + len(b"x") + len(b"smaller")
    assert report.orphans == 0


@pytest.mark.parametrize("by_repair", [False, True])
def test_bytes_that_nothing_names_are_collected_and_nothing_else(sound, data, by_repair):
    sound._janitor.close()  # it would remove them, too, if it came to it late
    shard = content_file(data).parent
    (shard / ("0" * 64)).write_bytes(b"moved, and its writer killed before it was named")
    (shard / "not a digest").write_bytes(b"")
    (data / "incoming" / "killed").write_bytes(b"written, and its writer killed")
    report = sound.fsck()
    assert (report.problems, report.orphans) == ([], 3)
    if by_repair:
        sound.fsck(repair=True)
    else:
        assert sound.collect() == 3
    report = sound.fsck()
    assert (report.problems, report.orphans, report.contents) == ([], 0, 4)
    assert get(sound, MASTER, "large") == LARGE


def test_what_a_write_left_whose_commit_failed_is_collected_while_the_store_is_open(sound, data):
    """A disk that is full to the log, say: whether a row names the file the write does not know."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((data / "catalog.sqlite3-wal").stat().st_size, hard))
    try:
        with pytest.raises(Unavailable):
            put(sound, MASTER, "refused", random.Random(2).randbytes(contents.INLINE_BYTES + 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sound.fsck().orphans == 1
    sound._janitor.wake()  # as an hour later
    until(lambda: not sound.fsck().orphans)
    assert sound.fsck().problems == []


def test_the_log_begins_anew_while_bytes_are_checked(sound, data):
    """What is written during a check of days must not stay in the log until it ends."""
    sound._janitor.close()  # it reads and writes, too
    beside = sqlite3.connect(data / "catalog.sqlite3", timeout=0)
    held = []

    def progress(what: str, done: int, total: int) -> None:
        put(sound, MASTER, "beside", b"%d" % done)
        (busy, _, _) = beside.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        held.append((what, busy))

    assert sound.fsck(progress=progress).problems == []
    assert ("bytes", 0) in held
    assert all(not busy for _, busy in held)
    beside.close()


def test_what_is_collected_during_a_check_is_no_damage(sound):
    sound.start_commit(MASTER)
    put(sound, MASTER, "a", b"1" * 50_000)
    put(sound, MASTER, "a", b"2" * 50_000)

    def progress(what: str, done: int, total: int) -> None:
        if what == "bytes":
            sound.collect(grace_ms=-1000)

    report = sound.fsck(progress=progress)
    assert (report.problems, report.contents) == ([], 4 + 1)


def as_a_folder(file):
    """In place of a file what cannot be removed as one, like any file where a disk has become read-only."""
    file.unlink()
    file.mkdir()


def test_a_body_that_fails_is_told_as_such_where_nothing_can_be_removed(sound, data, caplog):
    """Not as what the disk said of the file."""

    class Failing(Bytes):
        def __iter__(self):
            yield from super().__iter__()
            as_a_folder(*(data / "incoming").iterdir())
            raise Wrong

    with pytest.raises(Wrong):
        sound.put_file(MASTER, "wrong", Failing(LARGE[::-1]))
    assert "stays until the store is opened next" in caplog.text


@pytest.mark.parametrize("later", [False, True])
def test_a_write_is_told_as_such_where_nothing_can_be_removed(sound, data, caplog, later):
    """Its bytes are known, so that what was staged is to go."""
    before = set((data / "contents").glob("*/*"))

    def check(_):
        as_a_folder(*set((data / "contents").glob("*/*")) - before)

    other = EmbeddedPfs(data)  # to which they are new
    if later:
        ended: SimpleQueue[object] = SimpleQueue()
        other.start_put(MASTER, "again", Bytes(LARGE), None, check).finish(lambda commit, error: ended.put(error))
        assert ended.get(timeout=30) is None
    else:
        other.put_file(MASTER, "again", Bytes(LARGE), None, check)
    other.close()
    assert get(sound, MASTER, "again") == LARGE
    assert "stays until the store is opened next" in caplog.text


def test_cleaning_goes_on_where_something_could_not_be_removed(data, caplog):
    """What the disk refuses once is no end of it: a repo that is deleted later is purged."""
    EmbeddedPfs(data).close()
    (data / "contents" / "aa" / "a folder").mkdir()
    pfs = EmbeddedPfs(data)
    for _ in range(400):
        if "cleaning up was put off" in caplog.text:
            break
        time.sleep(0.05)
    (data / "contents" / "aa" / "a folder").rmdir()
    pfs.create_branch(MASTER)
    put(pfs, MASTER, "large", LARGE)
    pfs.delete_branch(MASTER)
    for _ in range(400):
        if pfs.fsck().versions == 0:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the deleted repo is still there")
    pfs.close()


def test_what_cleaning_did_not_come_to_is_removed_the_next_time(data, caplog, monkeypatch):
    """The rows of contents that go together go first: of what follows one that cannot be removed, only files are left."""
    monkeypatch.setattr(janitor, "GRACE_MS", -1000)
    pfs = EmbeddedPfs(data)
    pfs.create_branch(MASTER)
    put(pfs, MASTER, "first", LARGE)
    first = content_file(data)
    put(pfs, MASTER, "second", LARGE[::-1])
    as_a_folder(first)
    pfs.delete_branch(MASTER)
    until(lambda: "cleaning up was put off" in caplog.text)
    first.rmdir()
    assert pfs.fsck().orphans == 1
    pfs._janitor.wake()  # as an hour later
    until(lambda: not pfs.fsck().orphans)
    pfs.close()


def test_an_upload_under_way_is_not_collected(sound, data):
    new = LARGE[::-1]  # not what is stored already, of which nothing is written

    class Slow:
        came = b""

        def __iter__(self):
            self.came = new
            yield self.came
            assert len(list((data / "incoming").iterdir())) == 1
            assert sound.collect(grace_ms=-1000) == 0
            assert other.collect(grace_ms=-1000) == 0
            self.came = new + b"and more"
            yield b"and more"

        def beginning(self):
            return blake3(self.came).digest()

        def digests(self):
            return Digests(hashlib.md5(self.came).digest())

    other = EmbeddedPfs(data)
    sound.put_file(MASTER, "slow", Slow())
    other.close()
    assert get(sound, MASTER, "slow") == new + b"and more"
    assert list((data / "incoming").iterdir()) == []


def test_what_was_overwritten_in_an_open_commit_goes_after_its_grace(sound):
    sound.start_commit(MASTER)
    put(sound, MASTER, "a", b"1" * 50_000)
    put(sound, MASTER, "a", b"2" * 50_000)
    put(sound, MASTER, "b", b"3" * 50_000)
    sound.delete_files(MASTER, ["b"])
    assert sound.fsck().contents == 4 + 3
    assert sound.collect() == 0
    assert sound.collect(grace_ms=-1000) == 2
    assert get(sound, MASTER, "a") == b"2" * 50_000
    assert sound.fsck().problems == []


def test_content_in_its_grace_comes_back_to_use(sound):
    sound.start_commit(MASTER)
    put(sound, MASTER, "a", b"1" * 50_000)
    put(sound, MASTER, "a", b"2" * 50_000)
    put(sound, MASTER, "b", b"1" * 50_000)
    assert sound.collect(grace_ms=-1000) == 0
    assert get(sound, MASTER, "b") == b"1" * 50_000


def test_a_store_can_be_cleaned_while_it_is_written_to(data):
    """Four writers make and delete repos that share their content, while two others collect it all the time.

    What a write repeats may be deleted and collected before it is named, as there is no grace here: it is sent again.
    """
    stop = threading.Event()
    errors: list[BaseException] = []
    stores = [EmbeddedPfs(data), EmbeddedPfs(data)]

    def send(pfs: EmbeddedPfs, branch: Branch, path: str, data: bytes) -> None:
        for _ in range(100):
            try:
                put(pfs, branch, path, data)
            except Unavailable as ex:
                assert "was removed" in str(ex)
            else:
                return
        raise AssertionError("it is never taken")

    def work(number: int) -> None:
        pfs = stores[number % 2]
        try:
            for step in range(25):
                branch = Branch(Repo("default", f"r{number}-{step}"), "master")
                pfs.create_branch(branch)
                for shared in range(3):
                    send(pfs, branch, f"{shared}", bytes([shared]) * 30_000)
                    assert get(pfs, branch, f"{shared}") == bytes([shared]) * 30_000
                assert names(pfs, branch) == ["0", "1", "2"]
                pfs.delete_branch(branch)
        except BaseException as ex:
            errors.append(ex)

    def clean(pfs: EmbeddedPfs) -> None:
        try:
            while not stop.is_set():
                pfs.collect(grace_ms=-1000)
        except BaseException as ex:
            errors.append(ex)

    cleaners = [threading.Thread(target=clean, args=(pfs,)) for pfs in stores]
    writers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in (*cleaners, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in cleaners:
        thread.join()
    assert errors == []
    stores[0].collect(grace_ms=-1000)
    report = stores[0].fsck()
    assert (report.problems, report.orphans, report.contents, report.versions) == ([], 0, 0, 0)
    for pfs in stores:
        pfs.close()


def test_a_deleted_repo_is_purged_in_the_background(sound):
    other = Branch(Repo("default", "other"), "master")
    sound.create_branch(other)
    put(sound, other, "a")
    sound.delete_branch(MASTER)
    with pytest.raises(BranchNotFound):
        sound.list_files(MASTER)
    for _ in range(200):
        if sound.fsck().versions == 1:
            break
        threading.Event().wait(0.05)
    report = sound.fsck()
    assert (report.problems, report.versions) == ([], 1)


def test_a_store_of_a_newer_version_is_left_alone(data):
    EmbeddedPfs(data).close()
    execute_pragma = sqlite3.connect(data / "catalog.sqlite3")
    execute_pragma.execute("PRAGMA user_version = 99")
    execute_pragma.close()
    with pytest.raises(Unavailable, match="newer"):
        EmbeddedPfs(data)


def test_a_folder_that_cannot_be_used_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="file"):
        EmbeddedPfs(tmp_path / "file")
    with pytest.raises(Unavailable):
        EmbeddedPfs(tmp_path / "file" / "below")


def test_uploads_that_nobody_finishes_expire(data):
    """Their parts go with them; an upload that is younger stays."""
    pfs = EmbeddedPfs(data, upload_ms=3_600_000)
    pfs.create_branch(MASTER)
    stale, young = (pfs.start_upload(MASTER, path).id for path in ("stale", "young"))
    for upload, path in ((stale, "stale"), (young, "young")):
        pfs.put_part(MASTER, path, upload, 1, Bytes(path.encode() * 10_000))
    execute(f"UPDATE upload SET started_ms = started_ms - 3700000 WHERE id = '{stale}'")(data)
    assert pfs.collect(grace_ms=-1) == 1
    assert [one.id for one in pfs.list_uploads(MASTER)] == [young]
    assert pfs.fsck().problems == []
    pfs.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM piece WHERE position = 1", "has 1 pieces of 30000 bytes and says 2 of 60000"),
        ("UPDATE piece SET part = 99 WHERE position = 1", "names content 99, which is not there"),
        ("UPDATE part SET content = 98", "names content 98, which is not there"),
    ],
)
def test_damage_of_uploads_is_found(data, statement, said):
    pfs = EmbeddedPfs(data)
    pfs.create_branch(MASTER)
    upload = pfs.start_upload(MASTER, "a").id
    parts = [pfs.put_part(MASTER, "a", upload, number, Bytes(bytes([number]) * 30_000)) for number in (1, 2)]
    pfs.finish_upload(MASTER, "a", upload, [(one.number, one.etag) for one in parts], "e")
    other = pfs.start_upload(MASTER, "b").id
    pfs.put_part(MASTER, "b", other, 1, Bytes(b"x"))
    assert pfs.fsck().problems == []
    execute(statement)(data)
    assert any(said in problem for problem in pfs.fsck().problems), pfs.fsck().problems
    pfs.close()


def test_an_upload_that_cannot_be_locked_leaves_nothing(sound, data, monkeypatch):
    """As on a file system without locks, or where there are too many: it would be taken for a killed writer's."""

    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(contents.fcntl, "flock", refuse)
        with pytest.raises(Unavailable, match="No locks available"):
            put(sound, MASTER, "new", LARGE[::-1])
    assert list((data / "incoming").iterdir()) == []


def test_uploads_and_files_of_many_parts_go_in_turns_of_a_few_of_them(data, monkeypatch):
    """Else others would wait to write until thousands of parts were let go of."""
    pfs = EmbeddedPfs(data, relaxed=True)
    pfs._janitor.close()
    pfs.create_branch(MASTER)
    for number in range(12):
        path = f"path{number:02}"
        upload = pfs.start_upload(MASTER, path).id
        parts = [pfs.put_part(MASTER, path, upload, each, Bytes(b"%d %d" % (number, each))) for each in range(1, 6)]
        if number % 2:
            pfs.finish_upload(MASTER, path, upload, [(each.number, each.etag) for each in parts], "etag")
    pfs.delete_branch(MASTER)
    monkeypatch.setattr(janitor, "BATCH", 10)
    changes: list[int] = []
    run = pfs._catalog._run

    def counted(jobs):
        before = pfs._catalog._writer.total_changes
        run(jobs)
        changes.append(pfs._catalog._writer.total_changes - before)

    monkeypatch.setattr(pfs._catalog, "_run", counted)
    assert pfs.collect(grace_ms=-1000) == 12 * 5 + 6
    assert max(changes) < 40  # each upload and each file is 16
    with pfs._catalog.read() as connection:
        for table in ("upload", "part", "piece", "content", "version"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    pfs.close()
