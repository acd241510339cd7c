"""The checksums that clients have kept beside their objects: named in headers, put together for multipart uploads.

S3 knows ten algorithms. A checksum of a multipart upload is of one of two types: FULL_OBJECT, over all bytes, which
the CRCs alone allow to compute from those of the parts; or COMPOSITE, the checksum of the parts' checksums with the
number of parts behind it. Source: S3 user guide, "Checking object integrity".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence

from awscrt.checksums import combine_crc32, combine_crc32c, combine_crc64nvme

from falcon_s3 import errors
from falcon_s3.digests import CHECKSUMS

PREFIX = "x-amz-checksum-"
TYPE = "x-amz-checksum-type"
ALGORITHM = "x-amz-checksum-algorithm"
FULL_OBJECT, COMPOSITE = "FULL_OBJECT", "COMPOSITE"

# Of two neighbours, and the length of the second in bytes: that of both.
COMBINE: Mapping[str, Callable[[int, int, int], int]] = {
    "crc32": combine_crc32,
    "crc32c": combine_crc32c,
    "crc64nvme": combine_crc64nvme,
}
# The types an algorithm has, the one it has by default first.
TYPES: Mapping[str, Sequence[str]] = {
    "crc32": (COMPOSITE, FULL_OBJECT),
    "crc32c": (COMPOSITE, FULL_OBJECT),
    "crc64nvme": (FULL_OBJECT,),
    "sha1": (COMPOSITE,),
    "sha256": (COMPOSITE,),
    "sha512": (COMPOSITE,),
    "md5": (COMPOSITE,),
    "xxhash64": (COMPOSITE,),
    "xxhash3": (COMPOSITE,),
    "xxhash128": (COMPOSITE,),
}


def kept(attributes: Mapping[str, str]) -> dict[str, str]:
    """The checksum among an object's attributes, with its type, as headers."""
    return {name: value for name, value in attributes.items() if name.startswith(PREFIX) and name != ALGORITHM}


def value_of(attributes: Mapping[str, str]) -> tuple[str, str] | None:
    """The algorithm and the value, as sent in base64, of the one checksum among headers or attributes."""
    for name in CHECKSUMS:
        if PREFIX + name in attributes:
            return name, attributes[PREFIX + name]
    return None


def element(algorithm: str) -> str:
    """The XML element that holds a checksum: ChecksumCRC32 and its like."""
    return f"Checksum{algorithm.upper()}"


def algorithm_named(text: str | None) -> str | None:
    """An algorithm as a header names it; raises InvalidRequest for one that is not known."""
    if not text:
        return None
    if text.lower() not in CHECKSUMS:
        raise errors.InvalidRequest(
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types:"
            f" [{', '.join(name.upper() for name in CHECKSUMS)}]"
        )
    return text.lower()


def of_upload(headers: Mapping[str, str]) -> dict[str, str]:
    """What CreateMultipartUpload says of checksums: algorithm and type, or nothing. Raises InvalidRequest."""
    algorithm = algorithm_named(headers.get(ALGORITHM))
    kind = headers.get(TYPE)
    if algorithm is None:
        if kind is not None:
            raise errors.InvalidRequest(f"The {TYPE} header can only be used with the {ALGORITHM} header.")
        return {}
    kind = (kind or TYPES[algorithm][0]).upper()
    if kind not in TYPES[algorithm]:
        raise errors.InvalidRequest(
            f"The {kind} checksum type cannot be used with the {algorithm.upper()} checksum algorithm."
        )
    return {ALGORITHM: algorithm, TYPE: kind}


def whole(algorithm: str, kind: str, parts: Sequence[tuple[str, int]]) -> str:
    """The checksum of an upload from those of its parts, each in base64 with the part's size in bytes."""
    values = [base64.b64decode(value) for value, _ in parts]
    if kind == COMPOSITE:
        total = CHECKSUMS[algorithm]()
        total.update(b"".join(values))
        return f"{base64.b64encode(total.digest()).decode()}-{len(parts)}"
    return base64.b64encode(_combined(algorithm, values, (size for _, size in parts))).decode()


def _combined(algorithm: str, values: Sequence[bytes], sizes: Iterable[int]) -> bytes:
    combined = 0
    for value, size in zip(values, sizes, strict=True):
        combined = COMBINE[algorithm](combined, int.from_bytes(value, "big"), size)
    return combined.to_bytes(len(values[0]), "big")
