"""Answers that are kept: given again to whoever may have them, and to nobody else, as long as they are so."""

from __future__ import annotations

import functools
import time
from urllib.parse import urlsplit

import boto3
import falcon.testing
import pytest
from botocore.config import Config

from falcon_s3 import buckets
from falcon_s3.answers import MOST_BYTES, Answers
from falcon_s3.app import create_app
from falcon_s3.digests import body_of
from falcon_s3.keyring import Keyring
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.rights import Rights
from tests.pfs.stores import nobody_cleans

BUCKET = "master.images"
BRANCH = buckets.parse(BUCKET)
SECRETS = {"reader": "secret", "stranger": "secret"}
RIGHTS = {"reader": Rights((BUCKET,), holder="reader"), "stranger": Rights(("other",), holder="stranger")}


class LongWay:
    """The application without what is kept, and how often it was asked."""

    def __init__(self, app):
        self.app = app
        self.asked = 0
        self.then = lambda: None  # what else happens before the answer is given

    def __call__(self, env, start_response):
        self.asked += 1
        answer = self.app(env, start_response)
        self.then()
        return answer


@pytest.fixture
def store(tmp_path):
    with nobody_cleans(tmp_path):
        pfs = EmbeddedPfs(tmp_path)
        pfs.create_branch(BRANCH)
        pfs.put_file(BRANCH, "a/b", body_of([b"some bytes"]))
        yield pfs
    pfs.close()


@functools.cache
def signer(access_key, secret):
    return boto3.client(
        "s3",
        endpoint_url="http://falconframework.org",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


class Gateway:
    """An application with access keys, and clients of it."""

    def __init__(self, store):
        keyring = Keyring(SECRETS)
        keyring._known = keyring._known._replace(
            admissions={
                key: admission._replace(rights=RIGHTS[key]) for key, admission in keyring._known.admissions.items()
            }
        )
        self.app = create_app(store, keyring, kept=store.kept)
        assert isinstance(self.app, Answers)
        self.app._app = self.long_way = LongWay(self.app._app)
        self.client = falcon.testing.TestClient(self.app)

    def link(self, operation="get_object", access_key="reader", seconds=60, secret="secret", **parameters):
        url = urlsplit(
            signer(access_key, secret).generate_presigned_url(operation, {"Bucket": BUCKET, **parameters}, seconds)
        )
        return f"{url.path}?{url.query}"

    def get(self, target, method="GET", **headers):
        path, _, query = target.partition("?")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.simulate_request(method, path, query_string=query, headers=names)


@pytest.fixture
def gateway(store):
    return Gateway(store)


def told(answer):
    return answer.status, answer.content, {k: v for k, v in answer.headers.items() if k != "x-amz-request-id"}


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_object", {"Key": "a/b"}),
        ("head_object", {"Key": "a/b"}),
        ("list_objects_v2", {"Delimiter": "/", "MaxKeys": 7}),
        ("list_objects", {"Prefix": "a"}),
        ("head_bucket", {}),
    ],
)
def test_what_was_answered_is_answered_again_without_asking(gateway, operation, parameters):
    """By another link to the same, whose signature is another; only the id of the request is new."""
    method = "HEAD" if operation.startswith("head") else "GET"
    first = gateway.get(gateway.link(operation, **parameters), method)
    again = gateway.get(gateway.link(operation, seconds=61, **parameters), method)
    assert first.status_code == 200
    assert gateway.long_way.asked == 1
    assert told(first) == told(again)
    assert first.headers["x-amz-request-id"] != again.headers["x-amz-request-id"]


def test_a_write_ends_what_was_kept(gateway, store):
    link = gateway.link(Key="a/b")
    assert gateway.get(link).content == gateway.get(link).content == b"some bytes"
    store.put_file(BRANCH, "a/b", body_of([b"others"]))
    assert gateway.get(link).content == b"others"
    store.delete_files(BRANCH, ["a/b"])
    assert gateway.get(link).status_code == 404
    store.put_file(BRANCH, "a/b", body_of([b"back"]))
    assert gateway.get(link).content == b"back"


@pytest.mark.parametrize(
    "change",
    [
        {"access_key": "stranger"},
        {"access_key": "nobody"},
        {"secret": "wrong"},
    ],
)
def test_who_may_not_have_it_is_refused_though_it_is_kept(gateway, change):
    gateway.get(gateway.link(Key="a/b"))
    assert gateway.get(gateway.link(Key="a/b")).status_code == 200
    assert gateway.get(gateway.link(Key="a/b", **change)).status_code == 403
    assert gateway.get(f"/{BUCKET}/a/b").status_code == 403
    assert gateway.long_way.asked == 3


