"""A number that is counted by many processes, and said to be reached to one of them."""

import os
import subprocess
import sys

from falcon_s3.pfs.tally import Tally

# Counts 40 times, holding off the others; ends with how often it was told.
COUNT = """
import fcntl, pathlib, sys
from falcon_s3.pfs.tally import Tally
path = pathlib.Path(sys.argv[1])
tally, told = Tally(path), 0
with path.with_suffix(".lock").open("w") as lock:
    for _ in range(40):
        fcntl.flock(lock, fcntl.LOCK_EX)
        told += tally.reaches(10, 1)
        fcntl.flock(lock, fcntl.LOCK_UN)
print(told)
"""


def test_the_limit_is_told_once_to_whoever_reaches_it(tmp_path):
    mine, other = Tally(tmp_path / "count"), Tally(tmp_path / "count")
    assert not mine.reaches(5, 3)
    assert other.reaches(5, 2)
    assert not mine.reaches(5, 4)
    assert mine.reaches(5, 9)  # what is above the limit does not count for the next time
    assert not other.reaches(5, 4)
    for each in (mine, other):
        each.close()


def test_processes_count_together(tmp_path):
    command = [sys.executable, "-c", COUNT, str(tmp_path / "count")]
    counting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(each.communicate(timeout=60)[0]) for each in counting) == 12


def test_a_number_takes_its_room_on_disk_at_once_and_stays_there(tmp_path):
    """A hole would kill who writes to it on a full disk."""
    path = tmp_path / "count"
    first = Tally(path)
    with path.open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 0
    first.reaches(10, 9)
    first.close()
    second = Tally(path)
    assert second.reaches(10, 1)
    second.close()
