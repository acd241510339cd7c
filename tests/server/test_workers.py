"""What both engines promise of their workers: replaced when they die, ended with the gateway, and never left behind."""

import contextlib
import ctypes
import http.client
import multiprocessing
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from falcon_s3.server.granian import Prefork, join
from tests.conftest import read_answer

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


def test_any_number_of_signals_ends_the_gateway(start_gateway):
    """As from a terminal and from make at one time; each may come while the one before is looked at."""
    for _ in range(3):
        with start_gateway(engine="granian", workers=2) as gateway:
            for number in range(300):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(gateway.process.pid, (signal.SIGTERM, signal.SIGINT)[number % 2])
                    time.sleep(0.0001)
            gateway.process.wait(20)


@pytest.mark.parametrize("name", ["signal_handler_interrupt", "signal_handler_reload"])
def test_a_signal_that_comes_while_the_main_loop_wakes_holds_up_nothing(name):
    """As SIGHUP right after SIGTERM, which systemd sends where it is told to (SendSIGHUP=): the gateway never ended."""
    server = Prefork("any")

    def come():
        with server.main_loop_interrupt._cond:  # as the main loop does on its way from waiting
            getattr(server, name)()

    coming = threading.Thread(target=come, daemon=True)
    coming.start()
    coming.join(5)
    assert not coming.is_alive()
    assert server.main_loop_interrupt.wait(5)


def test_a_signal_is_heard_where_no_thread_can_be_started(monkeypatch):
    """As where a service is at its limit of tasks: it must end all the same."""

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    server = Prefork("any")
    monkeypatch.setattr("_thread.start_new_thread", refuse)
    server.signal_handler_interrupt()
    assert server.main_loop_interrupt.is_set()


FORKS_FAIL = """
import os, sys
from falcon_s3.cli import main
fork = os.fork
def failing():
    if os.path.exists(sys.argv[-1] + "/no-forks"):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = failing
main(sys.argv[1:])
"""


def test_a_worker_is_replaced_once_the_system_lets_it(start_gateway, tmp_path):
    """At the limit of processes, say: the gateway went on without, and would not end."""
    program = ("-c", FORKS_FAIL.replace("sys.argv[-1]", repr(str(tmp_path))))
    with start_gateway(engine="granian", workers=1, program=program) as gateway:
        (victim,) = workers(gateway.process.pid)
        (tmp_path / "no-forks").touch()
        os.kill(victim, signal.SIGKILL)
        until(lambda: "could not be started" in gateway.log.read_text() or "Traceback" in gateway.log.read_text())
        (tmp_path / "no-forks").unlink()
        until(lambda: answers(gateway), 10)
        gateway.process.terminate()
        assert gateway.process.wait(20) in (0, 1)


ANOTHER_START = """
import multiprocessing, sys
from falcon_s3.cli import main
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main(sys.argv[1:])
"""


def test_workers_are_copies_whatever_python_would_start(start_gateway):
    """From 3.14 on it would start them anew: with another memory allocator, and without what this process was told."""
    with start_gateway(engine="granian", workers=1, program=("-c", ANOTHER_START)) as gateway:
        (worker,) = workers(gateway.process.pid)
        assert command_of(worker) == command_of(gateway.process.pid)


def test_sighup_replaces_workers_that_are_well(start_gateway):
    """And does not say that they have died."""
    with start_gateway(engine="granian", workers=1) as gateway:
        (old,) = workers(gateway.process.pid)
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: old not in workers(gateway.process.pid))
        until(lambda: answers(gateway))
        log = gateway.log.read_text()
    assert "SIGHUP" in log
    assert "has died" not in log


def test_a_gateway_that_is_told_to_end_while_it_replaces_workers_is_content(start_gateway):
    """With those that it still has, at once: it went on replacing all of them, and then told of a failure."""
    with start_gateway(engine="granian", workers=3) as gateway:
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: "SIGHUP" in gateway.log.read_text())
        gateway.process.terminate()
        assert gateway.process.wait(30) == 0
        assert gateway.log.read_text().count("is ready") <= 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_gateway_ends_on_a_signal_that_comes_while_a_worker_is_replaced(start_gateway, number):
    """The signal is not lost between the death and the successor, and the end that was asked for is no failure."""
    with start_gateway(workers=2) as gateway:
        os.kill(min(workers(gateway.process.pid)), signal.SIGKILL)
        time.sleep(0.2)
        gateway.process.send_signal(number)

        assert gateway.process.wait(30) == 0


def test_workers_that_are_told_to_end_before_the_gateway_is_are_no_failure(start_gateway):
    """As systemd and terminals do it, which tell all at once: the gateway spoke of an unexpected end, and exited with 1."""
    with start_gateway(engine="granian", workers=2) as gateway:
        (first, second) = workers(gateway.process.pid)
        os.kill(first, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{first}").exists())
        os.kill(second, signal.SIGTERM)
        gateway.process.terminate()
        assert gateway.process.wait(30) == 0
        assert "Unexpected" not in gateway.log.read_text()


has_tgkill = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "tgkill"), reason="no way to signal one thread of another process"
)


