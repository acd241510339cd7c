"""Of a header that holds bytes beyond ASCII Granian hands on an empty text.

So a file name with an umlaut in Content-Disposition was acknowledged and gone, and where requests are signed the answer
was that the secret might be wrong, which it was not.
"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

NAME = 'attachment; filename="ü.txt"'


@pytest.mark.parametrize("name", ["Content-Disposition", "x-amz-website-redirect-location"])
@pytest.mark.parametrize(("method", "query"), [("PUT", ""), ("POST", "?uploads")])
@pytest.mark.parametrize("size", [10, 100_000])
def test_it_is_refused(gateway, engine, bucket, unchanged, name, method, query, size):
    if engine != "granian":
        pytest.skip("the other engine hands on what it got")
    with unchanged(bucket):
        answer = gateway.request(method, f"/{bucket}/k{query}", bytes(size if method == "PUT" else 0), {name: NAME})
        assert name.lower() in answer.refused(400, "InvalidArgument")


def test_it_is_refused_for_a_copy(gateway, engine, bucket):
    if engine != "granian":
        pytest.skip("the other engine hands on what it got")
    gateway.request("PUT", f"/{bucket}/k", b"x")
    headers = {"x-amz-copy-source": f"/{bucket}/k", "x-amz-metadata-directive": "REPLACE", "Content-Disposition": NAME}
    gateway.request("PUT", f"/{bucket}/l", headers=headers).refused(400, "InvalidArgument")
    assert gateway.request("GET", f"/{bucket}/l").status == 404


def test_a_signer_is_told_which_header_it_is(keyed_gateway):
    s3 = keyed_gateway.s3
    bucket = keyed_gateway.new_bucket()
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentDisposition=NAME)
    assert raised.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert "content-disposition" in raised.value.response["Error"]["Message"]


def test_a_signer_is_told_which_headers_it_may_be(keyed_gateway, engine):
    """The SDK for Ruby sends an empty Accept-Encoding with every request: only that was named, which was not the one."""
    if engine != "granian":
        pytest.skip("the other engine hands on what it got")
    s3 = keyed_gateway.client()
    bucket = keyed_gateway.new_bucket()
    for name, value in {"Accept-Encoding": "", "Content-Disposition": NAME}.items():
        s3.meta.events.register(
            "before-sign", lambda request, *_, n=name, v=value, **__: request.headers.add_header(n, v)
        )
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    told = raised.value.response["Error"]["Message"]
    assert "Each of the headers accept-encoding, content-disposition is empty" in told


def test_what_is_encoded_is_kept(gateway, bucket, s3):
    encoded = "attachment; filename*=UTF-8''%C3%BC.txt"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentDisposition=encoded, Metadata={"empty": ""})
    found = s3.head_object(Bucket=bucket, Key="k")
    assert found["ContentDisposition"] == encoded
    assert found["Metadata"] == {"empty": ""}
