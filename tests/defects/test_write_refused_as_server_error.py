"""Pachyderm's gateway answers 500 for errors of PFS that it does not know.

A bucket name that PFS refuses, a finished commit, an unknown one, and (seed era) a write to an output branch were
the client's mistakes and looked like the server's: SDKs retried them, five times each.
"""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("method", "form", "status"),
    [
        ("PUT", "/a.b.c.d", 400),
        ("PUT", "/no%20spaces", 400),
        ("PUT", "/{commit}.{bucket}/k", 403),
        ("GET", "/0123456789ab4cdef0123456789abcde.{bucket}/k", 404),
        ("GET", "/master.repo.no-such-project/k", 404),
    ],
)
def test_the_mistake_is_named(gateway, bucket, method, form, status):
    commit = gateway.request("PUT", f"/{bucket}/k", b"x").headers["x-amz-version-id"]
    answer = gateway.request(method, form.format(commit=commit, bucket=bucket), b"" if method == "PUT" else None)
    assert answer.status == status
    assert answer.code not in (None, "InternalError")