def test_a_link_that_has_expired_is_refused_though_the_answer_is_kept(gateway, monkeypatch):
    link = gateway.link(Key="a/b", seconds=60)
    assert gateway.get(link).status_code == gateway.get(link).status_code == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 120)
    assert gateway.get(link).status_code == 403


def test_a_link_is_good_for_what_it_was_signed_for(gateway, store):
    store.put_file(BRANCH, "c", body_of([b"secret"]))
    link = gateway.link(Key="a/b")
    for target in (link, gateway.link(Key="c")):
        assert gateway.get(target).status_code == 200
    assert gateway.get(link.replace("/a/b?", "/c?")).status_code == 403
    assert gateway.get(link, "HEAD").status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 200),
        ({"authorization": "AWS reader:x"}, 400),
        ({"authorization": "AWS4-HMAC-SHA256 x"}, 400),
        ({"x_amz_security_token": "x"}, 400),
        ({"x_amz_date": "20261123T080000Z"}, 403),
    ],
)
def test_what_is_said_beside_a_link_is_heeded_though_the_answer_is_kept(gateway, headers, status):
    for _ in range(2):
        assert gateway.get(gateway.link(Key="a/b")).status_code == 200
    assert gateway.get(gateway.link(Key="a/b"), **headers).status_code == status


@pytest.mark.parametrize(
    ("headers", "status", "begins"),
    [
        ({"range": "bytes=5-8"}, 206, b"byte"),
        ({"if_none_match": "*"}, 304, b""),
        ({"if_match": '"0"'}, 412, b"<?xml"),
        ({"x_amz_expected_bucket_owner": "somebody"}, 403, b"<?xml"),
    ],
)
def test_a_header_that_changes_the_answer_is_heeded(store, headers, status, begins):
    """Whether the plain answer is kept or not."""
    client = falcon.testing.TestClient(create_app(store, kept=store.kept))
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    for _ in range(2):
        plain = client.simulate_get(f"/{BUCKET}/a/b")
        assert (plain.status_code, plain.content) == (200, b"some bytes")
        answer = client.simulate_get(f"/{BUCKET}/a/b", headers=names)
        assert answer.status_code == status
        assert answer.content.startswith(begins) and len(answer.content) != len(b"some bytes")


@pytest.mark.parametrize("name", ["if-modified-since", "expect", "origin", "connection", "x-amz-checksum-mode"])
def test_a_header_is_answered_as_without_what_is_kept(store, name):
    """Whatever it says, once or again."""
    kept, fresh = (falcon.testing.TestClient(create_app(store, kept=kept)) for kept in (store.kept, None))
    for value in ("100-continue", "ENABLED", "Fri, 31 Dec 9999 23:59:59 GMT") * 2:
        for headers in ({}, {name: value}):
            answers = [told(client.simulate_get(f"/{BUCKET}/a/b", headers=headers)) for client in (kept, fresh)]
            assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "query",
    ["tagging", "response-content-type=a%2Fb", "X-Amz-Meta-A=1", "versionId=0123456789ab4cdef0123456789abcde", "x=1"],
)
def test_a_parameter_that_changes_the_answer_is_heeded(store, query):
    client = falcon.testing.TestClient(create_app(store, kept=store.kept))
    fresh = falcon.testing.TestClient(create_app(store))
    plain = f"/{BUCKET}/a/b"
    assert client.simulate_get(plain).content == client.simulate_get(plain).content == b"some bytes"
    for _ in range(2):
        wanted = fresh.simulate_get(plain, query_string=query)
        answer = client.simulate_get(plain, query_string=query)
        assert answer.status == wanted.status
        assert answer.headers.get("content-type") == wanted.headers.get("content-type")


def test_what_is_large_or_no_plain_yes_is_not_kept(gateway, store):
    store.put_file(BRANCH, "large", body_of([bytes(MOST_BYTES + 1)]))
    for key, status in (("large", 200), ("none", 404)):
        for _ in range(2):
            assert gateway.get(gateway.link(Key=key)).status_code == status
    assert gateway.long_way.asked == 4
    for _ in range(2):
        assert gateway.get("/~/health").status_code == 200
    assert gateway.long_way.asked == 6


def test_what_was_read_beside_a_write_is_not_kept(gateway, store):
    """It may be what was before the write."""
    link = gateway.link(Key="a/b")
    gateway.long_way.then = lambda: store.put_file(BRANCH, "other", body_of([b"x"]))
    gateway.get(link)
    gateway.long_way.then = lambda: None
    for _ in range(3):
        assert gateway.get(link).status_code == 200
    assert gateway.long_way.asked == 2
