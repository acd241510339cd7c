"""Small PUTs that are begun without the application: answered, and written or not, as if it had begun them."""

from __future__ import annotations

import base64
import hashlib
import threading
import zlib

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import strategies as st

from falcon_s3 import buckets
from falcon_s3.app import create_app
from falcon_s3.keyring import Keyring
from falcon_s3.keys import KeyStore
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.rights import Rights
from falcon_s3.server.relay import Relay
from tests.fuzz.examples import fuzz, mutated
from tests.fuzz.test_requests import environment
from tests.fuzz.test_signatures import AUTHORIZATIONS, HEADER_TEXT, PIECES, TIMESTAMP, then
from tests.pfs.bodies import get

KEY, SECRET = "AKIDEXAMPLE", "secret"
BODY = b"some bytes"
BRANCH = buckets.parse("b")
TARGETS = ("/b/k", "/b/a//b/", "/master.b/with%20space", "/b/%C3%BC", "/gone/k", f"/{'1' * 32}.b/k", "/b", "/~/health")
PATIENT_SECONDS = 30


class Exchange:
    """The answer of one request, as Granian takes it."""

    def __init__(self):
        self.answered = threading.Event()

    def response_bytes(self, status, headers, body):
        self.answer = (status, sorted(headers), body)
        self.answered.set()


def answer(app, asked):
    """Status, headers and body, without the ids of request and commit; and the id of the commit."""
    exchange = Exchange()
    Relay(app)(exchange, environment(*asked))
    assert exchange.answered.wait(PATIENT_SECONDS)
    status, headers, body = exchange.answer
    ids = dict(headers)
    told = [(name, value) for name, value in headers if name not in ("x-amz-request-id", "x-amz-version-id")]
    return (status, told, body.replace(ids["x-amz-request-id"].encode(), b"")), ids.get("x-amz-version-id")


