"""Tokens of a store as access keys: who is let in, and how long the store's word is good."""

import threading
from types import SimpleNamespace

import pytest

from falcon_s3 import errors, tokens
from falcon_s3.pfs import Denied, Unavailable
from falcon_s3.rights import ALL, Right, Rights
from falcon_s3.tokens import Tokens


class Users:
    """A store whose users are told by a function of the token; counts how often it was asked."""

    def __init__(self, who):
        self.who = who
        self.asked = []

    def as_user(self, token):
        def who_am_i():
            self.asked.append(token)
            answer = self.who(token)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return SimpleNamespace(token=token, who_am_i=who_am_i)


def with_auth(token):
    return "robot:ci" if token.startswith("good") else Denied("no such token")


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(tokens, "time", SimpleNamespace(monotonic=lambda: now.now))
    return now


def test_who_holds_a_token_works_with_their_own_view():
    """The store decides what they may do, so that all is let through; grants to everybody are none."""
    admission = Tokens(Users(with_auth)).admit("good")

    assert admission.store.token == "good"
    assert admission.rights.allows("master.images", Right.PURGE)
    assert admission.everybody == Rights()


@pytest.mark.parametrize("key, error", [("bad", errors.InvalidAccessKeyId), ("", errors.AccessDenied)])
def test_without_a_token_that_is_known_nobody_is_let_in(key, error):
    with pytest.raises(error):
        Tokens(Users(with_auth)).admit(key)


def test_without_auth_everybody_is_let_in():
    """With any key, or with none."""
    keeper = Tokens(Users(lambda _: None))

    assert keeper.admit("any").everybody == keeper.admit("").everybody == ALL


@pytest.mark.parametrize("key, secret", [("good", "good"), ("bad", "bad"), ("", None), ("é", None), ("a\nb", None)])
def test_the_secret_key_is_the_access_key(key, secret):
    """What cannot be sent as a token has none."""
    assert Tokens(Users(with_auth)).secret_of(key) == secret


def test_the_store_is_asked_again_after_a_few_seconds(clock):
    """Later for who was let in than for who was not: a token that was just made is soon good."""
    users = Users(with_auth)
    keeper = Tokens(users)

    def admit(key):
        try:
            keeper.admit(key)
        except errors.S3Error:
            return False
        return True

    assert [admit("good"), admit("good"), admit("bad"), admit("bad")] == [True, True, False, False]
    assert users.asked == ["good", "bad"]
    clock.now += tokens.REFUSED_SECONDS
    assert [admit("good"), admit("bad")] == [True, False]
    assert users.asked == ["good", "bad", "bad"]
    clock.now += tokens.KNOWN_SECONDS
    users.who = lambda _: Denied("revoked")
    assert [admit("good"), admit("bad")] == [False, False]


def test_a_store_that_does_not_answer_is_asked_again_at_once(clock):
    """It has said nothing of the token."""
    users = Users(lambda _: Unavailable("gone"))
    keeper = Tokens(users)
    with pytest.raises(Unavailable):
        keeper.admit("good")
    users.who = with_auth

    assert keeper.admit("good").rights.holder == "good"


def test_what_is_remembered_is_bounded(monkeypatch):
    """The oldest goes first, however many ask at once."""
    monkeypatch.setattr(tokens, "MOST_KNOWN", 8)
    keeper = Tokens(Users(with_auth))

    def admit(first):
        for number in range(50):
            keeper.admit(f"good{first}-{number}")

    threads = [threading.Thread(target=admit, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keeper.admit("good-last")

    assert len(keeper._known) == 8
    assert "good-last" in keeper._known
