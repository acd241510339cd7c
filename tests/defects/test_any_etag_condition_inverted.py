"""Pachyderm's gateway 2.x quotes bare ETags in If-Match and If-None-Match, and takes `*` for one.

`If-Match: *` of an object that is there became 412, `If-None-Match: *` became 200 with the body.
"""

from __future__ import annotations


def test_a_star_matches_what_is_there(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"x")
    assert gateway.request("GET", f"/{bucket}/k", headers={"If-Match": "*"}).status == 200
    assert gateway.request("GET", f"/{bucket}/k", headers={"If-None-Match": "*"}).status == 304
