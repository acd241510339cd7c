"""Who asks: signatures of Version 4 verified, and queries brought into canonical form and read."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from wsgi import BUCKET, KEYS, environment, presigned

from falcon_s3 import sigv4
from falcon_s3._speedups import asked_of, canonical_query, canonical_request, headers_of, link_of, parse_query
from falcon_s3.answers import ASKING, KNOWN, PARAMETERS
from falcon_s3.signature import SignedRequest

TARGETS = {
    "get": presigned("get_object", "train/class-0001/image-00000001.jpg"),
    "list": presigned("list_objects_v2", Prefix="train/class 0001/", Delimiter="/", MaxKeys=1000),
}


def by_header() -> SignedRequest:
    """A GET as boto3 sends it, signed in its headers."""
    ((access, secret),) = KEYS.items()
    request = AWSRequest("GET", f"http://127.0.0.1/{BUCKET}/train/class-0001/image-00000001.jpg")
    request.headers["User-Agent"] = f"Boto3/{boto3.__version__}"
    S3SigV4Auth(Credentials(access, secret), "s3", "us-east-1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1"}
    return SignedRequest("GET", urlsplit(request.url).path, "", headers)


def by_link(target: str) -> SignedRequest:
    path, _, query = target.partition("?")
    return SignedRequest("GET", path, query, {"host": "127.0.0.1"})


REQUESTS = {"header": by_header(), **{f"link_{name}": by_link(target) for name, target in TARGETS.items()}}


@pytest.mark.parametrize("name", REQUESTS)
def test_verify(benchmark, name):
    """A signature verified, its signing key known from the request before."""
    now = time.time()

    identity = benchmark(lambda: sigv4.verify(REQUESTS[name], KEYS.get, now, "us-east-1"))

    assert identity.access_key in KEYS


@pytest.mark.parametrize("name", TARGETS)
def test_canonical_query(benchmark, name):
    """The query as it is signed: sorted, and encoded once."""
    assert benchmark(canonical_query, TARGETS[name].partition("?")[2])


@pytest.mark.parametrize("name", TARGETS)
def test_link_of(benchmark, name):
    """The query of a link as it is signed, and what it says of its signature."""
    assert benchmark(link_of, TARGETS[name].partition("?")[2])[0][3]


@pytest.mark.parametrize("name", REQUESTS)
def test_canonical_request(benchmark, name):
    """What is hashed to be signed."""
    asked = REQUESTS[name]
    signed = ("GET", asked.path, asked.query, asked.headers, ";".join(asked.headers), "UNSIGNED-PAYLOAD")

    assert benchmark(canonical_request, *signed)


@pytest.mark.parametrize("name", TARGETS)
def test_asked_of(benchmark, name):
    """What is asked by a link, its headers, and what it says of its signature."""
    assert benchmark(asked_of, environment("GET", TARGETS[name]), KNOWN, ASKING, PARAMETERS) is not None


@pytest.mark.parametrize("name", TARGETS)
def test_parse_query(benchmark, name):
    """The parameters of a query, decoded."""
    assert benchmark(parse_query, TARGETS[name].partition("?")[2])["X-Amz-Signature"]


def test_headers_of(benchmark):
    """The headers of a WSGI environment by lower-case name."""
    names = "HOST USER_AGENT ACCEPT_ENCODING X_AMZ_DATE X_AMZ_CONTENT_SHA256 AUTHORIZATION".split()
    env = {f"HTTP_{name}": "value" for name in names} | {"CONTENT_LENGTH": "0", "PATH_INFO": "/", "QUERY_STRING": ""}

    assert len(benchmark(headers_of, env)) == 7
