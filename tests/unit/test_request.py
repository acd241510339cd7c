"""S3Request: what Falcon's own request tells is there for whoever asks, though it is made only then."""

from __future__ import annotations

import falcon
import pytest
from falcon.testing import create_environ

from falcon_s3.request import S3Request

ENV = create_environ("/b/k", query_string="a=1&b=", headers={"User-Agent": "x", "Content-Type": "a/b"}, method="PUT")


@pytest.mark.parametrize(
    "name", ["method", "path", "params", "user_agent", "content_type", "url", "headers", "query_string"]
)
def test_what_falcon_tells_of_a_request_is_told(name):
    assert getattr(S3Request(ENV), name) == getattr(falcon.Request(ENV), name)


def test_what_nobody_has_is_an_attribute_error_and_what_was_set_stays():
    request = S3Request(ENV)
    request.bucket = "b"
    with pytest.raises(AttributeError):
        request.nothing
    assert (request.bucket, len(request.request_id)) == ("b", 16)
