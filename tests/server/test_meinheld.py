"""The engine meinheld: every answer whole, for fast and slow clients, and what it cannot take refused in S3's words."""

import contextlib
import hashlib
import http.client
import importlib.util
import os
import signal
import socket
import time

import pytest

from tests.conftest import read_answer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("meinheld") is None,
    reason="meinheld is not installed in this Python: MEINHELD_NOGREEN=1 pip install --no-deps meinheld",
)

MIB = 1 << 20
SIZES = [0, 1, 65_535, 300_000, MIB, 3 * MIB + 1]


@pytest.fixture(scope="module")
def gateway(start_gateway):
    with start_gateway(engine="meinheld") as running:
        yield running
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def stored(gateway):
    """A bucket of objects of all sizes: the bucket, and the objects' bytes by key."""
    bucket = gateway.new_bucket()
    bodies = {f"{size}": os.urandom(size) for size in (*SIZES, 64 * MIB)}
    for key, body in bodies.items():
        assert gateway.request("PUT", f"/{bucket}/{key}", body).status == 200
    return bucket, bodies


@contextlib.contextmanager
def asked(gateway, target, *, receive_buffer=None):
    """A connection on which an object was asked for, and the answer, of which nothing was read."""
    with socket.socket() as connection:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield connection, http.client.HTTPResponse(connection)


def read_slowly(answer, rate):
    """The body, at most `rate` bytes a second; 0: as fast as they come."""
    answer.begin()
    start, received = time.monotonic(), []
    while piece := answer.read(65_536):
        received.append(piece)
        if rate:
            time.sleep(max(0.0, start + sum(map(len, received)) / rate - time.monotonic()))
    return b"".join(received)


@pytest.mark.parametrize("receive_buffer", [None, 4096])
@pytest.mark.parametrize("rate", [0, 5_000_000])
@pytest.mark.parametrize("size", SIZES)
def test_a_download_is_byte_exact(gateway, stored, size, rate, receive_buffer):
    """Of any size, to a client of any speed."""
    bucket, bodies = stored
    with asked(gateway, f"/{bucket}/{size}", receive_buffer=receive_buffer) as (_, answer):
        assert read_slowly(answer, rate) == bodies[f"{size}"]


@pytest.mark.parametrize("rate", [0, 80_000_000, 20_000_000])
def test_a_large_download_is_byte_exact(gateway, stored, rate):
    """Far larger than what any socket holds."""
    bucket, bodies = stored
    with asked(gateway, f"/{bucket}/{64 * MIB}") as (_, answer):
        body = read_slowly(answer, rate)

    assert hashlib.sha256(body).digest() == hashlib.sha256(bodies[f"{64 * MIB}"]).digest()


