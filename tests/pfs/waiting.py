"""Waiting for what another thread or process does: for the thing itself, never for a time in which it should have been."""

from __future__ import annotations

import time
from collections.abc import Callable

# For a machine that is slow, busy, or stalls: nothing is as slow as this but what never comes.
PATIENCE_SECONDS = 60


def until(condition: Callable[[], object]) -> None:
    """Returns when the condition holds; asserts that it does within PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)
