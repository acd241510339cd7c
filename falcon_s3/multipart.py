"""A multipart upload in S3's terms: its numbers and limits, what completes it, and its documents.

Source: S3 API, CreateMultipartUpload, UploadPart, ListParts, ListMultipartUploads, CompleteMultipartUpload; S3 user
guide, "Amazon S3 multipart upload limits".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from falcon_s3 import _speedups, checksums, errors, xml, xml_reader
from falcon_s3.digests import CHECKSUMS
from falcon_s3.pfs import FileInfo, Part, Upload

MOST_PARTS = 10_000
# Of every part but the last, in bytes.
LEAST_PART = 5 << 20
LARGEST_OBJECT = 5 << 40
OWNER = f"<ID>{xml.OWNER.id}</ID><DisplayName>{xml.OWNER.display_name}</DisplayName>"


class NamedPart(NamedTuple):
    """A part as CompleteMultipartUpload names it."""

    number: int
    etag: str  # unquoted
    checksums: Mapping[str, str]  # by algorithm, in base64


def part_number(text: str) -> int:
    """A part number from a query; raises InvalidArgument."""
    number = text.lstrip("0")  # int() of thousands of digits is refused by Python, zeros or not
    if text.isascii() and number.isdigit() and len(number) <= 5 and int(number) <= MOST_PARTS:
        return int(number)
    raise errors.InvalidArgument(
        f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
        fields={"ArgumentName": "partNumber", "ArgumentValue": text},
    )


def marker(query: Mapping[str, str], name: str) -> int:
    """A part number behind which a list goes on; raises InvalidArgument."""
    text = query.get(name) or "0"
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 1 << 31:
        return int(text)
    raise errors.InvalidArgument(
        f"Argument {name} must be an integer between 0 and 2147483647",
        fields={"ArgumentName": name, "ArgumentValue": text},
    )


ELEMENTS = {checksums.element(name): name for name in CHECKSUMS}


def read_complete(body: bytes) -> list[NamedPart]:
    """CompleteMultipartUpload's body, the last of each number; raises MalformedXML, InvalidArgument, InvalidPartOrder.

    A client that sent a part twice may name it twice.
    """
    parts: list[NamedPart] = []
    for child in xml_reader.elements_in(xml_reader.read_root(body, "CompleteMultipartUpload")):
        fields = xml_reader.read_fields(child, ("PartNumber", "ETag", *ELEMENTS))
        number = fields.get("PartNumber", "").strip()
        digits = number.isascii() and number.isdigit() and len(number) < 10
        if xml_reader.name_of(child) != "Part" or not digits or "ETag" not in fields:
            raise errors.MalformedXML
        if int(number) < 1:
            raise errors.InvalidArgument(
                "PartNumber must be >= 1", fields={"ArgumentName": "PartNumber", "ArgumentValue": number}
            )
        values = {ELEMENTS[name]: value.strip() for name, value in fields.items() if name in ELEMENTS}
        parts.append(NamedPart(int(number), fields["ETag"].strip().strip('"'), values))
    if not 0 < len(parts) <= MOST_PARTS:
        raise errors.MalformedXML("You must specify at least one part, and at most 10,000.")
    if any(first.number > second.number for first, second in pairwise(parts)):
        raise errors.InvalidPartOrder
    return list({part.number: part for part in parts}.values())


def chosen(named: Sequence[NamedPart], there: Iterable[Part]) -> list[Part]:
    """The parts that an upload has, as they are named. Raises InvalidPart, EntityTooSmall, EntityTooLarge."""
    known = {part.number: part for part in there}
    found = []
    for wanted in named:
        part = known.get(wanted.number)
        if part is None or part.etag != wanted.etag:
            raise errors.InvalidPart(fields={"PartNumber": str(wanted.number), "ETag": wanted.etag})
        for algorithm, value in wanted.checksums.items():
            if part.attributes.get(checksums.PREFIX + algorithm) != value:
                raise errors.InvalidPart(
                    f"The {algorithm.upper()} checksum of part {wanted.number} is not the one it was uploaded with.",
                    fields={"PartNumber": str(wanted.number), "ETag": wanted.etag},
                )
        found.append(part)
    for part in found[:-1]:
        if part.size < LEAST_PART:
            raise errors.EntityTooSmall(
                fields={
                    "ProposedSize": str(part.size),
                    "MinSizeAllowed": str(LEAST_PART),
                    "PartNumber": str(part.number),
                    "ETag": part.etag,
                }
            )
    if sum(part.size for part in found) > LARGEST_OBJECT:
        raise errors.EntityTooLarge(fields={"MaxSizeAllowed": str(LARGEST_OBJECT)})
    return found


def etag_of(parts: Sequence[Part]) -> str:
    """The ETag of the whole: the MD5 of the parts' MD5s, and how many they are."""
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(parts)}"


