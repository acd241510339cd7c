"""A gateway is started, loses a worker, is ended in the middle of things, and is started again on the same folder."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import read_answer
from tests.pfs.waiting import until


def children(process):
    """The processes that `process` started and that live, by the kernel's own list."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def workers(gateway):
    return [number for number in children(gateway.process.pid) if b"resource_tracker" not in command_of(number)]


def command_of(process):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def answers(gateway, bucket):
    """Whether it does: what a worker had not answered when it was killed ends without an answer."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return gateway.request("GET", f"/{bucket}/k").status == 200
    return False


def test_what_was_acknowledged_is_there_after_a_restart(start_gateway, tmp_path):
    with start_gateway(data=tmp_path / "data") as gateway:
        bucket = gateway.new_bucket()
        bodies = {f"k{number}": os.urandom(number * 40_000) for number in range(10)}
        for key, body in bodies.items():
            assert gateway.request("PUT", f"/{bucket}/{key}", body, {"x-amz-meta-a": key}).status == 200
    assert gateway.process.returncode == 0
    with start_gateway(data=tmp_path / "data") as gateway:
        for key, body in bodies.items():
            answer = gateway.request("GET", f"/{bucket}/{key}")
            assert (answer.body, answer.headers["x-amz-meta-a"]) == (body, key)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found through Linux's /proc")
def test_a_worker_that_is_killed_is_replaced(start_gateway):
    with start_gateway() as gateway:
        bucket = gateway.new_bucket()
        gateway.request("PUT", f"/{bucket}/k", b"kept")
        until(lambda: gateway.log.read_text().count("is ready") == 2)  # one may have answered all of that
        before = workers(gateway)
        assert len(before) == 2
        for victim in before:
            os.kill(victim, signal.SIGKILL)
        until(lambda: answers(gateway, bucket))
        assert gateway.request("GET", f"/{bucket}/k").body == b"kept"
        until(lambda: gateway.log.read_text().count("is ready") == 4)
        assert len(workers(gateway)) == 2
        assert not set(workers(gateway)) & set(before)


def test_a_download_that_runs_is_ended_before_the_gateway_is(start_gateway):
    with start_gateway() as gateway:
        bucket = gateway.new_bucket()
        data = os.urandom(8 << 20)
        gateway.request("PUT", f"/{bucket}/k", data)
        with gateway.connect() as connection:
            connection.sendall(f"GET /{bucket}/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            received = [connection.recv(10_000)]
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            received += iter(lambda: connection.recv(1 << 20), b"")
        body = b"".join(received).partition(b"\r\n\r\n")[2]
        assert hashlib.sha256(body).digest() == hashlib.sha256(data).digest()
        gateway.process.wait(30)
        assert gateway.process.returncode == 0


def test_an_upload_that_runs_is_ended_before_the_gateway_is(start_gateway, tmp_path):
    """It is answered, and is there after a restart. It runs as soon as its body was asked for."""
    body = os.urandom(1_000_000)
    with start_gateway(data=tmp_path / "data") as gateway:
        bucket = gateway.new_bucket()
        head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        with gateway.connect() as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")
            connection.sendall(body[:500_000])
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            connection.sendall(body[500_000:])
            assert read_answer(connection).status == 200
        gateway.process.wait(30)
    with start_gateway(data=tmp_path / "data") as gateway:
        assert gateway.request("GET", f"/{bucket}/k").body == body
