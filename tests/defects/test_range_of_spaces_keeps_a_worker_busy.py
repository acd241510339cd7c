"""`Range: bytes=` with 100 KB of spaces kept a worker busy for 15 seconds, and longer ones for minutes.

Two runs of spaces touched in the pattern, so that every way of sharing the spaces between them was tried.
"""

from __future__ import annotations

import pytest

from falcon_s3 import conditions


@pytest.mark.timeout(60)
@pytest.mark.parametrize("value", ["bytes=" + " " * 500_000, "bytes=0-" + "\t" * 500_000 + "x", " " * 500_000])
def test_a_range_of_spaces_is_ignored(value):
    assert conditions.byte_range({"range": value}, 10, "etag", 0) is None


@pytest.mark.parametrize(
    ("value", "found"), [(" bytes = 1 - 2 ", (1, 3)), ("bytes= - 3 ", (7, 10)), ("bytes=4 -", (4, 10))]
)
def test_spaces_in_a_range_do_not_count(value, found):
    assert conditions.byte_range({"range": value}, 10, "etag", 0) == found
