"""A store in front of a real pfsd, directly or through a network that fails, with a bucket of its own for each test."""

import contextlib
import itertools
import uuid

import pytest

pytest.importorskip("grpc", reason="a store on pachd needs the extra `pachd`")

from falcon_s3.pfs import Branch, Repo
from falcon_s3.pfs.pachd.address import parse
from tests.pachd.proxy import Proxy
from tests.pachd.wiretap import TappedPfs

numbers = itertools.count()


@pytest.fixture
def address(running_pachd):
    return parse(f"127.0.0.1:{running_pachd.port}")


@pytest.fixture
def open_pfs(address):
    """Opens stores; all are closed at the end."""
    with contextlib.ExitStack() as stack:

        def open_one(where=None, **options):
            return stack.enter_context(contextlib.closing(TappedPfs(where or address, **options)))

        yield open_one


@pytest.fixture
def pfs(open_pfs):
    """A store whose calls are written down: `pfs.calls()`."""
    return open_pfs()


@pytest.fixture
def branch(pfs):
    """An empty branch that no other test has."""
    made = Branch(Repo("default", f"t{next(numbers)}-{uuid.uuid4().hex[:8]}"), "master")
    pfs.create_branch(made)
    pfs.calls()
    return made


@pytest.fixture
def proxy(running_pachd):
    with Proxy(("127.0.0.1", running_pachd.port)) as running:
        yield running


@pytest.fixture
def far(open_pfs, proxy):
    """The store behind the proxy, which waits for two seconds at most."""
    return open_pfs(parse(f"127.0.0.1:{proxy.port}"), deadline=2.0)
