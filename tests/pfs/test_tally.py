"""A number that is counted by many processes, and said to be reached to one of them."""

import multiprocessing
import os

from falcon_s3.pfs.tally import Tally


def count(path, lock, times):
    tally = Tally(path)
    reached = 0
    for _ in range(times):
        with lock:
            reached += tally.reaches(10, 1)
    tally.close()
    return reached


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
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(3) as pool:
        reached = pool.starmap(count, [(tmp_path / "count", manager.Lock(), 40)] * 3)
    assert sum(reached) == 12


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
