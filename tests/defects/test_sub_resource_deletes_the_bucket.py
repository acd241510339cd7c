"""In Pachyderm's gateway a sub-resource it does not know falls through to the bucket itself.

`DELETE /bucket?ownershipControls` deleted the bucket, PUT created one, GET listed it; s3cmd and Terraform send such
requests. `GET /bucket/key?attributes` sent the object.
"""

from __future__ import annotations


def test_the_bucket_stays(gateway, bucket):
    gateway.request("DELETE", f"/{bucket}?ownershipControls").refused(501, "NotImplemented")
    assert gateway.request("HEAD", f"/{bucket}").status == 200


def test_no_bucket_is_made(gateway, bucket):
    gateway.request("PUT", f"/{bucket}-new?ownershipControls", b"").refused(501, "NotImplemented")
    assert gateway.request("HEAD", f"/{bucket}-new").status == 404


def test_the_object_is_not_sent(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"secret")
    answer = gateway.request("GET", f"/{bucket}/k?attributes", headers={"x-amz-object-attributes": "ObjectSize"})
    assert b"secret" not in answer.body
    assert answer.text("ObjectSize") == "6"
