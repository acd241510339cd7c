"""Where a gateway listens, how much is on its way to a client, and that every connection finds a worker that lives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from granian.net import SocketSpec

from falcon_s3.server import listening
from tests.server.test_workers import until, workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a socket holds is read from Linux's /proc")

OBJECT_BYTES = 16 << 20
ESTABLISHED, LISTENS = "01", "0A"  # states, as the kernel writes them
NEAR = ["127.0.0.1", "localhost", "[::1]"]


def can_listen(host):
    try:
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not can_listen("::1"), reason="this machine has no IPv6")


def on_its_way(here, there):
    """Bytes that the server wrote to its socket at `here` and the client at `there` has not acknowledged, or 0."""
    for local, remote, _, unsent in sockets():
        if (local, remote) == (here, there):
            return unsent
    return 0


def listeners(port):
    """How many sockets listen at a port: each worker has its own."""
    return sum((local, state) == (port, LISTENS) for local, _, state, _ in sockets())


def sockets():
    """All of this machine, as the kernel tells them: ports here and there, state, bytes that were not acknowledged."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, remote, state, queues, *_ = line.split()
            here, there = (int(address.rpartition(":")[2], 16) for address in (local, remote))
            yield here, there, state, int(queues.partition(":")[0], 16)


@contextlib.contextmanager
def one_who_does_not_read(gateway):
    """Gives how many bytes of a large object are held in a socket for a client that asks for it and reads nothing."""
    assert gateway.request("PUT", "/master.r").status == 200
    assert gateway.request("PUT", "/master.r/large", os.urandom(OBJECT_BYTES)).status == 200
    family = socket.AF_INET6 if ":" in gateway.host else socket.AF_INET
    with socket.socket(family) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        client.connect((gateway.host, gateway.port))
        client.sendall(b"GET /master.r/large HTTP/1.1\r\nHost: x\r\n\r\n")
        yield lambda: on_its_way(gateway.port, client.getsockname()[1])


@pytest.mark.parametrize("host", [pytest.param(host, marks=needs_ipv6 if ":" in host else ()) for host in NEAR])
def test_little_is_on_its_way_to_clients_of_this_machine(start_gateway, host):
    """So what they read is still in the processor's cache; the kernel would let megabytes be."""
    with start_gateway(engine="granian", host=host) as gateway, one_who_does_not_read(gateway) as held:
        sizes = [0]

        def is_settled():
            time.sleep(0.2)
            sizes.append(held())
            return sizes[-1] and sizes[-1] == sizes[-2]

        until(is_settled)
        assert sizes[-1] <= 2 * listening.SEND_BYTES


def test_the_kernel_chooses_how_much_is_on_its_way_to_others(start_gateway):
    """A client that is far away needs more than one on this machine."""
    with start_gateway(engine="granian", host="0.0.0.0", arguments=["--anonymous"]) as gateway:
        with one_who_does_not_read(gateway) as held:
            until(lambda: held() > 2 * listening.SEND_BYTES)


def test_no_connection_waits_for_a_worker_that_has_died(start_gateway):
    """Neither before its successor is there nor after."""
    with start_gateway(engine="granian", workers=2) as gateway:
        until(lambda: listeners(gateway.port) == 2)
        before = workers(gateway.process.pid)
        os.kill(min(before), signal.SIGKILL)
        until(lambda: min(before) not in workers(gateway.process.pid))
        assert {gateway.request("GET", "/~/health").status for _ in range(50)} == {200}
        until(lambda: listeners(gateway.port) == 2)
        assert {gateway.request("GET", "/~/health").status for _ in range(50)} == {200}


def test_the_socket_that_a_worker_makes_is_shortened():
    """And is otherwise as Granian has it; whatever else it may give to a worker stays."""
    (spec, holder), _ = listening.shorten(((SocketSpec("127.0.0.1", 0, 128), None), None))
    assert spec is None
    with socket.socket(fileno=holder.get_fd()) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * listening.SEND_BYTES
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for other in ("something else", ((None, "made before"), None)):
        assert listening.shorten(other) is other


@pytest.mark.parametrize(
    ("host", "is_near"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_a_name_becomes_an_address(host, is_near):
    """Granian takes addresses only."""
    address = listening.address_of(host)
    assert listening.is_near(address) is is_near
    socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, address)
