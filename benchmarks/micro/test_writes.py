"""Writes of the embedded store, each on disk when it returns: a small file, a large one, a transaction of nothing."""

from __future__ import annotations

import itertools

import pytest
from data import branch, chunks, noise
from wsgi import REPO

from falcon_s3.digests import body_of
from falcon_s3.pfs.blocks import BlockFile

BRANCH = branch(REPO)
NUMBERS = itertools.count()
LARGE = noise(16 << 20)


def new(size: int) -> bytes:
    """Bytes that were never written: equal content is stored once."""
    return next(NUMBERS).to_bytes(8, "big") + LARGE[8:size]


@pytest.mark.parametrize("size", [4096, 16 << 20])
def test_put_file(benchmark, store, size):
    """Of new content, to one of 500 paths: hashed, written, named and synced."""

    def put() -> None:
        data = new(size)
        store.put_file(BRANCH, f"written/{next(NUMBERS) % 500:03}", body_of(chunks(data)))

    benchmark(put)


def test_transaction(benchmark, store):
    """What a write costs besides what it writes: the queue, the turn, an empty transaction."""
    benchmark(store._catalog.write, lambda connection: None)


def test_block_file(benchmark, tmp_path):
    """16 MiB to a new file, synced, and removed again."""

    def write() -> None:
        file = BlockFile(tmp_path / "file")
        for chunk in chunks(LARGE):
            file.write(chunk)
        file.finish()
        file.close()
        (tmp_path / "file").unlink()

    benchmark(write)
