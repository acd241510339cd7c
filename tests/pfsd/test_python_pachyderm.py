"""The older Python client, python-pachyderm 7, which needs an environment of its own: its protobuf is of before 4."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.pfsd.conftest import head, repo_message

TUTORIAL = Path(__file__).with_name("tutorial_7.py")


@pytest.fixture(scope="module")
def python_7(tmp_path_factory):
    """A Python that has the client: that of FALCON_S3_TEST_PYTHON_PACHYDERM, or one that is made now."""
    given = os.environ.get("FALCON_S3_TEST_PYTHON_PACHYDERM")
    if given:
        return given
    folder = tmp_path_factory.mktemp("python-pachyderm")
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", folder],
        [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--retries",
            "0",
            "python-pachyderm==7.6.0",
        ],
        [python, "-c", "import python_pachyderm"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"python-pachyderm 7.6.0 cannot be had here: {done.stderr.strip()[-300:]}")
    return python


def test_the_tutorial_runs_unchanged(pfsd, beside, python_7):
    """All that users of it do, and S3 sees what it wrote."""
    repo = f"seven-{uuid.uuid4().hex[:8]}"
    done = subprocess.run([python_7, TUTORIAL, str(pfsd.port), repo], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert beside.get_object(Bucket=f"master.{repo}", Key="dir/a.txt")["Body"].read() == b"first and more"
    assert "/large" in pfsd.list(head(repo_message(repo)))
