"""The stored keys, and the keyring through which a worker knows them."""

import logging
import os
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet

from falcon_s3 import errors, keyring, keys
from falcon_s3.key_cipher import SECRET, VARIABLE, KeyStoreError
from falcon_s3.keyring import Keyring
from falcon_s3.keys import KeyNotFound, KeyStore, has_keys
from falcon_s3.rights import ALL, Right, Rights

READER = Rights(read=("master.*", "dev.images"))


@pytest.fixture
def store(tmp_path):
    opened = KeyStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def other(tmp_path, store):
    """The same keys as another process has them."""
    opened = KeyStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def clock(monkeypatch):
    """The keyring's clock, which only the test moves."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    monkeypatch.setattr(keyring, "time", clock := Clock())
    return clock


def test_a_key_is_kept_with_its_rights(store, other):
    """The secret comes once, with the key; other processes find it to verify signatures."""
    key, secret = store.create("backup", Rights(("a", "b"), ("c",), ("d",)))

    assert key == other.list_keys()[0]
    assert (key.name, key.enabled) == ("backup", True)
    assert key.rights == Rights(("a", "b"), ("c",), ("d",), key.rights.holder)
    assert other.load().secrets == {key.rights.holder: secret}
    assert secret not in repr(other.list_keys())


def test_keys_and_secrets_are_long_and_plain(store):
    """As long as Amazon's, none twice, and of characters that need no quotes anywhere."""
    made = [store.create("", ALL) for _ in range(50)]

    assert {len(key.rights.holder) for key, _ in made} == {20}
    assert {len(secret) for _, secret in made} == {40}
    assert all((key.rights.holder + secret).isalnum() for key, secret in made)
    assert len({secret for _, secret in made} | {key.rights.holder for key, _ in made}) == 100


def test_a_disabled_key_has_no_secret_and_a_deleted_one_is_gone(store):
    first, second = (store.create("", ALL)[0].rights.holder for _ in range(2))
    assert not store.enable(first, False).enabled
    assert set(store.load().secrets) == {second}
    assert set(store.load().rights) == {first, second}
    assert store.enable(first, True).enabled
    assert set(store.load().secrets) == {first, second}
    store.delete(second)
    assert set(store.load().rights) == {first}


def test_a_key_that_is_not_there_is_told(store):
    for call in (lambda: store.delete("X"), lambda: store.enable("X", True), lambda: store.enable("X", False)):
        with pytest.raises(KeyNotFound, match="X"):
            call()


def test_what_anybody_may_read_is_replaced(store, other):
    store.allow_anonymous(["a.*", "b.*", "a.*"])
    assert other.anonymous() == other.load().anonymous == ("a.*", "b.*")
    store.allow_anonymous(["c.*"])
    assert other.anonymous() == ("c.*",)
    store.allow_anonymous([])
    assert other.anonymous() == ()


def test_no_secret_is_on_disk_as_it_is(store, tmp_path):
    """Neither in the database nor in its log; and nobody else on the machine may look."""
    _, secret = store.create("me", ALL)
    store.create("me", ALL)

    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_operator_can_give_what_secrets_are_encrypted_with(tmp_path):
    """Then no file is made; another one, or none, does not decrypt and makes no more keys."""
    mine = KeyStore(tmp_path, Fernet.generate_key().decode())
    key, secret = mine.create("", ALL)
    assert mine.load().secrets == {key.rights.holder: secret}
    assert not (tmp_path / SECRET).exists()
    mine.close()
    for given in (None, Fernet.generate_key().decode()):
        another = KeyStore(tmp_path, given)
        with pytest.raises(KeyStoreError, match=VARIABLE):
            another.create("", ALL)
        loaded = another.load()
        assert (loaded.secrets, set(loaded.rights)) == ({}, {key.rights.holder})
        assert VARIABLE in loaded.problem
        another.close()


@pytest.mark.parametrize("secret", ["x", "", "é" * 44, "A" * 43, "A" * 200])
def test_a_secret_of_another_form_is_refused(tmp_path, secret):
    """In the variable or in the file; the message shows how to make one, and not what was given."""
    with pytest.raises(KeyStoreError, match="base64") as caught:
        KeyStore(tmp_path, secret)
    assert VARIABLE in str(caught.value)
    (tmp_path / SECRET).write_text(secret)
    with pytest.raises(KeyStoreError, match=SECRET) as caught:
        KeyStore(tmp_path).create("", ALL)
    assert len(secret) < 2 or secret not in str(caught.value)


