"""A signed link may carry headers in its query, and what it carried there was kept as it was.

Metadata with a line end or with letters beyond Latin-1 was stored by the upload, and then no answer that had to
repeat it could be sent as it was: a line end would have begun a header of the link's maker.
"""

from __future__ import annotations

import time
from urllib.parse import quote, urlencode

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from falcon_s3 import sigv2


def link_of_version_4(gateway, path, name, value):
    request = AWSRequest("PUT", f"{gateway.url}{path}?{quote(name)}={quote(value, safe='')}")
    S3SigV4QueryAuth(Credentials(gateway.access_key, gateway.secret_key), "s3", "us-east-1").add_auth(request)
    return request.url.removeprefix(gateway.url)


def link_of_version_2(gateway, path, name, value):
    expires = str(int(time.time()) + 60)
    signature = sigv2.sign(gateway.secret_key, f"PUT\n\n\n{expires}\n{name}:{value.strip()}\n{path}")
    fields = {"AWSAccessKeyId": gateway.access_key, "Expires": expires, "Signature": signature, name: value}
    return f"{path}?{urlencode(fields, quote_via=quote)}"


LINKS = pytest.mark.parametrize("link", [link_of_version_4, link_of_version_2])


@LINKS
@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\0b", "a\x7fb", "zw\nölf", "日\0本"])
def test_what_no_header_can_hold_is_refused(keyed_gateway, link, value):
    bucket = keyed_gateway.new_bucket()
    target = link(keyed_gateway, f"/{bucket}/k", "x-amz-meta-a", value)
    keyed_gateway.request("PUT", target, b"x").refused(400, "InvalidArgument")
    assert keyed_gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@LINKS
def test_what_a_header_can_hold_is_kept(keyed_gateway, link):
    bucket = keyed_gateway.new_bucket()
    target = link(keyed_gateway, f"/{bucket}/k", "x-amz-meta-a", "a\t=?UTF-8?Q?zw=C3=B6lf?= ~ ")
    assert keyed_gateway.request("PUT", target, b"x").status == 200
    found = keyed_gateway.s3.head_object(Bucket=bucket, Key="k")
    assert found["Metadata"] == {"a": "a\t=?UTF-8?Q?zw=C3=B6lf?= ~"}