def checksum_of(attributes: Mapping[str, str], parts: Sequence[Part], headers: Mapping[str, str]) -> dict[str, str]:
    """The checksum of the whole and its type as attributes, if the upload has an algorithm; compared with `headers`.

    Raises BadDigest where the client expects another one, InvalidRequest where it expects another size or type.
    """
    size = headers.get("x-amz-mp-object-size")
    if size is not None and size != str(sum(part.size for part in parts)):
        raise errors.InvalidRequest("The x-amz-mp-object-size header is not the size of the parts together.")
    algorithm, kind = attributes.get(checksums.ALGORITHM), attributes.get(checksums.TYPE, "")
    if algorithm is None:
        algorithm, kind = _common_algorithm(parts), checksums.FULL_OBJECT
    given = checksums.value_of(headers)
    if algorithm is None:
        if given is not None:
            raise errors.InvalidRequest(
                f"The parts have no {given[0].upper()} checksums that the one of the object could be compared with."
            )
        return {}
    expected_kind = headers.get(checksums.TYPE, kind).upper()
    if expected_kind != kind:
        raise errors.InvalidRequest(f"The upload was created with the checksum type {kind}, not {expected_kind}.")
    values = [(part.attributes[checksums.PREFIX + algorithm], part.size) for part in parts]
    value = checksums.whole(algorithm, kind, values)
    # minio-go leaves away the number of parts behind a composite checksum, as S3 lets it.
    if given is not None and given not in ((algorithm, value), (algorithm, value.partition("-")[0])):
        raise errors.BadDigest(f"The {given[0].upper()} you specified did not match the calculated checksum.")
    return {checksums.PREFIX + algorithm: value, checksums.TYPE: kind}


def _common_algorithm(parts: Sequence[Part]) -> str | None:
    """The CRC that all parts have though the upload named none: those of the whole follow from it."""
    for algorithm in checksums.COMBINE:
        if all(checksums.PREFIX + algorithm in part.attributes for part in parts):
            return algorithm
    return None


def checksum_elements(attributes: Mapping[str, str]) -> str:
    """The checksum among attributes, as elements."""
    found = checksums.value_of(attributes)
    value = xml.element(checksums.element(found[0]), found[1]) if found is not None else ""
    return value + xml.optional("ChecksumType", attributes.get(checksums.TYPE))


def _algorithm_elements(attributes: Mapping[str, str]) -> str:
    algorithm = attributes.get(checksums.ALGORITHM)
    return xml.optional("ChecksumAlgorithm", algorithm.upper() if algorithm else None) + xml.optional(
        "ChecksumType", attributes.get(checksums.TYPE)
    )


def initiated(bucket: str, upload: Upload) -> bytes:
    """CreateMultipartUpload's answer."""
    fields = (("Bucket", bucket), ("Key", upload.path), ("UploadId", upload.id))
    return xml.document("InitiateMultipartUploadResult", "".join(xml.element(*field) for field in fields))


def completed(bucket: str, location: str, file: FileInfo) -> bytes:
    """CompleteMultipartUpload's answer."""
    fields = (("Location", location), ("Bucket", bucket), ("Key", file.path), ("ETag", f'"{file.etag}"'))
    return xml.document(
        "CompleteMultipartUploadResult",
        "".join(xml.element(*field) for field in fields) + checksum_elements(file.attributes),
    )


def copied(kind: str, etag: str, modified_ms: int, attributes: Mapping[str, str]) -> bytes:
    """CopyObject's and UploadPartCopy's answer; `kind` is its root, CopyObjectResult or CopyPartResult."""
    fields = (("ETag", f'"{etag}"'), ("LastModified", xml.iso_date(modified_ms)))
    return xml.document(kind, "".join(xml.element(*field) for field in fields) + checksum_elements(attributes))


