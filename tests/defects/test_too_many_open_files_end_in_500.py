"""Where a process may have few files, clients that connected often enough left none, and a download was answered with 500.

A worker holds fewer connections there now (`tests/server/test_workers.py`); should files run out all the same, the
client is told to come back, as it was for an upload. So is one whose request needs a connection to the catalog more.
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
        others = [store._catalog.read() for _ in list(store._catalog._idle_readers)]  # they have all that are open
        with pytest.raises(pfs.Unavailable) as raised_too:
            store.inspect_file(branch, "another")
        for each in others:
            each.__exit__(None, None, None)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [errors.of(each.value).status for each in (raised, raised_too)] == [503, 503]
    assert b"".join(store.open_file(file)) == data
    store.close()
