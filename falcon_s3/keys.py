"""KeyStore: access keys with rights, beside the embedded store, in a database of their own.

    keys.sqlite3      the keys: names, patterns, secrets under encryption; and what anybody may read
    keys.secret       what the secrets are encrypted with: see `key_cipher`

Any number of processes may open one folder, each after its fork: the journal is a write-ahead log, and what was
changed is on disk when a call returns.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import string
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from falcon_s3.key_cipher import KeyCipher, KeyStoreError, alone, reason
from falcon_s3.rights import Rights

DATABASE = "keys.sqlite3"

# Changes whenever an older program could not read what a newer one wrote.
FORMAT = 1
SCHEMA = """
CREATE TABLE key (               -- patterns are separated by spaces; enabled is 0 or 1
  access_key TEXT PRIMARY KEY, secret BLOB NOT NULL, name TEXT NOT NULL, enabled INTEGER NOT NULL,
  read TEXT NOT NULL, write TEXT NOT NULL, purge TEXT NOT NULL, created_ms INTEGER NOT NULL);

CREATE TABLE anonymous (         -- what anybody may read
  pattern TEXT PRIMARY KEY);
"""
COLUMNS = "access_key, name, enabled, read, write, purge, created_ms"

# As long as Amazon's own, and of characters that every shell, URL and configuration file takes as they are.
ACCESS_KEY_LETTERS = string.ascii_uppercase + "234567"
ACCESS_KEY_LENGTH = 20
SECRET_KEY_LETTERS = string.ascii_letters + string.digits
SECRET_KEY_LENGTH = 40  # 238 bits

Result = TypeVar("Result")


class KeyNotFound(KeyStoreError):
    def __init__(self, access_key: str):
        super().__init__(f"there is no access key {access_key}: `falcon-s3 key list` shows those there are")


class StoredKey(NamedTuple):
    """A key without its secret; `rights.holder` is the access key."""

    name: str
    enabled: bool
    rights: Rights
    created_ms: int


class Loaded(NamedTuple):
    """All that a gateway needs to know at one time."""

    secrets: Mapping[str, str]  # of the keys that are enabled
    rights: Mapping[str, Rights]  # of all
    anonymous: tuple[str, ...]  # patterns of what anybody may read
    problem: str | None  # why some secrets are missing


class KeyStore:
    """The keys in the folder `data`, whose database is created if missing. One thread at a time may use it.

    `secret` is a Fernet key, in URL-safe base64; None: the one in the folder, made with the first key. Everything
    raises KeyStoreError if the database cannot be used.
    """

    def __init__(self, data: Path, secret: str | None = None):
        self._path = data / DATABASE
        self._cipher = KeyCipher(data, secret)
        try:
            with alone(data):
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                self._connection = sqlite3.connect(
                    self._path, timeout=60, isolation_level=None, check_same_thread=False
                )
                self._prepare()
        except (OSError, sqlite3.Error) as ex:
            raise KeyStoreError(f"the access keys in {self._path} cannot be used: {reason(ex)}") from ex

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA synchronous = FULL")
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise KeyStoreError(
                f"{self._path} has format {found}; this version of falcon-s3 reads up to {FORMAT}: install a newer one"
            )
        if found == 0:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")

    def create(self, name: str, rights: Rights) -> tuple[StoredKey, str]:
        """Make a key; gives it with its secret, which nothing will show again."""
        access_key = random_text(ACCESS_KEY_LETTERS, ACCESS_KEY_LENGTH)
        secret = random_text(SECRET_KEY_LETTERS, SECRET_KEY_LENGTH)
        now = time.time_ns() // 1_000_000

        def job(connection: sqlite3.Connection) -> StoredKey:
            for row in connection.execute("SELECT access_key, secret FROM key LIMIT 1"):
                self._cipher.decrypt(*row)  # all keys are under one secret: another one is refused here
            patterns = [" ".join(each) for each in (rights.read, rights.write, rights.purge)]
            encrypted = self._cipher.encrypt(secret)
            connection.execute(
                "INSERT INTO key (access_key, secret, name, enabled, read, write, purge, created_ms)"
                " VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
                (access_key, encrypted, name, *patterns, now),
            )
            return find(connection, access_key)

        return self._transaction(job), secret

    def list_keys(self) -> list[StoredKey]:
        """All keys, the oldest first."""
        return self._transaction(
            lambda connection: [
                stored(row) for row in connection.execute(f"SELECT {COLUMNS} FROM key ORDER BY created_ms, access_key")
            ]
        )

    def enable(self, access_key: str, enabled: bool) -> StoredKey:
        """Let the key in, or no longer. Raises KeyNotFound."""

        def job(connection: sqlite3.Connection) -> StoredKey:
            connection.execute("UPDATE key SET enabled = ? WHERE access_key = ?", (enabled, access_key))
            return find(connection, access_key)

        return self._transaction(job)

    def delete(self, access_key: str) -> StoredKey:
        """Forget the key; gives what it was. Raises KeyNotFound."""

        def job(connection: sqlite3.Connection) -> StoredKey:
            key = find(connection, access_key)
            connection.execute("DELETE FROM key WHERE access_key = ?", (access_key,))
            return key

        return self._transaction(job)

    def anonymous(self) -> tuple[str, ...]:
        """The patterns of what anybody may read."""
        return self._transaction(anonymous_patterns)

    def allow_anonymous(self, patterns: Iterable[str]) -> None:
        """Let anybody read the buckets of these patterns, and no others."""

        def job(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM anonymous")
            connection.executemany("INSERT OR IGNORE INTO anonymous VALUES (?)", [(each,) for each in patterns])

        self._transaction(job)

    def version(self) -> int:
        """Changes whenever another connection, of any process, has changed something."""
        try:
            (found,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as ex:
            raise KeyStoreError(f"the access keys in {self._path} cannot be read: {ex}") from ex
        return int(found)

    def load(self) -> Loaded:
        """Everything at one time. A secret that cannot be decrypted is left out, and is told in `problem`."""

        def job(connection: sqlite3.Connection) -> Loaded:
            rows = connection.execute(f"SELECT secret, {COLUMNS} FROM key ORDER BY access_key").fetchall()
            found, rights, problem = {}, {}, None
            for encrypted, *row in rows:
                key = stored(row)
                rights[key.rights.holder] = key.rights
                if not key.enabled:
                    continue
                try:
                    found[key.rights.holder] = self._cipher.decrypt(key.rights.holder, encrypted)
                except KeyStoreError as ex:
                    problem = str(ex)
            return Loaded(found, rights, anonymous_patterns(connection), problem)

        return self._transaction(job, "DEFERRED")

    def close(self) -> None:
        self._connection.close()

    def _transaction(self, job: Callable[[sqlite3.Connection], Result], kind: str = "IMMEDIATE") -> Result:
        connection = self._connection
        try:
            connection.execute(f"BEGIN {kind}")
            try:
                result = job(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (OSError, sqlite3.Error) as ex:
            raise KeyStoreError(f"the access keys in {self._path} cannot be used now: {reason(ex)}") from ex
        return result


def has_keys(data: Path) -> bool:
    """Whether there is any key in the folder, enabled or not; makes nothing. Raises KeyStoreError."""
    if not (data / DATABASE).is_file():
        return False
    store = KeyStore(data)
    try:
        return bool(store.list_keys())
    finally:
        store.close()


def random_text(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))


def find(connection: sqlite3.Connection, access_key: str) -> StoredKey:
    """Raises KeyNotFound."""
    row = connection.execute(f"SELECT {COLUMNS} FROM key WHERE access_key = ?", (access_key,)).fetchone()
    if row is None:
        raise KeyNotFound(access_key)
    return stored(row)


def stored(row: Iterable[object]) -> StoredKey:
    """A key from its row of COLUMNS, in which the patterns of a right are separated by spaces."""
    access_key, name, enabled, read, write, purge, created_ms = map(str, row)
    rights = Rights(tuple(read.split()), tuple(write.split()), tuple(purge.split()), access_key)
    return StoredKey(name, enabled == "1", rights, int(created_ms))


def anonymous_patterns(connection: sqlite3.Connection) -> tuple[str, ...]:
    return tuple(pattern for (pattern,) in connection.execute("SELECT pattern FROM anonymous ORDER BY pattern"))
