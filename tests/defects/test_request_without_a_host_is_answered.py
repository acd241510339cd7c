"""A request that names no host, or two, is refused: they were answered, and clients and proxies may take either for it.

With `--domain` the host names the bucket. A proxy that goes by the first of two Host lines, in front of a gateway that
goes by the last, lets in what it means to keep out. RFC 9112 section 3.2 wants 400 for all of them; only HTTP/1.0 has
no Host.
"""

from __future__ import annotations

import pytest

BAD_HOSTS = {
    "none": [],
    "empty": ["Host:"],
    "two": ["Host: x", "Host: y"],
    "the same twice": ["Host: x", "Host: x"],
    "a list": ["Host: x,y"],
    "a space": ["Host: x y"],
    "a path": ["Host: x/y"],
    "a user": ["Host: x@y"],
}


@pytest.fixture(params=BAD_HOSTS)
def lines(request, engine):
    if engine == "meinheld" and request.param == "the same twice":
        pytest.skip("meinheld hands on equal lines as one")
    return BAD_HOSTS[request.param]


def asked(gateway, method, target, lines, body=b"", version="1.1"):
    head = [f"{method} {target} HTTP/{version}", *lines, f"Content-Length: {len(body)}", "", ""]
    return gateway.send("\r\n".join(head).encode() + body, method)


def test_a_write_is_refused_and_changes_nothing(gateway, bucket, unchanged, lines):
    with unchanged(bucket):
        answer = asked(gateway, "PUT", f"/{bucket}/k", lines, b"abc")
        assert "Host" in answer.refused(400, "BadRequest")


def test_a_read_is_refused_also_where_others_have_read_the_same(gateway, bucket, lines):
    """Answers that are kept are kept from it too."""
    gateway.request("PUT", f"/{bucket}/k", b"abc")
    for _ in range(2):
        assert asked(gateway, "GET", f"/{bucket}/k", [], version="1.0").body == b"abc"
        assert gateway.request("GET", f"/{bucket}/k").body == b"abc"
    asked(gateway, "GET", f"/{bucket}/k", lines).refused(400, "BadRequest")


@pytest.mark.parametrize("host", ["x", "x:1", "127.0.0.1:30600", "[::1]:30600", "EXAMPLE.org.", "a_b.example", "x%41"])
def test_one_host_of_any_kind_is_answered(gateway, bucket, host):
    assert asked(gateway, "PUT", f"/{bucket}/k", [f"Host: {host}"], b"abc").status == 200
    assert asked(gateway, "GET", f"/{bucket}/k", [f"Host: {host}"]).body == b"abc"


def test_http_1_0_needs_none(gateway, bucket):
    assert asked(gateway, "PUT", f"/{bucket}/k", [], b"abc", "1.0").status == 200
    assert asked(gateway, "GET", "/~/health", [], version="1.0").body == b"ok\n"
