"""The rows of a listing as XML, and the text rules they share with every other document: the readable twin.

One page of entries becomes one piece of XML: first the files, then the folders, as S3 orders them. Rule: what
comes out is well-formed whatever the key. XML 1.0 has no way to write most control characters; with
encoding-type=url keys are percent-encoded and nothing is lost, without it such a character becomes U+FFFD. CR, LF
and TAB are written as references, since a parser would change them.

Sizes are integers of 64 bits and dates have years of four digits; OverflowError says that one does not.

Entries may be packed, so that a store need not make an object of each: UTF-8 bytes, the fields of all entries joined
by NUL, which no path has. An entry has two fields: what is known of it, as `size modified_ms etag` with one space
between them, and its path. ValueError says that bytes are no such rows.

Source: S3 API reference, ListObjectsV2; XML 1.0 section 2.2.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from operator import index
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from falcon_s3.pfs import Entry

OWNER = "<Owner><ID>00000000000000000000000000000000</ID><DisplayName>pachyderm</DisplayName></Owner>"

# Everything that cannot stand in text as it is; most texts have none of it.
_SPECIAL = re.compile('[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}

_SIZES = range(-(1 << 63), 1 << 63)
# From 0001-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.
_TIMES = range(-62_135_596_800_000, 253_402_300_800_000)

# What is known of an entry, packed.
_ABOUT = re.compile(b"(-?[0-9]{1,19}) (-?[0-9]{1,19}) (.*)", re.DOTALL)
# Of a folder.
_FOLDER = b"-1 0 "


def escape(text: str) -> str:
    """`text` as the content of an XML element."""
    return _SPECIAL.sub(lambda found: _REFERENCES.get(found[0], "\ufffd"), text)


def url_encoded(text: str) -> str:
    """`text` as encoding-type=url has it: UTF-8, every byte percent-encoded but A-Z a-z 0-9 - _ . ~ and /."""
    return quote(text, safe="/-_.~", errors="replace")


def contents_xml(entries: Iterable[Entry] | bytes, url_encode: bool, owner: bool) -> bytes:
    """The Contents elements of the files of a page, and after them the CommonPrefixes of its folders.

    `entries` may be packed; `url_encode`: keys are url-encoded; `owner`: each file has its Owner.
    """
    encode = url_encoded if url_encode else escape
    tail = (OWNER if owner else "") + "<StorageClass>STANDARD</StorageClass></Contents>"
    files: list[str] = []
    folders: list[str] = []
    for path, size, etag, modified_ms in unpacked(entries) if isinstance(entries, bytes) else entries:
        if index(size) not in _SIZES:
            raise OverflowError("a size does not fit into 64 bits")
        if size < 0:
            folders.append(f"<CommonPrefixes><Prefix>{encode(path)}</Prefix></CommonPrefixes>")
        else:
            files.append(
                f"<Contents><Key>{encode(path)}</Key><LastModified>{iso_date(modified_ms)}</LastModified>"
                f"<ETag>&quot;{escape(etag)}&quot;</ETag><Size>{size:d}</Size>{tail}"
            )
    return "".join(files + folders).encode()


def unpacked(rows: bytes) -> list[tuple[str, int, str, int]]:
    """The path, size, etag and modified_ms of each of packed entries."""
    found = []
    for about, path in _rows(rows):
        parts = _ABOUT.fullmatch(about)
        if parts is None:
            raise ValueError("a packed entry does not begin with its size and time")
        size, modified_ms = int(parts[1]), int(parts[2])
        if size not in _SIZES or modified_ms not in _SIZES:
            raise OverflowError("a size or a time does not fit into 64 bits")
        found.append((path.decode(), size, parts[3].decode(), modified_ms))
    return found


def folded(rows: bytes, prefix: int, delimiter: bytes) -> tuple[bytes, int, str]:
    """Packed entries, in which each folder stands for all that is in it.

    A folder is a path up to the first `delimiter` (not empty) behind its first `prefix` bytes. Gives the entries, how
    many they are, and the folder that the last of `rows` is in, "" for none.
    """
    if not isinstance(delimiter, bytes):
        raise TypeError("a delimiter of packed entries is bytes")
    if not delimiter:
        raise ValueError("a folder needs a delimiter")
    if prefix < 0:
        raise ValueError("a prefix has no negative length")
    fields: list[bytes] = []
    folder = b""
    for about, path in _rows(rows):
        if folder and path.startswith(folder):
            continue
        end = path.find(delimiter, prefix)
        folder = path[: end + len(delimiter)] if end >= 0 else b""
        fields += (_FOLDER, folder) if folder else (about, path)
    return b"\0".join(fields), len(fields) // 2, folder.decode()


def _rows(rows: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The two fields of each of packed entries."""
    if not isinstance(rows, bytes):
        raise TypeError("packed entries are bytes")
    fields = rows.split(b"\0") if rows else []
    if len(fields) % 2:
        raise ValueError("a packed entry has no path")
    return zip(fields[::2], fields[1::2], strict=True)


def iso_date(modified_ms: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC."""
    if index(modified_ms) not in _TIMES:
        raise OverflowError("a date is outside of the years 1 to 9999")
    second, millisecond = divmod(modified_ms, 1000)
    year, month, day, hour, minute, second = time.gmtime(second)[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{millisecond:03d}Z"
