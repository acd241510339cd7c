"""What the machine can do: a file sent by nginx, MD5 on one core, and syncs of the disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from client import Request
from servers import STOP_SECONDS, Server, free_ports
from signed import Place

MIB = 1 << 20
NGINX = "nginx"
INSTALL = "nginx is not installed (apt-get install nginx-light): its row is left out"
# As many processes as cores, the file sent by the kernel, connections kept.
CONFIGURATION = """
daemon off;
{user}
worker_processes auto;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}; root {folder}/root; }}
}}
"""


def nginx_program() -> str | None:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def nginx_version(program: str) -> str:
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    return said.rpartition("/")[2].split()[0]


@contextlib.contextmanager
def nginx(program: str, folder: Path, size: int) -> Iterator[tuple[Server, Request]]:
    """nginx with one file of so many bytes, and the request for it."""
    (folder / "root").mkdir(parents=True)
    (folder / "root" / "file").write_bytes(os.urandom(MIB) * (size // MIB))
    (port,) = free_ports(1)
    user = "user root;" if os.geteuid() == 0 else ""
    settings = folder / "nginx.conf"
    settings.write_text(CONFIGURATION.format(folder=folder, port=port, user=user))
    process = subprocess.Popen([program, "-p", folder, "-c", settings], stderr=subprocess.DEVNULL)
    place = Place(f"http://127.0.0.1:{port}", "")
    head = f"GET /file HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    try:
        yield Server(NGINX, place, process), Request("get", head)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def md5_megabytes() -> float:
    """Megabytes of one stream in a second of CPU, which what else runs changes little; the best of three."""
    block = os.urandom(MIB)
    best = 0.0
    for _ in range(3):
        hashed = hashlib.md5()
        start = time.process_time()
        for _ in range(128):
            hashed.update(block)
        best = max(best, 128 * MIB / (time.process_time() - start) / 1e6)
    return best


def syncs(folder: Path, seconds: float = 2) -> float:
    """How often a second 4 KiB can be appended to a file and synced."""
    block, count = os.urandom(4096), 0
    handle = os.open(folder / "syncs", os.O_WRONLY | os.O_CREAT)
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        os.write(handle, block)
        os.fdatasync(handle)
        count += 1
    taken = time.perf_counter() - start
    os.close(handle)
    return count / taken
