"""A copy is a PUT without a body: a server that overlooks `x-amz-copy-source` stores an empty object.

Pachyderm's gateway does so for UploadPartCopy, and answers 200 with the ETag of nothing.
"""

from __future__ import annotations


def test_a_copy_has_the_bytes_of_its_source(gateway, bucket):
    for key in ("source", "target"):
        gateway.request("PUT", f"/{bucket}/{key}", key.encode())
    answer = gateway.request("PUT", f"/{bucket}/target", b"", {"x-amz-copy-source": f"/{bucket}/source"})
    assert answer.status == 200
    assert gateway.request("GET", f"/{bucket}/target").body == b"source"


def test_a_part_has_the_bytes_of_its_source(gateway, bucket, s3):
    gateway.request("PUT", f"/{bucket}/source", b"source")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="target")["UploadId"]
    target = f"/{bucket}/target?partNumber=1&uploadId={upload}"
    assert gateway.request("PUT", target, b"", {"x-amz-copy-source": f"/{bucket}/source"}).status == 200
    [part] = s3.list_parts(Bucket=bucket, Key="target", UploadId=upload)["Parts"]
    assert part["Size"] == 6
