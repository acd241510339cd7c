"""A page of a listing: read from the store, and as XML."""

from __future__ import annotations

from itertools import count, islice, repeat

import pytest
from data import branch
from wsgi import REPO

from falcon_s3 import _speedups, xml

BRANCH = branch(REPO)


@pytest.fixture(scope="session")
def entries(store):
    """The first 1,000 entries of the store."""
    return list(islice(store.list_files(BRANCH), 1000))


def starts():
    """A start before all keys that was never asked for, so that the page is not remembered; then another."""
    return (f"!{number}" for number in count())


def test_entries(benchmark, store):
    """1,001 entries, one by one."""
    assert len(benchmark(lambda: list(islice(store.list_files(BRANCH), 1001)))) == 1001


@pytest.mark.parametrize("prefix,delimiter,number", [("", "", 1000), ("train/", "/", 5)], ids=["files", "folders"])
@pytest.mark.parametrize("kind", ["read", "remembered"])
def test_page(benchmark, store, kind, prefix, delimiter, number):
    """1,000 files, or five folders of 1,000 files each, told without reading the files."""
    start = starts() if kind == "read" else repeat("")
    page = benchmark(lambda: store.list_page(BRANCH, prefix, next(start), delimiter, 1000))
    assert page.number == number


@pytest.mark.parametrize("url_encode", [False, True], ids=["plain", "url"])
@pytest.mark.parametrize("kind", ["packed", "entries"])
def test_rows_as_xml(benchmark, store, entries, kind, url_encode):
    """The rows of 1,000 keys."""
    rows = store.list_page(BRANCH, "", "", "", 1000).rows if kind == "packed" else entries
    assert benchmark(_speedups.contents_xml, rows, url_encode, False).count(b"<Key>") == 1000


def test_folders_of_rows(benchmark, store):
    """1,000 packed rows of one folder."""
    rows = store.list_page(BRANCH, "train/", "", "", 1000).rows
    assert benchmark(_speedups.folded, rows, len("train/"), b"/")[1] == 1


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
