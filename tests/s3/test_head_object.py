"""HEAD /bucket/key is GET without the body."""

from __future__ import annotations

import pytest

VOLATILE = {"date", "x-amz-request-id", "server"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=2-4"},
        {"Range": "bytes=-2"},
        {"Range": "bytes=99-"},
        {"If-None-Match": "*"},
        {"If-Match": '"0"'},
        {"If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
    ],
)
@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_the_headers_are_those_of_a_get(gateway, bucket, size, headers):
    stored = {"Content-Type": "text/x", "x-amz-meta-a": "b", "Cache-Control": "no-cache"}
    gateway.request("PUT", f"/{bucket}/k", bytes(size), stored)
    get = gateway.request("GET", f"/{bucket}/k", headers=headers)
    head = gateway.request("HEAD", f"/{bucket}/k", headers=headers)
    assert (head.status, head.body) == (get.status, b"")
    if get.status < 400:
        kept = [{n.lower(): v for n, v in a.headers.items() if n.lower() not in VOLATILE} for a in (get, head)]
        assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("target", "status"),
    [("{}/none", 404), ("none/k", 404), ("bad..name/k", 400), ("{}/k?acl", 501), ("{}/" + "k" * 1025, 400)],
)
def test_an_error_has_no_body(gateway, bucket, target, status):
    answer = gateway.request("HEAD", "/" + target.format(bucket))
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["x-amz-request-id"]


def test_the_connection_can_be_used_again(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"12345")
    request = b"HEAD /%s/%s HTTP/1.1\r\nHost: x\r\n\r\n"
    with gateway.connect() as connection:
        for key, status in [(b"k", b"200"), (b"none", b"404"), (b"k", b"200")]:
            connection.sendall(request % (bucket.encode(), key))
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(10_000)
            assert received.startswith(b"HTTP/1.1 " + status)
            assert received.endswith(b"\r\n\r\n")
