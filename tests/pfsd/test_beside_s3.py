"""A gateway and pfsd on one folder: what is written through one is read through the other, at once."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import add, head, repo_message


@pytest.fixture
def bucket(repo):
    return f"master.{repo.name}"


def test_what_is_written_over_grpc_is_read_over_s3(pfsd, beside, repo, bucket):
    """Small, large and appended files; listings; each stream is one commit."""
    large = bytes(range(256)) * 40_000
    pfsd.write(head(repo), ("d/small", b"hello"), ("large", large))
    pfsd.write(head(repo), add("large", large), add("d/small", b" world"))
    assert beside.get_object(Bucket=bucket, Key="d/small")["Body"].read() == b"hello world"
    assert beside.get_object(Bucket=bucket, Key="large")["Body"].read() == large * 2
    part = beside.get_object(Bucket=bucket, Key="large", Range=f"bytes={len(large) - 3}-{len(large) + 2}")
    assert part["Body"].read() == large[-3:] + large[:3]
    listed = beside.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(each["Key"], each["Size"]) for each in listed] == [("d/small", 11), ("large", 2 * len(large))]
    old = pfsd.commits(repo)[1]
    assert beside.get_object(Bucket=bucket, Key="large", VersionId=old)["ContentLength"] == len(large)


def test_what_is_written_over_s3_is_read_over_grpc(pfsd, beside):
    """The repo and branch made by CreateBucket too; files put together from parts; metadata stays where it is."""
    beside.create_bucket(Bucket="dev.from-s3")
    repo = repo_message("from-s3")
    beside.put_object(Bucket="dev.from-s3", Key="a/b c", Body=b"hello", Metadata={"colour": "brown"})
    beside.upload_fileobj(io.BytesIO(bytes(12 << 20)), "dev.from-s3", "parts")
    assert pfsd.list(head(repo, "dev"), method="WalkFile") == ["/", "/a/", "/a/b c", "/parts"]
    assert pfsd.read(head(repo, "dev"), "/a/b c") == b"hello"
    assert pfsd.read(head(repo, "dev"), "/parts") == bytes(12 << 20)
    assert "from-s3" in [info.repo.name for info in pfsd.call("ListRepo", pfs_pb2.ListRepoRequest())]
    pfsd.write(head(repo, "dev"), ("other", b"1"))
    assert beside.head_object(Bucket="dev.from-s3", Key="a/b c")["Metadata"] == {"colour": "brown"}
    assert len(pfsd.commits(repo)) == 4


def test_keys_that_only_s3_has(pfsd, beside, repo, bucket):
    """They are listed and read as they are; a folder's marker shows as the folder."""
    pfsd.write(head(repo))
    for key in ("a//b", "empty/", "ä(1)*.txt"):
        beside.put_object(Bucket=bucket, Key=key, Body=key.encode() if key != "empty/" else b"")
    paths = ["/", "/a/", "/a//", "/a//b", "/empty/", "/ä(1)*.txt"]
    assert pfsd.list(head(repo), method="WalkFile") == paths
    assert pfsd.list(head(repo)) == ["/a/", "/empty/", "/ä(1)*.txt"]
    for path in ("/a//b", "/ä(1)*.txt"):
        assert pfsd.read(head(repo), path) == path[1:].encode()
    assert pfsd.list(head(repo), "/empty") == []


def test_an_open_commit_takes_writes_from_both_sides(pfsd, beside, repo, bucket):
    """Until it is finished."""
    request = pfs_pb2.StartCommitRequest(branch=pfs_pb2.Branch(repo=repo, name="master"))
    commit = pfsd.call("StartCommit", request)
    beside.put_object(Bucket=bucket, Key="s3", Body=b"1")
    pfsd.write(commit, ("grpc", b"2"))
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit))
    beside.put_object(Bucket=bucket, Key="later", Body=b"3")
    assert pfsd.list(commit) == ["/grpc", "/s3"]
    assert len(pfsd.commits(repo)) == 2


def test_deleting_is_seen_on_the_other_side(pfsd, beside, repo, bucket):
    """Files and repos."""
    pfsd.write(head(repo), ("a", b"1"), ("b", b"2"))
    beside.delete_object(Bucket=bucket, Key="a")
    assert pfsd.list(head(repo)) == ["/b"]
    pfsd.write(head(repo), pfs_pb2.ModifyFileRequest(delete_file={"path": "/"}))
    assert beside.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    pfsd.call("DeleteRepo", pfs_pb2.DeleteRepoRequest(repo=repo))
    assert bucket not in [each["Name"] for each in beside.list_buckets()["Buckets"]]
    assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []


def test_both_sides_write_at_once(pfsd, beside, repo, bucket):
    """To one branch: each write is one commit, and none is lost."""
    pfsd.write(head(repo))

    def over_grpc(number):
        pfsd.write(head(repo), (f"grpc/{number}", b"%d" % number), add("log", b"x"))

    def over_s3(number):
        beside.put_object(Bucket=bucket, Key=f"s3/{number}", Body=b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write, number) for number in range(40) for write in (over_grpc, over_s3)]:
            done.result()
    assert len(pfsd.commits(repo)) == 81
    assert len(pfsd.list(head(repo), "grpc")) == len(pfsd.list(head(repo), "s3")) == 40
    assert pfsd.read(head(repo), "log") == b"x" * 40
