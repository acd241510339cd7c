"""The program that tests run as a process of its own: `child.py MODE DATA OPTIONS`.

It opens the store, says "ready", waits for a line, does what the mode says and prints a report as JSON. The mode
`crash` never ends by itself: it keeps a journal of what it is about to do and of what was acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import sys
import threading
from pathlib import Path

from bodies import Bytes, Unread, Wrong, get, names, put

from falcon_s3.pfs import Branch, BranchExists, FileInfo, Repo, Unavailable
from falcon_s3.pfs.embedded import EmbeddedPfs

MASTER = Branch(Repo("default", "images"), "master")

# What the crash test writes: around every threshold, the large rarely.
SIZES = [0, 50, 50, 50, 1000, 1000, 16384, 16385, 60_000, 60_000, 1_200_000]
KEYS = 12


def must_be_missing(found: FileInfo | None) -> None:
    if found is not None:
        raise Wrong


def race(pfs: EmbeddedPfs, slot: int, count: int) -> dict[str, object]:
    won = []
    for number in range(count):
        path = f"race{number}"
        try:
            pfs.put_file(MASTER, path, Bytes(f"{slot}".encode() * 20_000), None, must_be_missing)
            won.append(path)
        except Wrong:
            continue
    return {"won": won}


def write(pfs: EmbeddedPfs, slot: int, threads: int, count: int) -> dict[str, object]:
    """Every thread writes files of its own and reads each one back."""
    errors: list[str] = []

    def one(thread: int) -> None:
        try:
            for number in range(count):
                path = f"{slot}/{thread}/{number:05}"
                data = path.encode() * (3000 if number % 10 == 0 else 3)
                put(pfs, MASTER, path, data)
                if get(pfs, MASTER, path) != data:
                    errors.append(f"{path} is not what was written")
        except BaseException as ex:
            errors.append(repr(ex))

    running = [threading.Thread(target=one, args=(thread,)) for thread in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return {"errors": errors}


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Journal:
    """Lines that survive the process: what is about to be done, and what was acknowledged."""

    def __init__(self, file: str):
        self._handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def line(self, **what: object) -> None:
        os.write(self._handle, json.dumps(what).encode() + b"\n")


def crash(pfs: EmbeddedPfs, slot: int, threads: int, journal: str, seed: int) -> dict[str, object]:
    log = Journal(journal)
    running = [
        threading.Thread(
            target=write_forever, args=(pfs, f"{slot}.{thread}", log, random.Random(f"{seed}{slot}{thread}"))
        )
        for thread in range(threads)
    ]
    running.append(threading.Thread(target=churn_forever, args=(pfs, f"churn{slot}-{seed}")))
    for each in running:
        each.start()
    for each in running:
        each.join()
    return {}


def write_forever(pfs: EmbeddedPfs, writer: str, log: Journal, chance: random.Random) -> None:
    """Put, overwrite and delete the files of this writer; a step may change several files in one commit."""
    while True:
        if chance.random() < 0.2:
            paths = [f"{writer}/{number}" for number in chance.sample(range(KEYS), 3)]
            log.line(writer=writer, about_to=dict.fromkeys(paths))
            pfs.delete_files(MASTER, paths)
        else:
            path, size = f"{writer}/{chance.randrange(KEYS)}", chance.choice(SIZES)
            seed = chance.randrange(5) if chance.random() < 0.5 else chance.randrange(10**9)
            log.line(writer=writer, about_to={path: [seed, size]})
            pfs.put_file(MASTER, path, Bytes(content(seed, size), 50_000))
        log.line(writer=writer, acknowledged=True)


def churn_forever(pfs: EmbeddedPfs, name: str) -> None:
    """Repos with branches, open commits and files come and go."""
    number = 0
    while True:
        number += 1
        repo = Repo("default", f"{name}-{number}")
        branch, other = Branch(repo, "master"), Branch(repo, "other")
        pfs.create_branch(branch)
        commit = pfs.start_commit(branch)
        for step in range(5):
            put(pfs, commit, f"{step}", content(step, 20_000))
        pfs.create_branch(other, pfs.finish_commit(branch).commit)
        put(pfs, other, "x", content(number, 20_000))
        pfs.delete_files(branch, ["0", "1"])
        pfs.delete_branch(branch)
        if number % 2:
            pfs.delete_branch(other)


def full(pfs: EmbeddedPfs, slot: int) -> dict[str, object]:
    """Write until no file may grow any more, which is as near to a full disk as a test should go; then go on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
    written, refused, others = [], [], []
    for number in range(400):
        path = f"{number:04}"
        try:
            put(pfs, MASTER, path, content(number, 4_000_000 if number % 100 == 50 else 12_000))
            written.append(path)
        except Unavailable:
            refused.append(path)
        except Exception as ex:
            others.append(repr(ex))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    put(pfs, MASTER, "after", b"there is room again")
    return {"written": written, "refused": refused, "others": others}


def emptied(pfs: EmbeddedPfs, slot: int, large: int, small: int, folder: str) -> dict[str, object]:
    """Fill a small disk with files, and delete them one by one."""

    def left() -> int:
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize

    report: dict[str, object] = {}
    try:
        put(pfs, MASTER, "large", content(0, large))
    except Unavailable:
        report["left_by_large"] = left()
    written: list[FileInfo] = []
    try:
        while True:
            number = len(written)
            written.append(put(pfs, MASTER, f"{number:04}", content(number, small)))
    except Unavailable as ex:
        report["refused"] = str(ex)
    try:
        pfs.put_file(MASTER, "unread", Unread())
    except Unavailable:
        report["written"] = len(written)
    for file in written:
        pfs.delete_files(MASTER, [file.path])
    report["deleted"] = len(written) - len(names(pfs, MASTER))
    report["wrong"] = [
        file.path
        for number, file in enumerate(written)
        if b"".join(pfs.open_file(pfs.inspect_file(file.commit, file.path))) != content(number, small)
    ]
    report["problems"] = pfs.fsck().problems
    return report


MODES = {"race": race, "write": write, "crash": crash, "full": full, "emptied": emptied}


def main() -> None:
    mode, data, options = sys.argv[1:]
    pfs = EmbeddedPfs(Path(data))
    with contextlib.suppress(BranchExists):  # another process was faster
        pfs.create_branch(MASTER)
    print("ready", flush=True)
    sys.stdin.readline()
    report = MODES[mode](pfs, **json.loads(options))
    pfs.close()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
