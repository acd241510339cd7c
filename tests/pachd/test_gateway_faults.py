"""A gateway whose pachd is slow, gone, cut off or restarted: 503 in time, nothing half-written, and back by itself."""

import contextlib
import http.client
import socket
import threading
import time

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from tests.conftest import free_port
from tests.pachd.proxy import Proxy
from tests.pfsd.conftest import running_pfsd

MIB = 1 << 20
LARGE = bytes(range(256)) * 4096 * 32  # 32 MiB
# How long pachd is waited for here.
SECONDS = 2
# A request fails in that time, or twice that, for it may ask twice; the rest is for a machine with much to do.
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def proxy(running_pachd):
    with Proxy(("127.0.0.1", running_pachd.port)) as running:
        yield running


@pytest.fixture(scope="module")
def near(running_pachd, start_gateway):
    """A gateway that nothing stands between pachd and."""
    with start_gateway(pachd=f"grpc://127.0.0.1:{running_pachd.port}", workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def far(proxy, start_gateway):
    """The gateway behind the network that fails."""
    arguments = ["--pachd-seconds", str(SECONDS)]
    with start_gateway(pachd=f"grpc://127.0.0.1:{proxy.port}", workers=1, arguments=arguments) as running:
        yield running
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def filled(near):
    """A bucket with a small object and a large one."""
    bucket = near.new_bucket()
    near.s3.put_object(Bucket=bucket, Key="small", Body=b"content")
    near.s3.put_object(Bucket=bucket, Key="large", Body=LARGE)
    return bucket


def eventually(holds):
    """What is not so for a while is no failure."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def recovered(gateway, bucket):
    return gateway.request("GET", f"/{bucket}/small").body == b"content"


@pytest.fixture
def broken(far, proxy, filled):
    """Breaks the network in a named way, and mends it afterwards."""
    assert recovered(far, filled)

    def break_it(how):
        if how == "stalled":
            proxy.stalled = True
        else:
            proxy.refuse()
            proxy.cut()

    yield break_it
    proxy.cut()
    proxy.stalled = False
    if proxy._listener is None:
        proxy.accept()
    eventually(lambda: recovered(far, filled))


REQUESTS = [
    ("GET", "", None),
    ("GET", "/{bucket}", None),
    ("HEAD", "/{bucket}", None),
    ("GET", "/{bucket}/small", None),
    ("GET", "/{bucket}/large", None),
    ("PUT", "/{bucket}/new", b"content"),
    ("DELETE", "/{bucket}/small", None),
    ("POST", "/{bucket}?delete", b"<Delete><Object><Key>small</Key></Object></Delete>"),
    ("POST", "/{bucket}/new?uploads", None),
    ("PUT", "/new-{bucket}", None),
]


@pytest.mark.parametrize("how", ["stalled", "refusing"])
def test_every_request_fails_in_time_and_says_when_to_come_again(far, near, broken, filled, how):
    """503 with Retry-After, whatever is asked; nothing is changed; and afterwards it works by itself."""
    broken(how)
    for method, target, body in REQUESTS:
        begun = time.monotonic()
        answer = far.request(method, target.format(bucket=filled) or "/", body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), (method, target, answer)
        if method != "HEAD":
            answer.refused(503, "ServiceUnavailable")
        assert time.monotonic() - begun < PATIENCE_SECONDS
    listed = near.s3.list_objects_v2(Bucket=filled)["Contents"]
    assert [(each["Key"], each["Size"]) for each in listed] == [("large", len(LARGE)), ("small", 7)]


def test_health_is_of_the_gateway_and_readiness_of_pachd(far, broken):
    """A restart would not help the gateway, so that it stays healthy; but it is not ready."""
    assert far.request("GET", "/~/ready").body == b"ok\n"
    broken("refusing")

    assert far.request("GET", "/~/health").status == 200
    far.request("GET", "/~/ready").refused(503, "ServiceUnavailable")


@pytest.mark.parametrize("after", [0, MIB, 20 * MIB])
def test_a_download_that_is_cut_never_looks_complete(far, broken, proxy, filled, after):
    """Whatever has been sent: the connection ends before the length that was announced, or there is a 503."""
    proxy.cut_after(after + 1)
    connection = http.client.HTTPConnection("127.0.0.1", far.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", f"/{filled}/large")
        answer = connection.getresponse()
        if answer.status == 503:
            return
        with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
            assert answer.read() == LARGE  # what was cut before a byte came was asked for again
    finally:
        connection.close()


def test_a_download_that_stalls_ends_in_time(far, broken, filled):
    """pachd sends no more in the middle of it."""
    with socket.create_connection(("127.0.0.1", far.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(f"GET /{filled}/large HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.recv(1000)
        broken("stalled")
        received = 0
        try:
            while data := connection.recv(1 << 20):
                received += len(data)
        except ConnectionError:
            pass
    assert received < len(LARGE)


@pytest.mark.parametrize("how", ["stalled", "refusing"])
def test_an_upload_that_is_cut_leaves_nothing_behind(far, near, broken, filled, how):
    """pachd goes away in the middle of the body."""
    before = near.s3.list_objects_v2(Bucket=filled)["Contents"]
    with socket.create_connection(("127.0.0.1", far.port), timeout=PATIENCE_SECONDS) as connection:
        head = f"PUT /{filled}/large HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        connection.sendall(head.encode() + LARGE[: 8 * MIB])
        broken(how)
        answer = b""
        try:
            connection.sendall(LARGE[8 * MIB :])
            answer = connection.recv(1000)
        except OSError:
            pass
    assert answer == b"" or answer.startswith(b"HTTP/1.1 503")
    time.sleep(0.2)
    assert near.s3.list_objects_v2(Bucket=filled)["Contents"] == before


def test_a_client_that_goes_in_the_middle_of_an_upload_leaves_nothing_behind(far, near, filled):
    """Its length was announced, and not all of it came."""
    before = near.s3.list_objects_v2(Bucket=filled)["Contents"]
    with socket.create_connection(("127.0.0.1", far.port), timeout=PATIENCE_SECONDS) as connection:
        head = f"PUT /{filled}/small HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 100_000)
    time.sleep(0.5)
    assert near.s3.list_objects_v2(Bucket=filled)["Contents"] == before


def test_a_pachd_that_is_restarted_is_found_again(tmp_path, start_gateway):
    """While a client goes on writing: what is not written is refused with 503, and what was acknowledged is there."""
    port, data = free_port(), tmp_path / "data"
    with contextlib.ExitStack() as stack:
        with running_pfsd(data, tmp_path / "first", port=port):
            arguments = ["--pachd-seconds", str(SECONDS)]
            gateway = stack.enter_context(
                start_gateway(pachd=f"grpc://127.0.0.1:{port}", workers=1, arguments=arguments)
            )
            bucket = gateway.new_bucket()
            statuses = {}
            ending = threading.Event()

            def write():
                while not ending.is_set():
                    key = str(len(statuses))
                    statuses[key] = gateway.request("PUT", f"/{bucket}/{key}", key.encode()).status

            writer = threading.Thread(target=write)
            writer.start()
            eventually(lambda: 200 in statuses.values())
        eventually(lambda: 503 in statuses.values())
        with running_pfsd(data, tmp_path / "second", port=port):
            gone = len(statuses)
            eventually(lambda: 200 in list(statuses.values())[gone:])
            ending.set()
            writer.join()
            keys = {each["Key"] for each in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]}
            assert set(statuses.values()) == {200, 503}
            assert keys >= {key for key, status in statuses.items() if status == 200}
