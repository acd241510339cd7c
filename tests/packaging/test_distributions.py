"""The sdist and the wheel: what is in them, what is not, and what they say about themselves."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CHECK = ROOT / "wheels" / "check.py"


def only(folder, pattern):
    [path] = folder.glob(pattern)
    return path


def check(*paths):
    return subprocess.run([sys.executable, CHECK, *paths], capture_output=True, text=True, check=False)


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_both_are_complete(dist):
    """The project's own check, which names every file, passes on what was built."""
    done = check(only(dist, "*.whl"), only(dist, "*.tar.gz"))

    assert (done.returncode, done.stderr) == (0, "")


def test_wheel_holds_the_compiled_modules(dist):
    """Each Cython source is in the wheel as a shared object beside its readable twin."""
    package = names(only(dist, "*.whl"))

    for stem in ("_listing", "_body"):
        assert f"falcon_s3/{stem}_py.py" in package
        assert any(name.startswith(f"falcon_s3/{stem}_c.") and name.endswith(".so") for name in package)


@pytest.mark.parametrize("part", ["tests/", "benchmarks/", "_speedups/", "wheels/", ".pyx", ".c", ".pyc"])
def test_wheel_holds_nothing_but_the_package(dist, part):
    """No tests, no benchmarks, no sources of the compiled core."""
    assert [name for name in names(only(dist, "*.whl")) if name.startswith(part) or name.endswith(part)] == []


def test_wheel_is_typed_and_licensed(dist):
    """py.typed is there for type checkers, the licence for everybody."""
    package = names(only(dist, "*.whl"))

    assert "falcon_s3/py.typed" in package
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in package)


def test_wheel_metadata(dist):
    """Name, licence, Python versions and extras are what the README promises."""
    fields = metadata(only(dist, "*.whl"))

    assert fields["Name"] == "falcon-s3"
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["Requires-Python"] == ">=3.10"
    assert {"bench", "clients", "dev", "meinheld", "pachd", "test"} == set(fields.get_all("Provides-Extra"))
    assert set("awscrt blake3 click cryptography defusedxml falcon granian orjson tomli zlib-ng".split()) == {
        requirement.split(">=")[0] for requirement in fields.get_all("Requires-Dist") if "extra ==" not in requirement
    }


def test_check_names_what_is_missing(dist, tmp_path):
    """A wheel without a module, without a compiled module and with a stray file fails, with the three names."""
    whole = only(dist, "*.whl")
    broken = tmp_path / whole.name
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            if name != "falcon_s3/errors.py" and not name.startswith("falcon_s3/_body_c"):
                target.writestr(name, source.read(name))
        target.writestr("tests/test_secret.py", "")

    done = check(broken)

    assert done.returncode == 1
    for problem in ("errors.py is missing", "_body_c is not compiled", "test_secret.py does not belong there"):
        assert problem in done.stderr


def test_check_refuses_an_incomplete_sdist(dist, tmp_path):
    """An sdist without a Cython source, or with a built object, fails."""
    whole = only(dist, "*.tar.gz")
    broken = tmp_path / whole.name
    with tarfile.open(whole) as source, tarfile.open(broken, "w:gz") as target:
        for member in source:
            if not member.name.endswith("_listing_c.pyx"):
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
        target.addfile(tarfile.TarInfo(f"{whole.name[:-7]}/falcon_s3/_listing_c.so"), io.BytesIO())

    done = check(broken)

    assert done.returncode == 1
    assert "_listing_c.pyx is missing" in done.stderr
    assert "_listing_c.so is made by the build" in done.stderr


def test_pure_build_is_explicit(dist, tmp_path):
    """With FALCON_S3_PURE=1 the same sdist gives a wheel without compiled modules; nothing else does."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, only(dist, "*.tar.gz")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"FALCON_S3_PURE": "1"}
    )

    assert done.returncode == 0, done.stderr
    package = names(only(tmp_path, "*.whl"))
    assert "falcon_s3/_listing_py.py" in package
    assert [name for name in package if name.endswith(".so")] == []
