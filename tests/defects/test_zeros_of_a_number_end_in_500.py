"""`max-keys` with 5,000 zeros was 500: only its first digits were looked at, and then Python refused to read it all.

`partNumber` had the same fault, and took 0000000001999 for a part.
"""

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


@pytest.mark.parametrize("digits", ["0000000001" * 500, "0000000001" + "9" * 5, "0" * 5000])
def test_a_part_number_is_read_to_its_end(gateway, bucket, digits):
    upload = gateway.request("POST", f"/{bucket}/k?uploads").text("UploadId")
    gateway.request("PUT", f"/{bucket}/k?uploadId={upload}&partNumber={digits}", b"x").refused(400, "InvalidArgument")
    zeros = gateway.request("PUT", f"/{bucket}/k?uploadId={upload}&partNumber={'0' * 5000}7", b"x")
    assert zeros.status == 200
