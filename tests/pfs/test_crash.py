"""Writers are killed at random points; nothing acknowledged is lost, nothing is there by half."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.pfs.bodies import names
from tests.pfs.processes import begin, run_all, start
from tests.pfs.stores import MASTER
from tests.pfs.waiting import until

WRITERS = 2
THREADS = 4
# So many steps are acknowledged before a process is killed that writes, however slow the machine is.
LEAST_STEPS = 4

# path -> seed and size of what is there
Files = dict[str, tuple[int, int]]


@pytest.mark.parametrize("kills", [14, pytest.param(220, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_killed_writers_leave_a_sound_store(tmp_path, kills):
    chance = random.Random(kills)
    data, journal = tmp_path / "store", tmp_path / "journal"
    known: Files = {}
    acknowledged = unfinished = 0
    for done in range(0, kills, WRITERS):
        if done and done % 50 == 0:
            shutil.rmtree(data)
            known = {}
        run_until_killed(data, journal, chance)
        pfs = EmbeddedPfs(data)
        steps, torn = settle(pfs, journal, known)
        acknowledged += steps
        unfinished += torn
        check_everything_shown(pfs, known)
        check_it_can_be_cleaned(pfs, data)
        pfs.close()
    assert acknowledged > kills, "the writers were killed before they did anything: the test shows nothing"
    assert unfinished > kills // 4, "no kill came in the middle of a write: the test shows nothing"


def test_a_full_disk_is_told_and_harms_nothing(tmp_path):
    """What was acknowledged stays, what was refused is not there, and with room again writing goes on."""
    [report] = run_all("full", tmp_path / "store", processes=1)
    assert report["others"] == []
    assert {"0050", "0150"} <= set(report["refused"]), "files too large for the disk are refused"
    assert len(report["refused"]) > 10, "the catalog ran full too"
    pfs = EmbeddedPfs(tmp_path / "store")
    assert names(pfs, MASTER) == [*report["written"], "after"]
    for path in report["written"]:
        assert b"".join(pfs.open_file(pfs.inspect_file(MASTER, path))) == content(int(path), 12_000)
    check_it_can_be_cleaned(pfs, tmp_path / "store")
    pfs.close()


def run_until_killed(data: Path, journal: Path, chance: random.Random) -> None:
    """Two processes write; each is killed at a moment of its own, now and then while it still starts."""
    journal.unlink(missing_ok=True)
    seed = chance.randrange(10**9)
    children = [
        start("crash", data, slot=slot, threads=THREADS, journal=str(journal), seed=seed) for slot in range(WRITERS)
    ]
    try:
        if chance.random() < 0.15:
            time.sleep(chance.random() * 0.4)
        else:
            for child in children:
                begin(child)
            for child in chance.sample(children, len(children)):
                time.sleep(chance.random() ** 2 * 0.5)
                until(lambda: acknowledged(journal) >= LEAST_STEPS)
                child.kill()
    finally:
        for child in children:
            child.kill()
            child.communicate()


def acknowledged(journal: Path) -> int:
    return journal.read_bytes().count(b'"acknowledged"') if journal.exists() else 0


def settle(pfs: EmbeddedPfs, journal: Path, known: Files) -> tuple[int, int]:
    """Bring `known` up to what the journal says, checking the steps that were not acknowledged: all or nothing.

    Gives how many steps were acknowledged, and how many were cut short.
    """
    pending: dict[str, dict[str, list[int] | None]] = {}
    acknowledged = 0
    for line in journal.read_text().splitlines() if journal.exists() else []:
        step = json.loads(line)
        if "about_to" in step:
            pending[step["writer"]] = step["about_to"]
        else:
            acknowledged += 1
            apply(known, pending.pop(step["writer"]))
    shown = set(names(pfs, MASTER)) if any(True for _ in pfs.list_branches()) else set()
    for step in pending.values():
        after = dict(known)
        apply(after, step)
        if all(holds(pfs, path, after.get(path), shown) for path in step):
            apply(known, step)
        else:
            assert all(holds(pfs, path, known.get(path), shown) for path in step), f"half of {step} is visible"
    return acknowledged, len(pending)


def apply(files: Files, step: dict[str, list[int] | None]) -> None:
    for path, written in step.items():
        if written is None:
            files.pop(path, None)
        else:
            files[path] = (written[0], written[1])


def holds(pfs: EmbeddedPfs, path: str, wanted: tuple[int, int] | None, shown: set[str]) -> bool:
    if wanted is None or path not in shown:
        return wanted is None and path not in shown
    return b"".join(pfs.open_file(pfs.inspect_file(MASTER, path))) == content(*wanted)


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def check_everything_shown(pfs: EmbeddedPfs, known: Files) -> None:
    """What was acknowledged is there, and whatever any branch lists has the bytes its entry promises."""
    for info in pfs.list_branches():
        for entry in pfs.list_files(info.branch):
            file = pfs.inspect_file(info.branch, entry.path)
            data = b"".join(pfs.open_file(file))
            assert (len(data), hashlib.md5(data).hexdigest()) == (entry.size, entry.etag) == (file.size, file.etag)
            if info.branch == MASTER:
                assert data == content(*known[entry.path]), entry.path
    if known:
        assert set(names(pfs, MASTER)) == set(known)


def check_it_can_be_cleaned(pfs: EmbeddedPfs, data: Path) -> None:
    pfs._janitor.close()  # it may be about to remove the same files
    report = pfs.fsck()
    assert report.problems == []
    # A file that is still empty may have a writer that is about to lock it: let it be older than any such.
    for file in (data / "incoming").iterdir():
        os.utime(file, (0, 0))
    pfs.collect()
    report = pfs.fsck()
    assert (report.problems, report.orphans) == ([], 0)
    assert list((data / "incoming").iterdir()) == []
