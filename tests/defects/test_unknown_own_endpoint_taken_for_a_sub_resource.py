"""`/~/other` was answered 501 "GET with ?other is not implemented", as if the path were a sub-resource."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/~/other", "/~/", "/~/health/more"])
def test_what_is_not_there_is_not_found(gateway, path):
    assert "/~/" in gateway.request("GET", path).refused(404, "NoSuchKey")
