"""s3fs on aiobotocore, as it comes, with the folders that it makes of a bucket.

aiobotocore wants a botocore of its own, older than boto3's; so pip installs both beside what is here.
"""

from __future__ import annotations

import json

import pytest

from tests.clients.files import FILES, LARGE, TREE, read_folder

BEGINNING = """
    import json, os
    import s3fs

    files = s3fs.S3FileSystem(
        key=os.environ["KEY"], secret=os.environ["SECRET"], endpoint_url=os.environ["ENDPOINT"]
    )
"""


@pytest.fixture
def s3fs(python, engine):
    """Runs a program whose `files` is a file system of s3fs."""
    if engine == "meinheld":
        pytest.skip("aiobotocore waits for 100 Continue, which meinheld sends after the body")
    return python(("s3fs>=2025.2",), BEGINNING)


def test_buckets_are_made_listed_and_removed(s3fs, repo, branches):
    """`mkdir` of a bucket creates a branch, `ls` of nothing shows it, `rmdir` removes it."""
    s3fs(f"""
        files.mkdir("dev.{repo}")
        assert "dev.{repo}" in files.ls("")
        assert files.isdir("dev.{repo}")
    """)
    assert branches(repo) == ["dev", "master"]
    s3fs(f"""files.rmdir("dev.{repo}")""")
    assert branches(repo) == ["master"]


def test_a_folder_is_there_while_it_has_files(s3fs, bucket, stored):
    """`mkdir` in a bucket writes nothing; `touch` writes an empty object, and its folder is there until `rm`."""
    s3fs(f"""
        files.mkdir("{bucket}/pets")
        assert not files.exists("{bucket}/pets")
        files.touch("{bucket}/pets/cat")
        assert files.isdir("{bucket}/pets") and files.isfile("{bucket}/pets/cat")
        assert files.ls("{bucket}/pets") == ["{bucket}/pets/cat"]
        assert files.size("{bucket}/pets/cat") == 0
    """)
    assert stored(bucket) == {"pets/cat": b""}
    s3fs(f"""
        files.rm("{bucket}/pets/cat")
        assert not files.exists("{bucket}/pets")
    """)
    assert stored(bucket) == {}


def test_an_object_that_stands_for_a_folder_is_one(s3fs, bucket, put):
    """An empty object whose name ends with a slash, as consoles make them, is shown as a folder."""
    put(bucket, {"pets/": b"", "pets/cat": b"1"})
    s3fs(f"""
        assert files.isdir("{bucket}/pets")
        assert [row["type"] for row in files.ls("{bucket}", detail=True)] == ["directory"]
        assert "{bucket}/pets/cat" in files.find("{bucket}")
    """)


def test_folders_are_listed(s3fs, bucket, put):
    """`ls`, `find`, `glob` and `du` show what is below a folder."""
    put(bucket, TREE)
    shown = s3fs(f"""
        print(json.dumps({{
            "ls": sorted(files.ls("{bucket}")),
            "find": files.find("{bucket}"),
            "glob": files.glob("{bucket}/**/*.txt"),
            "du": files.du("{bucket}"),
        }}))
    """)
    everything = [f"{bucket}/{path}" for path in sorted(TREE)]
    folders = [f"{bucket}/{name}" for name in ("a.txt", "pets", "pets.txt")]
    assert json.loads(shown) == {"ls": folders, "find": everything, "glob": everything, "du": 10}


def test_files_of_all_kinds_are_uploaded_and_downloaded(s3fs, bucket, folder, stored, tmp_path):
    """`put` and `get` of a folder move every file of it under its name, byte for byte."""
    s3fs(f"""
        files.put("up/", "{bucket}/", recursive=True)
        files.get("{bucket}/", "down/", recursive=True)
    """)
    assert stored(bucket) == FILES
    assert read_folder(tmp_path / "down") == FILES


def test_folders_are_copied_and_removed(s3fs, bucket, put, stored):
    """`cp` and `rm` of a folder do so with every file below it, and with no other."""
    put(bucket, {f"below/{path}": b"1" for path in FILES} | {"below.txt": b"2"})
    s3fs(f"""
        files.cp("{bucket}/below", "{bucket}/copied", recursive=True)
        files.rm("{bucket}/below", recursive=True)
    """)
    assert stored(bucket) == {f"copied/{path}": b"1" for path in FILES} | {"below.txt": b"2"}


def test_files_are_moved(s3fs, bucket, put, stored):
    """`mv` gives files other names, whatever the names but for those that it takes for patterns."""
    moved = [path for path in FILES if "[" not in path]
    put(bucket, {path: FILES[path] for path in moved})
    s3fs(f"""
        for path in {moved}:
            files.mv("{bucket}/" + path, "{bucket}/moved/" + path)
    """)
    assert stored(bucket) == {f"moved/{path}": FILES[path] for path in moved}


def test_a_large_file_is_written_in_parts_and_read_anywhere(s3fs, bucket, large, stored, parts):
    """`open` writes in parts, and reads from where it is told, backwards too."""
    s3fs(f"""
        content = open("large.bin", "rb").read()
        with files.open("{bucket}/large.bin", "wb", block_size=5 << 20) as file:
            for start in range(0, len(content), 1 << 20):
                file.write(content[start : start + (1 << 20)])
        with files.open("{bucket}/large.bin", "rb") as file:
            for start in (len(content) - 10, 7 << 20, 0):
                file.seek(start)
                assert file.read(100) == content[start : start + 100]
            assert file.seek(0) == 0 and file.read() == content
        assert files.tail("{bucket}/large.bin", 9) == content[-9:]
    """)
    assert stored(bucket)["large.bin"] == LARGE
    assert parts(bucket, "large.bin") > 1


def test_versions_are_listed_and_read(s3fs, bucket, put):
    """A file system that is aware of versions lists those of a file and opens an old one."""
    put(bucket, {"cat": b"first"})
    put(bucket, {"cat": b"second"})
    shown = s3fs(f"""
        files = s3fs.S3FileSystem(**files.storage_options, version_aware=True)
        for row in files.object_version_info("{bucket}/cat"):
            print(files.open("{bucket}/cat", version_id=row["VersionId"]).read())
    """)
    assert shown.split() == ["b'second'", "b'first'"]


def test_tags_and_metadata_are_kept(s3fs, bucket, put):
    """Tags and metadata are set and shown; metadata by a copy onto itself."""
    put(bucket, {"k": b"1"})
    s3fs(f"""
        files.put_tags("{bucket}/k", {{"kind": "a cat"}})
        assert files.get_tags("{bucket}/k") == {{"kind": "a cat"}}
        files.setxattr("{bucket}/k", colour="brown")
        assert files.metadata("{bucket}/k") == {{"colour": "brown"}}
        assert files.get_tags("{bucket}/k") == {{"kind": "a cat"}}
    """)
