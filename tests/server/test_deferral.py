"""Small PUTs that nobody waits for: answered when they are on disk, and as all others are, whatever comes of them."""

from __future__ import annotations

import hashlib
import io
import resource
import threading

import pytest

from falcon_s3.app import create_app
from falcon_s3.pfs import BranchNotFound, DiskFull
from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.server.relay import Relay, is_of_object, is_small_put
from tests.pfs.bodies import get, names, put
from tests.pfs.stores import MASTER

PATIENT_SECONDS = 30
BUCKET = f"/{MASTER.name}.{MASTER.repo.name}"


class Exchange:
    """The answer of one request, as Granian takes it: the first one counts."""

    def __init__(self):
        self.answered = threading.Event()
        self.answer = None

    def response_bytes(self, status, headers, body):
        self.answer = self.answer or (status, dict(headers), body)
        self.answered.set()

    def wait(self):
        assert self.answered.wait(PATIENT_SECONDS)
        return self.answer


@pytest.fixture
def store(tmp_path):
    opened = EmbeddedPfs(tmp_path)
    opened.create_branch(MASTER)
    yield opened
    opened.close()


@pytest.fixture
def ask(store):
    relay = Relay(create_app(store, kept=store.kept, starts=store))

    def asking(path, data, method="PUT", query="", **headers):
        exchange = Exchange()
        environment = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"{BUCKET}/{path}",
            "QUERY_STRING": query,
            "HTTP_HOST": "localhost",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            "wsgi.url_scheme": "http",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            **headers,
        }
        relay(exchange, environment)
        return exchange

    return asking


def is_waiting(store):
    return store._catalog._led


def test_no_answer_comes_before_the_write(store, ask):
    """The thread goes on at once, the answer comes after the turn, with the commit that was made."""
    with store._catalog.turn():
        exchanges = [ask(f"{number}", b"%d" % number) for number in range(100)]
        assert is_waiting(store)
        assert not any(each.answered.wait(0.001) for each in exchanges)
    for number, exchange in enumerate(exchanges):
        status, headers, body = exchange.wait()
        assert (status, body) == (200, b"")
        assert headers["etag"] == f'"{hashlib.md5(b"%d" % number).hexdigest()}"'
        file = store.inspect_file(MASTER, f"{number}")
        assert headers["x-amz-version-id"] == file.commit.id
        assert get(store, MASTER, f"{number}") == b"%d" % number
    assert len({each.answer[1]["x-amz-request-id"] for each in exchanges}) == 100


def test_what_the_write_refuses_is_refused_as_ever(store, ask):
    """A condition that another put made false meanwhile; the others of the turn are written."""
    put(store, MASTER, "there")
    with store._catalog.turn():
        exchanges = [ask("new", b"%d" % number, HTTP_IF_NONE_MATCH="*") for number in range(5)]
        other = ask("other", b"x")
    answers = [each.wait() for each in exchanges]
    assert sorted(status for status, _, _ in answers) == [200] + [412] * 4
    assert other.wait()[0] == 200
    for status, headers, body in answers:
        if status == 412:
            assert b"<Code>PreconditionFailed</Code>" in body
            assert headers["content-type"] == "application/xml"
            assert "x-amz-version-id" not in headers
            assert len(headers["x-amz-request-id"]) == 16
    assert get(store, MASTER, "new") == b"%d" % [status for status, _, _ in answers].index(200)


def test_a_branch_that_goes_meanwhile_takes_its_puts_with_it(store, ask):
    with store._catalog.turn():
        deleting = threading.Thread(target=store.delete_branch, args=(MASTER,))
        deleting.start()
        while not is_waiting(store):
            threading.Event().wait(0.001)
        exchange = ask("a", b"x")
    status, _, body = exchange.wait()
    deleting.join()
    assert status == 404
    assert b"<Code>NoSuchBucket</Code>" in body
    with pytest.raises(BranchNotFound):
        store.inspect_branch(MASTER)