@has_tgkill
def test_the_gateway_ends_on_a_signal_that_does_not_wake_it(start_gateway):
    """As two that come together may do: the kernel gave both to another thread than the main one, which went on resting."""
    with start_gateway(workers=1, engine="granian") as gateway:
        others = {int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/task")} - {gateway.process.pid}
        assert ctypes.CDLL(None).tgkill(gateway.process.pid, min(others), signal.SIGTERM) == 0
        assert gateway.process.wait(20) == 0


@has_tgkill
def test_a_worker_ends_on_a_signal_that_does_not_wake_it(start_gateway):
    """As one that comes while its main thread is about to rest: here it comes to another thread."""
    with start_gateway(workers=1, engine="granian") as gateway:
        (worker,) = workers(gateway.process.pid)
        others = {int(name) for name in os.listdir(f"/proc/{worker}/task")} - {worker}
        time.sleep(0.5)  # it rests
        assert ctypes.CDLL(None).tgkill(worker, min(others), signal.SIGTERM) == 0
        until(lambda: worker not in workers(gateway.process.pid))


def test_a_worker_that_has_ended_is_not_taken_for_alive():
    """Though another thread waits for it too, is told of its end instead, and has no time to say so."""
    spawning, busy = multiprocessing.get_context("fork"), threading.Event()

    def spin():
        while not busy.is_set():
            pass

    hogs = [threading.Thread(target=spin, daemon=True) for _ in range(2)]
    try:
        for number in range(20):
            process = spawning.Process(target=os._exit, args=(0,))
            process.start()
            watcher = threading.Thread(target=process.join)
            watcher.start()
            for hog in () if number else hogs:
                hog.start()
            join(process, 30)
            assert not process.is_alive()
            watcher.join()
    finally:
        busy.set()


def test_workers_end_when_the_gateway_is_killed(start_gateway):
    """They would hold the address, and serve on unseen."""
    with start_gateway(workers=2) as gateway:
        until(lambda: len(workers(gateway.process.pid)) == 2)
        left = workers(gateway.process.pid)
        gateway.process.kill()
        gateway.process.wait()
        until(lambda: not any(Path(f"/proc/{worker}/stat").exists() for worker in left))

        with socket.socket() as next_one:
            next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            next_one.bind(("127.0.0.1", gateway.port))


def test_a_gateway_that_was_killed_is_started_again_at_once(start_gateway):
    """On its address, which the workers give up soon, though one is sending; and what it sends it sends to the end."""
    data = os.urandom(1 << 20) * 50
    with start_gateway(workers=2) as gateway, gateway.connect() as client:
        gateway.s3.put_object(Bucket=gateway.new_bucket(), Key="k", Body=data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        client.sendall(f"GET /{gateway.made[0]}/k HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        gateway.process.kill()
        with start_gateway(gateway.data, port=gateway.port) as again:
            until(lambda: again.log.read_text().count("is ready") == 2)  # until then the old ones may answer
            until(lambda: answers(again))  # a worker is ready a moment before Granian has it listen
            assert again.request("HEAD", f"/{gateway.made[0]}/k").status == 200
            assert answer.read() == data


def test_idle_connections_keep_nobody_out(start_gateway):
    """Far more connections than threads: a client that keeps its own open costs no thread."""
    with start_gateway(workers=1, arguments=["--threads", "2"]) as gateway, contextlib.ExitStack() as idle:
        for _ in range(100):
            connection = idle.enter_context(gateway.connect())
            connection.sendall(b"GET /~/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")

        assert answers(gateway)


FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))"


def test_connections_leave_files_for_requests(start_gateway):
    """Where a process may have few: else whoever connects often enough keeps all others from what is stored."""
    program = ("-c", f"{FEW_FILES}; from falcon_s3.cli import main; main()")
    options = {"workers": 1, "arguments": ["--threads", "4"], "program": program}
    with start_gateway(engine="granian", **options) as gateway, contextlib.ExitStack() as opened:
        bucket = gateway.new_bucket()
        asked = f"/{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length:"
        early = opened.enter_context(gateway.connect())
        for _ in range(250):
            opened.enter_context(gateway.connect()).sendall(b"GET /~/hea")
        early.sendall(f"PUT {asked} 100000\r\n\r\n".encode() + bytes(100_000))
        assert read_answer(early).status == 200
        early.sendall(f"GET {asked} 0\r\n\r\n".encode())
        assert read_answer(early).body == bytes(100_000)


def test_each_worker_says_which_core_it_runs(start_gateway):
    """Compiled or pure, once a worker, on stderr."""
    with start_gateway(workers=2) as gateway:
        until(lambda: gateway.log.read_text().count("is ready") == 2)
        assert gateway.log.read_text().count(" core") == 2
    log = gateway.log.read_text()
    assert "Python threads" not in log
    assert "Traceback" not in log
