"""What is kept of an object's headers, and told again: its attributes, by lower-case header name.

Content-Type and its like as they were sent, user metadata, tags and a checksum. Rule: what a client wants kept or
done and is not is refused, never dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.charset import Charset
from urllib.parse import quote

from falcon_s3 import body_headers, checksums, errors, tags
from falcon_s3.rights import Rights, check_grants

DEFAULT_CONTENT_TYPE = "binary/octet-stream"
# The headers that describe the content, which a reader may have otherwise (S3 API, GetObject).
DESCRIBING = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
REDIRECT = "x-amz-website-redirect-location"
# What a redirection begins with (S3 API, PutObject); the last is what `in_ascii` makes of other text than ASCII.
REDIRECTS = ("/", "http://", "https://", "=?utf-8?")
# Kept as they are (S3 API, PutObject); Content-Encoding loses aws-chunked first.
KEPT_HEADERS = (*DESCRIBING, REDIRECT)
# Those that a 304 repeats (RFC 9110 section 15.4.5).
CACHE_HEADERS = frozenset(("cache-control", "expires"))
METADATA = "x-amz-meta-"
# Most bytes of user metadata, names without the prefix and values together (S3 user guide, "Object metadata").
METADATA_BYTES = 2048
NO_ENCRYPTION = "the gateway encrypts nothing. Leave it out, and encrypt the disk, or before you send."
NO_LOCK = "objects are not locked. Leave it out, and give out keys that cannot remove versions for good."
# How the headers on a write begin that would promise what is not kept, and what is told of them. S3 adds to its families.
REFUSED_HEADERS = {
    "x-amz-object-lock-": NO_LOCK,
    "x-amz-server-side-encryption": NO_ENCRYPTION,
    "x-amz-copy-source-server-side-encryption": NO_ENCRYPTION,
    "x-amz-write-offset-bytes": "nothing is appended to an object. Write it anew, or from parts.",
}
_REFUSED = tuple(REFUSED_HEADERS)
# The key of a client's that an object is read with.
_KEY = frozenset(f"x-amz-server-side-encryption-customer-{part}" for part in ("algorithm", "key", "key-md5"))
# The name of a file in a Content-Disposition, and its form for any letters (RFC 6266 section 4).
FILENAME = re.compile(r"""\bfilename=(?:"([^"\\]+)"|([^\s";,]+))""", re.IGNORECASE)
EXTENDED = re.compile(r"\bfilename\*=", re.IGNORECASE)
# Those that may hold other text than ASCII, and mean nothing when they are empty.
TEXTS = ("content-disposition", REDIRECT)


def refuse_headers(headers: Mapping[str, str], bucket: str, everybody: Rights) -> None:
    """Refuse what a client wants kept and we would drop; and what it wants to grant, as of `rights.check_grants`.

    Raises InvalidArgument, InvalidStorageClass, NotImplemented.
    """
    check_grants(headers, bucket, everybody)
    for name, value in headers.items():
        if name.startswith(_REFUSED) and value.lower() != "false":  # which asks for nothing
            reason = next(REFUSED_HEADERS[each] for each in _REFUSED if name.startswith(each))
            raise errors.NotImplemented(f"The header {name} is not implemented: {reason}", fields={"Header": name})
    wanted = headers.get("x-amz-storage-class", "STANDARD")
    if wanted != "STANDARD":
        raise errors.InvalidStorageClass(fields={"StorageClassRequested": wanted})


def refuse_key(headers: Mapping[str, str]) -> None:
    """Raise InvalidRequest for a key of the client's that a read comes with: no object is encrypted with one."""
    if not _KEY.isdisjoint(headers):
        raise errors.InvalidRequest("The encryption parameters are not applicable to this object.")


def refuse_lost_text(headers: Mapping[str, str]) -> None:
    """Refuse a header whose text did not get here: of one that holds bytes beyond ASCII Granian gives nothing.

    Not for metadata, which may be empty; where requests are signed, none that was lost gets so far. Raises InvalidArgument.
    """
    for name in TEXTS:
        if headers.get(name) == "":
            raise errors.InvalidArgument(f"The header {name} {errors.LOST_TEXT}", fields={"ArgumentName": name})


def in_ascii(name: str, text: str) -> str:
    """Text as the header of that name has it where it is not ASCII.

    The name of a file is written as RFC 6266 says, so that browsers know it, and all else by RFC 2047, as S3 keeps metadata
    (S3 user guide, "User-defined object metadata").
    """
    if name == "content-disposition":
        text = disposition_in_ascii(text)
    return text if text.isascii() else Charset("utf-8").header_encode(text)


def disposition_in_ascii(text: str) -> str:
    """A Content-Disposition with the name of the file as RFC 6266 has it where that is not ASCII; all else as it is."""
    beside = not EXTENDED.search(text)  # where the client has not written it itself
    return FILENAME.sub(lambda found: _filename(found, beside=beside), text, count=1)


def _filename(found: re.Match[str], *, beside: bool) -> str:
    """The parameters for the name of a file: one that all know, with _ for what is not ASCII, and one that tells all."""
    name = found[1] or found[2]
    if name.isascii():
        return found[0]
    plain = "".join(letter if letter.isascii() else "_" for letter in name)
    return f'filename="{plain}"' + (f"; filename*=UTF-8''{quote(name, safe='')}" if beside else "")


def of_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What is kept of the headers of a write. Raises what `described` raises, InvalidArgument, InvalidTag."""
    kept = described(headers)
    found = tags.of_header(headers.get(tags.ATTRIBUTE, ""))
    if found:
        kept[tags.ATTRIBUTE] = tags.header_of(found)
    return kept


def described(headers: Mapping[str, str]) -> dict[str, str]:
    """Of the headers those that describe the content, and user metadata. Raises MetadataTooLarge, InvalidRedirectLocation."""
    kept = {name: headers[name] for name in KEPT_HEADERS if headers.get(name)}
    if not kept.get(REDIRECT, "/").startswith(REDIRECTS):
        raise errors.InvalidRedirectLocation
    if "content-encoding" in kept:
        encoding = body_headers.stored_encoding(kept.pop("content-encoding"))
        if encoding:
            kept["content-encoding"] = encoding
    length = 0
    for name, value in headers.items():
        if name.startswith(METADATA):
            kept[name] = value
            length += len(name) - len(METADATA) + len(value)
    if length > METADATA_BYTES:
        raise errors.MetadataTooLarge(fields={"Size": str(length), "MaxSizeAllowed": str(METADATA_BYTES)})
    return kept


def told(attributes: Mapping[str, str]) -> dict[str, str]:
    """The headers that an object is sent with; its checksum is told only on demand."""
    found = {
        name: value
        for name, value in attributes.items()
        if not name.startswith(checksums.PREFIX) and name != tags.ATTRIBUTE
    }
    if tags.ATTRIBUTE in attributes:
        found["x-amz-tagging-count"] = str(len(tags.of_attributes(attributes)))
    return found