def test_answers_to_a_client_that_asks_ahead_are_whole(gateway, stored):
    """Requests one after the other without reading: the socket is full of the answers before."""
    bucket, bodies = stored
    with asked(gateway, f"/{bucket}/300000", receive_buffer=4096) as (connection, first):
        for _ in range(9):
            connection.sendall(f"GET /{bucket}/300000 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.5)
        first.begin()
        bodies_read = [first.read()]
        for _ in range(9):
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            bodies_read.append(answer.read())

    assert bodies_read == [bodies["300000"]] * 10


def test_a_long_listing_is_whole(gateway):
    """One item of many bytes is cut, too."""
    bucket = gateway.new_bucket()
    for number in range(300):
        gateway.request("PUT", f"/{bucket}/{number:03}{'x' * 900}", b"")
    with asked(gateway, f"/{bucket}?list-type=2", receive_buffer=4096) as (_, answer):
        body = read_slowly(answer, 1_000_000)

    assert body.count(b"<Contents>") == 300
    assert body.endswith(b"</ListBucketResult>")


def test_a_client_that_goes_away_holds_nobody_up(gateway, stored):
    """Both workers meet one, and serve on."""
    bucket, bodies = stored
    for _ in range(8):
        with asked(gateway, f"/{bucket}/{64 * MIB}", receive_buffer=4096) as (connection, _):
            connection.recv(1000)
    for _ in range(8):
        assert gateway.request("GET", f"/{bucket}/65535").body == bodies["65535"]


@pytest.mark.parametrize("length", [2**31, 3 << 30, 4 << 30, (4 << 30) + 5, 6 << 30])
def test_a_body_over_the_limit_is_refused_in_the_words_of_s3(gateway, length):
    """Before a byte of it is sent; also a length that a C int would take for a small one."""
    bucket = gateway.new_bucket()
    answer = gateway.send(f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())

    assert (answer.status, answer.code, answer.headers["Content-Type"]) == (400, "EntityTooLarge", "application/xml")
    assert gateway.request("GET", f"/{bucket}/k").status == 404


def test_a_download_goes_on_after_sigterm(start_gateway):
    """And the gateway ends when it has ended."""
    body = os.urandom(16 * MIB)
    with start_gateway(engine="meinheld", workers=1) as gateway:
        bucket = gateway.new_bucket()
        gateway.request("PUT", f"/{bucket}/k", body)
        with asked(gateway, f"/{bucket}/k") as (connection, answer):
            connection.recv(1, socket.MSG_PEEK)
            gateway.process.send_signal(signal.SIGTERM)

            assert read_slowly(answer, 8_000_000) == body
        assert gateway.process.wait(30) == 0


# What does not say in one way where the request ends, or not in a way that meinheld understands.
UNCLEAR = [
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: CHUNKED",
    "transfer-encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: chun\r\n ked",
    "Transfer-Encoding: chunked\0",
    "Transfer_Encoding: chunked",
    "Content-Length: 40\r\nTransfer-Encoding: chunked",
    "Content-Length: 0\r\ntransfer-encoding: chunked",
    "Content-Length:\r\n 40",
    "Content-Length:",
    "Content-Length: 4 0",
    "Content-Length: " + "0" * 5000,
    "Content_Length: 40",
    "Content-Length: 40\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13",
]


def head_of(bucket, lines, version="1.1"):
    return f"PUT /{bucket}/k HTTP/{version}\r\nHost: x\r\nConnection: keep-alive\r\n{lines}\r\n\r\n".encode()


def is_refused_alone(gateway, bucket, connection):
    """Whether one answer comes, a refusal, and then the end; and nothing was written."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    assert gateway.request("GET", f"/{bucket}?list-type=2").texts("Key") == []
    return received.count(b"HTTP/1.") == 1 and received.split(b" ", 2)[1] in (b"400", b"411", b"501")


HIDDEN = "PUT /{}/hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("lines", UNCLEAR, ids=range(len(UNCLEAR)))
def test_nothing_follows_a_request_that_may_end_elsewhere(gateway, lines):
    """A proxy may take for its body what would be the next request, which somebody hid there."""
    bucket = gateway.new_bucket()
    with gateway.connect() as connection:
        connection.sendall(head_of(bucket, lines) + HIDDEN.format(bucket).encode())
        assert is_refused_alone(gateway, bucket, connection)


@pytest.mark.parametrize("lines", [UNCLEAR[0], "Content-Length:\r\n 40", UNCLEAR[-1]])
def test_nothing_is_read_behind_a_request_that_may_end_elsewhere(gateway, lines):
    """Nor what comes later."""
    bucket = gateway.new_bucket()
    with gateway.connect() as connection:
        connection.sendall(head_of(bucket, lines))
        connection.recv(1, socket.MSG_PEEK)
        with contextlib.suppress(OSError):
            connection.sendall(HIDDEN.format(bucket).encode())
        assert is_refused_alone(gateway, bucket, connection)


def test_http_1_0_knows_no_chunks(gateway):
    """So a proxy may take them for the next request."""
    bucket = gateway.new_bucket()
    chunks = b"0\r\n\r\n" + HIDDEN.format(bucket).encode()
    with gateway.connect() as connection:
        connection.sendall(head_of(bucket, "Transfer-Encoding: chunked", "1.0") + chunks)
        assert is_refused_alone(gateway, bucket, connection)


def test_a_chunked_body_is_the_last_of_its_connection(gateway):
    """It is read, and its answer arrives whole."""
    bucket, body = gateway.new_bucket(), os.urandom(100_000)
    head = (
        f"PUT /{bucket}/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"x-amz-content-sha256: {hashlib.sha256(body).hexdigest()}\r\n\r\n"
    )
    with gateway.connect() as connection:
        connection.sendall(head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert connection.recv(1) == b""
    assert gateway.request("GET", f"/{bucket}/k").body == body


def test_a_client_that_would_upgrade_spoils_nobody_elses_request(gateway):
    """`Upgrade: h2c`, as curl --http2 sends it, left an error behind that the next request failed with."""
    for _ in range(10):
        head = b"GET /~/health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
        assert gateway.send(head).status in (200, 400)
        assert gateway.request("GET", "/~/health").status == 200


@pytest.mark.parametrize("_attempt", range(3))
def test_a_gateway_ends_whoever_would_upgrade(start_gateway, _attempt):
    """Also where the signal comes while the error is there, as it is in half of the attempts."""
    with start_gateway(engine="meinheld", workers=1) as gateway:
        gateway.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(30) == 0
    assert "Traceback" not in gateway.log.read_text()
