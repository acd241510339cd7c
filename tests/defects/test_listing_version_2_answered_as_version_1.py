"""Pachyderm's gateway answers `list-type=2` with a version 1 listing.

There is then no NextContinuationToken, and a paginator of boto3 stops after the first page without an error: of a
bucket of five files with a page size of one, a client saw one.
"""

from __future__ import annotations


def test_a_paginator_sees_all_pages(s3, bucket):
    for key in "abcde":
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    assert [row["Key"] for page in pages for row in page["Contents"]] == list("abcde")
