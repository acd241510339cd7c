"""Does the installed package work with nothing but what it requires? Run by `wheels/test.sh`; needs no test tool.

Imports every module, then starts the command as a user would and stores, lists and reads one object.
"""

from __future__ import annotations

import http.client
import importlib
import importlib.metadata
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import falcon_s3

# Modules and packages that need an extra, or do something when imported.
OPTIONAL = (
    "falcon_s3.__main__",
    "falcon_s3.pfs.pachd",
    "falcon_s3.pfs.service",
    "falcon_s3.pfs.wire",
    "falcon_s3.server.context",
    "falcon_s3.server.meinheld",
    "falcon_s3.server.pachd",
    "falcon_s3.server.reach",
)


def check_place() -> None:
    """What is imported is what was installed, not a checkout that happens to be near."""
    assert "site-packages" in falcon_s3.__file__, falcon_s3.__file__
    assert importlib.metadata.version("falcon-s3") == falcon_s3.__version__


def check_imports() -> None:
    """Every module of the package can be imported without extras, and the compiled ones are in use."""
    for module in pkgutil.walk_packages(falcon_s3.__path__, "falcon_s3."):
        if not module.name.startswith(OPTIONAL):
            importlib.import_module(module.name)
    speedups = importlib.import_module("falcon_s3._speedups")
    assert speedups.compiled or os.environ.get("FALCON_S3_PURE"), "the compiled modules are not in use"


def check_command() -> None:
    """`falcon-s3 --version` and `python -m falcon_s3 --help` answer."""
    command = Path(sys.executable).parent / "falcon-s3"
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert falcon_s3.__version__ in version, version
    usage = subprocess.run(
        [sys.executable, "-m", "falcon_s3", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "serve" in usage, usage


def exchange(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, output: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            exchange(port, "GET", "/~/health")
        except (OSError, http.client.HTTPException):  # the latter is its own: a connection may be made with itself
            time.sleep(0.1)
        else:
            return
    raise AssertionError(output.read_text())


def check_service() -> None:
    """One object goes in over HTTP and comes out the same."""
    body = os.urandom(3_000_000)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        port = free_port()
        command = [Path(sys.executable).parent / "falcon-s3", "serve", "--listen", f"127.0.0.1:{port}", "--workers=1"]
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--data", Path(folder, "data")], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
        try:
            wait_for(port, output, process)
            assert exchange(port, "PUT", "/master.images")[0] == 200
            assert exchange(port, "PUT", "/master.images/a%20b", body)[0] == 200
            assert b"<Key>a b</Key>" in exchange(port, "GET", "/master.images?list-type=2")[1]
            assert exchange(port, "GET", "/master.images/a%20b") == (200, body)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(60)
        assert status == 0, output.read_text()


if __name__ == "__main__":
    for check in (check_place, check_imports, check_command, check_service):
        check()
        print(f"{check.__name__}: good")
