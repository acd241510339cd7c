"""S3 documents: what is sent is read back by an independent parser, what is received is taken whole or refused."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import errors, xml

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
# What XML 1.0 can say, without the carriage return, which is tested by itself.
XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n<>&\"'"),
    max_size=40,
)


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


OLD = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
OBJECT = "<Object><Key>k</Key></Object>"


@pytest.mark.parametrize(
    ("body", "keys", "quiet"),
    [
        (f"<Delete {OLD}>{OBJECT}</Delete>", ["k"], False),
        (f"<Delete>{OBJECT}</Delete>", ["k"], False),
        (f'<Delete xmlns="urn:other">{OBJECT}</Delete>', ["k"], False),
        ('<s:Delete xmlns:s="urn:s"><s:Object><s:Key>k</s:Key></s:Object></s:Delete>', ["k"], False),
        (f"<Delete>{OBJECT}<Quiet>true</Quiet></Delete>", ["k"], True),
        (f"<Delete><Quiet> TRUE </Quiet>{OBJECT}</Delete>", ["k"], True),
        (f"<Delete><Quiet>1</Quiet>{OBJECT}</Delete>", ["k"], True),
        (f"<Delete><Quiet>false</Quiet>{OBJECT}</Delete>", ["k"], False),
        (f"<?xml version='1.0'?>\n<Delete>\n  {OBJECT}\n\t{OBJECT}\n</Delete>\n", ["k", "k"], False),
        ("<Delete><Object><Key> a&amp;&#13;b </Key></Object></Delete>", [" a&\rb "], False),
        ("<Delete><Object><Key><![CDATA[<a>]]></Key></Object></Delete>", ["<a>"], False),
        ("<Delete><Object><Key>é😀</Key></Object></Delete>", ["é😀"], False),
        (f"<Delete><!-- a comment -->{OBJECT}</Delete>", ["k"], False),
        ("<Delete>" + OBJECT * 1000 + "</Delete>", ["k"] * 1000, False),
    ],
)
def test_a_deletion_is_read_in_every_spelling(body: str, keys: list[str], quiet: bool) -> None:
    deletion = xml.read_delete(body.encode())
    assert ([one.key for one in deletion.objects], deletion.quiet) == (keys, quiet)


def test_a_deletion_is_read_in_the_encoding_it_declares() -> None:
    body = '<?xml version="1.0" encoding="UTF-16"?><Delete><Object><Key>é</Key></Object></Delete>'.encode("utf-16")
    assert xml.read_delete(body).objects == [xml.ObjectIdentifier("é")]


def test_a_deletion_keeps_version_and_etag_of_each_object() -> None:
    body = b'<Delete><Object><ETag>"e"</ETag><Key>k</Key><VersionId>v</VersionId></Object></Delete>'
    assert xml.read_delete(body).objects == [xml.ObjectIdentifier("k", "v", '"e"')]


EUROPE = "<LocationConstraint>eu-west-1</LocationConstraint>"
BOMB = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
MALFORMED = [
    "",
    " ",
    "not XML",
    "<Delete>",
    "<Delete/>",
    "<Delete></Delete>",
    f"<Delete>{OBJECT}</Delete><Delete/>",
    f"<Delete>{OBJECT}</Delet>",
    f"<Deletes>{OBJECT}</Deletes>",
    f"<delete>{OBJECT}</delete>",
    OBJECT,
    "<Delete><Object/></Delete>",
    "<Delete><Object><Key/></Object></Delete>",
    "<Delete><Object><Key></Key></Object></Delete>",
    "<Delete><Object><VersionId>v</VersionId></Object></Delete>",
    "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
    "<Delete><Object><Key>a<b/>c</Key></Object></Delete>",
    "<Delete><Object>text<Key>a</Key></Object></Delete>",
    "<Delete><Object><Key>a</Key>text</Object></Delete>",
    f"<Delete>{OBJECT}text</Delete>",
    f"<Delete>{OBJECT}<Other/></Delete>",
    "<Delete><Object><Key>a</Key><Other/></Object></Delete>",
    f"<Delete>{OBJECT}<Quiet>maybe</Quiet></Delete>",
    f"<Delete>{OBJECT}<Quiet/></Delete>",
    f"<Delete><Quiet>true</Quiet>{OBJECT}<Quiet>false</Quiet></Delete>",
    "<Delete>" + OBJECT * 1001 + "</Delete>",
    "<Delete><Object><Key>&#0;</Key></Object></Delete>",
    "<Delete><Object><Key>&#1;</Key></Object></Delete>",
    "<Delete><Object><Key>&#xD800;</Key></Object></Delete>",
    "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
    f"{BOMB}<Delete><Object><Key>&b;</Key></Object></Delete>",
    f"{BOMB}<Delete>{OBJECT}</Delete>",
    f'<!DOCTYPE d SYSTEM "file:///etc/passwd"><Delete>{OBJECT}</Delete>',
    f'<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x">%p;]><Delete>{OBJECT}</Delete>',
    '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
    "<Delete>" + "<a>" * 50_000 + "</a>" * 50_000 + "</Delete>",
    "<Delete>" + "<a>" * 500_000,
    f'<?xml version="1.0" encoding="no-such"?><Delete>{OBJECT}</Delete>',
    f'<?xml version="1.0" encoding="UTF-16"?><Delete>{OBJECT}</Delete>',
    f'<?xml version="1.0" encoding="rot13"?><Delete>{OBJECT}</Delete>',
]


@pytest.mark.parametrize(
    "body", [*(text.encode() for text in MALFORMED), b"<Delete>\xff</Delete>", b"\0", b"\xef\xbb\xbf"]
)
def test_a_deletion_that_is_not_one_is_malformed(body: bytes) -> None:
    with pytest.raises(errors.MalformedXML):
        xml.read_delete(body)


def test_all_conditions_on_a_deletion_are_read() -> None:
    fields = "<Key>k</Key><Size>1</Size><LastModifiedTime>t</LastModifiedTime><ETag>e</ETag><VersionId>v</VersionId>"
    document = f"<Delete><Object>{fields}</Object></Delete>".encode()
    assert xml.read_delete(document).objects == [xml.ObjectIdentifier("k", "v", "e", "1", "t")]


@given(st.lists(XML_TEXT.filter(bool), min_size=1, max_size=5))
def test_keys_written_by_an_independent_writer_are_read_exactly(keys: list[str]) -> None:
    root = ET.Element("Delete", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for key in keys:
        ET.SubElement(ET.SubElement(root, "Object"), "Key").text = key
    assert [one.key for one in xml.read_delete(ET.tostring(root)).objects] == keys


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_refused_without_another_error(body: bytes) -> None:
    for read in (xml.read_delete, xml.read_create_bucket):
        try:
            read(body)
        except (errors.MalformedXML, errors.NotImplemented):
            continue
        assert read is xml.read_create_bucket and not body


@pytest.mark.parametrize(
    ("body", "region"),
    [
        (b"", None),
        (b"<CreateBucketConfiguration/>", None),
        (b"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>", None),
        (
            f"<CreateBucketConfiguration {OLD}>{EUROPE}</CreateBucketConfiguration>".encode(),
            "eu-west-1",
        ),
    ],
)
def test_a_new_bucket_may_name_a_region(body: bytes, region: str | None) -> None:
    assert xml.read_create_bucket(body) == region


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b" ", errors.MalformedXML),
        (b"<CreateBucketConfiguration>", errors.MalformedXML),
        (b"<Other/>", errors.MalformedXML),
        (b"<CreateBucketConfiguration><Other/></CreateBucketConfiguration>", errors.MalformedXML),
        (b"<!DOCTYPE a><CreateBucketConfiguration/>", errors.MalformedXML),
        (b"<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>", errors.NotImplemented),
        (b"<CreateBucketConfiguration><Tags/></CreateBucketConfiguration>", errors.NotImplemented),
    ],
)
def test_a_new_bucket_with_anything_else_is_refused(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        xml.read_create_bucket(body)


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


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("<Status>Enabled</Status>", ("Enabled", "Disabled")),
        ("<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>", ("Suspended", "Disabled")),
        ("<MfaDelete>Enabled</MfaDelete><Status>Enabled</Status>", ("Enabled", "Enabled")),
        ("", errors.IllegalVersioningConfigurationException),
        ("<MfaDelete>Disabled</MfaDelete>", errors.IllegalVersioningConfigurationException),
        ("<Status>enabled</Status>", errors.MalformedXML),
        ("<Status>Enabled</Status><Status>Enabled</Status>", errors.MalformedXML),
        ("<Status>Enabled</Status><MfaDelete>maybe</MfaDelete>", errors.MalformedXML),
        ("<Status>Enabled</Status><Other/>", errors.MalformedXML),
        ("text", errors.MalformedXML),
    ],
)
def test_a_versioning_configuration_is_read_whole(content: str, wanted: object) -> None:
    body = f"<VersioningConfiguration>{content}</VersioningConfiguration>".encode()
    if isinstance(wanted, tuple):
        assert xml.read_versioning(body) == wanted
    else:
        with pytest.raises(wanted):  # type: ignore[call-overload]
            xml.read_versioning(body)
