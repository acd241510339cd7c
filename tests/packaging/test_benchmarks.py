"""The benchmarks that talk to a server work."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("httptools") is None, reason="the extra `bench` is not installed: make test-lowest"
)


@pytest.fixture
def load(start_gateway, tmp_path):
    """Runs benchmarks/load.py with the options against a gateway with a key; gives its exit code and figures."""
    with start_gateway(tmp_path / "data", keys=True) as gateway:

        def run(*options, access_key=gateway.access_key):
            command = [sys.executable, "benchmarks/load.py", gateway.url, "--warmup=0.1", "--keys=20", *options]
            keys = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": gateway.secret_key}
            done = subprocess.run(
                [*command, f"--json={tmp_path}/figures.json", f"--pid={gateway.process.pid}"],
                cwd=ROOT,
                env={"PATH": "/usr/bin:/bin", **keys},
                timeout=60,
                check=False,
            )
            return done.returncode, json.loads((tmp_path / "figures.json").read_bytes())

        yield run


@pytest.mark.parametrize("sign", ["link", "header"])
def test_load_of_every_kind(load, sign):
    """A mix of all kinds is answered without an error, each is counted, and bodies are compared."""
    kinds = ["get", "head", "list", "put", "delete"]
    code, figures = load(f"--mix={','.join(kinds)}", "--requests=300", "--verify=1", f"--sign={sign}")

    assert (code, figures["errors"]) == (0, {})
    assert figures["requests"] == sum(row["requests"] for row in figures["kinds"].values()) == 300
    assert set(figures["kinds"]) == set(kinds)
    assert figures["verified_bodies"] == figures["kinds"]["get"]["requests"]
    assert figures["server"]["cpu_us_per_request"] > 0


def test_load_counts_what_goes_wrong(load):
    """Bodies that are others than expected are errors, and so is what S3 refuses, by its code."""
    load("--mix=get", "--requests=10", "--size=100")
    code, figures = load("--mix=get", "--requests=10", "--size=200", "--filled", "--verify=1")
    assert (code, figures["errors"]) == (1, {"get bytes": 10})

    code, figures = load("--mix=get", "--requests=10", "--filled", access_key="nobody")
    assert (code, figures["errors"]) == (1, {"get InvalidAccessKeyId": 10})
