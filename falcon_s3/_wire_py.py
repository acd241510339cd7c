"""The messages that carry the bytes of files over gRPC, framed and unframed with one copy of these bytes.

    google.protobuf.BytesValue       what GetFile sends:      0A length chunk
    pfs_v2.ModifyFileRequest         what ModifyFile takes:   12 length  { 0A length path  [12 length datum]
      with add_file and its raw      (all but the chunk is       1A length { 0A length chunk } }
      bytes                          a few bytes)

Lengths are varints. Only the form that every encoder gives is read here: each field once, in the order of its
number, nothing else. For all other bytes, right or wrong, the answer is None, and the generated classes of
falcon_s3/pfs/wire decide: they know unknown fields, merged fields and what is malformed. Source: the Protocol Buffers
encoding, https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

# A length of more bytes than this is left to the generated classes: 4 are for messages of up to 256 MiB.
LENGTH_BYTES = 4

# The tags: number << 3 | 2, where 2 stands for a length and so many bytes.
_FIRST, _SECOND, _THIRD = 0x0A, 0x12, 0x1A


def bytes_value(chunk: bytes) -> bytes:
    """The BytesValue of a chunk; of no bytes, an empty message."""
    _check_bytes(chunk)
    return b"".join((_head(_FIRST, len(chunk)), chunk)) if chunk else b""


def value_of(message: bytes) -> bytes | None:
    """The value of a BytesValue. None: ask the generated class."""
    _check_bytes(message)
    return _value(message, 0)


def add_file(path: str, chunk: bytes) -> bytes:
    """The ModifyFileRequest that adds the chunk to the file. Raises UnicodeEncodeError for surrogates."""
    _check_bytes(chunk)
    name = path.encode()
    value = _head(_FIRST, len(chunk)) if chunk else b""
    raw = _head(_THIRD, len(value) + len(chunk))
    named = _head(_FIRST, len(name)) if name else b""
    length = len(named) + len(name) + len(raw) + len(value) + len(chunk)
    return b"".join((_head(_SECOND, length), named, name, raw, value, chunk))


def added_file(message: bytes) -> tuple[str, str, bytes] | None:
    """Path, datum and chunk of a ModifyFileRequest that adds bytes to a file. None: ask the generated class."""
    _check_bytes(message)
    start, end = _field(message, 0, _SECOND)
    if end != len(message):
        return None
    start, end = _field(message, start, _FIRST)
    name = message[start:end]
    datum = b""
    if 0 <= end < len(message) and message[end] == _SECOND:
        start, end = _field(message, end, _SECOND)
        datum = message[start:end]
    start, end = _field(message, end, _THIRD)
    chunk = _value(message, start) if end == len(message) else None
    if chunk is None:
        return None
    try:
        return name.decode(), datum.decode(), chunk
    except UnicodeDecodeError:
        return None


def _check_bytes(given: object) -> None:
    if not isinstance(given, bytes):
        raise TypeError(f"expected bytes, not {type(given).__name__}")


def _head(tag: int, length: int) -> bytes:
    """The head of a field: its tag, and its length as a varint."""
    head = bytearray((tag,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head)


def _field(message: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of the field that must be here begins and ends; (-1, -1): it is not here, or `at` is -1."""
    if not 0 <= at < len(message) or message[at] != tag:
        return -1, -1
    length = 0
    for position in range(LENGTH_BYTES):
        at += 1
        if at == len(message):
            break
        length |= (message[at] & 0x7F) << 7 * position
        if message[at] < 0x80:
            end = at + 1 + length
            return (at + 1, end) if end <= len(message) else (-1, -1)
    return -1, -1


def _value(message: bytes, at: int) -> bytes | None:
    """What a BytesValue holds that begins here and ends where the message does."""
    if at == len(message):
        return b""
    start, end = _field(message, at, _FIRST)
    return message[start:] if end == len(message) else None