@dataclass(frozen=True, slots=True)
class PartsPage:
    """A page of a list of parts."""

    marker: int
    most: int
    truncated: bool
    parts: Sequence[Part]

    @property
    def next_marker(self) -> int:
        return self.parts[-1].number if self.parts else 0

    def elements(self, *, always_next: bool) -> str:
        """What ListParts and GetObjectAttributes both say of it; `always_next`: on the last page too, where to go on."""
        following = f"<NextPartNumberMarker>{self.next_marker}</NextPartNumberMarker>"
        return (
            f"<PartNumberMarker>{self.marker}</PartNumberMarker>{following if always_next or self.truncated else ''}"
            f"<MaxParts>{self.most}</MaxParts><IsTruncated>{'true' if self.truncated else 'false'}</IsTruncated>"
        )


def page_of(parts: Sequence[Part], behind: int, most: int) -> PartsPage:
    """The first `most` of the parts whose number is greater than `behind`; a page of none is the last one."""
    left = [part for part in parts if part.number > behind]
    return PartsPage(behind, most, len(left) > most > 0, left[:most])


def list_parts_result(bucket: str, upload: Upload, page: PartsPage) -> bytes:
    """ListParts' answer."""
    rows = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><LastModified>{xml.iso_date(part.modified_ms)}</LastModified>"
        f"<ETag>&quot;{part.etag}&quot;</ETag><Size>{part.size}</Size>{checksum_elements(part.attributes)}</Part>"
        for part in page.parts
    )
    fields = (("Bucket", bucket), ("Key", upload.path), ("UploadId", upload.id))
    head = "".join(xml.element(*field) for field in fields)
    who = f"<Initiator>{OWNER}</Initiator><Owner>{OWNER}</Owner><StorageClass>STANDARD</StorageClass>"
    # S3 names a next page behind the last one too, and the paginator of the AWS SDK for JavaScript never ends there.
    about = page.elements(always_next=False) + who + _algorithm_elements(upload.attributes)
    return xml.document("ListPartsResult", head + about + rows)


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """What ListMultipartUploads says of one page: the request as it was understood, and the uploads."""

    bucket: str
    prefix: str
    delimiter: str
    key_marker: str
    upload_id_marker: str
    most: int
    truncated: bool
    url_encode: bool
    uploads: Sequence[Upload]


def list_uploads_result(page: UploadsPage) -> bytes:
    """ListMultipartUploads' answer."""
    coded = _speedups.url_encoded if page.url_encode else str
    last = page.uploads[-1] if page.uploads else None
    if last is None or (last.is_folder and not page.truncated):  # S3 names the last upload, on the last page too
        last = Upload("", "", 0, {})
    head = [
        xml.element("Bucket", page.bucket),
        xml.element("KeyMarker", coded(page.key_marker)),
        xml.element("UploadIdMarker", page.upload_id_marker),
        xml.element("NextKeyMarker", coded(last.path)),
        xml.element("NextUploadIdMarker", last.id),
        xml.element("Prefix", coded(page.prefix)) if page.prefix else "",
        xml.element("Delimiter", coded(page.delimiter)) if page.delimiter else "",
        xml.optional("EncodingType", "url" if page.url_encode else None),
        xml.element("MaxUploads", str(page.most)),
        xml.element("IsTruncated", "true" if page.truncated else "false"),
    ]
    rows = [
        f"<Upload>{xml.element('Key', coded(one.path))}{xml.element('UploadId', one.id)}"
        f"<Initiator>{OWNER}</Initiator><Owner>{OWNER}</Owner><StorageClass>STANDARD</StorageClass>"
        f"<Initiated>{xml.iso_date(one.started_ms)}</Initiated>{_algorithm_elements(one.attributes)}</Upload>"
        for one in page.uploads
        if not one.is_folder
    ]
    folders = [
        f"<CommonPrefixes>{xml.element('Prefix', coded(one.path))}</CommonPrefixes>"
        for one in page.uploads
        if one.is_folder
    ]
    return xml.document("ListMultipartUploadsResult", "".join((*head, *rows, *folders)))
