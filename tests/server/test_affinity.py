"""Which processors a worker runs on, by the kernel's own word."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from pathlib import Path

import pytest

from falcon_s3.server import affinity
from falcon_s3.server.relay import Relay
from tests.server.test_relay import Exchange
from tests.server.test_workers import until, workers

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors are chosen so on Linux alone")

USABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
LARGE = b"PUT /master.r/large HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
several = pytest.mark.skipif(len(USABLE) < 2, reason="there is one processor: nothing to choose")


def processors_of(process):
    """Those that the threads of a process may run on."""
    found = set()
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended
            found.add(frozenset(os.sched_getaffinity(int(thread.name))))
    return found


def is_at_home(process):
    """Whether all its threads keep to the same processor; a worker that has just begun does not yet."""
    return [len(each) for each in processors_of(process)] == [1]


@pytest.fixture
def restored():
    yield
    affinity.run_on(USABLE)


@several
def test_as_many_workers_as_processors_keep_to_one_each(start_gateway):
    """All their threads, those of the store too; the gateway's first process goes anywhere."""
    with start_gateway(engine="granian", workers=len(USABLE)) as gateway:
        assert gateway.request("PUT", "/master.r").status == 200
        until(lambda: all(map(is_at_home, workers(gateway.process.pid))))
        found = [processors_of(worker) for worker in workers(gateway.process.pid)]
        assert sorted(sorted(*each) for each in found) == [[each] for each in USABLE]
        assert processors_of(gateway.process.pid) == {frozenset(USABLE)}


@several
def test_fewer_workers_go_anywhere(start_gateway):
    with start_gateway(engine="granian", workers=1) as gateway:
        assert gateway.request("GET", "/~/health").status == 200
        (worker,) = workers(gateway.process.pid)
        assert processors_of(worker) == {frozenset(USABLE)}


@several
def test_a_worker_goes_anywhere_while_a_large_body_comes(start_gateway):
    """And keeps to its processor again when that has ended."""
    anywhere = {frozenset(USABLE)}
    with start_gateway(engine="granian", workers=len(USABLE)) as gateway:
        assert gateway.request("PUT", "/master.r").status == 200
        every = workers(gateway.process.pid)
        until(lambda: all(map(is_at_home, every)))
        with gateway.connect() as client:
            client.sendall(LARGE)
            until(lambda: anywhere in map(processors_of, every))
        until(lambda: all(map(is_at_home, every)))


@several
def test_a_worker_goes_anywhere_while_a_large_body_goes(start_gateway):
    anywhere = {frozenset(USABLE)}
    with start_gateway(engine="granian", workers=len(USABLE)) as gateway:
        assert gateway.request("PUT", "/master.r").status == 200
        assert gateway.request("PUT", "/master.r/large", os.urandom(16 << 20)).status == 200
        every = workers(gateway.process.pid)
        until(lambda: all(map(is_at_home, every)))
        with gateway.connect() as client:
            client.sendall(b"GET /master.r/large HTTP/1.1\r\nHost: x\r\n\r\n")  # and nothing is read of it
            until(lambda: anywhere in map(processors_of, every))
        until(lambda: all(map(is_at_home, every)))


@several
def test_a_worker_that_is_replaced_keeps_to_the_same_processor(start_gateway):
    with start_gateway(engine="granian", workers=len(USABLE)) as gateway:
        until(lambda: all(map(is_at_home, workers(gateway.process.pid))))
        before = {worker: processors_of(worker) for worker in workers(gateway.process.pid)}
        killed = next(iter(before))
        os.kill(killed, 9)
        until(lambda: len(workers(gateway.process.pid) - before.keys()) == 1)
        (new,) = workers(gateway.process.pid) - before.keys()
        until(lambda: processors_of(new) == before[killed])


@several
def test_threads_that_begin_are_moved_with_the_others(restored):
    """Whichever thread asks for it."""
    here = affinity.Affinity(1, len(USABLE))
    held, told = threading.Event(), []
    thread = threading.Thread(target=lambda: (held.wait(), told.append(os.sched_getaffinity(0))))
    thread.start()
    assert processors_of(os.getpid()) == {frozenset(USABLE[1:2])}
    here.begin()
    here.begin()
    assert processors_of(os.getpid()) == {frozenset(USABLE)}
    here.end()
    held.set()
    thread.join()
    assert told == [set(USABLE)]


@several
def test_it_goes_home_when_no_large_body_has_come_for_a_while(restored, monkeypatch):
    here = affinity.Affinity(0, len(USABLE))
    home, anywhere = {frozenset(USABLE[:1])}, {frozenset(USABLE)}
    here.begin()
    here.begin()
    here.end()
    monkeypatch.setattr(affinity, "QUIET_SECONDS", 0.0)
    here.look()
    assert processors_of(os.getpid()) == anywhere  # one is still under way
    here.end()
    monkeypatch.setattr(affinity, "QUIET_SECONDS", 3600.0)
    here.look()
    assert processors_of(os.getpid()) == anywhere
    monkeypatch.setattr(affinity, "QUIET_SECONDS", 0.0)
    here.look()
    assert processors_of(os.getpid()) == home


@several
def test_where_threads_cannot_be_listed_nothing_happens(restored, monkeypatch):
    """Without /proc, or where too many files are open; in the midst of a request that must not fail for it."""
    monkeypatch.setattr(affinity, "TASKS", "/proc/none")
    here = affinity.Affinity(0, len(USABLE))
    here.begin()
    here.end()
    assert processors_of(os.getpid()) == {frozenset(USABLE)}


class Told:
    def __init__(self):
        self.said = []

    def begin(self):
        self.said.append("begin")

    def end(self):
        self.said.append("end")


def stream(env, start):
    start("200 OK", [("content-length", env["HTTP_LENGTH"])])
    return iter([b"a"])


def fail(env, start):
    raise ValueError


@pytest.mark.parametrize(
    "app, changes, is_large",
    [
        (stream, {"REQUEST_METHOD": "GET", "HTTP_LENGTH": "999999"}, False),
        (stream, {"REQUEST_METHOD": "GET", "HTTP_LENGTH": "1000000"}, True),
        (stream, {"REQUEST_METHOD": "PUT", "HTTP_LENGTH": "1", "CONTENT_LENGTH": "999999"}, False),
        (stream, {"REQUEST_METHOD": "PUT", "HTTP_LENGTH": "1", "CONTENT_LENGTH": "1000000"}, True),
        (stream, {"REQUEST_METHOD": "PUT", "HTTP_LENGTH": "1000000", "CONTENT_LENGTH": "1000000"}, True),
        (stream, {"REQUEST_METHOD": "PUT", "HTTP_LENGTH": "1", "HTTP_TRANSFER_ENCODING": "chunked"}, True),
        (fail, {"REQUEST_METHOD": "PUT", "CONTENT_LENGTH": "1000000"}, True),
    ],
)
def test_large_bodies_are_told_of_once_each(app, changes, is_large):
    told = Told()
    env = {"QUERY_STRING": "", "wsgi.input": io.BytesIO(), **changes}
    relay = Relay(app, affinity=told)
    if app is fail:
        with pytest.raises(ValueError):
            relay(Exchange(), env)
    else:
        relay(Exchange(), env)
    assert told.said == (["begin", "end"] if is_large else [])
