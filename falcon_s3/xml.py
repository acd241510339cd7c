"""S3's documents that are sent, as bytes.

They are built from strings, each escaped where it enters; the rows of a listing come ready from
`_speedups.contents_xml`. What is received is read by `xml_reader`.

Element names and their order are those of the S3 API reference, one page for each operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from falcon_s3 import _speedups
from falcon_s3.errors import S3Error
from falcon_s3.pfs import FileVersion

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
CONTENT_TYPE = "application/xml"
# The region whose buckets have an empty location (S3 API, GetBucketLocation).
FIRST_REGION = "us-east-1"

# The namespace of xsi:type (XML Schema Part 1, section 2.6).
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
# How all documents begin.
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_DECLARATION = DECLARATION.decode()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Owner(NamedTuple):
    id: str
    display_name: str


# All buckets and files have the same owner, as in Pachyderm's own gateway.
OWNER = Owner("0" * 32, "pachyderm")


@dataclass(frozen=True, slots=True)
class Page:
    """What both listings say of one page: the request as it was understood, and the rows."""

    bucket: str
    prefix: str
    delimiter: str
    max_keys: int
    truncated: bool
    rows: bytes  # the Contents and CommonPrefixes elements, as of _speedups.contents_xml
    url_encode: bool = False  # the client asked for encoding-type=url; the rows must agree


class Deleted(NamedTuple):
    """What DeleteObjects did to one object: its version, if one was named, and the delete marker made or removed."""

    key: str
    version_id: str | None = None
    marker: str | None = None


class Failure(NamedTuple):
    """An object that DeleteObjects could not delete, and why."""

    key: str
    code: str
    message: str
    version_id: str | None = None


def iso_date(milliseconds: int) -> str:
    """A moment as S3 writes it: ISO 8601 in UTC, with milliseconds and Z."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def list_all_my_buckets(
    buckets: Iterable[tuple[str, int]],
    owner: Owner = OWNER,
    *,
    region: str | None = None,
    prefix: str | None = None,
    token: str | None = None,
) -> bytes:
    """ListBuckets' answer for (name, created in milliseconds since the epoch).

    `region`, if given, is said of each bucket; `prefix` is the request's, `token` begins the next page.
    """
    where = optional("BucketRegion", region)
    rows = "".join(
        f"<Bucket>{element('Name', name)}{element('CreationDate', iso_date(created_ms))}{where}</Bucket>"
        for name, created_ms in buckets
    )
    who = f"<Owner>{element('ID', owner.id)}{element('DisplayName', owner.display_name)}</Owner>"
    rest = optional("ContinuationToken", token) + optional("Prefix", prefix)
    return document("ListAllMyBucketsResult", f"{who}<Buckets>{rows}</Buckets>{rest}")


def location(region: str) -> bytes:
    """GetBucketLocation's answer: empty for the first region, as S3 has it."""
    return document("LocationConstraint", "" if region == FIRST_REGION else _speedups.escape(region))


def versioning(status: str = "Enabled") -> bytes:
    """GetBucketVersioning's answer: `status` is "Enabled", "Suspended", or "" for a bucket that never had any."""
    return document("VersioningConfiguration", element("Status", status) if status else "")


def configuration(root: str, *path: str, text: str = "") -> bytes:
    """A configuration of a bucket: no element at all, or one text in the elements of `path`, outermost first."""
    start = "".join(f"<{name}>" for name in path)
    end = "".join(f"</{name}>" for name in reversed(path))
    return document(root, f"{start}{_speedups.escape(text)}{end}")


def access_control_policy(owner: Owner = OWNER) -> bytes:
    """The answer of GetBucketAcl and GetObjectAcl: all to the owner, nothing to others."""
    who = f"{element('ID', owner.id)}{element('DisplayName', owner.display_name)}"
    grantee = f'<Grantee xmlns:xsi="{_INSTANCE}" xsi:type="CanonicalUser">{who}</Grantee>'
    grant = f"<Grant>{grantee}<Permission>FULL_CONTROL</Permission></Grant>"
    return document("AccessControlPolicy", f"<Owner>{who}</Owner><AccessControlList>{grant}</AccessControlList>")


def post_response(location: str, bucket: str, key: str, etag: str) -> bytes:
    """PostObject's answer, which has no namespace; `etag` in its quotes."""
    rows = (("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", etag))
    return f"{_DECLARATION}<PostResponse>{''.join(element(*row) for row in rows)}</PostResponse>".encode()


def list_bucket_result_v1(page: Page, marker: str, next_marker: str | None = None) -> bytes:
    """ListObjects' answer. S3 gives a `next_marker` only with a delimiter; more of them do no harm."""
    head = [
        element("Name", page.bucket),
        _echo(page, "Prefix", page.prefix),
        _echo(page, "Marker", marker),
        _echo(page, "NextMarker", next_marker),
    ]
    return _listing(page, head)


def list_bucket_result_v2(
    page: Page,
    key_count: int,
    start_after: str | None = None,
    continuation_token: str | None = None,
    next_continuation_token: str | None = None,
) -> bytes:
    """ListObjectsV2's answer. Tokens are opaque and never url-encoded."""
    head = [
        element("Name", page.bucket),
        _echo(page, "Prefix", page.prefix),
        optional("ContinuationToken", continuation_token),
        optional("NextContinuationToken", next_continuation_token),
        _echo(page, "StartAfter", start_after),
        element("KeyCount", str(key_count)),
    ]
    return _listing(page, head)


