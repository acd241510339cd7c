"""Whole requests: whatever is asked, the answer is well-formed, and the fault is never the gateway's."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import re
import time
from urllib.parse import unquote_to_bytes, urlencode
from wsgiref.validate import validator
from xml.etree import ElementTree as ET

import falcon
import pytest
from hypothesis import strategies as st

from falcon_s3 import errors, sigv2
from falcon_s3.app import create_app, operations
from falcon_s3.keyring import Keyring
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.request import S3Request
from falcon_s3.routing import PLAIN, SUB_RESOURCES, S3Router
from tests.fuzz.examples import fuzz, mutated, repeated
from tests.fuzz.test_documents import DOCUMENTS
from tests.fuzz.test_documents import PIECES as XML_PIECES
from tests.fuzz.test_headers import VALUES
from tests.fuzz.test_signatures import AUTHORIZATIONS, QUERIES

DOMAINS = ("s3.example.org",)
COMMIT = "0123456789ab4cdef0123456789abcde"
FOX = b"The quick brown fox"
COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>"
    % hashlib.md5(FOX).hexdigest().encode()
)

METHOD = st.sampled_from("GET HEAD PUT POST DELETE OPTIONS PATCH TRACE CONNECT get X-Y".split())
PATH_PIECES = [
    "/",
    "//",
    "b",
    "b/k",
    "master.b",
    "x.b",
    f"{COMMIT}.b",
    f"{COMMIT}.x.b",
    "~",
    "~/health",
    "k",
    "k/",
    "..",
]
PATH_PIECES += ["%00", "%2F", "%FF", "%C3%BC", "%F4%8F%BF%BF", "%01", "%EF%BF%BF", "%0A", "+", "ü", "a" * 300, ".", "*"]
TARGET = st.lists(st.sampled_from(PATH_PIECES), max_size=6).map(lambda found: "/" + "".join(found))
# Most requests reach what is there.
TARGET = st.sampled_from(["/", "/b", "/b/k", "/x.b/k", f"/{COMMIT}.b/k", "/~/health", "/c"]) | TARGET | st.just("*")
QUERY_VALUES = ["", "a", "0", "1", "2", "url", "/", "true", "%00", "%FF", "%0D%0A", "%F4%8F%BF%BF", "+", "null", COMMIT]
QUERY_VALUES += [
    "%EF%BF%BF",
    "0" * 5000,
    "9" * 20,
    "a" * 1100,
    "UPLOAD",
    "ZmFsY29uLXMzOgA=",
    "k",
    "%C3%BC",
    "text/plain",
    "-1",
    "ü",
]
PARAMETER = st.tuples(
    st.sampled_from(sorted(PLAIN | SUB_RESOURCES)) | st.sampled_from(["x-amz-meta-a", "unknown", "%FF", ""]),
    st.sampled_from(QUERY_VALUES),
).map("=".join)
QUERY = st.lists(PARAMETER | st.sampled_from(sorted(PLAIN | SUB_RESOURCES)), max_size=3).map("&".join)
QUERY = QUERY | st.sampled_from(["", "delete", "versions", "versioning", "list-type=2", *QUERIES])

HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
HEADER_NAMES = """range if-match if-none-match if-modified-since if-unmodified-since if-range host authorization date
x-amz-date x-amz-content-sha256 x-amz-decoded-content-length x-amz-trailer x-amz-checksum-crc32 x-amz-meta-a x-amz-acl
x-amz-copy-source content-md5 content-type content-encoding expires cache-control x-amz-storage-class origin expect
x-amz-if-match-size x-amz-if-match-last-modified-time x-amz-tagging x-amz-grant-read x-amz-security-token
x-amz-bucket-object-lock-enabled transfer-encoding access-control-request-method x-amz-object-attributes cookie accept
x-amz-copy-source-range x-amz-copy-source-if-match x-amz-metadata-directive x-amz-sdk-checksum-algorithm
x-amz-checksum-algorithm x-amz-checksum-type x-amz-checksum-mode x-amz-mp-object-size forwarded x-forwarded-host""".split()
HEADER_VALUES = [
    "REPLACE",
    "CRC32",
    "COMPOSITE",
    "ETag,Checksum,ObjectParts",
    "a=b",
    "https://a.example.org",
    *VALUES,
    *AUTHORIZATIONS,
    "/b/k",
    "b/%FF",
    "b.s3.example.org",
    ".s3.example.org:1",
    "100-continue",
]
HEADER_VALUES += [
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "UNSIGNED-PAYLOAD",
    "x-amz-checksum-crc32",
    "5",
    "²",
    "aws-chunked",
]
HEADERS = st.dictionaries(st.sampled_from(HEADER_NAMES), HEADER_TEXT | st.sampled_from(HEADER_VALUES), max_size=4)
BODY = (
    st.just(b"")
    | st.binary(max_size=50)
    | mutated(st.sampled_from([*DOCUMENTS, FOX]), [*XML_PIECES, b"5\r\n", b"0\r\n\r\n"])
)
LENGTH = st.sampled_from([None, None, None, None, "", "0", "5", "999", "²", "-1", "9" * 30, "9" * 5000])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = EmbeddedPfs(tmp_path_factory.mktemp("fuzz") / "data")
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=["open", "keyed"])
def app(request, store):
    return create_app(
        store,
        Keyring({"AKIDEXAMPLE": "secret"}) if request.param == "keyed" else None,
        domains=DOMAINS,
        origins=("https://*.example.org",),
        kept=store.kept,
    )


uploads = [COMMIT]  # the last is one that can be added to


def environment(method, target, query="", headers=(), body=b"", length=None):
    """What a server hands on for this request (PEP 3333)."""
    found = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(target).decode("latin-1"),
        "QUERY_STRING": query.encode().decode("latin-1").replace("UPLOAD", uploads[-1]),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in dict(headers).items():
        variable = name.upper().replace("-", "_")
        found[variable if variable == "CONTENT_TYPE" else f"HTTP_{variable}"] = value
    if length is not None or body:
        found["CONTENT_LENGTH"] = str(len(body)) if length is None else length
    return found


def answer(app, asked):
    """Status, headers and body of the answer, each of which can be sent."""
    started = []
    chunks = app(asked, lambda status, headers, exc_info=None: started.append((status, headers)))
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    [(status, headers)] = started
    for name, value in headers:
        assert re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name), (name, value)
        assert not set(value.encode("latin-1")) & set(b"\r\n\0"), (name, value)
    return int(status[:3]), {name.lower(): value for name, value in headers}, body


def check_answer(app, caplog, asked):
    """Assert what holds for every answer; gives its status."""
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        status, headers, body = answer(app, asked)
    assert not caplog.records, caplog.text
    assert status != 500 and headers["x-amz-request-id"]
    if asked["REQUEST_METHOD"] == "HEAD" or status in (204, 304):
        assert body == b""
    elif "content-length" in headers:
        assert len(body) == int(headers["content-length"])
    if status >= 400 and body:
        root = ET.fromstring(body)
        assert root.tag == "Error"
        code = root.findtext("Code")
        assert issubclass(getattr(errors, code), errors.S3Error) and getattr(errors, code).status == status
        assert root.findtext("Message") and root.findtext("RequestId") == headers["x-amz-request-id"]
        assert root.find("Resource") is not None
    elif status >= 400:
        assert asked["REQUEST_METHOD"] == "HEAD"
    elif headers.get("content-type") == "application/xml" and body and root_like(body):
        ET.fromstring(body)
    return status


def root_like(body):
    return body.startswith(b"<?xml") and b"http://s3.amazonaws.com/doc/" in body[:200]


@fuzz(method=METHOD, target=TARGET, query=QUERY, headers=HEADERS, body=BODY, length=LENGTH)
def test_any_request_is_answered(app, store, caplog, method, target, query, headers, body, length):
    fill(store)
    check_answer(app, caplog, environment(method, target, query, headers, body, length))


@fuzz(method=st.sampled_from(["PUT", "GET"]), headers=HEADERS, body=BODY, query=QUERY)
def test_what_was_stored_can_be_read(app, store, caplog, method, headers, body, query):
    """Whatever a write keeps of a request, every read of it is an answer that can be sent."""
    fill(store)
    check_answer(app, caplog, environment("PUT", "/b/k", "", headers, body))
    for method in ("GET", "HEAD"):
        check_answer(app, caplog, environment(method, "/b/k", query, {}))
    check_answer(app, caplog, environment("GET", "/b", query))


@fuzz(method=st.sampled_from(["GET", "HEAD"]), target=TARGET, query=QUERY, headers=HEADERS)
def test_an_answer_that_is_kept_is_the_one_that_would_be_given(store, method, target, query, headers):
    """But for the id of the request, whatever is asked, once or again."""
    fill(store)
    kept, fresh = [], []
    for told, app in ((kept, create_app(store, kept=store.kept)), (fresh, create_app(store))):
        for _ in range(2):
            status, told_headers, body = answer(app, environment(method, target, query, headers))
            request = told_headers.pop("x-amz-request-id")
            told.append((status, told_headers, body.replace(request.encode(), b"")))
    assert kept == fresh


LINKED = [*HEADER_NAMES, "x-amz-meta-a b", "x-amz-meta-ü", "x-amz-meta-A", "x-amz-meta-a\r\n", "x-amz-meta-:"]


@fuzz(
    headers=st.dictionaries(
        st.sampled_from([name for name in LINKED if name.startswith(("x-amz-", "content-"))]),
        st.text(max_size=20) | st.sampled_from(HEADER_VALUES),
        max_size=3,
    )
)
def test_what_a_link_stores_can_be_read(store, caplog, headers):
    """A link that is signed, Version 2, with headers in its query."""
    fill(store)
    expires = str(int(time.time()) + 600)
    headers.pop("x-amz-security-token", None)
    resource = sigv2.canonical_resource("", "/b/k", urlencode(headers))
    fields = headers | {"AWSAccessKeyId": "AKIDEXAMPLE", "Expires": expires}
    fields["Signature"] = sigv2.sign("secret", sigv2.string_to_sign("PUT", expires, headers, resource))
    keyed = create_app(store, Keyring({"AKIDEXAMPLE": "secret"}), kept=store.kept)
    assert check_answer(keyed, caplog, environment("PUT", "/b/k", urlencode(fields), body=FOX)) != 403
    for method in ("GET", "HEAD"):
        check_answer(create_app(store), caplog, environment(method, "/b/k"))


@fuzz(query=QUERY, digest=st.booleans(), body=mutated(st.sampled_from(DOCUMENTS), [*XML_PIECES, *DOCUMENTS]))
def test_any_document_is_answered(app, store, caplog, query, digest, body):
    fill(store)
    headers = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()} if digest else {}
    for method, target in (("POST", "/b?delete"), ("PUT", "/b"), ("PUT", "/new.b"), ("POST", "/b/k")):
        path, _, sub = target.partition("?")
        check_answer(app, caplog, environment(method, path, sub or query, headers, body))


@fuzz(
    method=METHOD,
    query=st.sampled_from(["uploadId=UPLOAD&partNumber=1", "uploadId=UPLOAD", "uploads", "attributes", "tagging", ""]),
    more=st.just("") | PARAMETER.map("&".__add__),
    headers=HEADERS,
    source=st.none() | st.sampled_from(["/b/k", "b/k?versionId=null", "b/k?versionId=" + COMMIT, "c/k", "%FF/k", "b/"]),
    body=BODY,
)
def test_any_part_copy_or_description_is_answered(app, store, caplog, method, query, more, headers, source, body):
    fill(store)
    headers = headers if source is None else headers | {"x-amz-copy-source": source}
    check_answer(app, caplog, environment(method, "/b/k", query + more, headers, body))


@fuzz(body=mutated(st.just(COMPLETE), [*XML_PIECES, COMPLETE]), headers=HEADERS)
def test_any_end_of_an_upload_is_answered(app, store, caplog, body, headers):
    fill(store)
    check_answer(app, caplog, environment("POST", "/b/k", "uploadId=UPLOAD", headers, body))


@fuzz(target=repeated(PATH_PIECES), query=repeated([*QUERY_VALUES, "&", "=", "prefix=", "delimiter="]), slower=10)
def test_long_requests_are_answered(app, store, caplog, target, query):
    fill(store)
    for method in ("GET", "PUT"):
        check_answer(app, caplog, environment(method, f"/b/{target}"))
        check_answer(app, caplog, environment(method, f"/{target}"))
        check_answer(app, caplog, environment(method, "/b", query))
        check_answer(app, caplog, environment(method, "/b", "prefix=" + query))


@fuzz(method=METHOD, target=TARGET, query=QUERY, host=st.sampled_from(HEADER_VALUES) | HEADER_TEXT)
def test_any_request_has_a_responder_or_a_refusal(store, method, target, query, host):
    """The router raises S3 errors alone."""
    router = S3Router(operations("us-east-1"), DOMAINS)
    request = S3Request(environment(method, target, query, {"host": host}))
    try:
        _, responders, _, _ = router.find(target, request)
    except errors.S3Error as ex:
        assert not isinstance(ex, errors.InternalError)
        return
    assert list(responders) == [method]
    assert isinstance(request, falcon.Request)


@pytest.mark.parametrize("target", ["/", "/b", "/b/k", "/none", "/b/none"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answers_keep_the_protocol_of_servers(store, method, target):
    """PEP 3333, as the standard library checks it."""
    fill(store)
    status, _, _ = answer(validator(create_app(store)), environment(method, target))
    assert status in (200, 404)


def fill(store):
    """The bucket `b` with the object `k`, again if an example took it away."""
    from falcon_s3 import buckets, digests, pfs

    branch = buckets.parse("b")
    try:
        store.inspect_file(branch, "k")
        store.inspect_upload(branch, "k", uploads[-1])
    except pfs.PfsError:
        try:
            store.inspect_branch(branch)
        except pfs.NotFound:
            store.create_branch(branch)
        store.put_file(branch, "k", digests.body_of([FOX]), {})
        uploads.append(store.start_upload(branch, "k", {}).id)
        store.put_part(branch, "k", uploads[-1], 1, digests.body_of([FOX]), {})
