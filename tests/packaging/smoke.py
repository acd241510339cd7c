"""Does the installed package work with nothing but what it requires? Run by `wheels/test.sh`; needs no test tool.

Imports every module, then starts the command as a user would and stores, lists and reads one object.
"""

from __future__ import annotations

import http.client
import importlib
import importlib.metadata
import os
import pkgutil
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import falcon_s3

# Modules that are there but need an extra.
OPTIONAL = set()


def check_place() -> None:
    """What is imported is what was installed, not a checkout that happens to be near."""
    assert "site-packages" in falcon_s3.__file__, falcon_s3.__file__
    assert importlib.metadata.version("falcon-s3") == falcon_s3.__version__


def check_imports() -> None:
    """Every module of the package can be imported without extras, and the compiled ones are in use."""
    for module in pkgutil.walk_packages(falcon_s3.__path__, "falcon_s3."):
        if module.name not in OPTIONAL and not module.name.endswith("__main__"):
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


def started(output: Path, process: subprocess.Popen[bytes]) -> int:
    """The port the server says it listens on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(rb"http://127\.0\.0\.1:([1-9]\d*)", output.read_bytes())
        if found:
            port = int(found[1])
            try:
                exchange(port, "GET", "/")
            except OSError:
                pass
            else:
                return port
        time.sleep(0.1)
    raise AssertionError(output.read_text())


def check_service() -> None:
    """One object goes in over HTTP and comes out the same."""
    body = os.urandom(3_000_000)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        command = [Path(sys.executable).parent / "falcon-s3", "serve", "--listen", "127.0.0.1:0", "--workers", "1"]
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--data", Path(folder, "data")], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )
        try:
            port = started(output, process)
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
