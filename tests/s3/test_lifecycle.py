"""A gateway is started, loses a worker, is ended in the middle of things, and is started again on the same folder."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import signal
import threading
import time
from pathlib import Path

import pytest


def children(process):
    """The processes that `process` started and that live, by the kernel's own list."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def workers(gateway):
    return [number for number in children(gateway.process.pid) if b"resource_tracker" not in command_of(number)]


def command_of(process):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


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
        before = workers(gateway)
        assert len(before) == 2
        for victim in before:
            os.kill(victim, signal.SIGKILL)
        end = time.monotonic() + 30
        status = None
        while status != 200 and time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status = gateway.request("GET", f"/{bucket}/k").status
            time.sleep(0.05)
        assert gateway.request("GET", f"/{bucket}/k").body == b"kept"
        while gateway.log.read_text().count("is ready") < 4 and time.monotonic() < end:
            time.sleep(0.05)
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
    """Either the upload is answered and there after a restart, or it is not answered 200; never in between."""
    body = os.urandom(1_000_000)
    statuses = []
    with start_gateway(data=tmp_path / "data") as gateway:
        bucket = gateway.new_bucket()

        def upload():
            head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            with gateway.connect() as connection, contextlib.suppress(OSError, http.client.HTTPException):
                connection.sendall(head.encode() + body[:500_000])
                time.sleep(1)
                connection.sendall(body[500_000:])
                response = http.client.HTTPResponse(connection)
                response.begin()
                statuses.append(response.status)

        thread = threading.Thread(target=upload)
        thread.start()
        time.sleep(0.3)
        gateway.process.send_signal(signal.SIGTERM)
        thread.join()
        gateway.process.wait(30)
    with start_gateway(data=tmp_path / "data") as gateway:
        answer = gateway.request("GET", f"/{bucket}/k")
        assert (answer.status, answer.body == body) == (200, True) if statuses == [200] else answer.status == 404
    assert statuses == [200]
