"""The gRPC messages that carry the bytes of files, written and read."""

from __future__ import annotations

import pytest

from falcon_s3 import _speedups

PATH = "/train/class-0042/image-00004217.jpg"
CHUNKS = {"4 KiB": bytes(4 << 10), "1 MiB": bytes(1 << 20)}


@pytest.mark.parametrize("size", CHUNKS)
def test_bytes_value(benchmark, size):
    """A chunk that GetFile sends."""
    benchmark(_speedups.bytes_value, CHUNKS[size])


@pytest.mark.parametrize("size", CHUNKS)
def test_value_of(benchmark, size):
    """A chunk that GetFile sent."""
    benchmark(_speedups.value_of, _speedups.bytes_value(CHUNKS[size]))


@pytest.mark.parametrize("size", CHUNKS)
def test_add_file(benchmark, size):
    """A chunk that is sent to ModifyFile."""
    benchmark(_speedups.add_file, PATH, CHUNKS[size])


@pytest.mark.parametrize("size", CHUNKS)
def test_added_file(benchmark, size):
    """A chunk that ModifyFile was sent."""
    benchmark(_speedups.added_file, _speedups.add_file(PATH, CHUNKS[size]))