def signed(target, form, body=BODY, **headers):
    """What a client asks with: method, path as it is sent, query, headers and body."""
    path, _, query = target.partition("?")
    request = AWSRequest("PUT", f"http://h{path}{'?' if query else ''}{query}", headers=headers)
    if form == "header and body":
        request.data = body
    if form != "nobody":
        SIGNERS[form](Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    found = {"host": "h", **{name.lower(): value for name, value in request.headers.items()}}
    found.pop("content-length", None)
    return "PUT", path, request.url.partition("?")[2], found, body


class UnsignedBody(S3SigV4Auth):
    """As it is sent over TLS."""

    def payload(self, request):
        return "UNSIGNED-PAYLOAD"


SIGNERS = {"link": S3SigV4QueryAuth, "header": UnsignedBody, "header and body": S3SigV4Auth}
FORMS = tuple(SIGNERS)


def with_headers(asked, more):
    return (*asked[:3], asked[3] | more, *asked[4:])


PLAIN = [signed(target, form) for target in TARGETS[:3] for form in FORMS]
# What says more of the body, rightly or wrongly.
MORE = [
    ("Content-MD5", base64.b64encode(hashlib.md5(BODY).digest()).decode()),
    ("x-amz-checksum-crc32", base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()),
    ("x-amz-checksum-sha256", base64.b64encode(hashlib.sha256(BODY).digest()).decode()),
    ("x-amz-sdk-checksum-algorithm", "CRC32C"),
]
WRONG = [
    ("Content-MD5", base64.b64encode(hashlib.md5(b"").digest()).decode()),
    ("x-amz-checksum-crc32", "AAAAAA=="),
    ("x-amz-sdk-checksum-algorithm", "CRC33"),
]
CHECKED, REFUSED = (
    [signed("/b/k", form, **{name: value}) for form in FORMS[1:] for name, value in headers]
    for headers in (MORE, WRONG)
)
ASKED = [
    *CHECKED,
    *REFUSED,
    *(signed(target, form) for target in TARGETS for form in (*FORMS, "nobody")),
    signed("/b/k?x-id=PutObject", "link"),
    signed("/b/k?x-id=PutObject", "header", **{"Content-Type": "text/plain", "User-Agent": "me"}),
    signed("/b/k?tagging", "header"),
    signed("/b/k?versionId=1", "link"),
]
VALUES = [
    *(TIMESTAMP, "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", hashlib.sha256(BODY).hexdigest(), "0" * 64),
    *("AAAAAA==", "crc32", "SHA1", "FULL_OBJECT", "h", "", "*", "private", "aws-chunked", "text/plain"),
    *AUTHORIZATIONS,
]
HEADERS = st.dictionaries(
    st.sampled_from(
        "authorization x-amz-date date host x-amz-content-sha256 x-amz-security-token accept content-type content-md5"
        " content-encoding cache-control if-none-match x-amz-meta-a x-amz-acl x-amz-checksum-crc32 x-amz-tagging"
        " x-amz-checksum-sha1 x-amz-sdk-checksum-algorithm x-amz-checksum-type".split()
    ),
    st.sampled_from(VALUES) | HEADER_TEXT,
    max_size=2,
)
CHANGED = st.sampled_from(ASKED + PLAIN).flatmap(
    lambda asked: st.tuples(
        st.just("PUT"),
        st.sampled_from([asked[1], asked[1], *(each[1] for each in ASKED)]),
        st.just(asked[2]) | mutated(st.just(asked[2]), [*PIECES, "acl&", "x-id=a&", "&"]),
        st.just(asked[3]) | HEADERS.map(lambda other: asked[3] | other),
        st.just(asked[4]) | st.binary(min_size=1, max_size=20),
        st.sampled_from([None, None, "1", "9", "11", "010", "+10", "8193"]),
    )
)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One that begins what is plain by itself; and one that asks the application. Each with a store of its own."""
    stores = [EmbeddedPfs(tmp_path_factory.mktemp("plain") / "data") for _ in range(2)]
    for each in stores:
        each.create_branch(BRANCH)
    apps = [create_app(each, Keyring({KEY: SECRET}), "us-east-1", kept=each.kept, starts=each) for each in stores]
    assert apps[1].begun
    del apps[1].begun
    yield list(zip(apps, stores, strict=True))
    for each in stores:
        each.close()


@pytest.fixture
def gateways(started):
    with then():
        yield started


def written(store):
    """All that the store shows: bytes and what is kept beside them."""
    files = [store.inspect_file(BRANCH, each.path) for each in store.list_files(BRANCH)]
    return [(each.path, each.etag, each.attributes, get(store, BRANCH, each.path)) for each in files]


@pytest.mark.parametrize("asked", PLAIN + CHECKED)
def test_what_is_plain_is_begun(gateways, asked):
    """Else the test below would compare nothing. Its commit is told, and shows it."""
    headers, started = gateways[0][0].begun(environment(*asked))
    assert dict(headers)["etag"] == f'"{started.etag}"' == f'"{hashlib.md5(BODY).hexdigest()}"'
    for app, store in gateways:
        (status, _, _), commit = answer(app, asked)
        assert status == 200
        assert commit == store.inspect_branch(BRANCH).head.id


@pytest.mark.parametrize(
    "asked",
    [
        signed("/b/k", "nobody"),
        signed("/b/k", "link", **{"x-amz-meta-a": "b"}),
        signed("/b/k", "header", **{"if-none-match": "*"}),
        signed("/b/k", "header", **{"content-encoding": "gzip"}),
        with_headers(signed("/b/k", "header"), {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}),
        signed("/b/k?acl", "link"),
        (*signed("/b/k", "header and body")[:4], BODY[::-1]),
        (*signed("/b/k", "link"), "11"),
        signed("/gone/k", "link"),
        signed("/b", "link"),
        ("GET", *signed("/b/k", "link")[1:]),
        *REFUSED,
    ],
)
def test_what_is_not_plain_is_not_begun(gateways, asked):
    """Nor does it lose its body on the way."""
    env = environment(*asked)
    assert gateways[0][0].begun(env) is None
    assert env["wsgi.input"].read() == asked[4]


def test_who_may_not_write_begins_nothing(tmp_path):
    """Rights are those of the key, to the bucket; and to the branch of the open commit that a write would join."""
    store, keys = EmbeddedPfs(tmp_path / "data"), KeyStore(tmp_path / "data")
    store.create_branch(BRANCH)
    store.create_branch(buckets.parse("other"))
    store.create_branch(buckets.parse("at-it.b"), store.start_commit(BRANCH))
    keyring = Keyring({}, keys)
    key, secret = keys.create("one", Rights(read=("*",), write=("master.other", "at-it.b")))
    app = create_app(store, keyring, "us-east-1", kept=store.kept, starts=store)
    for bucket, status in (("b", 403), ("other", 200), ("at-it.b", 403)):
        request = AWSRequest("PUT", f"http://h/{bucket}/k")
        S3SigV4QueryAuth(Credentials(key.rights.holder, secret), "s3", "us-east-1").add_auth(request)
        asked = ("PUT", f"/{bucket}/k", request.url.partition("?")[2], {"host": "h"}, BODY)
        assert (app.begun(environment(*asked)) is not None) == (status == 200)
        assert answer(app, asked)[0][0] == status
    keyring.close()
    store.close()


@fuzz(asked=CHANGED)
def test_a_changed_put_is_answered_as_the_application_does(gateways, asked):
    """And what is there afterwards is the same."""
    (told, commit), (expected, other) = [answer(app, asked) for app, _ in gateways]
    assert told == expected
    assert (commit is None) == (other is None)
    assert written(gateways[0][1]) == written(gateways[1][1])
