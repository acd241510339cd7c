"""pachctl's configuration file: where it is looked for, and what of it counts."""

import base64
import json
from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="what is about pachd needs the extra `pachd`")

from falcon_s3.server import context

PEM = b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"


@pytest.fixture
def written(tmp_path):
    """Writes a file; gives the environment that names it."""

    def write(contexts, active="here", **environment):
        path = tmp_path / "config.json"
        known = {"active_context": active, "contexts": contexts, "metrics": True}
        path.write_text(json.dumps({"user_id": "u", "v2": known}))
        return {"PACH_CONFIG": str(path), **environment}

    return write


def test_the_active_context_says_where_pachd_is(written):
    """The other contexts, and fields that nobody here knows, do not matter."""
    contexts = {"here": {"source": 2, "pachd_address": "grpc://a:1650", "project": "p"}, "there": {}}

    assert str(context.active_address(environment=written(contexts))) == "grpc://a:1650"
    assert str(context.active_address(environment=written(contexts, PACH_CONTEXT="there"))) == "grpc://127.0.0.1:30650"


def test_certificates_in_the_file_are_trusted(written, tmp_path):
    """Unless a file of certificates is named besides."""
    environment = written({"here": {"pachd_address": "grpcs://a", "server_cas": base64.b64encode(PEM).decode()}})
    other = tmp_path / "ca.pem"
    other.write_bytes(PEM.replace(b"none", b"more"))

    assert context.active_address(environment=environment).ca == PEM
    assert context.active_address(other, environment).ca == other.read_bytes()


def test_a_forwarded_port_is_on_this_machine(written):
    """As `pachctl port-forward` notes it, where the context has no address."""
    environment = written({"here": {"port_forwarders": {"pachd": 4000, "s3gateway": 4001}}})

    assert str(context.active_address(environment=environment)) == "grpc://127.0.0.1:4000"


def test_the_file_is_where_pachctl_has_it(monkeypatch, tmp_path):
    """In the home folder, unless PACH_CONFIG names another."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(ValueError, match="PACH_CONFIG is not set"):
        context.config_path({})
    (tmp_path / ".pachyderm").mkdir()
    (tmp_path / ".pachyderm" / "config.json").touch()

    assert context.config_path({}) == tmp_path / ".pachyderm" / "config.json"
    assert context.config_path({"PACH_CONFIG": "/other"}) == Path("/other")


@pytest.mark.parametrize(
    "contexts, message",
    [
        ({}, "active-context.*none yet"),
        ({"a": {}, "b": {}}, "active-context.*a, b"),
        ({"here": {"pachd_address": "ftp://a"}}, "the context here in .*grpc"),
        ({"here": {"pachd_address": ["a"]}}, "the context here in "),
        ({"here": {"pachd_address": "grpc://a", "server_cas": base64.b64encode(PEM).decode()}}, "without TLS"),
        ({"here": {"pachd_address": "grpcs://a", "server_cas": "no base64"}}, "the context here in "),
        ({"here": "x"}, "has no context"),
        ([], "is no configuration of pachctl"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(written, contexts, message):
    """It names the file, and the context if there is one."""
    with pytest.raises(ValueError, match=message):
        context.active_address(environment=written(contexts))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"v1": {}}', '{"v2": []}', '{"v2": null}'])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    """Whatever is in the file."""
    path = tmp_path / "config.json"
    path.write_text(text)

    with pytest.raises(ValueError, match="is no configuration of pachctl 2"):
        context.active_address(environment={"PACH_CONFIG": str(path)})
