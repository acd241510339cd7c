"""What the gateway adds: the CPU of one request, and how fast large bodies go through real sockets.

    python benchmarks/bench_gateway.py [--quick]

The first table calls the WSGI application directly, on a store of 5,000 keys: no socket, no HTTP parser, one
thread. "signed" requests carry a presigned SigV4 signature that is verified; what is only begun is signed too, and
never written. Good numbers: under 40 microseconds for a signed read of 4 KiB, under 2,000 for a page of 1,000 keys, a
plain PUT begun in two thirds of what the application takes to begin it.

The second sends and fetches one large object over loopback, against a gateway of one worker; the client is Python
and takes its share of the cores. "disk" is what the same bytes take to be written and synced to a file. Good
numbers: a PUT within half of the MD5 rate of one core, a GET above 500 MB/s.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from wsgi import KEYS, call, environment, presigned

from falcon_s3 import _speedups
from falcon_s3.app import create_app
from falcon_s3.deferral import DEFERRAL, Deferral
from falcon_s3.digests import body_of
from falcon_s3.keyring import Keyring
from falcon_s3.pfs import Branch, Repo
from falcon_s3.pfs.embedded import EmbeddedPfs

MIB = 1 << 20


def microseconds(app, make, rounds: int) -> float:
    """The median time of one request, in microseconds."""
    taken = []
    for number in range(rounds):
        asked = make(number)
        start = time.perf_counter()
        call(app, asked)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def requests(quick: bool) -> None:
    rounds = 200 if quick else 2000
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedPfs(Path(folder))
        branch = Branch(Repo("default", "bench"), "master")
        store.create_branch(branch)
        store.start_commit(branch)
        for number in range(1000 if quick else 5000):
            store.put_file(branch, f"list/part-{number // 1000:03d}/object-{number:07d}.bin", body_of([b"x" * 10]))
        store.put_file(branch, "small", body_of([b"x" * 4096]))
        store.finish_commit(branch)
        open_app = create_app(store, kept=store.kept)
        keyed_app = create_app(store, Keyring(KEYS), kept=store.kept)
        long_app = create_app(store, Keyring(KEYS))  # which keeps no answers
        starting_app = create_app(store, Keyring(KEYS), kept=store.kept, starts=store)
        get, page = presigned("get_object", "small"), presigned("list_objects_v2", MaxKeys=1000)
        folders = presigned("list_objects_v2", Prefix="list/", Delimiter="/")
        unsigned = "/master.bench?list-type=2&start-after="
        put = presigned("put_object", "written")
        table = {
            "HEAD, anonymous": (open_app, lambda _: environment("HEAD", "/master.bench/small")),
            "GET 4 KiB, anonymous": (open_app, lambda _: environment("GET", "/master.bench/small")),
            "GET 4 KiB, signed": (keyed_app, lambda _: environment("GET", get)),
            "GET 4 KiB, signed, first time": (long_app, lambda _: environment("GET", get)),
            "LIST 1,000 keys, signed": (keyed_app, lambda _: environment("GET", page)),
            # Each from another start before all keys, so that no page is remembered.
            "LIST 1,000 keys, first time": (open_app, lambda number: environment("GET", f"{unsigned}%21{number}")),
            "LIST 5 folders, signed": (keyed_app, lambda _: environment("GET", folders)),
            "PUT 4 KiB, signed, durable": (keyed_app, lambda _: environment("PUT", put, b"x" * 4096)),
            "PUT 4 KiB, begun": (begins(starting_app), lambda _: environment("PUT", put, b"x" * 4096)),
            "PUT 4 KiB, begun, not plain": (
                starting_app,
                lambda _: environment("PUT", put, b"x" * 4096) | {DEFERRAL: Deferral()},
            ),
        }
        print(f"{'request':28s} {'us':>8s}   ({'compiled' if _speedups.compiled else 'pure'} core)")
        for name, (app, make) in table.items():
            print(f"{name:28s} {microseconds(app, make, rounds if 'LIST' not in name else rounds // 10):8.0f}")
        store.close()


def begins(app):
    """A WSGI application that begins a plain PUT, and leaves it at that."""

    def answer(asked, start_response):
        assert app.begun(asked) is not None
        start_response("200 OK", [])
        return []

    return answer


def throughput(quick: bool) -> None:
    size = (64 if quick else 512) * MIB
    block = os.urandom(MIB)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        work = (
            lambda: exchange(connection, "PUT", "/master.bench/large", new_body(block, size), size),
            lambda: exchange(connection, "GET", "/master.bench/large"),
            lambda: digest(block, size),
            lambda: write(Path(folder) / "plain", block, size),
        )
        rows = [[timed(each) for each in work] for _ in range(3)]
        connection.close()
    print(f"\n{size // MIB} MiB over loopback, one worker, median of 3")
    for name, column in zip(("PUT, durable", "GET", "MD5 of one core", "disk"), zip(*rows, strict=True), strict=True):
        print(f"{name:28s} {size / statistics.median(column) / 1e6:8.0f} MB/s")


def new_body(block: bytes, size: int) -> Iterator[bytes]:
    """As many bytes, with a beginning that no body had before."""
    yield os.urandom(MIB)
    for _ in range(size // MIB - 1):
        yield block


def digest(block: bytes, size: int) -> None:
    hashed = hashlib.md5()
    for _ in range(size // MIB):
        hashed.update(block)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[int]:
    """A gateway of one worker with the bucket master.bench; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "falcon_s3", "serve", "--listen", f"127.0.0.1:{port}", "--workers", "1"]
    environment = {name: value for name, value in os.environ.items() if not re.match("FALCON_S3_(?!PURE)", name)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, "--data", folder], env=environment, **quiet)
    try:
        wait_for(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            exchange(http.client.HTTPConnection("127.0.0.1", port), "PUT", "/master.bench")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the gateway did not start")


def exchange(connection, method, target, body=None, size=0) -> None:
    connection.request(method, target, body=body, headers={"Content-Length": str(size)})
    answer = connection.getresponse()
    while answer.read(MIB):
        pass
    assert answer.status == 200, answer.status


def write(path: Path, block: bytes, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
        file.flush()
        os.fdatasync(file.fileno())


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    quick = arguments.parse_args().quick
    requests(quick)
    throughput(quick)
