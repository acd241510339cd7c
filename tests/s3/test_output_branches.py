"""A branch with provenance is written by what made it, through its open commit, and by nobody else."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from falcon_s3 import buckets
from falcon_s3.digests import body_of
from falcon_s3.pfs import Branch, Repo

TEXT = "cannot start a commit on an output branch"


@pytest.fixture
def output(bucket, store):
    """The bucket of an output branch that shows one file."""
    branch = Branch(Repo("default", bucket.partition(".")[2] + "-out"), "master")
    store.create_branch(branch, provenance=[buckets.parse(bucket)])
    store.start_commit(branch)
    store.put_file(branch, "made", body_of([b"by a pipeline"]))
    store.finish_commit(branch)
    return buckets.name_of(branch)


@pytest.mark.needs("output commits")
def test_it_is_listed_and_read_like_any_bucket(s3, output):
    assert output in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=output)["Contents"]] == ["made"]
    assert s3.get_object(Bucket=output, Key="made")["Body"].read() == b"by a pipeline"


@pytest.mark.needs("output commits")
@pytest.mark.parametrize(("method", "key"), [("PUT", "new"), ("PUT", "made"), ("DELETE", "made"), ("DELETE", "none")])
def test_it_is_not_written_by_clients(gateway, output, unchanged, method, key):
    with unchanged(output):
        answer = gateway.request(method, f"/{output}/{key}", b"x" if method == "PUT" else None)
        assert TEXT in answer.refused(400, "WriteToOutputBranch")


@pytest.mark.needs("output commits")
def test_many_deletions_are_refused_together(gateway, output, unchanged):
    with unchanged(output):
        body = b"<Delete><Object><Key>made</Key></Object></Delete>"
        answer = gateway.request("POST", f"/{output}?delete", body)
        assert "WriteToOutputBranch" in answer.texts("Code")
        assert TEXT in "".join(answer.texts("Message"))


@pytest.mark.needs("output commits")
def test_an_upload_is_refused_before_its_body_is_sent(gateway, output):
    with gateway.connect() as connection:
        head = f"PUT /{output}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 400"


@pytest.mark.needs("output commits")
def test_a_client_is_shown_the_text_of_the_store(s3, output):
    with pytest.raises(ClientError, match=TEXT):
        s3.put_object(Bucket=output, Key="k", Body=b"x")


@pytest.mark.needs("output commits")
def test_while_its_commit_is_open_it_is_written(s3, output, store):
    branch = buckets.parse(output)
    commit = store.start_commit(branch)
    assert s3.put_object(Bucket=output, Key="more", Body=b"1")["VersionId"] == commit.id
    s3.delete_object(Bucket=output, Key="made")
    assert store.inspect_branch(branch).head == commit
    store.finish_commit(branch)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=output)["Contents"]] == ["more"]
    with pytest.raises(ClientError, match=TEXT):
        s3.put_object(Bucket=output, Key="k", Body=b"x")
