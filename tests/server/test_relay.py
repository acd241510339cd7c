"""Threads that take turns at serving: whoever waits, for a client or a disk, holds up nobody but its own client."""

from __future__ import annotations

import io
import threading
import weakref
from queue import SimpleQueue

import pytest

from falcon_s3.server import relay
from falcon_s3.server.relay import Relay, is_quick
from falcon_s3.server.scheduling import Manners, leave

PATIENT_SECONDS = 30  # for what must come true


class Exchange:
    """The answer of one request, as Granian takes it."""

    def __init__(self):
        self.answered = threading.Event()
        self.answer = None

    def response_bytes(self, status, headers, body):
        self.answer = (status, headers, body)
        self.answered.set()

    def response_iter(self, status, headers, body):
        chunks = []
        while True:
            try:
                chunks.append(body.__next__())
            except StopIteration:
                break
        body.close()
        self.response_bytes(status, headers, b"".join(chunks))


class Halves:
    def __init__(self, app):
        self.ask = app

    def given(self, env):
        if env["REQUEST_METHOD"] == "GET" and env["PATH_INFO"] == "/":
            return 200, [("a", "/")], b"whole"
        return None


class Threads:
    """Threads that take requests from one queue, as Granian's do, and an application that waits where it is told.

    With `halves` it has two: what is asked of `/` is given at once.
    """

    def __init__(self, count, halves):
        self.queue = SimpleQueue()
        self.relay = Relay(Halves(self.app) if halves else self.app)
        self.gates = {}
        self.reached = {}
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while (task := self.queue.get()) is not None:
            self.relay(*task)

    def app(self, env, start):
        start("200 OK", [("a", env["PATH_INFO"])])
        self.hold(env["PATH_INFO"])
        if env["PATH_INFO"].endswith("pieces"):
            return self.pieces(env["PATH_INFO"])
        return [b"whole"]

    def pieces(self, path):
        yield b"in "
        self.hold(f"{path} begun")
        yield b"pieces"

    def hold(self, path):
        if path in self.gates:
            self.reached[path].set()
            assert self.gates[path].wait(PATIENT_SECONDS)

    def gate(self, path):
        self.gates[path], self.reached[path] = threading.Event(), threading.Event()

    def ask(self, method="GET", path="/", **env):
        exchange = Exchange()
        asked = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(), **env}
        self.queue.put((exchange, asked))
        return exchange

    def is_answered(self, method="GET", path="/"):
        exchange = self.ask(method, path)
        return exchange.answered.wait(PATIENT_SECONDS) and exchange.answer == (200, [("a", path)], b"whole")

    def rest_all_but_one(self):
        """As under a load of quick requests."""
        for _ in range(PATIENT_SECONDS * 1000):
            asked = [self.ask() for _ in self.threads]
            assert all(each.answered.wait(PATIENT_SECONDS) for each in asked)
            if len(self.relay._resting) == len(self.threads) - 1:
                return
        raise AssertionError("they do not rest")

    def end(self):
        for gate in self.gates.values():
            gate.set()
        for _ in self.threads:
            self.queue.put(None)
        for thread in self.threads:
            thread.join(PATIENT_SECONDS)
            assert not thread.is_alive()


@pytest.fixture(params=["whole", "halves"])
def threads(request):
    started = []

    def start(count):
        started.append(Threads(count, request.param == "halves"))
        return started[-1]

    yield start
    for each in started:
        each.end()
        assert each.relay._serving == 0, "a thread that has ended serves no more"


def test_all_but_one_rest_and_every_request_is_answered(threads):
    some = threads(8)
    some.rest_all_but_one()
    assert all(some.is_answered() for _ in range(1000))


@pytest.mark.parametrize(
    ("method", "path", "reached"),
    [
        ("PUT", "/slow", "/slow"),  # its body is read
        ("DELETE", "/slow", "/slow"),
        ("GET", "/slow pieces", "/slow pieces begun"),  # its client reads slowly
        ("GET", "/slow", "/slow"),  # the disk is slow
    ],
)
def test_as_long_as_one_thread_is_free_others_are_served(threads, method, path, reached):
    some = threads(4)
    held = []
    for number in range(3):
        some.rest_all_but_one() if not number else None
        unique, place = f"/{number}{path[1:]}", f"/{number}{reached[1:]}"
        some.gate(place)
        held.append(some.ask(method, unique))
        assert some.reached[place].wait(PATIENT_SECONDS)
        assert all(some.is_answered() for _ in range(50))
        assert not any(each.answered.is_set() for each in held)
    for gate in some.gates.values():
        gate.set()
    assert all(each.answered.wait(PATIENT_SECONDS) for each in held)
    assert {each.answer[2] for each in held} == {b"in pieces" if "pieces" in path else b"whole"}
    some.rest_all_but_one()


