"""Plain PUTs: small objects that are written as most are, begun in the fewest steps.

A PUT that says nothing but where its bytes go, what they are, and who signs it needs little of what the application
does for every request: it begins such a write in 40 us, and this module in 20 (`benchmarks/bench_gateway.py`). That is
for servers that answer later (`deferral`), after the signature was verified, the rights were looked at and the branch
was found, as for every request. Anything but a plain yes takes the long way, which also says what was wrong.

Rule: it fails closed. What a header or a parameter that is not named here would change is not known, so a request that
has one takes the long way; and so does one whose bytes are not what it says, with the bytes that were read.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from blake3 import blake3

from falcon_s3 import _speedups, attributes, body, body_headers, buckets, checksums, digests, errors, pfs
from falcon_s3.auth import Authentication
from falcon_s3.deferral import VERSION, Begun, Starts
from falcon_s3.request import REQUEST_ID, is_host, new_id
from falcon_s3.rights import Right

METHOD = "PUT"
DIGEST = "x-amz-content-sha256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_DIGEST = re.compile(f"{UNSIGNED}|[0-9a-f]{{64}}")
# Headers that say nothing of the object: who asks, with what, and how the answer is written down.
ASIDE = frozenset(
    "accept accept-encoding accept-language amz-sdk-invocation-id amz-sdk-request authorization connection"
    " content-length date host user-agent x-amz-date x-amz-user-agent".split()
)
# Those that are kept beside it, of which none changes what its bytes are.
KEPT = ("cache-control", "content-disposition", "content-language", "content-type", "expires")
# Those that say what the bytes are, besides the digest that is signed.
ALGORITHM = "x-amz-sdk-checksum-algorithm"
CHECKED = frozenset(("content-md5", ALGORITHM, *(f"{checksums.PREFIX}{name}" for name in digests.CHECKSUMS)))
KNOWN = ASIDE.union(KEPT, CHECKED, (DIGEST,))
PARAMETERS = frozenset(("x-id",))
# The paths of keys that need no second look: `/bucket/key`, short and without control characters.
_PATH = re.compile(r"/([A-Za-z0-9._-]+)/([ -~]{1,255})")
_LENGTH = re.compile("[1-9][0-9]{0,4}")


class WrongBytes(Exception):
    """There are fewer than were announced, or others than were signed."""


class Recorder:
    """Reads of a small body, kept for who would have to read it again."""

    __slots__ = ("_read", "data")

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read
        self.data = b""

    def read(self, size: int) -> bytes:
        data = self._read(size)
        self.data += data
        return data


class Bytes:
    """A body that nothing is said of but its length and its `sha256`, if that, in hexadecimal."""

    __slots__ = ("_data", "_length", "_read", "_sha256")

    def __init__(self, read: Callable[[int], bytes], length: int, sha256: str | None):
        self._read = read
        self._length = length
        self._sha256 = sha256

    def __iter__(self) -> Iterator[bytes]:
        data = self._read(self._length)
        while len(data) < self._length and (more := self._read(self._length - len(data))):
            data += more
        if len(data) != self._length or (self._sha256 and hashlib.sha256(data).hexdigest() != self._sha256):
            raise WrongBytes
        self._data = data
        yield data

    def beginning(self) -> bytes:
        return blake3(self._data).digest()

    def digests(self) -> pfs.Digests:
        md5 = _speedups.Md5()
        md5.update(self._data)
        return pfs.Digests(md5.digest())


def checked(read: Callable[[int], bytes], headers: Mapping[str, str], kept: dict[str, str]) -> pfs.Body:
    """A body that its headers say more of; a checksum is added to what is `kept`. Raises what `body_headers.expected_of` does."""
    expected = body_headers.expected_of(headers)
    algorithm = expected.checksum or checksums.algorithm_named(headers.get(ALGORITHM))
    if algorithm is not None:
        kept[checksums.TYPE] = checksums.FULL_OBJECT
    return body.VerifiedBody(read, expected, None, algorithm, kept)


class PlainPuts:
    """Without an `authentication` everybody may write everything. `starts` is the store, the same for all who ask."""

    def __init__(self, starts: Starts, authentication: Authentication | None):
        self._starts = starts
        self._authentication = authentication

    def begun(self, env: dict[str, Any]) -> Begun | None:
        """The write of a small object, begun, and what is answered when it is done. None: the long way."""
        asked = _speedups.asked_of(env, KNOWN, (), PARAMETERS)
        if asked is None or env["REQUEST_METHOD"] != METHOD:
            return None
        _, headers, link = asked
        where = _PATH.fullmatch(env["PATH_INFO"])
        length = headers.get("content-length", "")
        digest = headers.get(DIGEST, UNSIGNED)
        if where is None or link[2] is not None or not (_LENGTH.fullmatch(length) and _DIGEST.fullmatch(digest)):
            return None
        if not is_host(headers.get("host", "")):
            return None
        bucket, key = where.groups()
        recorder = Recorder(env["wsgi.input"].read)
        try:
            if self._authentication is not None:
                self._authentication.rights_of(env, headers, link).check_change(self._starts, bucket, Right.WRITE)
            branch = buckets.parse(bucket)
            if not isinstance(branch, pfs.Branch):
                return None
            attributes.refuse_lost_text(headers)
            kept = attributes.described(headers)
            content: pfs.Body
            if CHECKED.isdisjoint(headers):
                content = Bytes(recorder.read, int(length), None if digest == UNSIGNED else digest)
            else:
                content = checked(recorder.read, headers, kept)
            started = self._starts.start_put(branch, key, content, kept, None)
        except (errors.S3Error, pfs.PfsError, WrongBytes):
            if recorder.data:
                env["wsgi.input"] = io.BytesIO(recorder.data)
            return None
        return [
            (REQUEST_ID, new_id()),
            ("etag", f'"{started.etag}"'),
            ("x-amz-version-id", VERSION),
            *checksums.kept(kept).items(),
            ("content-length", "0"),
            ("content-type", "application/xml"),
        ], started
