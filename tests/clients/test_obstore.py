"""obstore, the Python face of Rust's object_store, as it comes."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.files import FILES, LARGE, REGION, TREE

obstore = pytest.importorskip("obstore", reason="obstore is not installed: pip install -e '.[clients]'")

# object_store takes brackets, `%` and `~` in a name for something to be encoded before it is sent.
NAMES = ("small.txt", "empty", "a space/in both names.txt", "one+one=two.txt", "deep/er/and/deep/est.txt")


@pytest.fixture
def client(keyed_gateway, bucket):
    """A store of obstore on the bucket."""
    return obstore.store.S3Store(
        bucket,
        endpoint=keyed_gateway.url,
        region=REGION,
        access_key_id=keyed_gateway.access_key,
        secret_access_key=keyed_gateway.secret_key,
        client_options={"allow_http": True},
    )


def test_bytes_are_put_and_got(client, bucket, stored):
    """`put` stores bytes under a name, `get` gives them back."""
    for path in FILES:
        obstore.put(client, path, FILES[path])
    assert {path: obstore.get(client, path).bytes().to_bytes() for path in FILES} == FILES
    assert sorted(stored(bucket).values()) == sorted(FILES.values())


def test_names_are_kept(client, bucket, stored):
    """Names are stored as they are given."""
    for path in NAMES:
        obstore.put(client, path, FILES[path])
    assert stored(bucket) == {path: FILES[path] for path in NAMES}


def test_a_large_file_is_uploaded_in_parts(client, bucket, large, stored, parts):
    """`put` of a file sends what is larger than 5 MiB in parts."""
    obstore.put(client, "large.bin", large)
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") == 5


def test_a_writer_uploads_in_parts_and_a_reader_reads_anywhere(client, bucket, stored):
    """`open_writer` sends what it is given in parts; `open_reader` and `get_ranges` read from where they are told."""
    with obstore.open_writer(client, "large.bin") as writer:
        writer.write(LARGE)
    assert stored(bucket)["large.bin"] == LARGE
    reader = obstore.open_reader(client, "large.bin")
    reader.seek(7 << 20)
    assert bytes(reader.read(100)) == LARGE[7 << 20 :][:100]
    ranges = obstore.get_ranges(client, "large.bin", starts=[0, 15 << 20], ends=[10, (15 << 20) + 10])
    assert [bytes(each) for each in ranges] == [LARGE[:10], LARGE[15 << 20 :][:10]]


def test_folders_are_listed(client, bucket, put):
    """`list` gives all below a prefix, `list_with_delimiter` files and folders."""
    put(bucket, TREE)
    assert sorted(row["path"] for page in obstore.list(client) for row in page) == sorted(TREE)
    shown = obstore.list_with_delimiter(client, "pets")
    assert [row["path"] for row in shown["objects"]] == ["pets/cat.txt"]
    assert list(shown["common_prefixes"]) == ["pets/dogs"]


def test_files_are_copied_renamed_and_removed(client, bucket, put, stored):
    """`copy`, `rename` and `delete`, of many at once too."""
    put(bucket, TREE)
    obstore.copy(client, "a.txt", "b c+d.txt")
    obstore.rename(client, "a.txt", "moved.txt")
    obstore.delete(client, [path for path in TREE if path != "a.txt"])
    assert stored(bucket) == {"b c+d.txt": b"1", "moved.txt": b"1"}


def test_one_of_many_writers_wins(client, bucket, stored):
    """`put(mode="create")` is for who comes first: of many at once exactly one."""

    def create(number):
        try:
            obstore.put(client, "lock", str(number).encode(), mode="create")
        except obstore.exceptions.AlreadyExistsError:
            return None
        return str(number).encode()

    with ThreadPoolExecutor(16) as pool:
        won = [each for each in pool.map(create, range(16)) if each]
    assert stored(bucket) == {"lock": won[0]}
    assert len(won) == 1


def test_an_update_is_refused_once_another_came_first(client, bucket, stored):
    """`put` onto a version that is known fails when it is no longer what is there."""
    first = obstore.put(client, "state", b"1")
    obstore.put(client, "state", b"2", mode=first)
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(client, "state", b"3", mode=first)
    assert stored(bucket) == {"state": b"2"}


def test_an_old_version_is_got(client, bucket, put, keyed_gateway):
    """`get` of a version gives what was overwritten."""
    put(bucket, {"cat": b"first"})
    old = keyed_gateway.s3.head_object(Bucket=bucket, Key="cat")["VersionId"]
    put(bucket, {"cat": b"second"})
    assert obstore.get(client, "cat", options={"version": old}).bytes().to_bytes() == b"first"


def test_links_download_and_upload(client, bucket, stored):
    """Links that `sign` makes are used by a client without a key."""
    from datetime import timedelta

    link = obstore.sign(client, "PUT", "a cat.txt", timedelta(minutes=1))
    urllib.request.urlopen(urllib.request.Request(link, data=b"a cat", method="PUT"))
    assert stored(bucket) == {"a cat.txt": b"a cat"}
    assert urllib.request.urlopen(obstore.sign(client, "GET", "a cat.txt", timedelta(minutes=1))).read() == b"a cat"
