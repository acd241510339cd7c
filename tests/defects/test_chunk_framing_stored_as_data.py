"""Pachyderm's gateway decodes one of the aws-chunked modes, and that for PutObject only.

Every other mode, among them the one that today's SDKs use over TLS, was stored with its chunk headers and trailer
inside the object, and answered 200.
"""

from __future__ import annotations

BODY = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
HEADERS = {
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": "5",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "Content-Encoding": "aws-chunked",
}


def test_the_object_is_what_the_client_meant(gateway, bucket):
    assert gateway.request("PUT", f"/{bucket}/k", BODY, HEADERS).status == 200
    answer = gateway.request("GET", f"/{bucket}/k")
    assert (answer.body, answer.headers["Content-Encoding"]) == (b"hello", None)


def test_framing_is_not_stored_where_the_encoding_does_not_mention_it(gateway, bucket):
    headers = {name: value for name, value in HEADERS.items() if name != "Content-Encoding"}
    assert gateway.request("PUT", f"/{bucket}/k", BODY, headers).status == 200
    assert gateway.request("GET", f"/{bucket}/k").body == b"hello"
