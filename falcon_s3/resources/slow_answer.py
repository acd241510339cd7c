"""SlowAnswer: the answer to work that takes longer than clients wait in silence.

A client that hears nothing for a minute gives up, and asks again for what is still under way. So S3 begins an answer
before it knows how it ends (S3 API, CompleteMultipartUpload, CopyObject): the status 200 and the first line of a document, white
space while it works, and then the rest of the document, or of that of an error, which clients look for there. Work that
is done sooner is answered as any other, with its own status and headers.

The work goes on when its client has gone, and before the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import falcon

from falcon_s3 import xml
from falcon_s3.request import S3Request

# Of those that are usual the least patient clients and proxies wait for 60 seconds: botocore, nginx.
QUIET_SECONDS = 15.0


class Done(NamedTuple):
    """What work came to: a document, and headers for which it may be too late."""

    document: bytes
    headers: dict[str, str]


def answer(req: S3Request, resp: falcon.Response, work: Callable[[], Done]) -> None:
    """Answer with what `work` gives. Raises what it raises, if that is soon."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="slow-answer")
    future = executor.submit(work)
    executor.shutdown(wait=False)
    resp.content_type = xml.CONTENT_TYPE
    if is_done(future):
        resp.data, headers = future.result()
        resp.set_headers(headers)
    else:
        resp.stream = _pieces(req, future)


def is_done(future: Future[Done]) -> bool:
    """Whether it is, after so long as a client is left without a word."""
    return bool(wait([future], QUIET_SECONDS).done)


def _pieces(req: S3Request, future: Future[Done]) -> Iterator[bytes]:
    yield xml.DECLARATION
    while not is_done(future):
        yield b" "
    failure = future.exception()
    if failure is None:
        document = future.result().document
    else:  # too late for another status
        document = xml.error_document(req.told_of(failure), req.path, req.request_id)
    yield document.removeprefix(xml.DECLARATION)
