"""A request of 200 KB took ten gigabytes: SignedHeaders named one long header fifty thousand times.

Each name became a line with the header's value. Whoever knew an access key, without its secret, could do that.
"""

from __future__ import annotations

import tracemalloc

import pytest

from falcon_s3 import errors, sigv4
from falcon_s3.signature import SignedRequest

SCOPE = "20130524/us-east-1/s3/aws4_request"
NOW = 1369353600
NAMES = ";".join(["host", *["a"] * 5000])
LINK = (
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=key/{SCOPE}&X-Amz-Date=20130524T000000Z"
    f"&X-Amz-Expires=60&X-Amz-SignedHeaders={NAMES}&X-Amz-Signature={'0' * 64}"
)


@pytest.mark.parametrize(
    ("query", "more", "error"),
    [
        (
            "",
            {"authorization": f"AWS4-HMAC-SHA256 Credential=key/{SCOPE},SignedHeaders={NAMES},Signature={'0' * 64}"},
            errors.AuthorizationHeaderMalformed,
        ),
        (
            LINK,
            {},
            errors.AuthorizationQueryParametersError,
        ),
    ],
    ids=["header", "link"],
)
def test_a_name_is_signed_once(query, more, error):
    headers = {"host": "h", "a": "v" * 20_000, "date": "Fri, 24 May 2013 00:00:00 GMT"} | more
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    if more:
        headers["authorization"] = headers["authorization"].replace("host", "host;x-amz-content-sha256")
    tracemalloc.start()
    try:
        with pytest.raises(error):
            sigv4.verify(SignedRequest("GET", "/b/k", query, headers), {"key": "secret"}.get, NOW)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
