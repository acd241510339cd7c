"""What micro-benchmarks run on: a store of 5,000 small files and one of 4 KiB, and the application on it."""

from __future__ import annotations

import pytest
from data import branch, fill, paths
from wsgi import KEYS, REPO

from falcon_s3.app import create_app
from falcon_s3.digests import body_of
from falcon_s3.keyring import Keyring
from falcon_s3.pfs.embedded import EmbeddedPfs

BRANCH = branch(REPO)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """An embedded store whose branch BRANCH has the keys of `data.paths(5000)` and `small`, of 4 KiB."""
    pfs = EmbeddedPfs(tmp_path_factory.mktemp("store"))
    pfs.create_branch(BRANCH)
    fill(pfs, BRANCH, paths(5000, folders=5))
    pfs.put_file(BRANCH, "small", body_of([b"x" * 4096]))
    yield pfs
    pfs.close()


@pytest.fixture(scope="session")
def app(store):
    """The WSGI application, which lets in who signs with one of KEYS."""
    return create_app(store, Keyring(KEYS), kept=store.kept)
