"""A query in UTF-8 that is not percent-encoded, as curl sends it, was read as Latin-1: `?prefix=ö` looked for `Ã¶`."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("query", ["prefix=ö", "prefix=%C3%B6"])
def test_letters_of_a_query_are_utf_8(gateway, bucket, query):
    gateway.request("PUT", f"/{bucket}/%C3%B6", b"x")
    gateway.request("PUT", f"/{bucket}/o", b"x")
    assert gateway.request("GET", f"/{bucket}?{query}").texts("Key") == ["ö"]
