"""S3 servers started on loopback with an empty folder each, ours and its peers; all verify signatures.

Settings that are not defaults: SeaweedFS binds loopback only, sends no telemetry, and makes up to 50 volumes of 512 MB,
so that it need not stop to grow; its master, volume and filer run in the same process. rclone and moto run as they
come. Neither SeaweedFS nor rclone syncs what it was given before it answers; moto keeps it in memory.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from processes import Use, use
from signed import Place

ROOT = Path(__file__).resolve().parent.parent
ACCESS_KEY, SECRET_KEY = "benchaccesskey", "benchsecretkey0123456789"
START_SECONDS, STOP_SECONDS = 60, 20

OURS = "falcon-s3"
RELAXED = "falcon-s3 relaxed"
MANY = "falcon-s3 many keys"
# Whose better one the goals of benchmarks/README.md compare with.
RIVALS = ("rclone", "seaweedfs")


@dataclass(frozen=True)
class Recipe:
    """How a server is started: the command for (folder, free ports), the bucket, and how its version is asked."""

    command: Callable[[Path, list[int]], list[str]]
    version: list[str]
    bucket: str = "bench"
    environment: dict[str, str] = field(default_factory=dict)


def falcon_s3(*options: str) -> Recipe:
    def command(folder: Path, ports: list[int]) -> list[str]:
        listen = f"127.0.0.1:{ports[0]}"
        return [sys.executable, "-m", "falcon_s3", "serve", "--listen", listen, "--data", f"{folder}/data", *options]

    keys = {"FALCON_S3_ACCESS_KEY": ACCESS_KEY, "FALCON_S3_SECRET_KEY": SECRET_KEY, "PYTHONPATH": str(ROOT)}
    return Recipe(command, [sys.executable, "-m", "falcon_s3", "--version"], "master.bench", keys)


def rclone(folder: Path, ports: list[int]) -> list[str]:
    (folder / "root").mkdir()
    keys = f"{ACCESS_KEY},{SECRET_KEY}"
    return ["rclone", "serve", "s3", "--addr", f"127.0.0.1:{ports[0]}", "--auth-key", keys, f"{folder}/root"]


def seaweedfs(folder: Path, ports: list[int]) -> list[str]:
    keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    rights = ["Admin", "Read", "Write", "List", "Tagging"]
    settings = folder / "s3.json"
    settings.write_bytes(orjson.dumps({"identities": [{"name": "bench", "credentials": keys, "actions": rights}]}))
    (folder / "root").mkdir()
    parts = ("s3", "master", "volume", "filer", "s3.port.iceberg", "s3.port.lance")
    numbered = [f"-{part if '.' in part else f'{part}.port'}={port}" for part, port in zip(parts, ports, strict=False)]
    where = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}/root", "-s3", f"-s3.config={settings}"]
    sizes = ["-volume.max=50", "-master.volumeSizeLimitMB=512", "-master.telemetry=false"]
    return ["weed", "server", *where, *numbered, *sizes]


RECIPES = {
    OURS: falcon_s3(),
    RELAXED: falcon_s3("--durability", "relaxed"),
    MANY: falcon_s3(),
    "rclone": Recipe(rclone, ["rclone", "version"]),
    "seaweedfs": Recipe(seaweedfs, ["weed", "version"]),
    "moto": Recipe(
        lambda folder, ports: ["moto_server", "-H", "127.0.0.1", "-p", str(ports[0])],
        ["python", "-c", "import moto; print(moto.__version__)"],
    ),
}


@dataclass(frozen=True, eq=False)
class Server:
    """A running server."""

    name: str
    place: Place
    process: subprocess.Popen[bytes]

    def use(self) -> Use:
        return use(self.process.pid)


@functools.cache
def has_relaxed() -> bool:
    """Whether this version of ours can be told to sync less."""
    return (
        "--durability"
        in subprocess.run(
            [sys.executable, "-m", "falcon_s3", "serve", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    )


def found(word: str, peers: Path) -> str:
    """The program of that name: of the environment of peers, or of the path."""
    own = peers / word
    program = str(own) if own.exists() else shutil.which(word)
    if program is None:
        raise SystemExit(f"{word} is neither in {peers} nor on the path: make peers installs it")
    return program


def version(name: str, peers: Path) -> str:
    """The version a server says of itself."""
    program, *rest = RECIPES[name].version
    command = [program if os.path.isabs(program) else found(program, peers), *rest]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    numbers = re.findall(r"\d+\.\d+(?:\.\d+)*", said)
    return numbers[0] if numbers else said.strip()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def seaweed_ports() -> list[int]:
    """Its ports for gRPC are 10,000 above the others, and must exist."""
    while True:
        ports = free_ports(6)
        if all(port < (1 << 16) - 10_001 for port in ports):
            return ports


@contextlib.contextmanager
def running(name: str, folder: Path, peers: Path) -> Iterator[Server]:
    """The server, with its bucket made; stopped at the end. Its log is `log` in the folder."""
    recipe = RECIPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    ports = seaweed_ports() if name == "seaweedfs" else free_ports(1)
    program, *options = recipe.command(folder, ports)
    command = [program if os.path.isabs(program) else found(program, peers), *options]
    place = Place(f"http://127.0.0.1:{ports[0]}", recipe.bucket, ACCESS_KEY, SECRET_KEY)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FALCON_S3_", "AWS_"))}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | recipe.environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        make_bucket(name, place, process, folder / "log")
        yield Server(name, place, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def make_bucket(name: str, place: Place, process: subprocess.Popen[bytes], log: Path) -> None:
    problem: object = None
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            place.s3.create_bucket(Bucket=place.bucket)
        except Exception as ex:
            if "BucketAlready" in repr(ex):
                return
            problem = ex
            time.sleep(0.25)
        else:
            return
    raise SystemExit(f"{name} did not start: {problem}\n{log.read_text(errors='replace')[-2000:]}")
