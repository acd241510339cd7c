"""S3 documents that are sent, read back by an independent parser."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import xml

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def outline(document: bytes) -> list[tuple[str, str | None]]:
    """The elements of a document in order, with their texts, as expat sees them."""
    assert document.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    elements = list(ET.fromstring(document).iter())
    assert all(element.tag.startswith(NAMESPACE) for element in elements)
    return [(element.tag.removeprefix(NAMESPACE), element.text) for element in elements]


def test_buckets_are_listed_with_owner_and_dates() -> None:
    document = xml.list_all_my_buckets([("master.images", 1562969390274), ("dev.a<b", 0)])
    assert outline(document) == [
        ("ListAllMyBucketsResult", None),
        ("Owner", None),
        ("ID", "0" * 32),
        ("DisplayName", "pachyderm"),
        ("Buckets", None),
        ("Bucket", None),
        ("Name", "master.images"),
        ("CreationDate", "2019-07-12T22:09:50.274Z"),
        ("Bucket", None),
        ("Name", "dev.a<b"),
        ("CreationDate", "1970-01-01T00:00:00.000Z"),
    ]


def test_a_page_of_buckets_says_region_prefix_and_what_follows() -> None:
    document = xml.list_all_my_buckets([("master.a", 0)], region="eu-west-1", prefix="m<", token="abc=")
    assert outline(document)[4:] == [
        ("Buckets", None),
        ("Bucket", None),
        ("Name", "master.a"),
        ("CreationDate", "1970-01-01T00:00:00.000Z"),
        ("BucketRegion", "eu-west-1"),
        ("ContinuationToken", "abc="),
        ("Prefix", "m<"),
    ]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951827696000, "2000-02-29T12:34:56.000Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_dates_have_milliseconds_and_z(milliseconds: int, text: str) -> None:
    assert xml.iso_date(milliseconds) == text


@pytest.mark.parametrize(("region", "text"), [("us-east-1", None), ("eu-west-1", "eu-west-1"), ("a&b", "a&b")])
def test_the_location_of_the_first_region_is_empty(region: str, text: str | None) -> None:
    assert outline(xml.location(region)) == [("LocationConstraint", text)]


def test_versioning_says_its_status_or_nothing() -> None:
    assert outline(xml.versioning()) == [("VersioningConfiguration", None), ("Status", "Enabled")]
    assert outline(xml.versioning("")) == [("VersioningConfiguration", None)]


ROWS = b"<Contents><Key>a b</Key></Contents>"


def page(**changes: object) -> xml.Page:
    values: dict[str, object] = {
        "bucket": "master.images",
        "prefix": "a b&/",
        "delimiter": "/ ",
        "max_keys": 7,
        "truncated": True,
        "rows": ROWS,
    }
    return xml.Page(**(values | changes))  # type: ignore[arg-type]


def test_a_version_1_listing_echoes_the_request() -> None:
    assert outline(xml.list_bucket_result_v1(page(), "m<", "n>")) == [
        ("ListBucketResult", None),
        ("Name", "master.images"),
        ("Prefix", "a b&/"),
        ("Marker", "m<"),
        ("NextMarker", "n>"),
        ("MaxKeys", "7"),
        ("Delimiter", "/ "),
        ("IsTruncated", "true"),
        ("Contents", None),
        ("Key", "a b"),
    ]


def test_a_version_1_listing_leaves_out_what_was_not_said_but_prefix_and_marker() -> None:
    document = xml.list_bucket_result_v1(page(prefix="", delimiter="", truncated=False, rows=b""), "")
    assert outline(document) == [
        ("ListBucketResult", None),
        ("Name", "master.images"),
        ("Prefix", None),
        ("Marker", None),
        ("MaxKeys", "7"),
        ("IsTruncated", "false"),
    ]


def test_a_version_2_listing_echoes_the_request() -> None:
    document = xml.list_bucket_result_v2(page(), 1, "s &", "token &", "next &")
    assert outline(document) == [
        ("ListBucketResult", None),
        ("Name", "master.images"),
        ("Prefix", "a b&/"),
        ("ContinuationToken", "token &"),
        ("NextContinuationToken", "next &"),
        ("StartAfter", "s &"),
        ("KeyCount", "1"),
        ("MaxKeys", "7"),
        ("Delimiter", "/ "),
        ("IsTruncated", "true"),
        ("Contents", None),
        ("Key", "a b"),
    ]


def test_url_encoding_covers_the_echoes_but_not_the_tokens() -> None:
    second = dict(outline(xml.list_bucket_result_v2(page(url_encode=True), 1, "s é", "token &", "next &")))
    assert second["EncodingType"] == "url"
    assert (second["ContinuationToken"], second["NextContinuationToken"]) == ("token &", "next &")
    assert second["Prefix"] in ("a%20b%26/", "a+b%26/")
    assert second["StartAfter"] in ("s%20%C3%A9", "s+%C3%A9")
    assert second["Delimiter"] in ("/%20", "/+")
    first = dict(outline(xml.list_bucket_result_v1(page(url_encode=True), "m\x01", "n\uffff")))
    assert (first["Marker"], first["NextMarker"]) == ("m%01", "n%EF%BF%BF")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_listing_is_well_formed_whatever_the_prefix(prefix: str) -> None:
    outline(xml.list_bucket_result_v1(page(prefix=prefix), prefix, prefix))


def test_a_deletion_reports_what_went_and_what_did_not() -> None:
    document = xml.delete_result(
        [xml.Deleted("a&b"), xml.Deleted("c", "v1"), xml.Deleted("m", None, "v9")],
        [xml.Failure("d", "NotImplemented", "No <way>"), xml.Failure("e", "InternalError", "", "v2")],
    )
    assert outline(document) == [
        ("DeleteResult", None),
        ("Deleted", None),
        ("Key", "a&b"),
        ("Deleted", None),
        ("Key", "c"),
        ("VersionId", "v1"),
        ("Deleted", None),
        ("Key", "m"),
        ("DeleteMarker", "true"),
        ("DeleteMarkerVersionId", "v9"),
        ("Error", None),
        ("Key", "d"),
        ("Code", "NotImplemented"),
        ("Message", "No <way>"),
        ("Error", None),
        ("Key", "e"),
        ("VersionId", "v2"),
        ("Code", "InternalError"),
        ("Message", None),
    ]


@pytest.mark.parametrize(
    ("document", "outlined"),
    [
        (xml.configuration("AccelerateConfiguration"), [("AccelerateConfiguration", None)]),
        (
            xml.configuration("OwnershipControls", "Rule", "ObjectOwnership", text="a<b"),
            [("OwnershipControls", None), ("Rule", None), ("ObjectOwnership", "a<b")],
        ),
        (
            xml.access_control_policy(),
            [
                ("AccessControlPolicy", None),
                ("Owner", None),
                ("ID", "0" * 32),
                ("DisplayName", "pachyderm"),
                ("AccessControlList", None),
                ("Grant", None),
                ("Grantee", None),
                ("ID", "0" * 32),
                ("DisplayName", "pachyderm"),
                ("Permission", "FULL_CONTROL"),
            ],
        ),
    ],
)
def test_a_configuration_is_a_document(document: bytes, outlined: list[tuple[str, str | None]]) -> None:
    assert outline(document) == outlined
