"""One request through the WSGI application: signature, routing, store and answer; no socket."""

from __future__ import annotations

import pytest
from wsgi import call, environment, presigned

BODY = b"x" * 4096
REQUESTS = {
    "head": ("HEAD", "head_object", {"key": "small"}, b""),
    "get_4k": ("GET", "get_object", {"key": "small"}, b""),
    "put_4k": ("PUT", "put_object", {"key": "written"}, BODY),
    "delete_of_nothing": ("DELETE", "delete_object", {"key": "nothing"}, b""),
    "page_of_1000": ("GET", "list_objects_v2", {"MaxKeys": 1000}, b""),
    "page_of_folders": ("GET", "list_objects_v2", {"Prefix": "train/", "Delimiter": "/"}, b""),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_request(benchmark, app, name):
    """By link; a PUT is on disk before it is answered."""
    method, operation, parameters, body = REQUESTS[name]
    target = presigned(operation, **parameters)

    benchmark(lambda: call(app, environment(method, target, body)))
