"""pyarrow.fs, on the AWS SDK for C++, as it comes: files, folders and Parquet data sets."""

from __future__ import annotations

import pytest

from tests.clients.files import FILES, LARGE, REGION, TREE

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install -e '.[clients]'")

from pyarrow import dataset, fs  # noqa: E402 (after the check that it is there)


@pytest.fixture
def client(keyed_gateway, engine):
    if engine == "meinheld":
        pytest.skip("the uploads of pyarrow, aws-chunked in chunked transfer encoding, do not arrive whole on meinheld")
    return fs.S3FileSystem(
        access_key=keyed_gateway.access_key,
        secret_key=keyed_gateway.secret_key,
        endpoint_override=f"127.0.0.1:{keyed_gateway.port}",
        scheme="http",
        region=REGION,
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
    )


def write(client, path, content):
    with client.open_output_stream(path) as stream:
        stream.write(content)


def read(client, path):
    with client.open_input_file(path) as file:
        return file.read()


def test_files_of_all_kinds_are_written_and_read(client, bucket, stored):
    """Streams store bytes under any name, and files give them back."""
    for path, content in FILES.items():
        write(client, f"{bucket}/{path}", content)
    assert stored(bucket) == FILES
    assert {path: read(client, f"{bucket}/{path}") for path in FILES} == FILES


def test_a_large_file_is_written_in_parts_and_read_anywhere(client, bucket, stored, parts):
    """A stream sends what is large in parts; a file is read from where it is told."""
    write(client, f"{bucket}/large.bin", LARGE)
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") > 1
    with client.open_input_file(f"{bucket}/large.bin") as file:
        assert file.size() == len(LARGE)
        assert file.read_at(100, 7 << 20) == LARGE[7 << 20 :][:100]


def test_a_bucket_is_created_and_deleted(client, repo, branches):
    """`create_dir` of a bucket creates a branch, `delete_dir` deletes it."""
    client.create_dir(f"dev.{repo}")
    assert branches(repo) == ["dev", "master"]
    client.delete_dir(f"dev.{repo}")
    assert branches(repo) == ["master"]


def test_a_folder_is_an_empty_object(client, bucket, stored):
    """`create_dir` writes an object that ends with a slash; folder, file and the files below are told apart."""
    client.create_dir(f"{bucket}/pets/dogs")
    write(client, f"{bucket}/pets/cat", b"1")
    assert "pets/dogs/" in stored(bucket)
    kinds = {name: client.get_file_info(f"{bucket}/{name}").type for name in ("pets", "pets/dogs", "pets/cat", "no")}
    directory, file, nothing = fs.FileType.Directory, fs.FileType.File, fs.FileType.NotFound
    assert kinds == {"pets": directory, "pets/dogs": directory, "pets/cat": file, "no": nothing}
    client.delete_dir(f"{bucket}/pets")
    assert "pets/cat" not in stored(bucket)


def test_folders_are_listed(client, bucket, put):
    """A selector gives what is in a folder, or all below it."""
    put(bucket, TREE)
    shown = client.get_file_info(fs.FileSelector(bucket))
    assert sorted(info.path for info in shown) == [f"{bucket}/{name}" for name in ("a.txt", "pets", "pets.txt")]
    shown = client.get_file_info(fs.FileSelector(bucket, recursive=True))
    files = {info.path: info.size for info in shown if info.is_file}
    assert files == {f"{bucket}/{path}": len(content) for path, content in TREE.items()}


def test_files_are_copied_moved_and_removed(client, bucket, put, stored):
    """`copy_file`, `move` and `delete_file`, whatever the names."""
    put(bucket, {"a +%/ä": b"1", "b": b"2"})
    client.copy_file(f"{bucket}/a +%/ä", f"{bucket}/copy")
    client.move(f"{bucket}/copy", f"{bucket}/moved")
    client.delete_file(f"{bucket}/b")
    assert {path: content for path, content in stored(bucket).items() if content} == {"a +%/ä": b"1", "moved": b"1"}


def test_a_partitioned_data_set_is_written_and_queried(client, bucket, stored):
    """A data set of Parquet files is written by folders and read by a filter."""
    table = pyarrow.table({"year": [2024, 2025, 2025], "name": ["cat", "dog", "fish"]})
    years = dataset.partitioning(pyarrow.schema([table.schema.field("year")]), flavor="hive")
    layout = {"format": "parquet", "partitioning": years}
    dataset.write_dataset(table, f"{bucket}/pets", filesystem=client, **layout)
    assert {path.split("/")[1] for path in stored(bucket) if path.endswith(".parquet")} == {"year=2024", "year=2025"}
    found = dataset.dataset(f"{bucket}/pets", filesystem=client, **layout).to_table(
        filter=dataset.field("year") == 2025
    )
    assert sorted(found["name"].to_pylist()) == ["dog", "fish"]
