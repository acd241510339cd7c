"""Reads that were answered before, signed well or nearly so: nobody is told what they would not be told at first."""

from __future__ import annotations

import time

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import strategies as st

from falcon_s3 import buckets, sigv2
from falcon_s3.app import create_app
from falcon_s3.digests import body_of
from falcon_s3.keyring import Keyring
from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.fuzz.examples import fuzz, mutated
from tests.fuzz.test_requests import answer, environment
from tests.fuzz.test_signatures import AUTHORIZATIONS, HEADER_TEXT, PIECES, TIMESTAMP, then
from tests.pfs.stores import nobody_cleans

KEY, SECRET = "AKIDEXAMPLE", "secret"
TARGETS = ("/b/k", "/b/%C3%BC%20k", "/b", "/b?list-type=2&delimiter=%2F&x-id=ListObjectsV2")


def signed(method, target, form):
    """What a client asks with: method, path as it is sent, query and headers."""
    path, _, query = target.partition("?")
    request = AWSRequest(method, f"http://h{path}{'?' if query else ''}{query}", headers={"range": "bytes=1-3"})
    if form == "old header":
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        text = sigv2.string_to_sign(method, date, {}, sigv2.canonical_resource("", path, query))
        return (
            method,
            path,
            query,
            {"host": "h", "date": date, "authorization": f"AWS {KEY}:{sigv2.sign(SECRET, text)}"},
        )
    signer = S3SigV4QueryAuth if form == "link" else S3SigV4Auth
    request.context["payload_signing_enabled"] = False
    signer(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    headers = {"host": "h", **{name.lower(): value for name, value in request.headers.items()}}
    return method, path, request.url.partition("?")[2], headers


ASKED = [
    signed(method, target, form)
    for method in ("GET", "HEAD")
    for target in TARGETS
    for form in ("link", "header", "old header")
    if (form, target) != ("old header", TARGETS[1])  # which clients differ about
]
HEADERS = st.dictionaries(
    st.sampled_from(
        "authorization x-amz-date date host range x-amz-content-sha256 x-amz-security-token accept".split()
    ),
    st.sampled_from([TIMESTAMP, "UNSIGNED-PAYLOAD", "h", "", "bytes=1-3", *AUTHORIZATIONS]) | HEADER_TEXT,
    max_size=2,
)
CHANGED = st.sampled_from(ASKED).flatmap(
    lambda asked: st.tuples(
        st.sampled_from([asked[0], asked[0], "GET", "HEAD"]),
        st.sampled_from([asked[1], asked[1], *(each[1] for each in ASKED)]),
        st.just(asked[2]) | mutated(st.just(asked[2]), [*PIECES, "list-type=2&", "x-id=a&", "&"]),
        st.just(asked[3]) | HEADERS.map(lambda other: asked[3] | other),
    )
)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """One that keeps answers, and has kept those to all that is asked well; and one that keeps none."""
    folder = tmp_path_factory.mktemp("signed")
    with nobody_cleans(folder):  # nothing that was kept before is good after the store has cleaned up
        store = EmbeddedPfs(folder)
        branch = buckets.parse("b")
        store.create_branch(branch)
        for key in ("k", "ü k"):
            store.put_file(branch, key, body_of([b"some bytes"]), {})
        keyring = Keyring({KEY: SECRET})
        both = [create_app(store, keyring, "us-east-1", kept=kept) for kept in (store.kept, None)]
        with then():
            for asked in ASKED:
                assert answer(both[0], environment(*asked))[0] in (200, 206), asked
        yield both
    store.close()


@pytest.fixture
def gateways(started):
    with then():
        yield started


def test_what_is_signed_well_is_given_at_once(gateways):
    """Else the test below would compare nothing."""
    for method, path, query, headers in ASKED:
        given = gateways[0].given(environment(method, path, query, headers))
        assert given is not None and given[0] in (200, 206), (method, path, query, headers)


@fuzz(asked=CHANGED)
def test_a_changed_request_is_answered_as_if_nothing_were_kept(gateways, asked):
    """But for the id of the request."""
    told = []
    for app in gateways:
        status, headers, body = answer(app, environment(*asked))
        request = headers.pop("x-amz-request-id")
        told.append((status, headers, body.replace(request.encode(), b"")))
    assert told[0] == told[1]
