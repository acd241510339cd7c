"""Polars and pandas, as they come: tables as Parquet, written to a branch and read from it and from its commits."""

from __future__ import annotations

import pytest

from tests.clients.files import REGION

INSTALL = "is not installed: pip install -e '.[clients]'"
polars = pytest.importorskip("polars", reason=f"polars {INSTALL}")
pandas = pytest.importorskip("pandas", reason=f"pandas {INSTALL}")
fs = pytest.importorskip("pyarrow.fs", reason=f"pyarrow {INSTALL}")

PETS = {"name": ["cat", "dog", "fish"], "legs": [4, 4, 0]}


@pytest.fixture
def options(keyed_gateway):
    """What Polars is told of the gateway."""
    return {
        "aws_endpoint_url": keyed_gateway.url,
        "aws_region": REGION,
        "aws_access_key_id": keyed_gateway.access_key,
        "aws_secret_access_key": keyed_gateway.secret_key,
        "aws_allow_http": "true",
    }


@pytest.fixture
def filesystem(keyed_gateway, engine):
    """What pandas is told of the gateway: the file system of pyarrow."""
    if engine == "meinheld":
        pytest.skip("the uploads of pyarrow, aws-chunked in chunked transfer encoding, do not arrive whole on meinheld")
    return fs.S3FileSystem(
        access_key=keyed_gateway.access_key,
        secret_key=keyed_gateway.secret_key,
        endpoint_override=keyed_gateway.url,
        region=REGION,
    )


def test_polars_writes_and_reads_a_table(options, bucket, stored):
    """`write_parquet` and `read_parquet` give the table back."""
    table = polars.DataFrame(PETS)
    table.write_parquet(f"s3://{bucket}/pets.parquet", storage_options=options)
    assert list(stored(bucket)) == ["pets.parquet"]
    assert polars.read_parquet(f"s3://{bucket}/pets.parquet", storage_options=options).equals(table)


def test_polars_scans_many_files(options, bucket):
    """`scan_parquet` of a pattern reads what a query needs of every file."""
    for number in range(5):
        table = polars.DataFrame({"number": [number] * 1000, "value": range(1000)})
        table.write_parquet(f"s3://{bucket}/some/{number}.parquet", storage_options=options)
    found = polars.scan_parquet(f"s3://{bucket}/some/*.parquet", storage_options=options)
    sums = found.filter(polars.col("number") > 2).select(polars.col("value").sum()).collect()
    assert sums.item() == 2 * 499500


def test_polars_writes_a_large_table_in_parts(options, bucket, parts):
    """What is larger than 64 MiB is sent in parts, and read back the same."""
    table = polars.DataFrame({"value": polars.int_range(0, 12_000_000, eager=True).shuffle(seed=1)})
    table.write_parquet(f"s3://{bucket}/large.parquet", storage_options=options, compression="uncompressed")
    assert parts(bucket, "large.parquet") > 1
    assert polars.read_parquet(f"s3://{bucket}/large.parquet", storage_options=options).equals(table)


def test_polars_streams_a_query_into_a_file(options, bucket):
    """`sink_parquet` writes while it reads."""
    polars.LazyFrame(PETS).sink_parquet(f"s3://{bucket}/sunk.parquet", storage_options=options)
    assert polars.read_parquet(f"s3://{bucket}/sunk.parquet", storage_options=options).to_dict(as_series=False) == PETS


def test_pandas_writes_and_reads_a_table(filesystem, bucket, stored):
    """`to_parquet` and `read_parquet` give the table back, or some columns of it."""
    table = pandas.DataFrame(PETS)
    table.to_parquet(f"{bucket}/pets.parquet", filesystem=filesystem)
    assert list(stored(bucket)) == ["pets.parquet"]
    assert pandas.read_parquet(f"{bucket}/pets.parquet", filesystem=filesystem).equals(table)
    legs = pandas.read_parquet(f"{bucket}/pets.parquet", filesystem=filesystem, columns=["legs"])
    assert list(legs["legs"]) == PETS["legs"]


def test_a_table_is_read_as_it_was(options, filesystem, bucket, repo, keyed_gateway):
    """The bucket of a commit gives Polars and pandas the table of then."""
    polars.DataFrame(PETS).write_parquet(f"s3://{bucket}/pets.parquet", storage_options=options)
    then = keyed_gateway.s3.head_object(Bucket=bucket, Key="pets.parquet")["VersionId"]
    polars.DataFrame({"name": ["bird"]}).write_parquet(f"s3://{bucket}/pets.parquet", storage_options=options)
    old = f"{then}.{bucket}/pets.parquet"
    assert polars.read_parquet(f"s3://{old}", storage_options=options)["name"].to_list() == PETS["name"]
    assert list(pandas.read_parquet(old, filesystem=filesystem)["name"]) == PETS["name"]
