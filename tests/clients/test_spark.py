"""Spark with Hadoop's S3A, as it comes. It is large, and its jars come from Maven: a Python that has it must be named."""

from __future__ import annotations

import json
import os
import textwrap

import pytest

from tests.clients.conftest import Program

PYTHON = os.environ.get("FALCON_S3_TESTS_SPARK")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="FALCON_S3_TESTS_SPARK names no Python with pyspark")

BEGINNING = """
    import json, os
    from pyspark.sql import SparkSession

    settings = {
        "spark.jars.packages": "org.apache.hadoop:hadoop-aws:3.3.4",
        "spark.ui.enabled": "false",
        "spark.hadoop.fs.s3a.endpoint": os.environ["ENDPOINT"],
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": os.environ["KEY"],
        "spark.hadoop.fs.s3a.secret.key": os.environ["SECRET"],
    }
    spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    def pets(*names):
        return spark.createDataFrame([(name,) for name in names], ["pet"]).coalesce(1)
    def show(path):
        print("rows:", json.dumps(sorted(row.pet for row in spark.read.parquet(path).collect())))
"""


@pytest.fixture
def spark(tmp_path, keyed_gateway):
    """Runs a program whose `spark` knows the gateway; gives the lists that its `show` printed."""

    def run(text):
        gateway = {"ENDPOINT": keyed_gateway.url, "KEY": keyed_gateway.access_key, "SECRET": keyed_gateway.secret_key}
        python = Program((PYTHON,), tmp_path, gateway)
        output = python("-c", textwrap.dedent(BEGINNING) + textwrap.dedent(text))
        return [json.loads(line[6:]) for line in output.splitlines() if line.startswith("rows: ")]

    return run


def test_a_table_is_written_appended_and_overwritten(spark, bucket, stored):
    """Each as its readers expect, and nothing temporary stays behind."""
    shown = spark(f"""
        pets("cat").write.parquet("s3a://{bucket}/a b/pets")
        pets("dog").write.mode("append").parquet("s3a://{bucket}/a b/pets")
        show("s3a://{bucket}/a b/pets")
        pets("fish").write.mode("overwrite").parquet("s3a://{bucket}/a b/pets")
        show("s3a://{bucket}/a b/pets")
    """)
    assert shown == [["cat", "dog"], ["fish"]]
    marker, table = sorted(stored(bucket))
    assert marker == "a b/pets/_SUCCESS"
    assert table.endswith(".parquet")


def test_a_table_is_written_by_folders(spark, bucket, stored):
    """partitionBy writes a folder for each value."""
    spark(f"""
        pets("cat", "dog").selectExpr("pet", "1 AS n").write.partitionBy("pet").csv("s3a://{bucket}/pets")
    """)
    files = {path.split("/")[1]: data for path, data in stored(bucket).items()}
    assert files == {"_SUCCESS": b"", "pet=cat": b"1\n", "pet=dog": b"1\n"}


def test_a_large_table_is_written_in_parts(spark, bucket, stored, parts):
    """What is larger than a part is sent in parts, and every byte arrives."""
    spark(f"""
        spark.conf.set("fs.s3a.multipart.size", "5M")
        spark.range(2_000_000).coalesce(1).write.option("fs.s3a.multipart.size", "5M").csv("s3a://{bucket}/numbers")
    """)
    (path,) = (path for path in stored(bucket) if path.endswith(".csv"))
    assert stored(bucket)[path] == "".join(f"{number}\n" for number in range(2_000_000)).encode()
    assert parts(bucket, path) > 1


def test_a_table_is_read_as_it_was(spark, bucket, keyed_gateway):
    """The bucket of a commit gives the table of then, after it was overwritten."""
    spark(f"""pets("cat").write.parquet("s3a://{bucket}/pets")""")
    then = keyed_gateway.s3.head_object(Bucket=bucket, Key="pets/_SUCCESS")["VersionId"]
    shown = spark(f"""
        pets("dog").write.mode("overwrite").parquet("s3a://{bucket}/pets")
        show("s3a://{bucket}/pets")
        show("s3a://{then}.{bucket}/pets")
    """)
    assert shown == [["dog"], ["cat"]]