def test_a_store_that_cannot_write_is_told(store, ask, monkeypatch):
    def refuse(_jobs):
        raise DiskFull

    monkeypatch.setattr(store._catalog, "_run", refuse)
    status, headers, body = ask("a", b"x").wait()
    assert status == 507
    assert b"<Message>The disk is full" in body
    assert "x-amz-version-id" not in headers


def test_a_commit_that_fails_is_told(store, ask, tmp_path):
    """The write ran, and was undone: no answer may say that it is there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with store._catalog.turn():
        exchanges = [ask(f"{number}", b"x") for number in range(2)]
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "catalog.sqlite3-wal").stat().st_size, hard))
    try:
        answers = [each.wait() for each in exchanges]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [status for status, _, _ in answers] == [503, 503]
    assert not any("x-amz-version-id" in headers for _, headers, _ in answers)
    assert names(store, MASTER) == []
    assert ask("0", b"x").wait()[0] == 200


def test_an_answer_that_fails_is_an_answer_too(ask, monkeypatch):
    """What goes wrong on the way to it leaves no client without one, and does not end the thread that writes."""
    respond = Exchange.response_bytes

    def fail(exchange, status, headers, body):
        if status == 200:
            raise KeyError
        respond(exchange, status, headers, body)

    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "response_bytes", fail)
        assert ask("a", b"x").wait() == (500, {}, b"")
    assert ask("b", b"x").wait()[0] == 200


def test_what_is_wrong_before_the_write_is_refused_without_one(store, ask):
    assert ask("a", b"x", HTTP_X_AMZ_ACL="nonsense").wait()[0] == 400
    assert ask("a", b"x", **{"wsgi.input": io.BytesIO(b"")}).wait()[0] == 400  # shorter than it says
    assert ask("a", b"x", HTTP_CONTENT_MD5="AAAAAAAAAAAAAAAAAAAAAA==").wait()[0] == 400
    assert len(list(store.list_commits(MASTER))) == 1


def test_attributes_and_checksums_come_with_it(store, ask):
    status, headers, _ = ask(
        "a", b"hello", HTTP_X_AMZ_META_X="y", CONTENT_TYPE="text/plain", HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM="CRC32"
    ).wait()
    assert status == 200
    kept = store.inspect_file(MASTER, "a").attributes
    assert kept["x-amz-meta-x"] == "y"
    assert kept["content-type"] == "text/plain"
    assert headers["x-amz-checksum-crc32"] == kept["x-amz-checksum-crc32"] == "NhCmhg=="


@pytest.mark.parametrize(
    ("changes", "small"),
    [
        ({}, True),
        ({"CONTENT_LENGTH": "8192"}, True),
        ({"CONTENT_LENGTH": "8193"}, False),
        ({"CONTENT_LENGTH": "0"}, False),
        ({"CONTENT_LENGTH": ""}, False),
        ({"CONTENT_LENGTH": "-1"}, False),
        ({"CONTENT_LENGTH": "\u0663"}, False),
        ({"CONTENT_LENGTH": "9" * 5000}, False),
        ({"REQUEST_METHOD": "POST"}, False),
        ({"HTTP_EXPECT": "100-continue"}, False),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, False),
        ({"HTTP_X_AMZ_COPY_SOURCE": "/a/b"}, False),
    ],
)
def test_which_puts_are_small(changes, small):
    assert is_small_put({"REQUEST_METHOD": "PUT", "CONTENT_LENGTH": "1", **changes}) is small


@pytest.mark.parametrize(
    ("query", "of_object"),
    [
        ("", True),
        ("X-Amz-Signature=1&X-Amz-Date=2&x-id=PutObject", True),
        ("tagging", False),
        ("X-Amz-Date=2&uploadId=1", False),
    ],
)
def test_which_puts_are_of_objects(query, of_object):
    assert is_of_object({"QUERY_STRING": query}) is of_object
