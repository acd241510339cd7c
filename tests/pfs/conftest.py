"""Fixtures of the store tests: an empty store of each kind, with or without its first branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from falcon_s3.pfs.embedded import EmbeddedPfs
from tests.conftest import PACHD_TOKEN
from tests.pfs.stores import MASTER, STORES, Store

try:
    from tests.pfs.remote import Names, RemoteStore
except ModuleNotFoundError:  # without the extra `pachd` there is one store
    remote = False
else:
    remote = True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "open_store" in metafunc.fixturenames:
        kinds = ["embedded"]
        if remote:
            kinds.append("pfsd")
            if metafunc.config.getoption("--pachd") not in (None, "pfsd"):
                kinds.append("cluster")
        metafunc.parametrize("open_store", kinds, indirect=True, ids=kinds)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of what a store cannot do, as `stores` says."""
    beyond = [item for item in items if not _is_for_its_store(item)]
    if beyond:
        config.hook.pytest_deselected(items=beyond)
        items[:] = [item for item in items if _is_for_its_store(item)]


def _is_for_its_store(item: pytest.Item) -> bool:
    kind = getattr(item, "callspec", None) and item.callspec.params.get("open_store")  # type: ignore[attr-defined]
    if not kind:
        return True
    needed = {what for marker in item.iter_markers("needs") for what in marker.args}
    return not needed & STORES[kind].cannot.keys()


@pytest.fixture(scope="session")
def pachd_addresses(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Gives the address of a kind of remote store; pfsd is started when it is asked for."""

    def address(kind: str) -> str:
        if kind == "cluster":
            return request.config.getoption("--pachd")
        return request.getfixturevalue("pfsd_address")

    return address


@pytest.fixture
def open_store(
    request: pytest.FixtureRequest, tmp_path: Path, pachd_addresses: Callable[[str], str]
) -> Iterator[Callable[[], Store]]:
    """Opens the same store again at each call; all are closed at the end."""
    opened: list[Store] = []
    if request.param == "embedded":

        def open_again() -> Store:
            opened.append(EmbeddedPfs(tmp_path / "store"))
            return opened[-1]

    else:
        from falcon_s3.pfs.pachd.address import parse

        address, aliases = parse(pachd_addresses(request.param)), Names()

        def open_again() -> Store:
            opened.append(RemoteStore(address, aliases, token=PACHD_TOKEN))
            return opened[-1]

    yield open_again
    for number, store in enumerate(opened):
        if number == 0 and request.param != "embedded":
            store.clear()
        store.close()


@pytest.fixture
def empty(open_store: Callable[[], Store]) -> Store:
    """A store without repos."""
    return open_store()


@pytest.fixture
def pfs(empty: Store) -> Store:
    """A store with one empty branch, MASTER."""
    empty.create_branch(MASTER)
    return empty
