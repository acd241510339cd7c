"""deltalake (delta-rs), as it comes: a log of commits, each written only if no other writer was first."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.files import REGION

INSTALL = "is not installed: pip install -e '.[clients]'"
deltalake = pytest.importorskip("deltalake", reason=f"deltalake {INSTALL}")
pyarrow = pytest.importorskip("pyarrow", reason=f"pyarrow {INSTALL}")

WRITERS = 2
APPENDS = 8
WRITER = """
import json, sys
import deltalake, pyarrow

place, options, writer, appends = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for number in range(appends):
    rows = pyarrow.table({"writer": [writer], "number": [number]})
    deltalake.write_deltalake(place, rows, mode="append", storage_options=options)
"""


@pytest.fixture
def options(keyed_gateway):
    return {
        "AWS_ENDPOINT_URL": keyed_gateway.url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keyed_gateway.access_key,
        "AWS_SECRET_ACCESS_KEY": keyed_gateway.secret_key,
        "AWS_ALLOW_HTTP": "true",
    }


def rows(table):
    return sorted(zip(*(pyarrow.table(table.to_pyarrow_table())[name].to_pylist() for name in ("writer", "number"))))


def test_a_table_is_written_read_and_read_as_it_was(options, bucket):
    """Each write is a version of the table, and every version stays readable."""
    place = f"s3://{bucket}/table"
    for number in range(3):
        row = pyarrow.table({"writer": [0], "number": [number]})
        deltalake.write_deltalake(place, row, mode="append", storage_options=options)
    table = deltalake.DeltaTable(place, storage_options=options)
    assert (table.version(), rows(table)) == (2, [(0, 0), (0, 1), (0, 2)])
    table.load_as_version(1)
    assert rows(table) == [(0, 0), (0, 1)]


def test_rows_are_removed_and_files_tidied(options, bucket):
    """`delete`, `optimize.compact` and `vacuum` rewrite the table and remove old files."""
    place = f"s3://{bucket}/table"
    for number in range(4):
        row = pyarrow.table({"writer": [0], "number": [number]})
        deltalake.write_deltalake(place, row, mode="append", storage_options=options)
    table = deltalake.DeltaTable(place, storage_options=options)
    table.delete("number = 1")
    table.optimize.compact()
    removed = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert removed
    assert rows(deltalake.DeltaTable(place, storage_options=options)) == [(0, 0), (0, 2), (0, 3)]


def test_no_row_of_two_writers_is_lost(options, bucket, program):
    """Two processes append at once: each commit is one version of the table, and every row is there."""
    import json

    place = f"s3://{bucket}/table"
    deltalake.DeltaTable.create(
        place,
        schema=deltalake.Schema([deltalake.Field("writer", "long"), deltalake.Field("number", "long")]),
        storage_options=options,
    )
    python = program(sys.executable, "-c", WRITER)
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda writer: python(place, json.dumps(options), writer, APPENDS), range(WRITERS)))
    table = deltalake.DeltaTable(place, storage_options=options)
    assert rows(table) == [(writer, number) for writer in range(WRITERS) for number in range(APPENDS)]
    assert table.version() == WRITERS * APPENDS
