"""Files through gRPC: PachdPfs in front of `falcon-s3 pfsd`, beside the embedded store in this process.

Measured: megabytes a second of one client that reads and writes files of 64 MiB, and reads and writes of 4 KiB a
second by one thread and by 16; then the CPU time of client and server together, which other work on the machine does
not spoil. The embedded store is asked directly, without sockets; over gRPC both sides frame the bytes in the compiled
core, in its Python twin, or with the generated classes of google.protobuf. PUTs are on disk when they are
acknowledged. Good: 64 MiB read at 500 MB/s and written at 0.8 of the embedded store's rate; with the compiled framing at most
0.8 of the CPU time that the generated classes take for 64 MiB.

    python benchmarks/bench_grpc.py [--quick]
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data import branch, chunks, forget_bodies, noise, quick, show

from falcon_s3 import _speedups
from falcon_s3.digests import body_of
from falcon_s3.pfs import Pfs
from falcon_s3.pfs.embedded import EmbeddedPfs

COMMAND = "python benchmarks/bench_grpc.py"
LARGE = (16 if quick() else 64) << 20
LARGE_TIMES = 3 if quick() else 5
SMALL = 4096
SMALL_SECONDS = 0.5 if quick() else 2.0
THREADS = 16
TARGET = branch("grpc")
FRAMINGS = ("compiled", "twin", "generated")
# What the figures of a run are called, and how a cell of the table looks.
FIGURES = {
    "GET 64 MiB": "{:,.0f} MB/s",
    "GET 64 MiB, CPU": "{:.2f} s/GiB",
    "PUT 64 MiB": "{:,.0f} MB/s",
    "PUT 64 MiB, CPU": "{:.2f} s/GiB",
    "GET 4 KiB": "{:,.0f}/s",
    "GET 4 KiB, CPU": "{:.0f} µs",
    f"GET 4 KiB, {THREADS} threads": "{:,.0f}/s",
    "PUT 4 KiB": "{:,.0f}/s",
    f"PUT 4 KiB, {THREADS} threads": "{:,.0f}/s",
}


def frame_with(framing: str) -> None:
    """Let this process frame messages so; before the modules that do it are imported."""
    if framing == "generated":
        generated = importlib.import_module("bench_wire").GENERATED
        for name, function in generated.items():
            setattr(_speedups, name, function)
    assert _speedups.compiled == (os.environ.get("FALCON_S3_PURE") != "1"), "the compiled modules are not built"


def serve(data: str) -> None:
    """A pfsd: the address goes to stdout, and it ends with stdin."""
    from falcon_s3.pfs.service import Server

    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = Server(address, Path(data))
    server.start()
    print(f"grpc://{address}", flush=True)
    sys.stdin.read()
    server.stop(1)


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """One store, measured."""

    def __init__(self, pfs: Pfs, server: int | None):
        self._pfs = pfs
        self._server = server
        self.figures: dict[str, float] = {}

    def cpu(self) -> float:
        return time.process_time() + (cpu_seconds(self._server) if self._server else 0)

    def get(self, path: str) -> None:
        file = self._pfs.inspect_file(TARGET, path)
        assert sum(map(len, self._pfs.open_file(file))) == file.size

    def put(self, path: str, data: bytes) -> None:
        forget_bodies()
        self._pfs.put_file(TARGET, path, body_of(chunks(data)))

    def measure(self) -> dict[str, float]:
        if not any(info.branch == TARGET for info in self._pfs.list_branches()):
            self._pfs.create_branch(TARGET)
        bodies = [noise(LARGE) for _ in range(LARGE_TIMES + 1)]
        self.large("PUT 64 MiB", lambda number: self.put(f"large/{number}", bodies[number]))
        self.large("GET 64 MiB", lambda number: self.get(f"large/{number}"))
        for number in range(100):
            self.put(f"small/{number}", noise(SMALL))
        self.small("GET 4 KiB", 1, lambda number: self.get(f"small/{number % 100}"))
        self.small("GET 4 KiB", THREADS, lambda number: self.get(f"small/{number % 100}"))
        self.small("PUT 4 KiB", 1, lambda number: self.put(f"new/{number}", noise(SMALL)))
        self.small("PUT 4 KiB", THREADS, lambda number: self.put(f"many/{number}", noise(SMALL)))
        return self.figures

    def large(self, name: str, one: Callable[[int], None]) -> None:
        one(LARGE_TIMES)
        before, best = self.cpu(), 1e9
        for number in range(LARGE_TIMES):
            start = time.perf_counter()
            one(number)
            best = min(best, time.perf_counter() - start)
        self.figures[name] = LARGE / best / 1e6
        self.figures[f"{name}, CPU"] = (self.cpu() - before) / LARGE_TIMES / LARGE * (1 << 30)

    def small(self, name: str, threads: int, one: Callable[[int], None]) -> None:
        one(0)
        done = [0] * threads
        before, start = self.cpu(), time.perf_counter()
        end = start + SMALL_SECONDS

        def repeat(thread: int) -> None:
            while time.perf_counter() < end:
                one(thread * 1_000_000 + done[thread])
                done[thread] += 1

        running = [threading.Thread(target=repeat, args=(thread,)) for thread in range(threads)]
        for each in running:
            each.start()
        for each in running:
            each.join()
        seconds = time.perf_counter() - start
        self.figures[name if threads == 1 else f"{name}, {threads} threads"] = sum(done) / seconds
        if threads == 1:
            self.figures[f"{name}, CPU"] = (self.cpu() - before) / sum(done) * 1e6


def measure_client(address: str, server: int) -> None:
    """The figures of a client, as JSON on stdout."""
    from falcon_s3.pfs.pachd import PachdPfs
    from falcon_s3.pfs.pachd.address import parse

    pfs = PachdPfs(parse(address))
    print(json.dumps(Run(pfs, server).measure()))
    pfs.close()


def child(framing: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | ({"FALCON_S3_PURE": "1"} if framing == "twin" else {})
    return subprocess.Popen(
        [sys.executable, __file__, *arguments, framing, *sys.argv[1:]],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def over_grpc(framing: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        server = child(framing, "serve", folder)
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            client = child(framing, "measure", address, str(server.pid))
            figures: dict[str, float] = json.loads(client.communicate()[0])
        finally:
            server.stdin.close()
            server.wait()
    return figures


def in_process() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        pfs = EmbeddedPfs(Path(folder))
        figures = Run(pfs, None).measure()
        pfs.close()
    return figures


def main() -> None:
    runs = [in_process(), *map(over_grpc, FRAMINGS)]
    rows = []
    for name, form in FIGURES.items():
        shown = name.replace("64 MiB", f"{LARGE >> 20} MiB")
        rows.append([shown, *(form.format(run[name]) for run in runs)])
    show(f"PachdPfs and pfsd on one machine: {COMMAND}", ["", "embedded", *(f"gRPC, {one}" for one in FRAMINGS)], rows)


def start(role: str, *arguments: Any) -> None:
    """A child of this benchmark."""
    *given, framing = arguments
    frame_with(framing)
    if role == "serve":
        serve(*given)
    else:
        measure_client(given[0], int(given[1]))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in {"serve", "measure"}:
        start(*(argument for argument in sys.argv[1:] if argument != "--quick"))
    else:
        main()
