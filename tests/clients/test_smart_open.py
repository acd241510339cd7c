"""smart-open, as it comes, on boto3: objects that are written and read like files."""

from __future__ import annotations

import boto3
import pytest

from tests.clients.files import FILES, LARGE, REGION, TREE

smart_open = pytest.importorskip("smart_open", reason="smart-open is not installed: pip install -e '.[clients]'")


@pytest.fixture
def opened(keyed_gateway, bucket):
    """Opens an object of the bucket."""
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=keyed_gateway.url,
        region_name=REGION,
        aws_access_key_id=keyed_gateway.access_key,
        aws_secret_access_key=keyed_gateway.secret_key,
    )

    def opening(path, mode, **parameters):
        parameters = {"client": client, **parameters}
        return smart_open.open(f"s3://{bucket}/{path}", mode, transport_params=parameters)

    return opening


def test_files_are_written_and_read(opened, bucket, stored):
    """What is written to a stream is an object, what is read from it are its bytes."""
    for path in TREE:
        with opened(path, "wb") as stream:
            stream.write(TREE[path])
    assert stored(bucket) == TREE
    assert {path: opened(path, "rb").read() for path in TREE} == TREE


def test_an_empty_file_is_written(opened, bucket, stored):
    """A stream to which nothing is written is an empty object."""
    opened("empty", "wb").close()
    assert stored(bucket) == {"empty": b""}


def test_a_stream_is_written_in_parts(opened, bucket, stored, parts):
    """What comes little by little is sent in parts, of the least size if so told."""
    with opened("large.bin", "wb", min_part_size=5 << 20) as stream:
        for start in range(0, len(LARGE), 1 << 20):
            stream.write(LARGE[start : start + (1 << 20)])
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") > 1


def test_a_stream_that_breaks_leaves_nothing(opened, bucket, stored, keyed_gateway):
    """An exception inside the block gives the upload up."""
    with pytest.raises(RuntimeError), opened("large.bin", "wb", min_part_size=5 << 20) as stream:
        stream.write(LARGE)
        raise RuntimeError
    assert stored(bucket) == {}
    assert "Uploads" not in keyed_gateway.s3.list_multipart_uploads(Bucket=bucket)


def test_a_large_file_is_read_anywhere(opened, bucket, put):
    """A stream is read from where it is told, forwards, backwards and from the end."""
    put(bucket, {"large.bin": LARGE})
    with opened("large.bin", "rb") as stream:
        for start in (7 << 20, 100, 19 << 20):
            stream.seek(start)
            assert stream.read(100) == LARGE[start : start + 100]
        stream.seek(-9, 2)
        assert stream.read() == LARGE[-9:]
        stream.seek(0)
        assert stream.read() == LARGE


def test_lines_are_read_of_a_compressed_file(opened, bucket, stored):
    """A name that ends with .gz is compressed on its way."""
    with opened("lines.txt.gz", "w") as stream:
        stream.write("a cat\na dog\n")
    assert stored(bucket)["lines.txt.gz"].startswith(b"\x1f\x8b")
    assert list(opened("lines.txt.gz", "r")) == ["a cat\n", "a dog\n"]


def test_an_old_version_is_read(opened, bucket, put, keyed_gateway):
    """`version_id` gives what was overwritten."""
    put(bucket, {"cat": b"first"})
    old = keyed_gateway.s3.head_object(Bucket=bucket, Key="cat")["VersionId"]
    put(bucket, {"cat": FILES["small.txt"]})
    assert opened("cat", "rb", version_id=old).read() == b"first"
