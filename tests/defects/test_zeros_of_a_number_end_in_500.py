"""`max-keys` with 5,000 zeros was 500: only its first digits were looked at, and then Python refused to read it all."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("digits", "most"), [("0" * 5000, "0"), ("0" * 5000 + "7", "7"), ("0" * 30 + "2147483647", "1000")]
)
@pytest.mark.parametrize("listing", ["", "versions&"])
def test_leading_zeros_do_not_count(gateway, bucket, digits, most, listing):
    assert gateway.request("GET", f"/{bucket}?{listing}max-keys={digits}").text("MaxKeys") == most


@pytest.mark.parametrize("digits", ["0" * 20 + "2147483648", "0" * 20 + "9" * 5000, "9" * 5000])
def test_what_is_too_much_is_refused(gateway, bucket, digits):
    gateway.request("GET", f"/{bucket}?max-keys={digits}").refused(400, "InvalidArgument")
