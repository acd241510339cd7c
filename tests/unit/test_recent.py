"""The pages that are remembered: those used last, and never more than was allowed."""

from __future__ import annotations

from falcon_s3.pfs import Listed
from falcon_s3.pfs.recent import CHARACTER_BYTES, PAGE_BYTES, Asked, Recent


def page(size: int) -> Listed:
    return Listed(b"x" * size, 1, "", False)


def asked(name: str) -> Asked:
    return Asked(1, 2, 0, "", name, "", 1000)


def cost(size: int) -> int:
    """Of a page whose question has one letter."""
    return size + PAGE_BYTES + CHARACTER_BYTES


def test_a_page_is_remembered_under_all_it_follows_from():
    """Another commit, count, prefix, start, delimiter or length is another page."""
    recent = Recent(1 << 20)
    question = Asked(1, 2, 3, "p", "a", "/", 10)
    recent.put(question, page(5))
    assert recent.get(question) == page(5)
    for field, other in zip(Asked._fields, (9, 9, 9, "x", "x", "x", 9), strict=True):
        assert recent.get(question._replace(**{field: other})) is None


def test_what_was_not_used_for_longest_goes():
    """A page that was asked for again stays."""
    recent = Recent(10 * cost(1000))
    for name in "abcdefghij":
        recent.put(asked(name), page(1000))
    assert recent.get(asked("a")) is not None
    recent.put(asked("k"), page(1000))
    assert recent.get(asked("b")) is None
    assert all(recent.get(asked(name)) for name in "acdefghijk")


def test_a_page_that_is_put_again_counts_once():
    """As when two threads asked for it at the same time."""
    recent = Recent(10 * cost(1000))
    for _ in range(100):
        recent.put(asked("a"), page(1000))
    for name in "bcdefghij":
        recent.put(asked(name), page(1000))
    assert all(recent.get(asked(name)) for name in "abcdefghij")


def test_long_questions_count():
    """Of answers of nothing no more are remembered than their questions allow."""
    recent = Recent(100_000)
    names = [f"{number:01000}" for number in range(100)]
    for name in names:
        recent.put(asked(name), page(0))
    assert sum(recent.get(asked(name)) is not None for name in names) == 100_000 // (
        1000 * CHARACTER_BYTES + PAGE_BYTES
    )


def test_a_large_page_drives_no_others_out():
    """What would take an eighth of all is not remembered."""
    recent = Recent(10 * cost(1000))
    recent.put(asked("a"), page(1000))
    recent.put(asked("b"), page(10_000))
    assert recent.get(asked("b")) is None
    assert recent.get(asked("a")) is not None
