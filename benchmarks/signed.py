"""Requests of S3 operations made ready to be sent: signed by botocore once, sent as often as wanted.

A link's signature is good for a week, one in headers for 15 minutes; the server verifies it each time all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from client import Request

WEEK_SECONDS = 7 * 24 * 3600
# kind -> (method, the operation as boto3 names it)
OPERATIONS = {
    "get": ("GET", "get_object"),
    "head": ("HEAD", "head_object"),
    "list": ("GET", "list_objects_v2"),
    "put": ("PUT", "put_object"),
    "delete": ("DELETE", "delete_object"),
}


class UnsignedPayload(S3SigV4Auth):
    """Leaves the body out of the signature, as links do: each body is another."""

    def payload(self, request: Any) -> str:
        return "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Place:
    """A bucket somewhere. Without an access key requests are not signed; `in_headers`: signed there, not in links."""

    url: str
    bucket: str
    access_key: str = ""
    secret_key: str = ""
    region: str = "us-east-1"
    in_headers: bool = False

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    @cached_property
    def s3(self) -> Any:
        """A client of boto3, for what is not measured."""
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key or "any",
            aws_secret_access_key=self.secret_key or "any",
            region_name=self.region,
            config=Config(
                signature_version="s3v4" if self.access_key else UNSIGNED,
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 3},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def target(self, kind: str, **parameters: Any) -> str:
        """What follows the method in the request line: a path, and a query with a signature."""
        _, operation = OPERATIONS[kind]
        given = {"Bucket": self.bucket, **parameters}
        link = self.s3.generate_presigned_url(operation, Params=given, ExpiresIn=WEEK_SECONDS)
        return link.removeprefix(self.url.rstrip("/"))

    def request(self, kind: str, number: int = 0, size: int = 0, **parameters: Any) -> Request:
        """`parameters` as boto3 has them; `number` and `size` of the object sent or expected."""
        method, _ = OPERATIONS[kind]
        sends = kind == "put"
        signed: dict[str, str] = {}
        if self.access_key and self.in_headers:
            target, signed = self._by_header(method, kind, parameters)
        else:
            target = self.target(kind, **parameters)
        headers = {"Host": urlsplit(self.url).netloc} | signed
        if sends:
            headers["Content-Length"] = str(size)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return Request(kind, f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode(), number, size, sends=sends)

    def _by_header(self, method: str, kind: str, parameters: dict[str, Any]) -> tuple[str, dict[str, str]]:
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        unsigned = replace(self, access_key="", in_headers=False)
        target = unsigned.target(kind, **parameters)
        asked = AWSRequest(method, f"{self.url.rstrip('/')}{target}", data=None)
        UnsignedPayload(Credentials(self.access_key, self.secret_key), "s3", self.region).add_auth(asked)
        return target, {name: value for name, value in asked.headers.items() if name.lower() != "host"}
