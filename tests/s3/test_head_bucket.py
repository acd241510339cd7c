"""HEAD /bucket says whether it is there, and never with a body."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def test_a_bucket_is_found_and_names_its_region(gateway, bucket, s3):
    answer = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]
    assert answer["HTTPStatusCode"] == 200
    assert answer["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert gateway.request("HEAD", f"/{bucket}").body == b""


def test_a_bucket_is_found_by_each_of_its_names(gateway, bucket):
    repo = bucket.partition(".")[2]
    for name in (repo, f"master.{repo}", f"master.{repo}.default"):
        assert gateway.request("HEAD", f"/{name}").status == 200


@pytest.mark.parametrize("form", ["none", "dev.{repo}", "master.{repo}.other", "master.none"])
def test_what_is_not_there_is_not_found(s3, bucket, form):
    with pytest.raises(ClientError) as caught:
        s3.head_bucket(Bucket=form.format(repo=bucket.partition(".")[2]))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_error_has_the_headers_of_one_and_no_body(gateway):
    answer = gateway.request("HEAD", "/none")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-amz-request-id"]
