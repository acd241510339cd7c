"""The parts that CompleteMultipartUpload names: in order, the last of each number."""

from __future__ import annotations

import pytest

from falcon_s3 import errors, multipart


def document(*parts):
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def named(*parts):
    return [(part.number, part.etag) for part in multipart.read_complete(document(*parts))]


def test_a_part_that_is_named_twice_is_the_last_one():
    assert named((1, "a"), (1, "b"), (2, "c"), (7, "d"), (7, "e")) == [(1, "b"), (2, "c"), (7, "e")]


@pytest.mark.parametrize("numbers", [(2, 1), (1, 3, 2), (1, 2, 1)])
def test_parts_out_of_order_are_refused(numbers):
    with pytest.raises(errors.InvalidPartOrder):
        named(*((number, "a") for number in numbers))
