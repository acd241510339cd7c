"""The runner of the conformance suite, which no other test starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).parents[1] / "conformance" / "run.py"


def test_the_runner_starts_wherever_it_is_called(tmp_path):
    done = subprocess.run(
        [sys.executable, RUNNER, "--help"], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "--checkout" in done.stdout