class Body(list):
    """An answer that can be looked for."""


def test_who_rests_holds_no_answer():
    """Else as many pages of listings would stay in memory as threads rest."""
    bodies = []

    def app(env, start):
        start("200 OK", [])
        body = Body([b"whole"])
        bodies.append(weakref.ref(body))
        return body

    some = Threads(8, halves=False)
    try:
        some.relay._app = app
        some.rest_all_but_one()
        kept = sum(body() is not None for body in bodies)
        assert len(bodies) >= len(some.threads)
        assert kept <= 1, "but for the one that serves, which may be about to return"
    finally:
        some.end()


@pytest.mark.parametrize(("method", "length"), [("GET", "0"), ("PUT", "1")])
def test_whoever_is_held_up_is_waited_for_once(threads, monkeypatch, method, length):
    """Then another serves in its place, and the requests to come are not held up: few of 200 begin with patience."""
    some = threads(4)
    some.rest_all_but_one()
    monkeypatch.setattr(relay, "PATIENCE_SECONDS", 0.3)  # long beside a request, on a slow machine too
    before = some.relay._round
    some.gate("/slow")
    held = some.ask(method, "/slow", CONTENT_LENGTH=length, QUERY_STRING="")
    assert some.reached["/slow"].wait(PATIENT_SECONDS)
    assert all(some.is_answered() for _ in range(200))
    assert 1 <= some.relay._round - before < 100
    some.gates["/slow"].set()
    assert held.answered.wait(PATIENT_SECONDS)
    some.rest_all_but_one()


def test_one_thread_does_everything(threads):
    alone = threads(1)
    for method, path in (("GET", "/"), ("PUT", "/"), ("HEAD", "/")):
        assert alone.is_answered(method, path)
    pieces = alone.ask("GET", "/pieces")
    assert pieces.answered.wait(PATIENT_SECONDS)
    assert pieces.answer[2] == b"in pieces"


def test_each_thread_begins_once():
    begun = []
    relay = Relay(Halves(None), Manners(interrupt=lambda: begun.append(threading.get_ident()), wait=leave))
    for _ in range(2):
        thread = threading.Thread(
            target=lambda: [relay(Exchange(), {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}) for _ in range(3)]
        )
        thread.start()
        thread.join(PATIENT_SECONDS)
    assert len(begun) == 2


def test_what_is_given_at_once_is_not_asked_for():
    relay, exchange = Relay(Halves(None)), Exchange()
    relay(exchange, {"REQUEST_METHOD": "GET", "PATH_INFO": "/"})
    assert exchange.answer == (200, [("a", "/")], b"whole")


def test_what_fails_leaves_its_thread_in_its_place():
    def fail(env, start):
        raise KeyError(env["PATH_INFO"])

    relay = Relay(fail)
    for method in ("GET", "PUT"):
        with pytest.raises(KeyError):
            relay(Exchange(), {"REQUEST_METHOD": method, "PATH_INFO": "/"})
        assert relay._serving == 1


@pytest.mark.parametrize(
    ("env", "quick"),
    [
        ({"REQUEST_METHOD": "GET"}, True),
        ({"REQUEST_METHOD": "HEAD", "CONTENT_LENGTH": "0"}, True),
        ({"REQUEST_METHOD": "GET", "CONTENT_LENGTH": "1"}, False),
        ({"REQUEST_METHOD": "GET", "HTTP_TRANSFER_ENCODING": "chunked"}, False),
        ({"REQUEST_METHOD": "PUT", "CONTENT_LENGTH": "0"}, False),
        ({"REQUEST_METHOD": "DELETE"}, False),
        ({"REQUEST_METHOD": "OPTIONS"}, False),
    ],
)
def test_only_a_read_without_a_body_is_quick(env, quick):
    assert is_quick(env) is quick


def test_slow_clients_of_all_kinds_hold_up_nobody(start_gateway):
    """One worker, and more clients that send and read nothing than any other number here."""
    with start_gateway(engine="granian", workers=1, arguments=["--threads", "24"]) as gateway:
        bucket = gateway.new_bucket()
        gateway.request("PUT", f"/{bucket}/large", bytes(64 << 20))
        gateway.request("PUT", f"/{bucket}/small", b"small")
        slow = []
        for number in range(20):
            connection = gateway.connect()
            slow.append(connection)
            asked = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1234"
            connection.sendall((asked if number % 2 else f"GET /{bucket}/large HTTP/1.1\r\nHost: x\r\n\r\n").encode())
            assert gateway.request("GET", f"/{bucket}/small").body == b"small"
        for _ in range(100):
            assert gateway.request("GET", f"/{bucket}/small").body == b"small"
        assert gateway.request("PUT", f"/{bucket}/other", b"other").status == 200
        for connection in slow:
            connection.close()
