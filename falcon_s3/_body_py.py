"""The aws-chunked framing, decoded step by step: bytes in, pieces of content, ends of chunks and trailers out.

    size-in-hex[;chunk-signature=<64 hex digits>] CRLF  data CRLF  ...
    0[;chunk-signature=...] CRLF  [name:value CRLF ...]  CRLF

No I/O, and the same events whatever the pieces the input comes in. Source: S3 API reference, "Transferring
payload in multiple chunks" and "... with trailing headers". Where clients are known to differ the decoder gives
way: a trailer line may end with LF alone or, as those of minio-go, with LF CRLF, and the last CRLF may be missing.
"""

from __future__ import annotations

from typing import NamedTuple

# Longest line of a header or trailer, and the most trailers together, in bytes.
LINE_BYTES = 8 << 10
TRAILER_BYTES = 16 << 10
# No chunk can be longer than the largest object of one PUT.
CHUNK_SIZE = 5 << 30


class ChunkEnd(NamedTuple):
    """All data of a chunk was given; `signature` is "" in unsigned framing. The last chunk has size 0."""

    size: int
    signature: str


class BodyEnd(NamedTuple):
    """The framing is complete; trailing headers by lower-case name."""

    trailers: dict[str, str]


Event = bytes | ChunkEnd | BodyEnd

_HEADER, _DATA, _DATA_END, _TRAILER, _DONE = range(5)


class ChunkDecoder:
    """Feed it the framed bytes in order; every ValueError tells what is wrong with the framing."""

    def __init__(self) -> None:
        self._state = _HEADER
        self._held = b""  # an unfinished line
        self._size = 0
        self._left = 0
        self._signature = ""
        self._trailers: dict[str, str] = {}
        self._trailer_bytes = 0
        self._bare = False  # the last trailer line ended with LF alone: a CRLF may still belong to it

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises ValueError."""
        if not isinstance(data, bytes):
            raise TypeError(f"data must be bytes, not {type(data).__name__}")
        events: list[Event] = []
        position = 0
        while position < len(data):
            if self._state == _DATA:
                piece = data[position : position + self._left]
                events.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
                continue
            if self._state == _DONE:
                raise ValueError("there are bytes behind the end of the chunked body")
            end = data.find(b"\n", position)
            if end < 0:
                self._hold(data[position:])
                break
            line = self._held + data[position:end]
            self._held = b""
            position = end + 1
            if len(line) > LINE_BYTES:
                raise ValueError("a line of the chunked body is too long")
            self._line(line, events)
        return events

    def finish(self) -> list[Event]:
        """The input has ended. Raises ValueError if the framing has not."""
        if self._state == _TRAILER and self._held.strip(b"\r"):
            self._trailer(self._held.rstrip(b"\r"))
        elif self._state not in (_TRAILER, _DONE):
            raise ValueError("the chunked body ends before its last chunk")
        events: list[Event] = [] if self._state == _DONE else [BodyEnd(self._trailers)]
        self._state = _DONE
        return events

    def _hold(self, piece: bytes) -> None:
        self._held += piece
        if len(self._held) > LINE_BYTES:
            raise ValueError("a line of the chunked body is too long")

    def _line(self, line: bytes, events: list[Event]) -> None:
        if self._state == _TRAILER:
            bare = not line.endswith(b"\r")
            line = line.removesuffix(b"\r")
            if line:
                self._trailer(line)
                self._bare = bare
            elif self._bare and not bare:
                self._bare = False
            else:
                self._state = _DONE
                events.append(BodyEnd(self._trailers))
            return
        if not line.endswith(b"\r"):
            raise ValueError("a line of the chunked body does not end with CRLF")
        line = line[:-1]
        if self._state == _DATA_END:
            if line:
                raise ValueError("the data of a chunk is longer than it says")
            events.append(ChunkEnd(self._size, self._signature))
            self._state = _HEADER
        else:
            self._header(line)
            if not self._size:
                events.append(ChunkEnd(0, self._signature))

    def _header(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        if not 0 < len(size) <= 16 or size.strip(b"0123456789abcdefABCDEF"):
            raise ValueError("the size of a chunk is not a hexadecimal number")
        self._size = self._left = int(size, 16)
        if self._size > CHUNK_SIZE:
            raise ValueError("a chunk is too long")
        self._signature = extension.removeprefix(b"chunk-signature=").decode("latin-1")
        self._state = _DATA if self._size else _TRAILER

    def _trailer(self, line: bytes) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > TRAILER_BYTES:
            raise ValueError("the trailing headers are too long")
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise ValueError("a trailing header has no colon")
        self._trailers[name.strip().lower()] = value.strip()
