"""How a gateway finds its pachd, and what it says where it cannot stand in front of it."""

import base64
import contextlib
import datetime as dt
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import free_port


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of localhost that signs itself, and its key: the path of both in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "both.pem").write_bytes((folder / "ca.pem").read_bytes() + private)
    return folder


def forward(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def encrypted(certificate, running_pachd):
    """The port of a pachd behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "both.pem")
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(raw):
        with contextlib.suppress(OSError):
            client = context.wrap_socket(raw, server_side=True)
            server = socket.create_connection(("127.0.0.1", running_pachd.port))
            threading.Thread(target=forward, args=(server, client), daemon=True).start()
            forward(client, server)

    def listen():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def refused(*arguments, **variables):
    """What `serve` says when it does not start."""
    environment = {name: value for name, value in os.environ.items() if not re.match("PACH|FALCON_S3_(?!PURE)", name)}
    done = subprocess.run(
        [sys.executable, "-m", "falcon_s3", "serve", "--listen", f"127.0.0.1:{free_port()}", *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def works(gateway):
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"content")
    return gateway.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"


def test_a_pachd_with_tls_is_trusted_by_its_certificates(start_gateway, encrypted, certificate):
    """They are named beside the address."""
    address, trusted = f"grpcs://localhost:{encrypted}", ["--pachd-ca", str(certificate / "ca.pem")]
    with start_gateway(pachd=address, workers=1, arguments=trusted) as gateway:
        assert works(gateway)
        assert f"in front of pachd at {address}" in gateway.log.read_text()


def test_the_context_of_pachctl_tells_address_and_certificates(
    start_gateway, encrypted, certificate, tmp_path, monkeypatch
):
    """`--pachd config` is where pachctl would go."""
    context = {
        "pachd_address": f"grpcs://localhost:{encrypted}",
        "server_cas": base64.b64encode((certificate / "ca.pem").read_bytes()).decode(),
    }
    (tmp_path / ".pachyderm").mkdir()
    known = {"v2": {"active_context": "tls", "contexts": {"tls": context}}}
    (tmp_path / ".pachyderm" / "config.json").write_text(json.dumps(known))
    monkeypatch.setenv("HOME", str(tmp_path))
    with start_gateway(pachd="config", workers=1) as gateway:
        assert works(gateway)


def test_a_certificate_that_is_not_known_is_refused_with_what_to_do(encrypted):
    assert "--pachd-ca FILE" in refused("--pachd", f"grpcs://localhost:{encrypted}")


def test_tls_on_one_side_alone_is_told(encrypted, running_pachd):
    """Each time with the address that would do."""
    assert f"--pachd grpcs://localhost:{encrypted}" in refused("--pachd", f"grpc://localhost:{encrypted}")
    plain = running_pachd.port
    assert f"--pachd grpc://localhost:{plain}" in refused("--pachd", f"grpcs://localhost:{plain}")


def test_where_nothing_answers_it_is_said_what_was_tried():
    assert "Connection refused" in refused("--pachd", "grpc://127.0.0.1:1")
    assert "no host nowhere.invalid" in refused("--pachd", "grpc://nowhere.invalid")
    assert "no address of a pachd" in refused("--pachd", "ftp://a")
    assert "/nowhere.json" in refused(PACH_CONFIG="/nowhere.json")


def test_what_is_no_pachd_is_refused(start_gateway):
    """A web server, say."""
    with start_gateway(workers=1) as other:
        assert "no pachd answers" in refused("--pachd", f"127.0.0.1:{other.port}")


def test_without_auth_only_this_machine_is_let_in(running_pachd):
    """As on the embedded store without keys."""
    address = f"127.0.0.1:{running_pachd.port}"
    assert "--anonymous" in refused("--pachd", address, "--listen", f"0.0.0.0:{free_port()}")


def test_access_keys_of_our_own_do_not_go_with_pachd(running_pachd):
    keys = {"FALCON_S3_ACCESS_KEY": "a", "FALCON_S3_SECRET_KEY": "b"}
    assert "Pachyderm's tokens" in refused(PACHD_ADDRESS=f"127.0.0.1:{running_pachd.port}", **keys)
