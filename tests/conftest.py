"""What all tests share: the options, the real gateways that client tests talk to, and how they are ended."""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib.util
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, settings

from tests.s3 import etags

# Examples may be slow on a loaded machine: how long a test takes says nothing about what it tests.
settings.register_profile("falcon-s3", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("falcon-s3")

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
START_SECONDS = 30
# Longer than running requests are given to end.
STOP_SECONDS = 45
# Below the ports that a system gives to whoever asks for any, Linux from 32768 and others from 49152 on: else a connection
# may have one before the server does that was promised it. Of processes that test side by side each has its own.
PORTS = range(20_000, 30_000)
SIDE_BY_SIDE = 16
# Whose token the tests of stores and of S3 have on the pachd that --pachd names; "": it knows no users.
PACHD_TOKEN = os.environ.get("FALCON_S3_TESTS_PACHD_TOKEN", "")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run also the tests that take minutes or gigabytes")
    parser.addoption(
        "--engine",
        choices=["granian", "meinheld"],
        default="granian",
        help="the HTTP server under the gateways that tests talk to",
    )
    parser.addoption(
        "--pachd",
        metavar="ADDRESS",
        help="run the tests of stores on this pachd too, and those of S3 in front of it, in repos of their own, which"
        " are deleted afterwards; `pfsd` starts one of ours",
    )


def pytest_configure(config):
    etags.PACHD = config.getoption("--pachd")
    # Gateways are ended by their fixtures, also when the run is ended from outside.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if config.getoption("--engine") == "meinheld" and importlib.util.find_spec("meinheld") is None:
        raise pytest.UsageError("--engine meinheld: meinheld is not installed in this Python")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long") or "long" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@dataclass
class Answer:
    """One HTTP answer as it came over the socket."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str | None:
        """The S3 error code, if the body is an S3 error."""
        return self.text("Code") if self.body.startswith(b"<?xml") and b"<Error" in self.body else None

    def text(self, name):
        """The text of the first element of that name in the XML body, or None."""
        for element in ET.fromstring(self.body).iter():
            if element.tag.rpartition("}")[2] == name:
                return element.text or ""
        return None

    def texts(self, name):
        return [e.text or "" for e in ET.fromstring(self.body).iter() if e.tag.rpartition("}")[2] == name]

    def refused(self, status, code):
        """Assert that this is that S3 error, complete as S3 has it; gives its message."""
        assert (self.status, self.code) == (status, code), self
        assert self.headers["Content-Type"] == "application/xml"
        assert self.text("RequestId") == self.headers["x-amz-request-id"] != ""
        assert self.text("Resource") is not None
        assert self.text("Message")
        return self.text("Message")


@dataclass
class Gateway:
    """A running gateway: its address, its data folder, and ways to talk to it."""

    port: int
    data: Path
    log: Path
    process: subprocess.Popen
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    engine: str = "granian"
    host: str = "127.0.0.1"  # where `connect` goes
    token: str = ""  # what requests are signed with that have no signature; "": they go as they are
    made: list[str] = field(default_factory=list)  # the buckets of `new_bucket`
    _numbers: itertools.count = field(default_factory=itertools.count)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @functools.cached_property
    def s3(self):
        """A boto3 client as it comes."""
        return self.client()

    def client(self, **options):
        """A boto3 client; `options` are of botocore's Config, but for the two keys."""
        import boto3
        from botocore.config import Config

        keys = {
            "aws_access_key_id": options.pop("access_key", self.access_key),
            "aws_secret_access_key": options.pop("secret_key", self.secret_key),
        }
        options = {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}} | options
        return boto3.session.Session().client(
            "s3", endpoint_url=self.url, region_name="us-east-1", config=Config(**options), **keys
        )

    def request(self, method, target, body=None, headers=None):
        """One request as it stands: nothing is encoded or signed, and no header is added but Host and the length."""
        head = dict(headers or {})
        given = {name.lower() for name in head}
        if "host" not in given:
            head["Host"] = f"127.0.0.1:{self.port}"
        if body is not None and not given & {"content-length", "transfer-encoding"}:
            head["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return self.send("\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + (body or b""), method)

    def send(self, data, method="GET", *, end=False):
        """Send bytes and read one answer; `end` closes our side after them."""
        with self.connect() as connection:
            # A server that has refused may close before all is sent; what it said is read all the same.
            with contextlib.suppress(OSError):
                connection.sendall(data)
                if end:
                    connection.shutdown(socket.SHUT_WR)
            return read_answer(connection, method)

    def connect(self):
        if self.token:
            from tests.s3 import signing

            return signing.connect(self.host, self.port, self.token)
        return socket.create_connection((self.host, self.port), timeout=30)

    def new_bucket(self, prefix="master"):
        """Create a bucket that no other test has."""
        name = f"{prefix}.t{next(self._numbers)}-{uuid.uuid4().hex[:8]}"
        self.made.append(name)
        self.s3.create_bucket(Bucket=name)
        return name


def read_answer(connection, method="GET"):
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())


