"""What the tests of all clients share: the gateway with a key, programs run in a home of their own, files to move.

What a client did is read from the store, and what it must show is written into the store, so that no test compares a
client with itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from falcon_s3 import buckets
from falcon_s3.digests import body_of
from falcon_s3.pfs import CHUNK_BYTES, Branch
from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.clients.files import FILES, LARGE, REGION, lines, write_folder

TIMEOUT_SECONDS = 120
# Dates are shown in UTC, names in UTF-8, and nobody asks a cloud for its keys.
SURROUNDINGS = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true"}


def pytest_configure(config):
    # meinheld decodes a path twice, so that no request can name a key with a percent sign: the README says so.
    if config.getoption("--engine") == "meinheld":
        for path in [path for path in FILES if "%" in path]:
            del FILES[path]


@dataclass
class Program:
    """A client as a command, with a home of its own: it finds no setting but what the test gives it."""

    command: tuple[str, ...]
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments):
        """Run it; gives its output, and fails with all it said unless it succeeds."""
        return self._succeeded(arguments).stdout.decode()

    def everything(self, *arguments):
        """Run it; gives its output and error output, and fails with both unless it succeeds."""
        return said(self._succeeded(arguments))

    def shell(self, line):
        """Run a line of shell with the same home and settings, for what is piped; fails unless it succeeds."""
        return Program(("bash", "-e", "-o", "pipefail", "-c"), self.home, self.environment)(line)

    def refused(self, *arguments):
        """Run it; gives all it said, and fails if it succeeds."""
        done = self._run(arguments)
        assert done.returncode != 0, f"{done.args} succeeded:\n{said(done)}"
        return said(done)

    def _succeeded(self, arguments):
        done = self._run(arguments)
        assert done.returncode == 0, f"{done.args} ended with {done.returncode}:\n{said(done)}"
        return done

    def _run(self, arguments):
        inherited = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
        paths = {"HOME": str(self.home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            cwd=self.home,
            env=inherited | paths | SURROUNDINGS | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )


def said(done):
    return (done.stdout + done.stderr).decode(errors="replace")


def program_or_skip(name):
    """The path of a command, beside this Python or on PATH; skips the test where there is none."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def program(tmp_path):
    """Makes a client of a command and its environment; its home is the test's folder."""

    def make(*command, **environment):
        return Program((program_or_skip(command[0]), *command[1:]), tmp_path, environment)

    return make


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Gives a folder of packages that pip installs, once; they need not agree with what is installed here."""
    installed = {}

    def pip(*requirements):
        """The folder, or why there is none."""
        folder = tmp_path_factory.mktemp("packages")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
        try:
            done = subprocess.run(
                [*command, "--target", str(folder), *requirements], capture_output=True, timeout=300, check=False
            )
        except subprocess.TimeoutExpired:
            return "it takes too long"
        return (lines(said(done)) or ["no reason given"])[-1] if done.returncode else folder

    def install(*requirements):
        if requirements not in installed:
            installed[requirements] = pip(*requirements)
        found = installed[requirements]
        if isinstance(found, str):
            pytest.skip(f"pip cannot install {' '.join(requirements)}: {found}")
        return found

    return install


@pytest.fixture
def python(program, packages, keyed_gateway):
    """Makes a Python with packages of its own; every program given to it begins with these lines."""

    def make(requirements, beginning):
        gateway = {"ENDPOINT": keyed_gateway.url, "KEY": keyed_gateway.access_key, "SECRET": keyed_gateway.secret_key}
        run = program("python", PYTHONPATH=str(packages(*requirements)), REGION=REGION, **gateway)
        return lambda text: run("-c", textwrap.dedent(beginning) + textwrap.dedent(text))

    return make


@pytest.fixture(scope="session")
def store(keyed_gateway):
    """The store under the gateway with a key, opened a second time as another process would."""
    opened = EmbeddedPfs(keyed_gateway.data)
    yield opened
    opened.close()


@pytest.fixture
def bucket(keyed_gateway):
    return keyed_gateway.new_bucket()


@pytest.fixture
def repo(bucket):
    """The repo of the bucket, whose one branch is master."""
    return bucket.partition(".")[2]


@pytest.fixture
def branches(store):
    """Gives the names of all branches of a repo, as the store has them."""

    def names(repo):
        return [info.branch.name for info in store.list_branches() if info.branch.repo.name == repo]

    return names


@pytest.fixture
def created(store):
    """Gives the moment when a bucket was created, as the store has it."""

    def moment(bucket):
        milliseconds = store.inspect_branch(buckets.parse(bucket)).created_ms
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)

    return moment


@pytest.fixture
def stored(store):
    """Gives all files of a bucket, as the store has them."""

    def read(bucket):
        ref = buckets.parse(bucket)
        paths = [entry.path for entry in store.list_files(ref)]
        return {path: b"".join(store.open_file(store.inspect_file(ref, path))) for path in paths}

    return read


@pytest.fixture
def parts(store):
    """Gives how many parts an object was put together from, as its ETag in the store says; 0: it came in one piece."""

    def count(bucket, path):
        return int(store.inspect_file(buckets.parse(bucket), path).etag.partition("-")[2] or 0)

    return count


@pytest.fixture
def put(store):
    """Puts files into a bucket, through the store."""

    def write(bucket, files):
        for path, content in files.items():
            chunks = (content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES))
            store.put_file(buckets.parse(bucket), path, body_of(chunks))

    return write


@pytest.fixture
def output(bucket, store):
    """The bucket of a branch with provenance, which shows one file."""
    branch = Branch(buckets.parse(bucket).repo, "output")
    store.create_branch(branch, provenance=[buckets.parse(bucket)])
    store.start_commit(branch)
    store.put_file(branch, "made", body_of([b"by a pipeline"]))
    store.finish_commit(branch)
    return buckets.name_of(branch)


@pytest.fixture
def large(tmp_path):
    """A file on disk that holds LARGE."""
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder on disk that holds FILES."""
    root = tmp_path / "up"
    write_folder(root, FILES)
    return root
