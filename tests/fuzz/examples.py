"""How a fuzz target is run: some examples always, and very many more with `--long`."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# How many examples a target gets; the short form of all targets together takes well under 40 s.
SHORT, LONG = 120, 20_000


def fuzz(*, slower=1, **strategies):
    """Make a test of a function of these arguments; its other arguments are fixtures.

    `slower`: how many times longer than others an example takes; there are as many times fewer of them.
    """
    counts = [SHORT // slower, pytest.param(LONG // slower, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]

    def decorate(check):
        def test(examples, **fixtures):
            chosen = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
            chosen(given(**strategies)(check))(**fixtures)

        fixtures = [each for name, each in inspect.signature(check).parameters.items() if name not in strategies]
        examples = inspect.Parameter("examples", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([examples, *fixtures])
        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        return pytest.mark.parametrize("examples", counts, ids=["short", "long"])(test)

    return decorate


def mutated(valid, pieces):
    """Texts or bytes made of `valid` by a few changes: cut, doubled, turned, or with one of `pieces` put in."""

    @st.composite
    def change(draw):
        whole = draw(valid)
        for _ in range(draw(st.integers(0, 4))):
            start, stop = sorted((draw(st.integers(0, len(whole))), draw(st.integers(0, len(whole)))))
            middle = draw(
                st.sampled_from([whole[:0], whole[start:stop] * 2, whole[start:stop][::-1]]) | st.sampled_from(pieces)
            )
            whole = whole[:start] + middle + whole[stop:]
        return whole

    return change()


def repeated(pieces, size=100_000):
    """Texts or bytes of about `size` that repeat a few of the pieces: what takes quadratic time takes long here."""

    def build(head, unit, tail):
        return head + unit * (size // len(unit)) + tail

    few = st.lists(st.sampled_from(pieces), min_size=1, max_size=3).map(lambda found: type(found[0])().join(found))
    return st.builds(build, few, few.filter(len), few)
