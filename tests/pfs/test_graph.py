"""What branches are made from, and what is made from them, is told at the cost of what is told."""

from __future__ import annotations

import itertools
import sys

from falcon_s3.pfs import Branch, Repo
from falcon_s3.pfs.branches import above, turned


def chain(length: int) -> list[Branch]:
    return [Branch(Repo("default", f"repo{number:04}"), "master") for number in range(length)]


def calls_for(length: int) -> int:
    """How many functions are called to tell what is made from the first of a chain."""
    line = chain(length)
    edges = {branch: {before} for before, branch in itertools.pairwise(line)}
    calls = 0

    def count(_frame: object, _event: str, _what: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        found = above(turned(edges), line[0])
    finally:
        sys.setprofile(None)
    assert found == line[1:]
    return calls


def test_what_is_made_from_a_branch_is_found_at_the_cost_of_what_it_is():
    assert calls_for(400) < calls_for(100) * 6
