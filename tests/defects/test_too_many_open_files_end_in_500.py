"""Where a process may have few files, clients that connected often enough left none, and a download was answered with 500.

A worker holds fewer connections there now (`tests/server/test_workers.py`); should files run out all the same, the
client is told to come back, as it was for an upload.
"""

from __future__ import annotations

import os
import resource

import pytest

from falcon_s3 import digests, errors, pfs
from falcon_s3.pfs.embedded import EmbeddedPfs


def test_a_download_is_told_to_come_back(tmp_path):
    store = EmbeddedPfs(tmp_path / "data")
    branch = pfs.Branch(pfs.Repo("default", "r"), "master")
    store.create_branch(branch)
    data = os.urandom(100_000)
    file = store.put_file(branch, "k", digests.body_of([data]), {})
    assert b"".join(store.open_file(file)) == data
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(pfs.Unavailable) as raised:
            store.open_file(file)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert errors.of(raised.value).status == 503
    assert b"".join(store.open_file(file)) == data
    store.close()
