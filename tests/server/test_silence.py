"""Connections on which nothing moves are ended, so that no thread waits for their clients without end."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import sys
import threading
import time

import pytest

from falcon_s3.pfs.embedded import EmbeddedPfs
from falcon_s3.server import exchange, silence
from falcon_s3.server.relay import Relay
from tests.conftest import read_answer
from tests.pfs.bodies import get, put
from tests.pfs.stores import MASTER
from tests.server.test_listening import ESTABLISHED, sockets
from tests.server.test_relay import Exchange
from tests.server.test_workers import answers, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a connection does is told by Linux")

# A gateway that has less patience.
HASTY = "from falcon_s3.server import silence; silence.SILENT_SECONDS, silence.HELD_SECONDS = 3.0, 0.5"
PROGRAM = ("-c", f"{HASTY}; from falcon_s3.cli import main; main()")
SMALL, LARGE = 1000, 1 << 20


@pytest.fixture
def pairs():
    """Makes connections: gives the side of the client and that of the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as opened:

        def connect():
            client = opened.enter_context(socket.create_connection(listener.getsockname()))
            client.settimeout(30)
            return client, opened.enter_context(listener.accept()[0])

        yield connect


def is_at_its_end(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_those_that_were_silent_longest_are_ended(pairs):
    """As many as are asked for, of those at the port, and none that was heard of."""
    long = 3  # seconds, longer than this machine stalls
    one, other = pairs(), pairs()
    port = one[1].getsockname()[1]
    until(lambda: silence._silence(one[1].fileno(), port) >= long)
    third = pairs()
    other[0].sendall(b"a")
    until(lambda: silence._silence(other[1].fileno(), port) < long)
    assert silence.end_silent(port + 1, long, 10) == 0
    assert silence.end_silent(port, 3600, 10) == 0
    assert silence.end_silent(port, long, 10) == 1
    assert is_at_its_end(one[1])
    assert not is_at_its_end(third[1])
    assert other[1].recv(10) == b"a"
    until(lambda: silence._silence(third[1].fileno(), port) > 0.1)
    assert silence.end_silent(port, 0.1, 1) == 1  # none that is ended, though its socket is there still
    assert silence.end_silent(port, 0.1, 0) == 0
    until(lambda: silence.end_silent(port, 0.1, 10) == 1)
    assert silence.end_silent(port, 0.1, 10) == 0


# Opens and closes a store, as any command does.
VISIT = "import sys; from pathlib import Path; from falcon_s3.pfs.embedded import EmbeddedPfs as P; P(Path(sys.argv[1])).close()"


def test_the_locks_on_other_files_stay(pairs, tmp_path):
    """Whoever looked for connections still holds the locks of its store: else the next who closes it removes its log."""
    store = EmbeddedPfs(tmp_path)
    store.create_branch(MASTER)
    server = pairs()[1]
    until(lambda: silence._silence(server.fileno(), server.getsockname()[1]) >= 0.1)
    assert silence.end_silent(server.getsockname()[1], 0.1, 1) == 1
    subprocess.run([sys.executable, "-c", VISIT, tmp_path], check=True)
    put(store, MASTER, "a", b"1")
    again = EmbeddedPfs(tmp_path)
    assert get(again, MASTER, "a") == b"1"
    again.close()
    store.close()


def test_a_client_that_takes_nothing_gets_no_more(pairs):
    client, server = pairs()
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            server.send(bytes(1 << 20))
    until(lambda: silence._silence(server.fileno(), server.getsockname()[1]) >= 0.2)
    assert silence.end_silent(server.getsockname()[1], 0.2, 1) == 1
    with pytest.raises(BrokenPipeError):
        server.send(b"a")
    client.close()


class Gate(io.RawIOBase):
    """A body that comes when it may."""

    def __init__(self):
        self.asked, self.open = threading.Event(), threading.Event()

    def read(self, size=-1):
        self.asked.set()
        assert self.open.wait(30)
        return b""


@pytest.mark.parametrize("called", [Relay, exchange.Direct])
def test_threads_that_wait_for_clients_are_counted(monkeypatch, called):
    """Unless one has been at work as long as a connection may be silent."""
    monkeypatch.setattr(exchange, "HELD_SECONDS", 0.0)
    working, done = threading.Event(), threading.Event()

    def app(env, start):
        start("200 OK", [])
        if env["PATH_INFO"] == "/work":
            working.set()
            assert done.wait(30)
        while env["wsgi.input"].read(10):
            pass
        return [b""]

    some, threads, gates = called(app), [], [Gate(), Gate()]

    def ask(path, body):
        asked = {"REQUEST_METHOD": "PUT", "PATH_INFO": path, "QUERY_STRING": "", "wsgi.input": body}
        threads.append(threading.Thread(target=some, args=(Exchange(), asked)))
        threads[-1].start()

    assert some.watches.held() == 0
    for gate in gates:
        ask("/wait", gate)
        assert gate.asked.wait(30)
    assert some.watches.held() == 2
    ask("/work", io.BytesIO())
    assert working.wait(30)
    assert some.watches.held() == 2
    monkeypatch.setattr(exchange, "SILENT_SECONDS", 0.0)
    assert some.watches.held() == 0
    done.set()
    for gate in gates:
        gate.open.set()
    for thread in threads:
        thread.join(30)
    assert some.watches.held() == 0


@pytest.mark.parametrize("store", ["embedded", "pachd"])
def test_clients_that_stop_hold_up_nobody_for_long(start_gateway, request, store):
    """More of them than threads, in the middle of uploads and downloads; one that goes on, slowly, is served."""
    pachd = f"grpc://127.0.0.1:{request.getfixturevalue('running_pachd').port}" if store == "pachd" else None
    options = {"workers": 1, "arguments": ["--threads", "3"], "program": PROGRAM, "pachd": pachd}
    with (
        start_gateway(engine="granian", **options) as gateway,
        contextlib.ExitStack() as opened,
    ):
        bucket = gateway.new_bucket()
        assert gateway.request("PUT", f"/{bucket}/large", bytes(64 << 20)).status == 200

        def begin(method, key, length):
            connection = opened.enter_context(gateway.connect())
            connection.sendall(
                f"{method} /{bucket}/{key} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
            )
            return connection

        slow = begin("PUT", "slow", 100)
        stopped = [begin("PUT", "small", SMALL), begin("PUT", "part", LARGE), begin("PUT", "more", LARGE)]
        reader = begin("GET", "large", 0)
        for number in range(100):
            slow.sendall(b"%d" % (number % 10))
            time.sleep(0.05)
        assert read_answer(slow).status == 200
        assert gateway.request("GET", "/~/health").status == 200
        for connection in stopped:
            connection.settimeout(30)
            assert read_answer(connection).refused(400, "IncompleteBody")
        # Not before: a client that reads is not silent.
        until(lambda: (gateway.port, reader.getsockname()[1], ESTABLISHED) not in [each[:3] for each in sockets()])
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := reader.recv(1 << 20):
                received += len(piece)
        assert received < 64 << 20
        assert gateway.request("GET", f"/{bucket}/slow").body == b"0123456789" * 10
        assert [each["Key"] for each in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["large", "slow"]
    assert "nothing had moved" in gateway.log.read_text()
    assert "Traceback" not in gateway.log.read_text()


def test_those_that_wait_for_a_thread_are_not_ended_in_place_of_those_that_hold_one(start_gateway):
    """They were silent longer: once they are ended, as often as one looks, it is the turn of the others."""
    options = {"workers": 1, "arguments": ["--threads", "3"], "program": PROGRAM}
    with start_gateway(engine="granian", **options) as gateway, contextlib.ExitStack() as opened:

        def begin():
            connection = opened.enter_context(gateway.connect())
            connection.sendall(b"PUT /master.none/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
            return connection

        first = [begin() for _ in range(3)]
        time.sleep(0.2)
        for _ in range(20):
            begin()
        time.sleep(0.2)
        for connection in first:
            connection.sendall(b"a")
        until(lambda: answers(gateway))
