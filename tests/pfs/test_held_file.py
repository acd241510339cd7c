"""A database is synced under the locks that SQLite has on it, and keeps them."""

import sqlite3
import subprocess
import sys

from falcon_s3.pfs import held_file

# Tries to write to the database; ends with 1 where somebody else has the lock.
WRITE = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as ex:
    sys.exit(1 if "locked" in str(ex) else 2)
"""


def test_a_sync_leaves_the_locks_of_sqlite_alone(tmp_path):
    """Closing any other handle of the file in this process would take them away."""
    path = tmp_path / "names.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE name (text)")
    connection.execute("BEGIN EXCLUSIVE")
    assert held_file.sync(path)
    assert subprocess.run([sys.executable, "-c", WRITE, path], check=False).returncode == 1
    connection.execute("COMMIT")
    assert subprocess.run([sys.executable, "-c", WRITE, path], check=False).returncode == 0
    connection.close()


def test_a_file_that_nobody_has_open_is_not_synced(tmp_path):
    (tmp_path / "closed").write_bytes(b"1")
    assert not held_file.sync(tmp_path / "closed")
    assert not held_file.sync(tmp_path / "none")
