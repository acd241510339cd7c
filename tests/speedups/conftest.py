"""The two implementations of a compiled module, and the one set of tests that both must pass."""

from __future__ import annotations

import importlib
import importlib.util
import os

import pytest


def implementations(name):
    """The parameters of a fixture: the readable twin `_<name>_py` and the compiled module `_<name>_c`."""
    compiled = f"falcon_s3._{name}_c"
    missing = []
    if os.environ.get("FALCON_S3_PURE") == "1":
        missing = [pytest.mark.skip(reason="FALCON_S3_PURE=1 asks for the twins alone")]
    elif importlib.util.find_spec(compiled) is None:
        missing = [pytest.mark.skip(reason=f"{compiled} was not built")]
    return [
        pytest.param(f"falcon_s3._{name}_py", id="twin"),
        pytest.param(compiled, id="compiled", marks=missing),
    ]


def pytest_generate_tests(metafunc):
    """`listing`, `body`, `sign`, `wire` and `md5` are the modules under test, each in both implementations."""
    for name in ("listing", "body", "sign", "wire", "md5"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, implementations(name), indirect=True, scope="module")


@pytest.fixture(scope="module")
def listing(request):
    return importlib.import_module(request.param)


@pytest.fixture(scope="module")
def body(request):
    return importlib.import_module(request.param)


@pytest.fixture(scope="module")
def sign(request):
    return importlib.import_module(request.param)


@pytest.fixture(scope="module")
def wire(request):
    return importlib.import_module(request.param)


@pytest.fixture(scope="module")
def md5(request):
    return importlib.import_module(request.param)