@dataclass(frozen=True, slots=True)
class VersionsPage:
    """What ListObjectVersions says of one page: the request as it was understood, and where the next page begins."""

    bucket: str
    prefix: str
    delimiter: str
    key_marker: str
    version_id_marker: str
    max_keys: int
    next_key_marker: str | None  # None: this is the last page
    next_version_id_marker: str | None
    url_encode: bool = False


def list_versions_result(page: VersionsPage, versions: Iterable[FileVersion]) -> bytes:
    """ListObjectVersions' answer: versions and delete markers in their order, then the folders."""
    coded = _speedups.url_encoded if page.url_encode else str
    head = [
        element("Name", page.bucket),
        element("Prefix", coded(page.prefix)),
        element("KeyMarker", coded(page.key_marker)),
        element("VersionIdMarker", page.version_id_marker),
        optional("NextKeyMarker", None if page.next_key_marker is None else coded(page.next_key_marker)),
        optional("NextVersionIdMarker", page.next_version_id_marker),
        element("MaxKeys", str(page.max_keys)),
        optional("Delimiter", coded(page.delimiter) if page.delimiter else None),
        optional("EncodingType", "url" if page.url_encode else None),
        element("IsTruncated", "false" if page.next_key_marker is None else "true"),
    ]
    owner = f"<Owner>{element('ID', OWNER.id)}{element('DisplayName', OWNER.display_name)}</Owner>"
    rows, folders = [], []
    for one in versions:
        if one.is_folder:
            folders.append(f"<CommonPrefixes>{element('Prefix', coded(one.path))}</CommonPrefixes>")
            continue
        what = (
            f"{element('Key', coded(one.path))}<VersionId>{one.commit}</VersionId>"
            f"<IsLatest>{'true' if one.is_latest else 'false'}</IsLatest>"
            f"<LastModified>{iso_date(one.modified_ms)}</LastModified>"
        )
        if one.is_removal:
            rows.append(f"<DeleteMarker>{what}{owner}</DeleteMarker>")
        else:
            rows.append(
                f"<Version>{what}<ETag>&quot;{one.etag}&quot;</ETag><Size>{one.size}</Size>"
                f"<StorageClass>STANDARD</StorageClass>{owner}</Version>"
            )
    return document("ListVersionsResult", "".join((*head, *rows, *folders)))


def delete_result(deleted: Iterable[Deleted], failures: Iterable[Failure]) -> bytes:
    """DeleteObjects' answer; a quiet request gives no `deleted`."""
    rows = [
        f"<Deleted>{element('Key', one.key)}{optional('VersionId', one.version_id)}"
        f"{optional('DeleteMarker', 'true' if one.marker else None)}"
        f"{optional('DeleteMarkerVersionId', one.marker)}</Deleted>"
        for one in deleted
    ]
    rows += [
        f"<Error>{element('Key', one.key)}{optional('VersionId', one.version_id)}"
        f"{element('Code', one.code)}{element('Message', one.message)}</Error>"
        for one in failures
    ]
    return document("DeleteResult", "".join(rows))


def error_document(error: S3Error, resource: str, request_id: str) -> bytes:
    """An error, which has no namespace."""
    fields = {
        "Code": error.code,
        "Message": error.message,
        **error.fields,
        "Resource": resource,
        "RequestId": request_id,
        "HostId": request_id,
    }
    return f"{_DECLARATION}<Error>{''.join(element(*field) for field in fields.items())}</Error>".encode()


def action_error_document(error: S3Error, request_id: str) -> bytes:
    """An error as STS and IAM tell it, whose clients read no other."""
    told = f"{element('Type', 'Sender')}{element('Code', error.code)}{element('Message', error.message)}"
    return (
        f"{_DECLARATION}<ErrorResponse><Error>{told}</Error>{element('RequestId', request_id)}</ErrorResponse>".encode()
    )


def document(root: str, content: str) -> bytes:
    """A document of S3 around ready XML."""
    return f'{_DECLARATION}<{root} xmlns="{NAMESPACE}">{content}</{root}>'.encode()


def element(name: str, text: str) -> str:
    """An element that holds `text`, escaped."""
    return f"<{name}>{_speedups.escape(text)}</{name}>"


def optional(name: str, text: str | None) -> str:
    """An element that is left out where there is no text."""
    return "" if text is None else element(name, text)


def _echo(page: Page, name: str, text: str | None) -> str:
    """A piece of the request sent back, url-encoded if the client asked for that."""
    if text is None:
        return ""
    return element(name, _speedups.url_encoded(text) if page.url_encode else text)


def _listing(page: Page, head: Sequence[str]) -> bytes:
    tail = [
        element("MaxKeys", str(page.max_keys)),
        _echo(page, "Delimiter", page.delimiter or None),
        optional("EncodingType", "url" if page.url_encode else None),
        element("IsTruncated", "true" if page.truncated else "false"),
    ]
    start = f'{_DECLARATION}<ListBucketResult xmlns="{NAMESPACE}">{"".join(head)}{"".join(tail)}'
    return b"".join((start.encode(), page.rows, b"</ListBucketResult>"))
