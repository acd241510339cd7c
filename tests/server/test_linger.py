"""A refusal is read by clients that send all of a body first, though the gateway does not wait for it."""

from __future__ import annotations

import contextlib
import http.client

import pytest

from tests.conftest import read_answer

MIB = 1 << 20


def program(change):
    """A gateway that reads on otherwise."""
    return ("-c", f"from falcon_s3.server import exchange; exchange.{change}; from falcon_s3.cli import main; main()")


BRIEF, LONG = program("LINGER_BYTES = 1 << 20"), program("LINGER_SECONDS = 600")


def sent_first(gateway, size):
    """The answer to a PUT into a bucket that is not there, for a client that reads when all is sent."""
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    connection.request("PUT", "/master.images/k", bytes(size))
    answer = connection.getresponse()
    return answer.status, answer.headers["Connection"], answer.read()


@pytest.mark.parametrize("store", ["embedded", "pachd"])
def test_a_client_that_sends_all_before_it_reads_gets_the_refusal(start_gateway, request, store):
    pachd = f"grpc://127.0.0.1:{request.getfixturevalue('running_pachd').port}" if store == "pachd" else None
    with start_gateway(engine="granian", pachd=pachd, program=LONG) as gateway:
        for _ in range(5):
            status, connection, document = sent_first(gateway, 32 * MIB)
            assert (status, connection) == (404, "close")
            assert b"<Code>NoSuchBucket</Code>" in document


def test_the_refusal_comes_before_the_body(start_gateway):
    with start_gateway(engine="granian") as gateway, gateway.connect() as connection:
        connection.sendall(b"PUT /master.images/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n")
        assert read_answer(connection).refused(404, "NoSuchBucket")


def test_a_client_that_sends_without_end_is_cut_off(start_gateway):
    with start_gateway(engine="granian", program=BRIEF) as gateway, gateway.connect() as connection:
        connection.sendall(b"PUT /master.images/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 4000 * MIB:
                sent += connection.send(bytes(MIB))
        assert sent < 100 * MIB
        assert gateway.request("GET", "/~/health").status == 200


def test_a_client_that_waits_for_leave_to_send_is_not_waited_for(start_gateway):
    """It sends nothing, and its connection ends at once, not after the time for which others are."""
    with start_gateway(engine="granian", program=LONG) as gateway, gateway.connect() as connection:
        connection.sendall(
            b"PUT /master.images/k HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_answer(connection).refused(404, "NoSuchBucket")
        assert connection.recv(1) == b""
