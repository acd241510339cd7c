"""A copy is a PUT without a body: a server that overlooks `x-amz-copy-source` stores an empty object.

Pachyderm's gateway does so for UploadPartCopy, and answers 200 with the ETag of nothing.
"""

from __future__ import annotations


def test_the_target_keeps_its_bytes(gateway, bucket):
    for key in ("source", "target"):
        gateway.request("PUT", f"/{bucket}/{key}", key.encode())
    for target in ("target", "target?partNumber=1&uploadId=x"):
        answer = gateway.request("PUT", f"/{bucket}/{target}", b"", {"x-amz-copy-source": f"/{bucket}/source"})
        assert answer.status in (200, 501)
        assert gateway.request("GET", f"/{bucket}/target").body in (b"target", b"source")
        assert answer.status == 501 or gateway.request("GET", f"/{bucket}/target").body == b"source"
