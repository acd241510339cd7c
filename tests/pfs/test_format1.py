"""A store that 0.1.0 wrote (format 1) is taken over: what it shows, old commits included, stays as it was.

`format1.sql` is its catalog; beside it there was one content file, of `LARGE`.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from pathlib import Path

import pytest

from falcon_s3.pfs import Branch, Commit, FileNotFound
from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.pfs.bodies import get, names, put
from tests.pfs.stores import MASTER

LARGE = random.Random(1).randbytes(100_000)
FIRST = Commit(MASTER.repo, "bd9564a8c4dd4fd1b2ce8ede0284e572")
FORK = Branch(MASTER.repo, "fork")


@pytest.fixture
def data(tmp_path) -> Path:
    name = hashlib.sha256(LARGE).hexdigest()
    for shard in range(256):
        (tmp_path / "contents" / f"{shard:02x}").mkdir(parents=True)
    (tmp_path / "contents" / name[:2] / name).write_bytes(LARGE)
    connection = sqlite3.connect(tmp_path / "catalog.sqlite3")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((Path(__file__).parent / "format1.sql").read_text())
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    return tmp_path


@pytest.mark.parametrize("times", [1, 2])
def test_what_it_shows_stays(data, times):
    """Once taken over it is opened as any other."""
    for _ in range(times):
        pfs = EmbeddedPfs(data)
        assert names(pfs, MASTER) == ["parts", "small"]
        assert names(pfs, FIRST) == names(pfs, FORK) == ["large", "small"]
        assert get(pfs, MASTER, "parts") == LARGE + b"end"
        assert [get(pfs, ref, "small") for ref in (MASTER, FIRST, FORK)] == [b"smaller", b"small", b"small"]
        large = pfs.inspect_file(FIRST, "large")
        assert (large.etag, large.attributes) == (hashlib.md5(LARGE).hexdigest(), {"content-type": "image/png"})
        assert get(pfs, FIRST, "large") == LARGE
        with pytest.raises(FileNotFound):
            pfs.inspect_file(MASTER, "large")
        report = pfs.fsck()
        assert (report.problems, report.orphans, report.contents) == ([], 0, 4)
        pfs.close()


def test_it_is_written_to(data):
    """On what it had, and on branches of it; and what goes takes its bytes along."""
    pfs = EmbeddedPfs(data)
    put(pfs, FORK, "large", b"other")
    put(pfs, MASTER, "new", LARGE[::-1])
    assert (get(pfs, FORK, "large"), get(pfs, MASTER, "new")) == (b"other", LARGE[::-1])
    assert pfs.fsck().problems == []
    pfs.delete_branch(MASTER)
    pfs.delete_branch(FORK)
    pfs.collect(grace_ms=-1000)
    report = pfs.fsck()
    assert (report.problems, report.orphans, report.contents) == ([], 0, 0)
    assert not [file for file in (data / "contents").rglob("*") if file.is_file()]
    pfs.close()
