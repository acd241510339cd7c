"""The older Python client, python-pachyderm 7, which needs an environment of its own: its protobuf is of before 4."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="pfsd needs the extra `pachd`")

from tests.pfsd.conftest import head, repo_message, running_both

TUTORIAL = Path(__file__).with_name("python_pachyderm_7.py")


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
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("python-pachyderm 7.6.0 takes too long to install")
        if done.returncode:
            pytest.skip(f"python-pachyderm 7.6.0 cannot be had here: {done.stderr.strip()[-300:]}")
    return python


def test_the_tutorial_runs_unchanged(start_gateway, python_7):
    """All that users of it do; S3 sees what it writes while it does, and it sees what S3 writes."""
    repo = f"seven-{uuid.uuid4().hex[:8]}"
    with running_both(start_gateway) as (gateway, pfsd):
        s3 = gateway.s3
        s3.create_bucket(Bucket=f"master.{repo}-s3")
        s3.put_object(Bucket=f"master.{repo}-s3", Key="from/s3", Body=b"over S3")
        command = [python_7, TUTORIAL, str(pfsd.port), repo, f"{repo}-s3"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as tutorial:
            said = tutorial.stdout.readline()
            if said == "a commit is open\n":
                assert s3.get_object(Bucket=f"master.{repo}-s3", Key="open")["Body"].read() == b"in an open commit"
                s3.put_object(Bucket=f"master.{repo}-s3", Key="live", Body=b"into the same commit")
            _, problem = tutorial.communicate("go on\n", timeout=300)
        assert tutorial.returncode == 0, problem[-4000:]
        assert said == "a commit is open\n"
        assert s3.get_object(Bucket=f"master.{repo}-s3", Key="from/s3")["Body"].read() == b"over S3 and back"
        assert s3.get_object(Bucket=f"master.{repo}", Key="dir/a.txt")["Body"].read() == b"first and more"
        assert "/large" in pfsd.list(head(repo_message(repo)))
