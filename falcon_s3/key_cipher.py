"""KeyCipher: what the secrets of access keys are encrypted with, in a file beside them unless the operator gives it.

Both versions of Amazon's signature are made with the secret itself, so no hash of it would do: it is kept encrypted
(Fernet: AES-128-CBC with HMAC-SHA256). Whoever has the database alone, in a backup for one, has no secret.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Loaded with the first secret, which is before the workers are forked if there is one: it takes 7 MiB, and 2 in each.
if TYPE_CHECKING:
    from cryptography.fernet import Fernet

SECRET = "keys.secret"  # noqa: S105  a file's name
VARIABLE = "FALCON_S3_KEYS_SECRET"


class KeyStoreError(Exception):
    """The keys cannot be used; the message says why and what to do."""


class KeyCipher:
    """Of the keys in the folder `data`. `secret` is a Fernet key, in URL-safe base64; None: the one in the folder."""

    def __init__(self, data: Path, secret: str | None = None):
        self._data = data
        self._cipher = None if secret is None else cipher_of(secret, VARIABLE)

    def encrypt(self, secret: str) -> bytes:
        """Makes the file in the folder, with the first secret. Raises KeyStoreError, OSError."""
        return self._find(make=True).encrypt(secret.encode())

    def decrypt(self, access_key: str, encrypted: bytes) -> str:
        """The secret of an access key. Raises KeyStoreError."""
        from cryptography.fernet import InvalidToken

        try:
            return self._find().decrypt(encrypted).decode()
        except InvalidToken as ex:
            raise KeyStoreError(
                f"the secret of the access key {access_key} was not encrypted with this {VARIABLE} or {SECRET}:"
                " give the one it was made with, or delete the key"
            ) from ex

    def _find(self, *, make: bool = False) -> Fernet:
        if self._cipher is None:
            from cryptography.fernet import Fernet

            path = self._data / SECRET
            if make and not path.exists():
                with alone(self._data):
                    write_once(path, Fernet.generate_key())
            try:
                self._cipher = cipher_of(path.read_text("ascii", "replace").strip(), str(path))
            except OSError as ex:
                raise KeyStoreError(
                    f"{path} cannot be read, which the secrets of the access keys are encrypted with"
                    f" ({ex.strerror}): put it back, or set {VARIABLE}"
                ) from ex
        return self._cipher


def cipher_of(secret: str, place: str) -> Fernet:
    """`place` is where the secret was found, for the error. Raises KeyStoreError."""
    from cryptography.fernet import Fernet

    try:
        return Fernet(secret)
    except ValueError as ex:
        raise KeyStoreError(
            f"{place} is not 32 bytes in URL-safe base64, as `head -c 32 /dev/urandom | base64 | tr +/ -_` makes them"
        ) from ex


def reason(ex: Exception) -> str:
    """Why a file cannot be used, without its name."""
    return (isinstance(ex, OSError) and ex.strerror) or str(ex)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold off every other process that comes here: two must not create one file."""
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def write_once(path: Path, text: bytes) -> None:
    """Write a file for its owner only, if there is none; it is on disk, and whole, when it has its name."""
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
