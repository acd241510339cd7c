"""MD5, which S3 asks for of every body (RFC 1321).

It is the slowest hash of a body, and can only go on from what it has: half of a core idles meanwhile. So the compiled
twin keeps what it is given until the digest, or the next bytes, ask for it, and then hashes what all threads have given
until then together. Which bytes are hashed beside which others changes nothing.

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
        if state is not None:
            if not isinstance(state, type(self._hash)):
                raise TypeError("not a state of an Md5")
            self._hash = state.copy()

    def update(self, data: bytes, /) -> None:
        """Take the next bytes of the body. Lets go of the interpreter where there are many."""
        self._hash.update(data)

    def state(self) -> object:
        """What another can go on from: all that came until now. Lets go of the interpreter while that is hashed."""
        return self._hash.copy()

    def digest(self) -> bytes:
        """The 16 bytes, of all that came until now."""
        return self._hash.digest()
