"""The place where chunks become messages and messages chunks, of the two streams that carry files' bytes."""

from __future__ import annotations

from google.protobuf.wrappers_pb2 import BytesValue

from falcon_s3 import _speedups


def add(path: str, chunk: bytes) -> bytes:
    """A message of ModifyFile that appends the chunk to the file at `path`, as it is sent."""
    return _speedups.add_file(path, chunk)


def chunk(message: bytes) -> bytes:
    """The bytes in a message of GetFile. Raises google.protobuf.message.DecodeError."""
    value = _speedups.value_of(message)
    if value is None:  # not in the form that every encoder gives
        value = BytesValue.FromString(message).value
    return value
