"""Fixtures of the store tests: an empty store of each kind, with or without its first branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pfs.stores import MASTER, STORES, Store


@pytest.fixture(params=sorted(STORES))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the same store again at each call; all are closed at the end."""
    opened: list[Store] = []

    def open_again() -> Store:
        opened.append(STORES[request.param](tmp_path / "store"))
        return opened[-1]

    yield open_again
    for store in opened:
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
