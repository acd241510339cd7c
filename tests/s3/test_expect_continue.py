"""Expect: 100-continue: a refusal comes before the body is sent, and a body that is wanted is asked for at once."""

from __future__ import annotations

import http.client
import io
import socket

import pytest


def ask(gateway, target, *, headers=(), length=5, method="PUT"):
    """Send a head that expects 100; gives the connection and the first line that is answered."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {length}", "Expect: 100-continue", *headers]
    connection = gateway.connect()
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    first = connection.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL)
    return connection, first


def test_a_body_that_is_wanted_is_asked_for(gateway, bucket):
    connection, first = ask(gateway, f"/{bucket}/k")
    with connection:
        assert first == b"HTTP/1.1 100"
        connection.sendall(b"12345")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
    assert gateway.request("GET", f"/{bucket}/k").body == b"12345"


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ("/none/k", [], b"404"),
        ("/bad..name/k", [], b"400"),
        ("/{}/" + "k" * 1025, [], b"400"),
        ("/{}/k?retention", [], b"501"),
        ("/{}/k?retention", ["x-amz-copy-source: /a/b"], b"501"),
        ("/{}/k", ["x-amz-copy-source: /none/b"], b"404"),
        ("/{}/k?uploadId=x&partNumber=1", [], b"404"),
        ("/{}/k", ["Content-MD5: x"], b"400"),
        ("/{}/k", ["x-amz-content-sha256: x"], b"400"),
        ("/{}/there", ["If-None-Match: *"], b"412"),
        ("/{}/there", ['If-Match: "0"'], b"412"),
        ("/{}/k", ['If-Match: "0"'], b"404"),
        ("/{}/k", ['If-None-Match: "*"'], b"501"),
    ],
)
def test_what_is_refused_costs_no_upload(gateway, bucket, form, headers, status):
    gateway.request("PUT", f"/{bucket}/there", b"x")
    connection, first = ask(gateway, form.format(bucket), headers=headers, length=1_000_000_000)
    with connection:
        assert first == b"HTTP/1.1 " + status


def test_who_is_not_let_in_uploads_nothing(keyed_gateway):
    bucket = keyed_gateway.new_bucket()
    connection, first = ask(keyed_gateway, f"/{bucket}/k")
    with connection:
        assert first == b"HTTP/1.1 403"


@pytest.mark.parametrize("expectation", ["200-ok", ""])
def test_another_expectation_is_left_aside(gateway, bucket, expectation):
    assert gateway.request("PUT", f"/{bucket}/k", b"12345", {"Expect": expectation}).status == 200
    assert gateway.request("GET", f"/{bucket}/k").body == b"12345"
    gateway.request("PUT", "/none/k", b"12345", {"Expect": expectation}).refused(404, "NoSuchBucket")


def test_a_client_with_a_file_is_served(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"x" * 1_000_000))
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 1_000_000
