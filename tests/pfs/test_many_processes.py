"""Several processes over one folder: writers queue and never fail, every write is one commit, all is readable."""

from __future__ import annotations

import pytest

from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.pfs.bodies import get, names, put
from tests.pfs.processes import run_all
from tests.pfs.stores import MASTER


@pytest.mark.parametrize("processes, threads, count", [(4, 4, 15), pytest.param(8, 8, 250, marks=pytest.mark.long)])
def test_writers_of_many_processes_never_fail(tmp_path, processes, threads, count):
    """Nobody sees "database is locked"; commits follow each other in one row, as many as writes."""
    reports = run_all("write", tmp_path / "store", processes, threads=threads, count=count)
    assert [report["errors"] for report in reports] == [[]] * processes
    pfs = EmbeddedPfs(tmp_path / "store")
    written = sorted(
        f"{slot}/{thread}/{number:05}"
        for slot in range(processes)
        for thread in range(threads)
        for number in range(count)
    )
    assert names(pfs, MASTER) == written
    commits = list(pfs.list_commits(MASTER))
    assert len(commits) == len(written) + 1
    assert [commit.parent for commit in commits[:-1]] == [commit.commit for commit in commits[1:]]
    assert {pfs.inspect_file(MASTER, path).commit for path in written} == {each.commit for each in commits[:-1]}
    for path in written:
        assert get(pfs, MASTER, path).startswith(path.encode())
    report = pfs.fsck()
    assert (report.problems, report.orphans) == ([], 0)
    pfs.close()


def test_what_one_process_wrote_the_other_reads_at_once(tmp_path):
    """Two openings of one folder share no memory, only the folder."""
    writer, reader = EmbeddedPfs(tmp_path / "store"), EmbeddedPfs(tmp_path / "store")
    writer.create_branch(MASTER)
    for number in range(50):
        written = put(writer, MASTER, "a", str(number).encode() * (10_000 if number % 2 else 1))
        assert reader.inspect_file(MASTER, "a") == written
        assert get(reader, MASTER, "a") == get(writer, written.commit, "a")
        assert reader.inspect_branch(MASTER).head == written.commit
    writer.close()
    reader.close()