@functools.cache
def own_ports():
    """The ports of this process, endlessly, from one of them on that no other run begins with, but by chance."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", f"gw{SIDE_BY_SIDE - 1}").removeprefix("gw"))
    ports = PORTS[number % SIDE_BY_SIDE :: SIDE_BY_SIDE]
    first = random.SystemRandom().randrange(len(ports))
    return itertools.cycle([*ports[first:], *ports[:first]])


def free_port():
    """A port on which nobody listens, and which nobody else is given soon."""
    for port in own_ports():
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("unreachable")


@contextlib.contextmanager
def running_gateway(
    data,
    log,
    *,
    engine="granian",
    keys=False,
    workers=2,
    host="127.0.0.1",
    pachd=None,
    token="",
    arguments=(),
    program=("-m", "falcon_s3"),
    port=None,
):
    """A gateway as its own process on a free port, or on `port`, ended by SIGTERM, which it must obey.

    With `pachd`, an address, it stands in front of that, and not on `data`; requests are signed with `token`, if any.
    `program` is what Python is told to run.
    """
    environment = {
        name: value for name, value in os.environ.items() if not re.match(r"AWS_|PACH|FALCON_S3_(?!PURE)", name)
    }
    if keys:
        environment |= {"FALCON_S3_ACCESS_KEY": ACCESS_KEY, "FALCON_S3_SECRET_KEY": SECRET_KEY}
    port = port or free_port()
    command = [sys.executable, *program, "serve", "--listen", f"{host}:{port}"]
    command += ["--data", str(data)] if pachd is None else ["--pachd", pachd]
    command += ["--workers", str(workers), "--engine", engine, *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    # In front of pachd the two keys are a token, or any two equal ones.
    access_key = token or ACCESS_KEY
    secret_key = SECRET_KEY if pachd is None else access_key
    reached = "127.0.0.1" if host == "0.0.0.0" else host.strip("[]")
    gateway = Gateway(port, Path(data), log, process, access_key, secret_key, engine, reached, token)
    try:
        wait_until_healthy(gateway)
        yield gateway
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with its workers, which would go on alone
            process.wait()
            pytest.fail(f"the gateway did not end on SIGTERM:\n{log.read_text()[-4000:]}")


def wait_until_healthy(gateway):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if gateway.process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            if gateway.request("GET", "/~/health").status == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"the gateway did not start:\n{gateway.log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def engine(request):
    return request.config.getoption("--engine")


@pytest.fixture(scope="session")
def start_gateway(engine, tmp_path_factory):
    """Starts a gateway of a test's own: a context manager that takes the arguments of `running_gateway`."""

    def start(data=None, **options):
        folder = tmp_path_factory.mktemp("gateway")
        return running_gateway(data or folder / "data", folder / "log", **({"engine": engine} | options))

    return start


@pytest.fixture(scope="session")
def pachd(request):
    """The address that --pachd names; None: there is none, and the embedded store is tested."""
    named = request.config.getoption("--pachd")
    return request.getfixturevalue("pfsd_address") if named == "pfsd" else named


@pytest.fixture(scope="session")
def pfsd_address(request, tmp_path_factory):
    """The address of a pfsd; where tests have a token, it lets in who holds it, and nobody else."""
    if not PACHD_TOKEN:
        yield f"grpc://127.0.0.1:{request.getfixturevalue('running_pachd').port}"
        return
    from tests.pachd.users import Users, running

    with running(tmp_path_factory.mktemp("pfsd_of_users") / "data", Users({PACHD_TOKEN: "robot:tests"})) as address:
        yield address


@pytest.fixture(scope="session")
def gateway(start_gateway, pachd):
    """The gateway that most tests talk to: no key, everybody is let in."""
    with start_gateway(pachd=pachd, token="" if pachd is None else PACHD_TOKEN) as running:
        yield running
        if pachd is not None:
            from tests.s3.pachd import PachdStore

            PachdStore(pachd, PACHD_TOKEN).clear(running.made)
    assert "Traceback" not in running.log.read_text(), running.log


@pytest.fixture(scope="session")
def keyed_gateway(start_gateway):
    """A gateway with one key, which every request must be signed with."""
    with start_gateway(keys=True) as running:
        yield running
    assert "Traceback" not in running.log.read_text(), running.log


@pytest.fixture(scope="session")
def store(gateway, pachd):
    """The store under `gateway`, opened a second time as another process would: for what S3 cannot say."""
    if pachd is None:
        from falcon_s3.pfs.embedded import EmbeddedPfs

        opened = EmbeddedPfs(gateway.data)
        yield opened
    else:
        from tests.s3.pachd import PachdStore

        opened = PachdStore(pachd, PACHD_TOKEN)
        yield opened
    opened.close()


@pytest.fixture(scope="session")
def s3(gateway):
    return gateway.s3


@pytest.fixture
def bucket(gateway):
    return gateway.new_bucket()


@pytest.fixture
def unchanged(store):
    """A context in which a bucket must not change: not its files, nor its head, which every commit moves."""
    from falcon_s3 import buckets

    def state(bucket):
        branch = buckets.parse(bucket)
        return store.inspect_branch(branch), list(store.list_files(branch))

    @contextlib.contextmanager
    def check(bucket):
        before = state(bucket)
        yield
        assert state(bucket) == before

    return check


@pytest.fixture(scope="session")
def running_pachd(tmp_path_factory):
    """A `falcon-s3 pfsd` on a free port, to stand behind stores and gateways."""
    from tests.pfsd.conftest import running_pfsd

    folder = tmp_path_factory.mktemp("running_pachd")
    with running_pfsd(folder / "data", folder / "log") as server:
        yield server
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-4000:]
