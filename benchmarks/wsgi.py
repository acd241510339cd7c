"""Requests made to the WSGI application itself: no socket, no HTTP parser, one thread."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable

KEYS = {"benchaccesskey": "benchsecretkey"}
REPO = "bench"
BUCKET = f"master.{REPO}"

Environment = dict[str, object]
Application = Callable[[Environment, Callable[..., object]], Iterable[bytes]]


def presigned(operation: str, key: str | None = None, **parameters: object) -> str:
    """The target of an operation as boto3 names it, below `/` and signed by botocore for an hour."""
    import boto3
    from botocore.config import Config

    ((access, secret),) = KEYS.items()
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:80",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    names = {"Bucket": BUCKET} | ({"Key": key} if key else {}) | parameters
    return client.generate_presigned_url(operation, Params=names, ExpiresIn=3600).removeprefix("http://127.0.0.1:80")


def environment(method: str, target: str, body: bytes = b"") -> Environment:
    """What a server gives the application for a request (PEP 3333)."""
    path, _, query = target.partition("?")
    length = {"CONTENT_LENGTH": str(len(body))} if body or method not in ("GET", "HEAD") else {}
    return length | {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.input": io.BytesIO(body),
    }


def call(app: Application, asked: Environment) -> int:
    """Make the request, read the answer, and give how many bytes it has; any status but 2xx is an AssertionError."""
    status: list[str] = []
    answer = app(asked, lambda code, headers: status.append(code))
    size = sum(map(len, answer))
    assert status[0].startswith("20"), status
    return size
