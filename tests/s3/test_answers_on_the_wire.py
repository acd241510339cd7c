"""What clients rely on in every answer, whatever the operation: lengths, dates, ids, and a connection that goes on."""

from __future__ import annotations

import http.client
import re
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import pytest

HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
XML_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# Method, target below the bucket, headers, body, status, and whether the answer has a body.
EXCHANGES = [
    ("PUT", "/new", {}, b"", 200, False),
    ("PUT", "/new", {"If-None-Match": "*"}, b"again", 412, True),
    ("GET", "/k", {}, None, 200, True),
    ("GET", "/empty", {}, None, 200, False),
    ("GET", "/no", {}, None, 404, True),
    ("GET", "/k", {"If-None-Match": "*"}, None, 304, False),
    ("GET", "/k", {"If-Match": '"0"'}, None, 412, True),
    ("GET", "/k", {"Range": "bytes=1-2"}, None, 206, True),
    ("GET", "/k", {"Range": "bytes=9-"}, None, 416, True),
    ("HEAD", "/k", {}, None, 200, False),
    ("HEAD", "/no", {}, None, 404, False),
    ("HEAD", "/k", {"If-None-Match": "*"}, None, 304, False),
    ("HEAD", "/k", {"If-Match": '"0"'}, None, 412, False),
    ("HEAD", "", {}, None, 200, False),
    ("DELETE", "/no", {}, None, 204, False),
    ("DELETE", "/gone", {}, None, 204, False),
    ("DELETE", "", {}, None, 409, True),
    ("POST", "/k", {}, b"", 405, True),
    ("GET", "?no-such-thing", {}, None, 501, True),
]


@pytest.fixture
def filled(gateway, bucket):
    for key, content in {"k": b"a cat", "empty": b"", "gone": b"1"}.items():
        gateway.request("PUT", f"/{bucket}/{key}", content)
    return bucket


def test_one_connection_serves_every_kind_of_answer(gateway, filled):
    """Each answer ends where its head says, has a body or none as HTTP has it, and an id; so the next one is read."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.connect()
    first = connection.sock
    for method, target, headers, body, status, has_body in EXCHANGES:
        connection.request(method, f"/{filled}{target}", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        where = f"{method} {target} {headers}"

        assert (answer.status, bool(content)) == (status, has_body), where
        assert re.fullmatch("[0-9A-F]{16}", answer.headers["x-amz-request-id"]), where
        assert status != 204 or answer.headers["Transfer-Encoding"] is None, where
        assert connection.sock is first, f"{where}: the connection was closed"
    connection.close()


def test_head_says_what_get_says(gateway, filled):
    """HEAD has every header of GET, the length of what it does not send among them."""
    heads = [gateway.request(method, f"/{filled}/k").headers for method in ("GET", "HEAD")]
    for headers in heads:
        del headers["x-amz-request-id"], headers["x-amz-id-2"], headers["Date"]
    assert sorted(heads[0].items()) == sorted(heads[1].items())
    assert heads[1]["Content-Length"] == "5"


@pytest.mark.needs("versions")
def test_dates_are_of_one_form_in_headers_and_another_in_documents(gateway, s3, filled):
    """Headers have the date of HTTP, documents that of ISO 8601 with milliseconds in UTC: strict clients read no other."""
    shown = gateway.request("GET", f"/{filled}/k").headers["Last-Modified"]
    assert HTTP_DATE.fullmatch(shown)
    copied = gateway.request("PUT", f"/{filled}/copy", headers={"x-amz-copy-source": f"/{filled}/k"})
    s3.create_multipart_upload(Bucket=filled, Key="waiting")
    documents = [copied, *(gateway.request("GET", f"/{filled}{query}") for query in ("", "?versions", "?uploads"))]
    documents.append(gateway.request("GET", "/"))
    for document in documents:
        dates = [text for name in ("LastModified", "CreationDate", "Initiated") for text in document.texts(name)]
        assert dates and all(XML_DATE.fullmatch(date) for date in dates), document
    listed = documents[1].texts("LastModified")[documents[1].texts("Key").index("k")]
    assert listed[:19] == f"{parsedate_to_datetime(shown):%Y-%m-%dT%H:%M:%S}"


@pytest.mark.needs("etags")
def test_etags_are_quoted_everywhere(gateway, filled):
    """In headers and in documents: clients compare the two as text."""
    etag = gateway.request("HEAD", f"/{filled}/k").headers["ETag"]
    assert re.fullmatch('"[0-9a-f]{32}"', etag)
    for query in ("", "?list-type=2", "?versions"):
        answer = gateway.request("GET", f"/{filled}{query}")
        assert answer.texts("ETag")[answer.texts("Key").index("k")] == etag
    copied = gateway.request("PUT", f"/{filled}/copy", headers={"x-amz-copy-source": f"/{filled}/k"})
    assert copied.text("ETag") == etag


@pytest.mark.parametrize(
    ("query", "present", "absent"),
    [
        ("max-keys=1", (), ("NextMarker", "KeyCount", "NextContinuationToken")),
        ("max-keys=1&delimiter=/", ("NextMarker",), ("KeyCount", "NextContinuationToken")),
        ("list-type=2&max-keys=1", ("NextContinuationToken", "KeyCount"), ("NextMarker", "ContinuationToken")),
        ("list-type=2&max-keys=1&delimiter=/", ("NextContinuationToken", "KeyCount"), ("NextMarker", "Marker")),
    ],
)
def test_each_listing_says_its_own_way_where_it_goes_on(gateway, filled, query, present, absent):
    """A client of one version takes the words of the other for its own: NextMarker is of version 1, with a delimiter."""
    answer = gateway.request("GET", f"/{filled}?{query}")
    assert answer.text("IsTruncated") == "true"
    assert [name for name in present if not answer.text(name)] == []
    assert [name for name in absent if answer.text(name) is not None] == []


def test_a_token_is_given_back_by_the_page_it_began(gateway, filled):
    """Version 2 says ContinuationToken on each page but the first."""
    token = gateway.request("GET", f"/{filled}?list-type=2&max-keys=1").text("NextContinuationToken")
    answer = gateway.request("GET", f"/{filled}?list-type=2&max-keys=1&continuation-token={quote(token, safe='')}")
    assert answer.text("ContinuationToken") == token
    assert answer.text("Key") == "gone"


@pytest.mark.needs("paths")
@pytest.mark.parametrize(
    "key",
    [
        "a\\b",
        "\\",
        "..\\x",
        "/",
        "/leading",
        "a/./b",
        "a/../b",
        "..",
        ".",
        "%",
        "100%25",
        "🐱",
        " ",
        "a\tb",
        "k" * 1024,
    ],
)
def test_a_key_is_text_and_not_a_path(gateway, s3, bucket, key):
    """What would be a path elsewhere is stored, listed, copied and deleted as the letters that it is."""
    target = f"/{bucket}/{quote(key)}"
    assert gateway.request("PUT", target, b"a cat").status == 200
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    copied = gateway.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": quote(f"/{bucket}/{key}")})
    assert copied.status == 200
    assert gateway.request("DELETE", target).status == 204
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy"]


@pytest.mark.needs("unequal keys")
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "AWS :",
        "AWS4-HMAC-SHA256 Credential=/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=",
        "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
    ],
)
def test_without_a_key_no_signature_is_looked_at(gateway, filled, authorization):
    """Clients that must be given a key are given any, or an empty one, where the gateway has none."""
    assert gateway.request("GET", f"/{filled}/k", headers={"Authorization": authorization}).body == b"a cat"
