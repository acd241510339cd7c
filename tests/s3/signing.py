"""Requests signed on their way to a gateway whose pachd knows users: tests send them as where everybody is let in."""

from __future__ import annotations

import re
import socket
from urllib.parse import quote, unquote_to_bytes

from tests.s3.conftest import Signer

REQUEST_LINE = re.compile(rb"([A-Z]+) ([^ \r\n]+) HTTP/1\.1", re.ASCII)
PAYLOAD = "x-amz-content-sha256"


def signed(data: bytes, token: str) -> bytes:
    """The bytes of a request, with the signature of who holds the token; as they are if it has one, or is none."""
    head, end, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    found = REQUEST_LINE.fullmatch(first)
    if not end or found is None or re.search(rb"(?i)\r\nauthorization:|[?&](x-amz-)?signature=|AWSAccessKeyId", head):
        return data
    path, _, query = found[2].decode("latin-1").partition("?")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        name = name.lower()
        if name == "host" or name.startswith("x-amz-"):
            value = value.strip()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    payload = headers.get(PAYLOAD, "UNSIGNED-PAYLOAD")
    all_headers = Signer(token, token).headers(
        found[1].decode(), unquote_to_bytes(path.encode("latin-1")), headers, payload, _sorted(query)
    )
    added = [f"{name}: {value}".encode("latin-1") for name, value in all_headers.items() if name not in headers]
    return b"\r\n".join([first, *lines, *added]) + end + body


def _sorted(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, value in sorted((_spelled(n), _spelled(v)) for n, _, v in pairs))


def _spelled(text: str) -> str:
    """As it is signed: each byte that needs it percent-encoded, once."""
    return quote(unquote_to_bytes(text.replace("+", " ").encode("latin-1")), safe="~")


class SigningSocket(socket.socket):
    """Signs each request that is sent as a whole, or at least with its whole head."""

    token = ""

    def sendall(self, data, *flags):
        super().sendall(signed(bytes(data), self.token), *flags)


def connect(host: str, port: int, token: str) -> socket.socket:
    """As `socket.create_connection`, to a gateway that lets in who holds the token."""
    signing = SigningSocket(socket.AF_INET, socket.SOCK_STREAM)
    signing.settimeout(30)
    signing.token = token
    signing.connect((host, port))
    return signing
