"""`falcon-s3 pfsd` as it is typed: what it refuses, and what it says without its extra."""

import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from falcon_s3 import cli
from falcon_s3.cli.pfsd import full
from falcon_s3.server.pfsd import checked
from tests.conftest import free_port

pytest.importorskip("grpc", reason="pfsd needs the extra `pachd`")

from falcon_s3.pfs.service import Server

CLEAN = {name: None for name in os.environ if name.startswith("FALCON_S3_")}


def refused(*arguments, **variables):
    result = CliRunner().invoke(cli.main, ["pfsd", *arguments], env=CLEAN | variables)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize("listen", ["0.0.0.0:30650", ":30650", "10.0.0.1:30650"])
def test_others_are_let_in_only_when_that_is_said(tmp_path, listen):
    """There are no users: whoever reaches it may do everything."""
    assert "--anonymous" in refused("--listen", listen, "--data", str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_a_bad_address_is_refused(tmp_path):
    """One that is none, and one that is taken."""
    assert "HOST:PORT" in refused("--listen", "here", "--data", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert f"cannot listen on {address}" in refused("--data", str(tmp_path), FALCON_S3_PFSD_LISTEN=address)


@pytest.mark.parametrize(
    "listen, taken", [(":{}", "0.0.0.0:{}"), ("[::1]:{}", "[::1]:{}"), ("127.0.0.1:{}", "127.0.0.1:{}")]
)
def test_addresses_in_every_form(listen, taken):
    """As `serve` takes them, and as grpc does."""
    assert full(checked(listen.format(30650), anonymous=True)) == taken.format(30650)


@pytest.mark.parametrize("relaxed", [True, False])
def test_the_store_is_as_durable_as_is_said(tmp_path, monkeypatch, relaxed):
    """Strictly, a write ends after its log was synced."""
    monkeypatch.setattr("falcon_s3.pfs.late_sync.LATE_SECONDS", 3600)
    server = Server("127.0.0.1:0", tmp_path, relaxed=relaxed)
    synced, sync = [], os.fdatasync
    monkeypatch.setattr(
        os, "fdatasync", lambda handle: (sync(handle), synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    )
    server._store.change(lambda connection: connection.execute("UPDATE repo SET purged = purged").rowcount)
    assert any(name.endswith("-wal") for name in synced) is not relaxed
    server.stop(0)


def test_relaxed_durability_is_told_when_it_starts(tmp_path):
    """And serves."""
    command = [sys.executable, "-m", "falcon_s3", "pfsd", "--listen", f"127.0.0.1:{free_port()}", "--data", tmp_path]
    environment = {name: value for name, value in os.environ.items() if name not in CLEAN}
    with subprocess.Popen(
        [*command, "--durability", "relaxed"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stderr.readline(), process.stderr.readline()]
        process.terminate()
    assert "durability is relaxed" in lines[0] and "pfsd on grpc://" in lines[1]


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    """A file in its place, for one."""
    (tmp_path / "file").touch()
    assert "cannot be used" in refused("--data", str(tmp_path / "file"), "--listen", "127.0.0.1:1")


def test_without_grpc_it_says_what_to_install(monkeypatch):
    """And the other commands work."""
    for name in [name for name in sys.modules if name.startswith("falcon_s3.pfs.service")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grpc", None)
    assert "falcon-s3[pachd]" in refused()
    assert CliRunner().invoke(cli.main, ["--version"]).exit_code == 0


def refused_beside(*arguments, **variables):
    free = {"FALCON_S3_LISTEN": f"127.0.0.1:{free_port()}"}
    result = CliRunner().invoke(cli.main, ["serve", *arguments], env=CLEAN | free | variables)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


def test_what_cannot_be_beside_a_gateway_is_refused_before_anything_starts(tmp_path):
    """An address that others reach, that is taken, that is the gateway's own, or a gateway without a folder."""
    data = ("--data", str(tmp_path / "data"))
    assert "--anonymous" in refused_beside("--grpc", "0.0.0.0:30650", *data)
    assert "--anonymous" in refused_beside(
        "--grpc", "0.0.0.0:1", *data, FALCON_S3_ACCESS_KEY="a", FALCON_S3_SECRET_KEY="b"
    )
    assert "the gateway itself" in refused_beside("--grpc", "127.0.0.1:1234", "--listen", "127.0.0.1:1234", *data)
    assert "grpc must be HOST:PORT" in refused_beside("--grpc", "here", *data)
    assert "leave out one" in refused_beside("--grpc", "127.0.0.1:30650", "--pachd", "grpc://127.0.0.1:30651")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        told = refused_beside(*data, "--listen", f"127.0.0.1:{free_port()}", FALCON_S3_GRPC=address)
        assert f"cannot listen on {address}" in told and "with --grpc" in told
    assert not (tmp_path / "data").exists()


def test_beside_a_gateway_without_grpc_it_says_what_to_install(monkeypatch, tmp_path):
    """Before anything starts."""
    monkeypatch.setitem(sys.modules, "grpc", None)
    told = refused_beside("--grpc", "127.0.0.1:30650", "--data", str(tmp_path / "data"))
    assert "falcon-s3[pachd]" in told and not (tmp_path / "data").exists()
