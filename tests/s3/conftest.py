"""An independent signer: Signature Version 4 as the S3 API reference describes it, for requests and chunks by hand."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import PACHD_TOKEN
from tests.pfs.stores import PFS, USERS

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config, items):
    """Leave out the tests of what a pachd cannot do, where one is under the gateway: `tests.pfs.stores` says why."""
    if config.getoption("--pachd") is None:
        return
    cannot = {**PFS, **USERS} if PACHD_TOKEN else PFS
    beyond = [item for item in items if item.path.parent == HERE and _needed(item) & cannot.keys()]
    if beyond:
        config.hook.pytest_deselected(items=beyond)
        items[:] = [item for item in items if item not in set(beyond)]


def _needed(item):
    return {what for marker in item.iter_markers("needs") for what in marker.args}


EMPTY = hashlib.sha256(b"").hexdigest()


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@dataclass
class Signer:
    """Signs with one key for one moment; `seed` is the last signature, which the first chunk builds on."""

    access_key: str
    secret_key: str
    region: str = "us-east-1"
    moment: datetime | None = None
    seed: str = ""

    @property
    def timestamp(self):
        self.moment = self.moment or datetime.now(timezone.utc)
        return self.moment.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self):
        return f"{self.timestamp[:8]}/{self.region}/s3/aws4_request"

    def signature(self, *lines):
        key = f"AWS4{self.secret_key}".encode()
        for part in self.scope.split("/"):
            key = keyed(key, part)
        return keyed(key, "\n".join(lines)).hex()

    def headers(self, method, path, headers, payload=EMPTY, query=""):
        """`headers` with those that sign a request; `path` is the key as it is meant, `query` is in canonical form."""
        signed = {"x-amz-date": self.timestamp, "x-amz-content-sha256": payload} | headers
        lower = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
        names = ";".join(sorted(lower))
        request = [method, quote(path, safe="/~"), query, *(f"{name}:{lower[name]}" for name in sorted(lower))]
        digest = hashlib.sha256("\n".join([*request, "", names, payload]).encode()).hexdigest()
        self.seed = self.signature("AWS4-HMAC-SHA256", self.timestamp, self.scope, digest)
        credential = f"{self.access_key}/{self.scope}"
        authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={self.seed}"
        return signed | {"Authorization": authorization}

    def link(self, method, path, host, seconds, more=None):
        """A target that is signed in its query, good for so many seconds; `more` are other parameters."""
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{self.scope}",
            "X-Amz-Date": self.timestamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        pairs = sorted(
            (quote(name, safe="~"), quote(value, safe="~")) for name, value in (fields | (more or {})).items()
        )
        query = "&".join(f"{name}={value}" for name, value in pairs)
        target = quote(path, safe="/~")
        lines = [method, target, query, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        signature = self.signature("AWS4-HMAC-SHA256", self.timestamp, self.scope, digest)
        return f"{target}?{query}&X-Amz-Signature={signature}"

    def chunk(self, data, size=None):
        """A signed frame around `data`; the last one of a body is empty."""
        digest = hashlib.sha256(data).hexdigest()
        self.seed = self.signature("AWS4-HMAC-SHA256-PAYLOAD", self.timestamp, self.scope, self.seed, EMPTY, digest)
        length = len(data) if size is None else size
        frame = f"{length:x};chunk-signature={self.seed}\r\n".encode() + data
        return frame + b"\r\n" if data else frame

    def trailer(self, name, value):
        """The trailer line of a body and the signature over it."""
        digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
        self.seed = self.signature("AWS4-HMAC-SHA256-TRAILER", self.timestamp, self.scope, self.seed, digest)
        return f"{name}:{value}\r\nx-amz-trailer-signature:{self.seed}\r\n".encode()


@pytest.fixture
def signer(keyed_gateway):
    return Signer(keyed_gateway.access_key, keyed_gateway.secret_key)


@pytest.fixture
def new_signer():
    return Signer
