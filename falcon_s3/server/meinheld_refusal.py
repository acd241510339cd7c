"""What is refused on meinheld before the application is asked, in S3's words.

A body over its limit meinheld refuses itself, when it has read the headers, which is right, and before it asks the
application, which then cannot say anything; its answer is a constant page of HTML inside its library. The page is overwritten
in this process's memory, through /proc/self/mem. If that is not allowed the page stays: a refusal all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from falcon_s3 import errors, xml
from falcon_s3.request import REQUEST_ID, new_id

PAGE = (
    b"HTTP/1.0 413 Request Entity Too Large\r\nContent-Type: text/html\r\nServer: meinheld/1.0.2\r\n\r\n"
    b"<html><head><title>Request Entity Too Large</title></head><body><p>Request Entity Too Large.</p></body></html>"
)
# S3's status and code (S3 API reference, "Error responses"); there is no room for more.
REFUSAL = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: application/xml\r\n\r\n"
    b'<?xml version="1.0"?>'
    b"<Error><Code>EntityTooLarge</Code><Message>This engine takes bodies below 2 GiB.</Message></Error>"
)
assert len(REFUSAL) <= len(PAGE)


def put_into_words(library: str) -> bool:
    """Overwrite the page in the library loaded from the file `library`; tells whether that was done."""
    try:
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "r+b", buffering=0) as memory:
            for line in maps:
                found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
                if found is None or not line.rstrip().endswith(library):
                    continue
                start, end = (int(number, 16) for number in found.groups())
                memory.seek(start)
                place = memory.read(end - start).find(PAGE + b"\0")
                if place >= 0:
                    memory.seek(start + place)
                    return memory.write(REFUSAL.ljust(len(PAGE))) == len(PAGE)
    except OSError:
        return False
    return False


def refuse(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """A WSGI application that refuses a request of which nobody can be sure where it ends."""
    request_id = new_id()
    error = errors.BadRequest("The request must tell the length of its body, in one way only.")
    document = xml.error_document(error, environ["PATH_INFO"], request_id)
    headers = [(REQUEST_ID, request_id), ("content-type", xml.CONTENT_TYPE), ("content-length", str(len(document)))]
    start_response("400 Bad Request", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [document]
