"""Objects far larger than a worker's memory may be: up and down again byte for byte, while the worker stays small."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from pathlib import Path

import pytest

from tests.s3.test_lifecycle import workers

MIB = 1 << 20
# What one worker may hold, whatever it is sent (README, "Limits").
WORKER_MIB = 150


def chunks(size):
    """`size` bytes, not all alike, made as they are sent."""
    block = os.urandom(MIB)
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + block[8:]


def highest_mib(process):
    """The most memory a process has held."""
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize(
    "size", [pytest.param(256 * MIB, id="256MiB"), pytest.param(5 << 30, id="5GiB", marks=pytest.mark.long)]
)
def test_a_large_object_goes_up_and_down_in_little_memory(start_gateway, size):
    with start_gateway() as gateway:
        bucket = gateway.new_bucket()
        sent = hashlib.sha256()

        def body():
            for chunk in chunks(size):
                sent.update(chunk)
                yield chunk

        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=600)
        connection.request("PUT", f"/{bucket}/large", body=body(), headers={"Content-Length": str(size)})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()

        connection.request("GET", f"/{bucket}/large")
        answer = connection.getresponse()
        assert int(answer.headers["Content-Length"]) == size
        received = hashlib.sha256()
        while piece := answer.read(MIB):
            received.update(piece)
        assert received.digest() == sent.digest()
        connection.close()

        if gateway.engine == "granian":  # meinheld keeps a whole upload back in a temporary file
            assert max(map(highest_mib, workers(gateway))) < WORKER_MIB


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
def test_a_client_that_does_not_read_costs_little_memory(start_gateway):
    """What it asked for waits on the disk, and not in the worker."""
    with start_gateway(workers=1, engine="granian") as gateway:
        bucket, size = gateway.new_bucket(), 256 * MIB
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=600)
        connection.request("PUT", f"/{bucket}/large", body=chunks(size), headers={"Content-Length": str(size)})
        assert connection.getresponse().status == 200
        (worker,) = workers(gateway)
        with gateway.connect() as client:
            client.sendall(f"GET /{bucket}/large HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(2)
            assert highest_mib(worker) < WORKER_MIB
