"""Where a pachd is: `[scheme://]host[:port]`, as Pachyderm's own tools read it (grpcutil/addr.go)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_PORT = 30650
# Scheme -> whether the connection is encrypted.
SCHEMES = {"grpc": False, "http": False, "grpcs": True, "https": True}


class Address(NamedTuple):
    host: str  # a name, an IPv4 address, or an IPv6 address without brackets
    port: int
    tls: bool
    ca: bytes | None  # PEM; None: the authorities that the system trusts

    @property
    def target(self) -> str:
        """`host:port`, as grpc takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{'grpcs' if self.tls else 'grpc'}://{self.target}"


def parse(text: str, ca_file: Path | None = None) -> Address:
    """The address of a text. Raises ValueError with a sentence that says what is wrong, also of the file."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "grpc", text.strip()
    if scheme.lower() not in SCHEMES:
        raise ValueError(f"{text!r} is no address of a pachd: the scheme is one of {', '.join(SCHEMES)}")
    tls = SCHEMES[scheme.lower()]
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError as ex:
        raise ValueError(f"{text!r} is no address of a pachd: {ex}") from None
    if not host or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment or port == 0:
        raise ValueError(f"{text!r} is no address of a pachd: write grpc://HOST:PORT, or grpcs://HOST:PORT for TLS")
    if ca_file is None:
        return Address(host, port or DEFAULT_PORT, tls, None)
    if not tls:
        raise ValueError(f"{text!r} is not encrypted, so that a CA file has no use: write grpcs://{rest}")
    try:
        ca = ca_file.read_bytes()
    except OSError as ex:
        raise ValueError(f"cannot read the CA file {ca_file}: {ex.strerror}") from ex
    if b"-----BEGIN CERTIFICATE-----" not in ca:
        raise ValueError(f"{ca_file} holds no certificate in PEM form")
    return Address(host, port or DEFAULT_PORT, tls, ca)
