"""Pachyderm's gateway cleans the path of a request before it looks at the key.

`a//b` was redirected to `a/b`, a leading slash of a prefix vanished, and `PUT dir/` made a file `dir`: keys that
differ in S3 were one, and a marker of a folder could hide a file.
"""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("key", ["a//b", "/a", "a/", "a/./b", "a/../b", "//", "a///"])
def test_a_key_is_taken_byte_for_byte(gateway, bucket, s3, key):
    assert gateway.request("PUT", f"/{bucket}/{key}", b"x").status == 200
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]] == [key]
    assert gateway.request("GET", f"/{bucket}/{key}").body == b"x"
    assert gateway.request("GET", f"/{bucket}/{key.replace('/', '')}x").status == 404
