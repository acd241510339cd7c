"""MD5, which S3 asks for of every body (RFC 1321).

It is the slowest hash of a body, and can only go on from what it has: half of a core idles meanwhile. So the compiled
twin takes what it is given, a part of a MiB at most, and hashes it while its caller goes on, together with what other
bodies have then. Which bytes are hashed beside which others changes nothing, and what is given must not change.

What was hashed once can be gone on from, by any number of others: a state is a value, and never changes. Nothing is in
it but for the module that gave it: here a hash that is only copied, there a few bytes.

A digest is of one thread at a time. MD5 is not used for security, so it is there where the system forbids it for that.
"""

from __future__ import annotations

import hashlib


class Md5:
    """The MD5 of what it was given."""

    def __init__(self, state: object = None):
        """Goes on from what `state` gave. Raises TypeError for what it never gives, ValueError for bytes that are none."""
        self._hash = hashlib.md5(usedforsecurity=False)
        self._kept: list[object] = []
        if state is not None:
            if not isinstance(state, type(self._hash)):
                raise TypeError("not a state of an Md5")
            self._hash = state.copy()

    def update(self, data: bytes, /, keep: bool = False) -> None:
        """Take the next bytes of the body. Their state is kept for `kept`, if that is to be. Lets go of the interpreter."""
        self._hash.update(data)
        if keep:
            self._kept.append(self._hash.copy())

    def kept(self) -> list[object]:
        """The states that were to be kept and are reached, in order, each given once. After `digest` that is all of them."""
        kept, self._kept = self._kept, []
        return kept

    def state(self) -> object:
        """What another can go on from: all that came until now. Lets go of the interpreter while that is hashed."""
        return self._hash.copy()

    def digest(self) -> bytes:
        """The 16 bytes, of all that came until now."""
        return self._hash.digest()
