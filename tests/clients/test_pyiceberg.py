"""PyIceberg, as it comes: tables of Iceberg in a bucket, through pyarrow, with a catalog in SQLite."""

from __future__ import annotations

from itertools import chain

import pytest

from falcon_s3 import buckets
from tests.clients.files import REGION

INSTALL = "is not installed: pip install -e '.[clients]'"
pyarrow = pytest.importorskip("pyarrow", reason=f"pyarrow {INSTALL}")
sql = pytest.importorskip("pyiceberg.catalog.sql", reason=f"pyiceberg {INSTALL}")

# The last one of them reads as an escape when it is decoded once too often.
KINDS = ["a cat/grüße", "a dog+100%", "a%20b"]


@pytest.fixture(autouse=True)
def granian_only(engine):
    if engine == "meinheld":
        pytest.skip("pyarrow waits for 100 Continue, which meinheld sends after the body")


@pytest.fixture
def catalog(keyed_gateway, bucket):
    """A catalog whose tables are kept in the bucket."""
    settings = {
        "uri": "sqlite:///:memory:",
        "warehouse": f"s3://{bucket}/warehouse",
        "s3.endpoint": keyed_gateway.url,
        "s3.region": REGION,
        "s3.access-key-id": keyed_gateway.access_key,
        "s3.secret-access-key": keyed_gateway.secret_key,
    }
    with sql.SqlCatalog("tests", **settings) as made:
        made.create_namespace("pets")
        yield made


def pets(numbers):
    return pyarrow.table({"number": list(numbers), "kind": [KINDS[number % len(KINDS)] for number in numbers]})


def rows(table, **scan):
    return sorted(map(tuple, map(dict.values, table.scan(**scan).to_arrow().to_pylist())))


def expected(*numbers):
    return [(number, KINDS[number % len(KINDS)]) for number in sorted(chain(*numbers))]


def test_a_table_is_written_changed_and_read_as_it_was(catalog):
    """`append`, `delete`, `overwrite` and `upsert` are snapshots, each of which stays readable."""
    table = catalog.create_table("pets.all", schema=pets(range(1)).schema)
    table.append(pets(range(6)))
    first = table.current_snapshot().snapshot_id
    table.append(pets(range(6, 9)))
    table.delete("number < 2")
    assert rows(table) == expected(range(2, 9))
    table.upsert(pets(range(8, 11)), join_cols=["number"])
    assert rows(table) == expected(range(2, 11))
    table.overwrite(pets(range(3)))
    assert rows(catalog.load_table("pets.all")) == expected(range(3))
    assert rows(table, snapshot_id=first) == expected(range(6))


def test_partitions_of_any_name_are_found_again(catalog, stored, bucket):
    """Files are put into folders named after values, whatever these hold, and are found by them."""
    table = catalog.create_table("pets.parted", schema=pets(range(1)).schema)
    with table.update_spec() as spec:
        spec.add_identity("kind")
    table.append(pets(range(6)))
    for kind in KINDS:
        assert {row[1] for row in rows(table, row_filter=f"kind == '{kind}'")} == {kind}
    written = [path for path in stored(bucket) if path.endswith(".parquet")]
    assert len({path.rpartition("/")[0] for path in written}) == len(KINDS)


def test_a_table_of_many_bytes_is_written_in_parts(catalog, bucket, store, parts):
    """A data file that pyarrow uploads in parts is read back whole."""
    table = catalog.create_table("pets.large", schema=pyarrow.schema({"value": pyarrow.int64()}))
    # Each value differs in all of its bytes from the one before, so that nothing can be compressed.
    values = [number * 0x9E3779B97F4A7C15 % (1 << 63) for number in range(1_500_000)]
    table.append(pyarrow.table({"value": values}))
    data = [entry.path for entry in store.list_files(buckets.parse(bucket)) if entry.path.endswith(".parquet")]
    assert [parts(bucket, path) > 1 for path in data] == [True]
    assert table.scan().to_arrow()["value"].to_pylist() == values


def test_a_dropped_table_takes_its_files_with_it(catalog, stored, bucket):
    """`purge_table` removes the data and the metadata of a table, and of no other; pyarrow leaves empty folders."""
    kept = catalog.create_table("pets.kept", schema=pets(range(1)).schema)
    kept.append(pets(range(3)))
    before = stored(bucket)
    catalog.create_table("pets.dropped", schema=pets(range(1)).schema).append(pets(range(3)))
    catalog.purge_table("pets.dropped")
    assert {path: content for path, content in stored(bucket).items() if not path.endswith("/")} == before
    assert rows(kept) == expected(range(3))
