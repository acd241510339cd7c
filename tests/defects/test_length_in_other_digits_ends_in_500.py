"""A Content-Length in digits that are not ASCII's, or of thousands of them, ended in an error of the gateway.

Granian refuses such a request itself; not every server in front of the application need do so.
"""

from __future__ import annotations

import io

import pytest

from falcon_s3.app import create_app


@pytest.mark.parametrize("length", ["²", "9" * 5000, "1_0"])
@pytest.mark.parametrize("path", ["/~/health", "/~/none"])
def test_the_connection_ends_with_the_answer(length, path):
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "h",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "h",
        "CONTENT_LENGTH": length,
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    started = []
    b"".join(create_app(None)(environment, lambda status, headers, exc_info=None: started.append((status, headers))))
    [(status, headers)] = started
    assert status[:3] in ("200", "404")
    assert ("connection", "close") in [(name.lower(), value) for name, value in headers]