def test_a_database_that_cannot_be_read_is_told(tmp_path):
    """Damaged, written by a later version, or no file."""
    for name, spoil in (
        ("damaged", lambda path: path.write_bytes(b"no database" * 1000)),
        ("later", lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99")),
        ("folder", lambda path: path.mkdir()),
    ):
        folder = tmp_path / name
        folder.mkdir()
        spoil(folder / keys.DATABASE)
        with pytest.raises(KeyStoreError, match=str(folder)):
            KeyStore(folder)


def test_to_ask_for_keys_makes_nothing(tmp_path):
    assert not has_keys(tmp_path / "nowhere")
    assert not has_keys(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disabled_key_is_a_key(store, tmp_path):
    assert not has_keys(tmp_path)
    store.enable(store.create("", ALL)[0].rights.holder, False)
    assert has_keys(tmp_path)


def test_many_make_the_first_key_at_once(tmp_path):
    """One database and one secret come of it."""
    barrier = threading.Barrier(8)

    def make(_):
        barrier.wait()
        opened = KeyStore(tmp_path)
        try:
            return opened.create("", ALL)
        finally:
            opened.close()

    with ThreadPoolExecutor(8) as pool:
        made = {key.rights.holder: secret for key, secret in pool.map(make, range(8))}
    opened = KeyStore(tmp_path)
    assert opened.load().secrets == made
    opened.close()


def test_a_keyring_without_a_store_knows_one_key():
    ring = Keyring({"me": "hidden"})
    assert ring.secret_of("me") == "hidden"
    assert ring.secret_of("you") is None
    assert ring.admit("me").rights.allows("images", Right.PURGE)
    with pytest.raises(errors.AccessDenied):
        ring.admit("")
    assert not ring.is_open
    assert Keyring(opens=True).is_open
    assert not Keyring().is_open


def test_a_keyring_takes_every_change_at_its_next_look(store, other, clock):
    ring = Keyring({}, other)
    key, secret = store.create("", READER)
    access_key = key.rights.holder

    def looked():
        clock.now += keyring.LOOK_SECONDS
        return ring.secret_of(access_key), ring.admit(access_key).rights

    assert looked() == (secret, key.rights)
    store.enable(access_key, False)
    assert looked() == (None, Rights(holder=access_key))
    store.enable(access_key, True)
    assert looked() == (secret, key.rights)
    store.allow_anonymous(["dev.*"])
    looked()
    assert ring.admit("").rights == Rights(("dev.*",))
    store.delete(access_key)
    assert looked()[0] is None


def test_a_keyring_asks_the_database_once_a_second_and_reads_only_what_changed(store, other, clock, monkeypatch):
    """However many requests come."""
    counts = dict.fromkeys(("version", "load"), 0)
    for name in counts:

        def counted(call=getattr(other, name), name=name):
            counts[name] += 1
            return call()

        monkeypatch.setattr(other, name, counted)
    ring = Keyring({}, other)
    for _ in range(1000):
        ring.secret_of("x")
        ring.admit("x")
    assert counts == {"version": 1, "load": 1}
    clock.now += keyring.LOOK_SECONDS
    ring.secret_of("x")
    assert counts == {"version": 2, "load": 1}
    store.create("", ALL)
    clock.now += keyring.LOOK_SECONDS / 2
    ring.secret_of("x")
    assert counts == {"version": 2, "load": 1}
    clock.now += keyring.LOOK_SECONDS / 2
    ring.secret_of("x")
    assert counts == {"version": 3, "load": 2}


def test_the_operators_own_key_is_above_the_stored_ones(store, other):
    ring = Keyring({"me": "hidden"}, other, opens=True)
    assert not ring.is_open
    key, _ = store.create("", READER)
    ring = Keyring({key.rights.holder: "hidden", "me": "too"}, other)
    assert ring.secret_of(key.rights.holder) == "hidden"
    assert ring.admit(key.rights.holder).rights.allows("any", Right.PURGE)


@pytest.mark.parametrize("opens", [True, False])
def test_without_any_key_it_is_open_only_if_it_may_be(store, other, clock, opens):
    """And closed by the first key, also while that is disabled; the last key's end opens it again, if it may."""
    ring = Keyring({}, other, opens=opens)

    def is_open():
        clock.now += keyring.LOOK_SECONDS
        return ring.is_open

    assert is_open() is opens
    store.allow_anonymous(["*"])
    assert is_open() is opens
    access_key = store.create("", ALL)[0].rights.holder
    assert not is_open()
    store.enable(access_key, False)
    assert not is_open()
    store.delete(access_key)
    assert is_open() is opens


def test_a_secret_that_cannot_be_decrypted_lets_nobody_in(store, tmp_path, clock, caplog):
    """The gateway is not open for it, the log says it once, and what is put right is found."""
    key, secret = store.create("", ALL)
    path = tmp_path / SECRET
    path.rename(tmp_path / "away")
    opened = KeyStore(tmp_path)
    ring = Keyring({}, opened, opens=True)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert ring.secret_of(key.rights.holder) is None
            assert not ring.is_open
            clock.now += keyring.LOOK_SECONDS
    assert [SECRET in record.getMessage() for record in caplog.records] == [True]
    os.rename(tmp_path / "away", path)
    assert ring.secret_of(key.rights.holder) == secret
    ring.close()


def test_a_database_that_fails_keeps_who_was_in(store, other, clock, caplog, monkeypatch):
    """From the start it lets nobody in."""

    def fail():
        raise KeyStoreError("the disk is gone")

    key, secret = store.create("", ALL)
    ring = Keyring({}, other, opens=True)
    assert ring.secret_of(key.rights.holder) == secret
    monkeypatch.setattr(other, "version", fail)
    for _ in range(3):
        clock.now += keyring.LOOK_SECONDS
        assert ring.secret_of(key.rights.holder) == secret
    assert [record.getMessage() for record in caplog.records] == ["the disk is gone"]
    late = Keyring({}, other, opens=True)
    assert not late.is_open
    assert late.secret_of(key.rights.holder) is None


def test_a_closed_keyring_goes_on_with_what_it_knows(store, other):
    """Requests that run while the worker ends are answered."""
    key, secret = store.create("", ALL)
    ring = Keyring({}, other)
    assert ring.secret_of(key.rights.holder) == secret
    ring.close()
    assert ring.secret_of(key.rights.holder) == secret
