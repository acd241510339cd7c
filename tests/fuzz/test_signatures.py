"""Signatures of both versions: whatever the headers and the query hold, somebody is known, nobody is, or S3 refuses."""

from __future__ import annotations

import contextlib
import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from falcon_s3 import auth, errors, sigv2, sigv4, sigv4_claim
from falcon_s3.keyring import Keyring
from falcon_s3.signature import SignedRequest, headers_of_link, seconds, seconds_of_date
from falcon_s3.sigv4 import ChunkVerifier
from tests.fuzz.examples import fuzz, mutated, repeated

KEYRING = Keyring({"AKIDEXAMPLE": "secret"})
NOW = time.time()
TIMESTAMP = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW))
SCOPE = f"{TIMESTAMP[:8]}/us-east-1/s3/aws4_request"
EPOCH = "20130524T000000Z"

# What servers hand on: Latin-1 without control characters but the tab.
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f") | st.just("\t"))
PIECES = """AWS4-HMAC-SHA256|AWS |Credential=|SignedHeaders=|Signature=|AKIDEXAMPLE|/|;|,|=|:| |%|%2F|%00|%zz|+|&|?|ü|²
host|x-amz-date|us-east-1|s3|aws4_request|0|9|-|-0000|+9999|X-Amz-Signature=|X-Amz-Credential=|X-Amz-Date=|Z|T|Jan
X-Amz-Expires=|X-Amz-SignedHeaders=|X-Amz-Meta-a=|AWSAccessKeyId=|Expires=|x-amz-meta-|%0d%0a|%F0%9F%98%80""".replace(
    "\n", "|"
).split("|")

AUTHORIZATIONS = [
    f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{SCOPE}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    f"AWS4-HMAC-SHA256 SignedHeaders=host,Signature=0,Credential=AKIDEXAMPLE/{SCOPE}",
    "AWS AKIDEXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
    "AWS4-ECDSA-P256-SHA256 Credential=a/b",
    "Basic YTpi",
    "",
]
LINK = (
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F{SCOPE.replace('/', '%2F')}"
    f"&X-Amz-Date={TIMESTAMP}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
    "&x-amz-meta-a=b&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
)
QUERIES = [
    LINK,
    f"AWSAccessKeyId=AKIDEXAMPLE&Expires={int(NOW) + 100}&Signature=abc%3D&x-amz-meta-a=b&versionId=1",
    "prefix=a&delimiter=/",
    "location",
    "",
]
DATES = [
    TIMESTAMP,
    EPOCH,
    "99991231T235959Z",
    "00000000T000000Z",
    formatdate(NOW, usegmt=True),
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Fri Dec 31 23:59:59 9999",
    "Friday, 31-Dec-99 23:59:59 GMT",
    "1 Jan 20 0:0",
]
AUTHORIZATION = HEADER_TEXT | mutated(st.sampled_from(AUTHORIZATIONS), PIECES)
QUERY = HEADER_TEXT | mutated(st.sampled_from(QUERIES), PIECES)
DATE = HEADER_TEXT | mutated(st.sampled_from(DATES), [*PIECES, *DATES])
PATH = st.sampled_from(["/", "/b/k", "/b/k%2F+ü", "*", ""]) | st.text(st.characters(exclude_categories=["Cs"]))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "authorization": AUTHORIZATION,
        "x-amz-date": DATE,
        "date": DATE,
        "host": HEADER_TEXT | st.just("b.example.org"),
        "x-amz-content-sha256": HEADER_TEXT
        | st.sampled_from(["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"]),
        "x-amz-meta-a": HEADER_TEXT,
        "x-amz-security-token": HEADER_TEXT,
    },
)
METHOD = st.sampled_from(["GET", "PUT", "HEAD"])


def ask(request, region="us-east-1"):
    """Everything that reads a signature, with a signed request's."""
    with contextlib.suppress(errors.S3Error), then():
        identity = auth.identify(request, KEYRING.secret_of, region)
        headers_of_link(identity.headers)
    for verify in (sigv4.verify, sigv2.verify):
        if "authorization" in request.headers:
            with contextlib.suppress(errors.S3Error):
                verify(request, KEYRING.secret_of, NOW)


@contextlib.contextmanager
def then():
    """It is NOW: what was signed when the tests were collected is good, however much later they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "time", SimpleNamespace(time=lambda: NOW))
        yield


@fuzz(method=METHOD, path=PATH, query=QUERY, headers=HEADERS, bucket=st.sampled_from(["", "b", "ü"]))
def test_any_request_is_known_or_refused(method, path, query, headers, bucket):
    ask(SignedRequest(method, path, query, headers, bucket))


@fuzz(authorization=AUTHORIZATION, date=DATE, old=st.booleans())
def test_any_authorization_header_is_read_or_refused(authorization, date, old):
    name = "date" if old else "x-amz-date"
    headers = {"host": "h", "authorization": authorization, name: date, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    ask(SignedRequest("GET", "/b/k", "", headers))


@fuzz(query=QUERY)
def test_any_link_is_read_or_refused(query):
    ask(SignedRequest("GET", "/b/k", query, {"host": "h"}))


@fuzz(date=DATE | st.text())
def test_any_date_is_seconds_or_nothing(date):
    for moment in (seconds(date), seconds_of_date(date)):
        assert moment is None or moment < 1 << 40
    with contextlib.suppress(errors.S3Error):
        assert seconds(sigv4_claim._moment({"date": date})[0]) is not None


@fuzz(names=st.dictionaries(st.text() | st.just("x-amz-meta-a"), st.text(st.characters(exclude_categories=["Cs"]))))
def test_headers_of_a_link_can_be_sent_or_are_refused(names):
    """What becomes a header is one line of ASCII."""
    with contextlib.suppress(errors.S3Error):
        for name, value in headers_of_link(names).items():
            assert name.isascii() and name == name.lower() and not set(name) & set(" \r\n:\0")
            assert value.isascii() and not set(value) & set("\r\n\0")


@fuzz(signature=st.text(st.characters(max_codepoint=255)), trailers=st.dictionaries(HEADER_TEXT, HEADER_TEXT))
def test_any_signature_of_a_chunk_is_refused(signature, trailers):
    verifier = ChunkVerifier(b"key", TIMESTAMP, SCOPE, "0" * 64)
    for verify in (
        lambda: verifier.verify_chunk("0" * 64, signature),
        lambda: verifier.verify_trailers(trailers, signature),
    ):
        try:
            verify()
        except errors.SignatureDoesNotMatch:
            continue
        raise AssertionError("a signature that nobody made was accepted")


@fuzz(authorization=repeated(PIECES), query=repeated(PIECES), value=repeated(PIECES), slower=20)
def test_long_requests_are_read_or_refused(authorization, query, value):
    """A text of 100 KB in each place at once, which no product of two of them must follow."""
    for date in (TIMESTAMP, value):
        headers = {"host": "h", "x-amz-date": date, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-meta-a": value}
        for each in (authorization, AUTHORIZATIONS[0] + authorization, AUTHORIZATIONS[2] + authorization):
            ask(SignedRequest("GET", f"/b/{value}", query, headers | {"authorization": each}))
        for each in (query, QUERIES[0] + query, QUERIES[1] + query):
            ask(SignedRequest("GET", f"/b/{value}", each, headers))
