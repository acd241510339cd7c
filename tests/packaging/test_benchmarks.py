"""The benchmarks that talk to a server work, and the README shows what they found last."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import processes
import pytest
import report

from falcon_s3 import _speedups

ROOT = Path(__file__).resolve().parent.parent.parent

needs_client = pytest.mark.skipif(
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


@needs_client
@pytest.mark.parametrize("sign", ["link", "header"])
def test_load_of_every_kind(load, sign):
    """A mix of all kinds is answered without an error over the same connections, counted, and bodies are compared."""
    kinds = ["get", "head", "list", "put", "delete"]
    code, figures = load(f"--mix={','.join(kinds)}", "--requests=300", "--verify=1", f"--sign={sign}")

    assert (code, figures["errors"]) == (0, {})
    assert figures["requests"] == sum(row["requests"] for row in figures["kinds"].values()) == 300
    assert set(figures["kinds"]) == set(kinds)
    assert figures["verified_bodies"] == figures["kinds"]["get"]["requests"]
    assert figures["connections_opened"] == 16
    assert figures["server"]["processes"] > 1


@needs_client
def test_load_counts_what_goes_wrong(load):
    """Bodies that are others than expected are errors, and so is what S3 refuses, by its code."""
    load("--mix=get", "--requests=10", "--size=100")
    code, figures = load("--mix=get", "--requests=10", "--size=200", "--filled", "--verify=1")
    assert (code, figures["errors"]) == (1, {"get bytes": 10})

    code, figures = load("--mix=get", "--requests=10", "--filled", access_key="nobody")
    assert (code, figures["errors"]) == (1, {"get InvalidAccessKeyId": 10})


@pytest.mark.skipif(sys.platform != "linux", reason="what processes use is read from Linux's /proc")
def test_what_a_process_uses_is_counted():
    """Its processor time, which this test takes until it is seen, and its memory."""
    before = processes.use(os.getpid())
    while processes.use(os.getpid()).cpu_seconds == before.cpu_seconds:
        pass
    assert before.rss > 1 << 20


def test_the_readme_shows_the_newest_results():
    """Table, machine and versions are those of the last run that was saved, and the plot is in the tree; or none is."""
    newest = report.newest()
    shown = (ROOT / "README.md").read_text().partition(report.BEGIN)[2].partition(report.END)[0]

    assert shown.strip() == (report.section(json.loads(newest.read_bytes())).strip() if newest else "")
    assert report.PLOT.exists() == (newest is not None)


@pytest.mark.parametrize("name", sorted(set(_speedups.__all__) - {"BodyEnd", "ChunkEnd", "compiled"}))
def test_every_compiled_function_has_its_figure(name):
    """_speedups/README.md shows of each that it is at least twice as fast as its twin on some shape."""
    text = (ROOT / "_speedups" / "README.md").read_text()
    ratios = re.findall(rf"^\| `{name}` \|[^|]*\|[^|]*µs \|[^|]*µs \| ([0-9.]+) \|$", text, re.MULTILINE)

    assert max(map(float, ratios), default=0) >= 2


def test_goals_are_told_from_figures():
    """A run in which ours is as fast as the better rival misses every goal of a ratio; ten times that reaches all but one."""
    figures = {"p50_ms": 1.0, "p99_ms": 1.0, "cpu_us": 900.0, "bad": 0, "lost": 0}

    def result(ours):
        rates = {"falcon-s3": ours, "rclone": 10.0, "seaweedfs": 5.0}
        rows = {row: {name: {**figures, "per_second": rate} for name, rate in rates.items()} for row in report.ROWS}
        limits = {"md5_megabytes": 700.0, "syncs": 1000.0}
        used = {name: {"rss_mib": 100.0, "worker_mib": 40.0, "processes": 3} for name in rates}
        return {"rows": rows, "limits": limits, "servers": used, "settings": {"many_keys": 1}}

    def reached(ours):
        return [goal.reached for goal in report.goals(result(ours)) if "better" in goal.what]

    rows = len(report.ROWS)
    assert reached(10.0) == [False] * rows
    assert reached(100.0) == [False] + [True] * (rows - 1)
    assert reached(150.0) == [True] * rows
