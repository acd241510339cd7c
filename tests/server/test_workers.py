"""What both engines promise of their workers: replaced when they die, ended with the gateway, and never left behind."""

import contextlib
import http.client
import os
import signal
import socket
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="workers are found and looked at through Linux's /proc"
)


def workers(process):
    """The processes that serve, by the kernel's own list."""
    numbers = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {int(number) for number in numbers if b"resource_tracker" not in command_of(number)}


def command_of(process):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def until(condition, seconds=30):
    """Wait for a condition that must come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def answers(gateway):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return gateway.request("GET", "/~/health").status == 200
    return False


def test_a_worker_is_replaced_however_often_it_dies(start_gateway):
    """A gateway that gave up after some deaths would be ended by a request that kills."""
    with start_gateway(workers=1) as gateway:
        for _ in range(3):
            (victim,) = workers(gateway.process.pid)
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: workers(gateway.process.pid) - {victim} and answers(gateway))
        assert gateway.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_gateway_ends_on_a_signal_that_comes_while_a_worker_is_replaced(start_gateway, number):
    """The signal is not lost between the death and the successor."""
    with start_gateway(workers=2) as gateway:
        os.kill(min(workers(gateway.process.pid)), signal.SIGKILL)
        time.sleep(0.2)
        gateway.process.send_signal(number)

        assert gateway.process.wait(30) in (0, 1)


def test_workers_end_when_the_gateway_is_killed(start_gateway):
    """They would hold the address, and serve on unseen."""
    with start_gateway(workers=2) as gateway:
        left = workers(gateway.process.pid)
        gateway.process.kill()
        gateway.process.wait()
        until(lambda: not any(Path(f"/proc/{worker}/stat").exists() for worker in left))

        with socket.socket() as next_one:
            next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            next_one.bind(("127.0.0.1", gateway.port))


def test_idle_connections_keep_nobody_out(start_gateway):
    """Far more connections than threads: a client that keeps its own open costs no thread."""
    with start_gateway(workers=1, arguments=["--threads", "2"]) as gateway, contextlib.ExitStack() as idle:
        for _ in range(100):
            connection = idle.enter_context(gateway.connect())
            connection.sendall(b"GET /~/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

        assert answers(gateway)


def test_each_worker_says_which_core_it_runs(start_gateway):
    """Compiled or pure, once a worker, on stderr."""
    with start_gateway(workers=2) as gateway:
        until(lambda: gateway.log.read_text().count("is ready") == 2)
        assert gateway.log.read_text().count(" core") == 2
    log = gateway.log.read_text()
    assert "Python threads" not in log
    assert "Traceback" not in log
