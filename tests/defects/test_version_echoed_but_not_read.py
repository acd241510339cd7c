"""Pachyderm's gateway 2.x echoes `versionId` in the answer and sends the newest content.

Who restored an old version got the new one, with a header that said otherwise.
"""

from __future__ import annotations


def test_header_and_bytes_are_of_one_version(s3, bucket):
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    answer = s3.get_object(Bucket=bucket, Key="k", VersionId=old)
    assert (answer["VersionId"], answer["Body"].read(), answer["ContentLength"]) == (old, b"old", 3)
