"""Defect: of two equal completions of an upload at the same time, one was told NoSuchUpload.

Between looking the upload up and listing its parts the other one could finish it. Only the lookup before and the
finishing itself were ready for that.
"""

from __future__ import annotations

import falcon.testing
import pytest

from falcon_s3.app import create_app
from falcon_s3.digests import body_of
from falcon_s3.pfs import Branch, Repo
from falcon_s3.pfs.embedded import EmbeddedPfs

MASTER = Branch(Repo("default", "r"), "master")


@pytest.mark.parametrize("step", ["inspect_upload", "list_parts", "finish_upload"])
def test_who_comes_second_gets_the_answer_of_the_first(tmp_path, monkeypatch, step):
    """Wherever between its steps the other one comes."""
    store = EmbeddedPfs(tmp_path / "data")
    try:
        store.create_branch(MASTER)
        upload = store.start_upload(MASTER, "k").id
        part = store.put_part(MASTER, "k", upload, 1, body_of([b"x"]))
        etag = "0123456789abcdef0123456789abcdef-1"
        original, finish = getattr(store, step), store.finish_upload

        def overtaken(*arguments):
            monkeypatch.undo()
            finish(MASTER, "k", upload, [(1, part.etag)], etag)
            return original(*arguments)

        monkeypatch.setattr(store, step, overtaken)
        body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part.etag}</ETag></Part>"
        answer = falcon.testing.TestClient(create_app(store)).simulate_post(
            "/r/k", query_string=f"uploadId={upload}", body=f"{body}</CompleteMultipartUpload>"
        )
        assert (answer.status_code, etag in answer.text) == (200, True), answer.text
        assert store.inspect_branch(MASTER).head == store.inspect_file(MASTER, "k").commit
    finally:
        store.close()
