"""S3 documents that are received: taken whole in every spelling of them, or refused."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import errors, xml_reader

# What XML 1.0 can say, without the carriage return, which is tested by itself.
XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n<>&\"'"),
    max_size=40,
)


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
    deletion = xml_reader.read_delete(body.encode())
    assert ([one.key for one in deletion.objects], deletion.quiet) == (keys, quiet)


def test_a_deletion_is_read_in_the_encoding_it_declares() -> None:
    body = '<?xml version="1.0" encoding="UTF-16"?><Delete><Object><Key>é</Key></Object></Delete>'.encode("utf-16")
    assert xml_reader.read_delete(body).objects == [xml_reader.ObjectIdentifier("é")]


def test_a_deletion_keeps_version_and_etag_of_each_object() -> None:
    body = b'<Delete><Object><ETag>"e"</ETag><Key>k</Key><VersionId>v</VersionId></Object></Delete>'
    assert xml_reader.read_delete(body).objects == [xml_reader.ObjectIdentifier("k", "v", '"e"')]


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
        xml_reader.read_delete(body)


def test_all_conditions_on_a_deletion_are_read() -> None:
    fields = "<Key>k</Key><Size>1</Size><LastModifiedTime>t</LastModifiedTime><ETag>e</ETag><VersionId>v</VersionId>"
    document = f"<Delete><Object>{fields}</Object></Delete>".encode()
    assert xml_reader.read_delete(document).objects == [xml_reader.ObjectIdentifier("k", "v", "e", "1", "t")]


@given(st.lists(XML_TEXT.filter(bool), min_size=1, max_size=5))
def test_keys_written_by_an_independent_writer_are_read_exactly(keys: list[str]) -> None:
    root = ET.Element("Delete", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    for key in keys:
        ET.SubElement(ET.SubElement(root, "Object"), "Key").text = key
    assert [one.key for one in xml_reader.read_delete(ET.tostring(root)).objects] == keys


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_refused_without_another_error(body: bytes) -> None:
    for read in (xml_reader.read_delete, xml_reader.read_create_bucket):
        try:
            read(body)
        except (errors.MalformedXML, errors.NotImplemented):
            continue
        assert read is xml_reader.read_create_bucket and not body


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
    assert xml_reader.read_create_bucket(body) == region


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
        xml_reader.read_create_bucket(body)


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
        assert xml_reader.read_versioning(body) == wanted
    else:
        with pytest.raises(wanted):  # type: ignore[call-overload]
            xml_reader.read_versioning(body)
