"""A download that cannot go on ends early, and the log says so in a line."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys

import pytest

from tests.conftest import free_port
from tests.server.test_workers import until

PROGRAM = """
import sys
from falcon_s3 import pfs
from falcon_s3.server import granian

def body():
    yield b"some bytes"
    raise getattr(pfs, sys.argv[2])("what was read is gone")

def app(env, start):
    start("200 OK", [("content-length", "1000")])
    return body()

def load():
    return app, list

if __name__ == "__main__":
    granian.START_METHOD = sys.argv[3]
    granian.run("127.0.0.1", int(sys.argv[1]), 1, 2, load, near=False)
"""


@pytest.mark.parametrize("name, start", [("Unavailable", "fork"), ("Changed", "fork"), ("Unavailable", "spawn")])
def test_a_download_that_ends_early_is_cut_off_and_told_in_a_line(name, start, tmp_path):
    """Whatever kind of `Unavailable` the store raises, and however workers are started."""
    port = free_port()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(port), name, start]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        until(lambda: server.poll() is not None or connects(client))
        client.request("GET", "/")
        with pytest.raises(http.client.HTTPException):  # in its body, or before its head was sent
            client.getresponse().read()
    finally:
        server.terminate()
        log = server.communicate(timeout=30)[1]
    assert "a download ended early: what was read is gone" in log
    assert "Traceback" not in log


def connects(client):
    with contextlib.suppress(OSError):
        client.connect()
        return True
    return False
