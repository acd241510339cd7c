"""aws and boto3 upload an empty file and then another on the same connection, and wait half a minute for its end.

They send `Expect: 100-continue` with every file. An empty body is not asked for, so that 200 is the first answer; botocore
(awsrequest.py, `_handle_expect_response`) keeps that for the next answer of the connection, whose headers it then misses.
"""

from __future__ import annotations

import io


def test_an_upload_after_an_empty_one_is_answered_completely(gateway, bucket):
    s3 = gateway.client(max_pool_connections=1)
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b""))
    answer = s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"something"))
    assert answer["ETag"] == '"437b930db84b8079c2dd804a71936b5f"'
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"something"


def test_a_connection_ends_with_an_answer_that_no_100_came_before(gateway, bucket):
    answer = gateway.request("PUT", f"/{bucket}/k", b"", {"Expect": "100-continue"})
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
