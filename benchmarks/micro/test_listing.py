"""A page of a listing: read from the store, and as XML."""

from __future__ import annotations

from itertools import islice

import pytest
from data import branch
from wsgi import REPO

from falcon_s3 import _speedups, xml

BRANCH = branch(REPO)


@pytest.fixture(scope="session")
def entries(store):
    """The first 1,000 entries of the store."""
    return list(islice(store.list_files(BRANCH), 1000))


def test_page_of_files(benchmark, store):
    """1,001 entries, the last of which says that there is more."""
    assert len(benchmark(lambda: list(islice(store.list_files(BRANCH), 1001)))) == 1001


def test_page_of_folders(benchmark, store):
    """Five folders of 1,000 files each, told without reading the files."""
    assert len(benchmark(lambda: list(store.list_files(BRANCH, "train/", "", "/")))) == 5


@pytest.mark.parametrize("url_encode", [False, True], ids=["plain", "url"])
def test_rows_as_xml(benchmark, entries, url_encode):
    """The rows of 1,000 keys."""
    assert benchmark(_speedups.contents_xml, entries, url_encode, False).count(b"<Key>") == 1000


def test_document(benchmark, entries):
    """The rest of the document around ready rows."""
    rows = _speedups.contents_xml(entries, False, False)
    page = xml.Page("master.bench", "train/", "", 1000, True, rows, False)

    assert benchmark(xml.list_bucket_result_v2, page, 1000, None, None, "token").startswith(b"<?xml")


@pytest.mark.parametrize("name", ["escape", "url_encoded"])
def test_texts(benchmark, entries, name):
    """1,000 keys, one call each."""
    function = getattr(_speedups, name)
    keys = [entry.path for entry in entries]

    benchmark(lambda: [function(key) for key in keys])
