"""DuckDB with its extension httpfs, as they come, told to name buckets in the path.

DuckDB fetches its extensions from a site of its own; this one is also a package, which pip installs beside what is here.
"""

from __future__ import annotations

import json

import pytest

BEGINNING = """
    import glob, json, os
    import duckdb

    [extension] = glob.glob(os.environ["PYTHONPATH"] + "/duckdb_extension_httpfs/extensions/*/httpfs.duckdb_extension")
    duckdb.sql(f"LOAD '{extension}'")
    duckdb.sql("SET enable_progress_bar = false")
    duckdb.sql(f\"\"\"
        CREATE SECRET (
            TYPE s3,
            ENDPOINT '{os.environ["ENDPOINT"].removeprefix("http://")}',
            USE_SSL false,
            URL_STYLE 'path',
            REGION '{os.environ["REGION"]}',
            KEY_ID '{os.environ["KEY"]}',
            SECRET '{os.environ["SECRET"]}'
        )
    \"\"\")
    def rows(query):
        print(json.dumps(duckdb.sql(query).fetchall()))
"""


@pytest.fixture
def duckdb(python):
    """Runs a program whose `duckdb` knows the gateway, and whose `rows` prints the rows of a query."""
    return python(("duckdb-extension-httpfs>=1.3",), BEGINNING)


def test_a_table_is_written_and_queried(duckdb, bucket, stored):
    """COPY writes a Parquet file; a query reads it back."""
    shown = duckdb(f"""
        duckdb.sql("COPY (SELECT range AS number FROM range(1000)) TO 's3://{bucket}/a b/numbers.parquet'")
        rows("SELECT count(*), sum(number) FROM 's3://{bucket}/a b/numbers.parquet'")
    """)
    assert json.loads(shown) == [[1000, 499500]]
    assert list(stored(bucket)) == ["a b/numbers.parquet"]


def test_a_large_table_is_written_in_parts(duckdb, bucket, parts):
    """What is larger than a part is sent in parts, and read back the same."""
    shown = duckdb(f"""
        duckdb.sql("COPY (SELECT random() AS number FROM range(12000000)) TO 's3://{bucket}/large.parquet'")
        rows("SELECT count(*) FROM 's3://{bucket}/large.parquet' WHERE number >= 0")
    """)
    assert json.loads(shown) == [[12000000]]
    assert parts(bucket, "large.parquet") > 1


def test_many_files_are_queried_by_a_pattern(duckdb, bucket, put):
    """A pattern reads every file it matches, by folders that are columns."""
    put(bucket, {f"pets/year={year}/names.csv": f"name\ncat{year}\n".encode() for year in (2024, 2025)})
    shown = duckdb(f"""
        rows("SELECT name FROM read_csv('s3://{bucket}/pets/*/*.csv', hive_partitioning = true) WHERE year = 2025")
    """)
    assert json.loads(shown) == [["cat2025"]]


def test_a_table_is_written_by_folders(duckdb, bucket, stored):
    """PARTITION_BY writes a file for each value."""
    duckdb(f"""
        query = "SELECT range % 3 AS third, range FROM range(9)"
        duckdb.sql(f"COPY ({{query}}) TO 's3://{bucket}/thirds' (FORMAT parquet, PARTITION_BY (third))")
    """)
    assert {path.split("/")[1] for path in stored(bucket)} == {"third=0", "third=1", "third=2"}


def test_a_table_is_read_as_it_was(duckdb, bucket, put, keyed_gateway):
    """The bucket of a commit gives the table of then."""
    put(bucket, {"pets.csv": b"name\ncat\n"})
    then = keyed_gateway.s3.head_object(Bucket=bucket, Key="pets.csv")["VersionId"]
    put(bucket, {"pets.csv": b"name\ndog\n"})
    shown = duckdb(f"""rows("SELECT name FROM 's3://{then}.{bucket}/pets.csv'")""")
    assert json.loads(shown) == [["cat"]]
