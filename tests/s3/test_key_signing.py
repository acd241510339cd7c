"""Keys of every kind are signed by botocore, in every way, and arrive byte for byte."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
KEYS = [
    "k",
    "a+b",
    "+",
    "a%2Fb",
    "%2F",
    "%252F",
    "%",
    "%zz",
    "a b",
    " ",
    " a ",
    "a/b",
    "é",
    "e\u0301",
    "日本語/🐱",
    "\u2028",
    "a//b",
    "//",
    "///a///",
    "/lead",
    "trail/",
    "/",
    ".",
    "..",
    "./a",
    "../a",
    "a/./b",
    "a/../b",
    "a/..",
    "a/.",
    "...",
    "~",
    "~/health",
    "-_.~",
    "!*'()",
    "$&,:;=@",
    "?",
    "a?b=c&acl",
    "#a",
    "a\\b",
    '"<>^`{|}',
    "\x01\t\n\r\x7f",
    "X-Amz-Signature=1",
    "AWS4-HMAC-SHA256",
    "x" * 1024,
]


def rfc3986(key):
    return quote(key, safe="/~")


def escaped_slashes(key):
    return quote(key, safe="~")


def lower_case(key):
    return "".join(f"%{byte:02x}" if quote(chr(byte), safe="/~") != chr(byte) else chr(byte) for byte in key.encode())


def uri_component(key):
    return quote(key, safe="/~!*'()")


def as_it_stands(key):
    return quote(key, safe="/~!$&'()*+,:;=@")


SPELLINGS = [rfc3986, escaped_slashes, lower_case, uri_component, as_it_stands]


class ByHeader:
    """Signs with one of botocore's signers of headers."""

    def __init__(self, make):
        self.make = make

    def __call__(self, gateway, method, path, body=None):
        request = AWSRequest(method, f"{gateway.url}{path}", data=body)
        request.auth_path = path
        self.make(Credentials(gateway.access_key, gateway.secret_key)).add_auth(request)
        return gateway.request(method, path, body, dict(request.headers.items()))


class ByQuery(ByHeader):
    """Signs with one of botocore's signers of links."""

    def __call__(self, gateway, method, path, body=None):
        request = AWSRequest(method, f"{gateway.url}{path}")
        request.auth_path = path
        self.make(Credentials(gateway.access_key, gateway.secret_key)).add_auth(request)
        return gateway.request(method, f"{path}?{urlsplit(request.url).query}", body)


SIGNERS = {
    "V4 header": ByHeader(lambda credentials: S3SigV4Auth(credentials, "s3", REGION)),
    "V4 presigned": ByQuery(lambda credentials: S3SigV4QueryAuth(credentials, "s3", REGION, expires=60)),
    "V2 header": ByHeader(HmacV1Auth),
    "V2 presigned": ByQuery(lambda credentials: HmacV1QueryAuth(credentials, 60)),
}


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("key", KEYS, ids=[ascii(key)[:20] for key in KEYS])
def test_a_key_is_signed_and_round_trips_byte_for_byte(keyed_gateway, signer, key):
    """However the path is written; what is listed and read is the key that was meant, and no other."""
    send, name = SIGNERS[signer], keyed_gateway.new_bucket()
    for spell in SPELLINGS:
        path = f"/{name}/{spell(key)}"
        body = spell.__name__.encode()
        answer = send(keyed_gateway, "PUT", path, body)
        assert answer.status == 200, (path, answer)
        assert send(keyed_gateway, "GET", path).body == body
        assert send(keyed_gateway, "HEAD", path).status == 200
        listed = keyed_gateway.s3.list_objects_v2(Bucket=name)["Contents"]
        assert [row["Key"] for row in listed] == [key]
    assert send(keyed_gateway, "DELETE", f"/{name}/{rfc3986(key)}").status == 204
    assert "Contents" not in keyed_gateway.s3.list_objects_v2(Bucket=name)


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_for_one_key_is_not_good_for_another(keyed_gateway, signer):
    """Nor where a careless reader would find them alike."""
    name = keyed_gateway.new_bucket()
    alike = ["a%2Fb", "a/b", "a+b", "a b", "a%20b", "A/B", "a//b", "/a/b", "a/b/", "a/./b"]
    credentials = Credentials(keyed_gateway.access_key, keyed_gateway.secret_key)
    for signed in alike:
        path = f"/{name}/{rfc3986(signed)}"
        request = AWSRequest("GET", f"{keyed_gateway.url}{path}")
        request.auth_path = path
        SIGNERS[signer].make(credentials).add_auth(request)
        query = urlsplit(request.url).query
        headers = {} if query else dict(request.headers.items())
        for other in alike:
            answer = keyed_gateway.request(
                "GET", f"/{name}/{rfc3986(other)}{'?' if query else ''}{query}", None, headers
            )
            assert answer.code == ("NoSuchKey" if other == signed else "SignatureDoesNotMatch"), (signed, other)
