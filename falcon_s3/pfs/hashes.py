"""The hash of a file, as the two servers of pfs_v2.API compute it: by it a file is known again.

pachd hashes the hashes of the chunks that its storage cuts a file into; what is shorter than its smallest chunk is one
chunk (storage/chunk). `falcon-s3 pfsd` hashes the size and the ETag, without reading a byte.
"""

from __future__ import annotations

import hashlib

# A shorter file is one chunk of pachd's storage; where a longer one is cut depends on its bytes.
CHUNK_BYTES = 1_000_000
HASH_BYTES = 32


class Chunked:
    """pachd's hash of a file, for as long as the file is one chunk."""

    def __init__(self) -> None:
        self._size = 0
        self._digest = hashlib.blake2b(digest_size=HASH_BYTES)

    def update(self, data: bytes) -> None:
        self._size += len(data)
        if self._size < CHUNK_BYTES:
            self._digest.update(data)

    def digest(self) -> bytes | None:
        """The hash of what came; None for a file that is more than one chunk."""
        if self._size >= CHUNK_BYTES:
            return None
        chunks = self._digest.digest() if self._size else b""
        return hashlib.blake2b(chunks, digest_size=HASH_BYTES).digest()


def of_pfsd(size: int, etag: str) -> bytes:
    return hashlib.blake2b(f"{size} {etag}".encode(), digest_size=HASH_BYTES).digest()
