"""Tags: the header's grammar, the document, and the limits of both."""

from __future__ import annotations

from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import errors, tags

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        ("a=b&c=d", {"a": "b", "c": "d"}),
        ("a=", {"a": ""}),
        ("a", {"a": ""}),
        ("&a=b&&c&", {"a": "b", "c": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a+b=c+d", {"a b": "c d"}),
        ("a%20b=c%2Bd", {"a b": "c+d"}),
        ("%C3%BC=%E4%B8%AD", {"ü": "中"}),
        ("a%3D%2B=%2B%20-", {"a=+": "+ -"}),
        ("A=1&a=2", {"A": "1", "a": "2"}),
        ("xaws:=1", {"xaws:": "1"}),
        ("&".join(f"k{n}={n}" for n in range(10)), {f"k{n}": str(n) for n in range(10)}),
        (f"{'k' * 128}={'v' * 256}", {"k" * 128: "v" * 256}),
        (quote("ü" * 128) + "=" + quote("ü" * 256), {"ü" * 128: "ü" * 256}),
    ],
)
def test_headers(text, found):
    assert tags.of_header(text) == found


@pytest.mark.parametrize(
    "text",
    [
        *("a=%FF", "%C3=b", "a=\xfc", "\xfc=a", "%ED%A0%80", "a=b&" * 2000),
        # Each name once, and none empty: else S3 takes the header for no query of tags.
        *("a=1&a=2", "a=1&b=2&a=1", "a&%61", "=", "=1", "a=1&=2"),
    ],
)
def test_a_header_that_is_no_query_is_an_invalid_argument(text):
    with pytest.raises(errors.InvalidArgument) as caught:
        tags.of_header(text)
    assert caught.value.fields == {"ArgumentName": "x-amz-tagging", "ArgumentValue": text}


BEYOND = [
    [("k" * 129, "1")],
    [("k", "v" * 257)],
    [("aws:x", "1")],
    [("AWS:x", "1")],
    [("aws:", "1")],
    [(f"k{n}", "") for n in range(11)],
    [(f"k{n}", "") for n in range(500)],
    # Signs that no tag has: two tags with a comma between them would be one.
    [("a", "1,b=2")],
    [("a,b", "1")],
    [("a", "b;c=d")],
    [("a", "%zz")],
    [("a&", "1")],
    [("a", "<b>")],
    [("😀", "1")],
    [("a\x01", "1")],
    [("a", "\x00")],
    [("a", "\n")],
    [("a", "\x7f")],
    [("a", "\ufffe")],
]


@pytest.mark.parametrize("pairs", BEYOND)
def test_tags_beyond_a_limit_are_invalid(pairs):
    """In a header as in a document."""
    with pytest.raises(errors.InvalidTag):
        tags.checked(pairs)
    with pytest.raises(errors.InvalidTag):
        tags.of_header("&".join(f"{quote(key)}={quote(value)}" for key, value in pairs))


@pytest.mark.parametrize("pairs", [[("a", "1"), ("a", "2")], [("a", "1"), ("b", "2"), ("a", "1")], [("", "1")]])
def test_a_key_twice_in_a_document_or_empty_is_an_invalid_tag(pairs):
    with pytest.raises(errors.InvalidTag):
        tags.checked(pairs)


def document(*rows):
    return f"<Tagging><TagSet>{''.join(rows)}</TagSet></Tagging>".encode()


def tag(key, value):
    return f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (document(), {}),
        (b"<Tagging/>", {}),
        (b"<Tagging><TagSet/></Tagging>", {}),
        (document(tag("a", "b")), {"a": "b"}),
        (document(tag("a", "")), {"a": ""}),
        (document("<Tag><Value>b</Value><Key>a</Key></Tag>"), {"a": "b"}),
        (document(tag("a", " b "), tag("&#x40;", "&#x3d;")), {"a": " b ", "@": "="}),
        (b'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\n<TagSet>\n</TagSet>\n</Tagging>', {}),
        (document(*(tag(n, n) for n in range(10))), {str(n): str(n) for n in range(10)}),
        (document(tag("ü", "中")), {"ü": "中"}),
    ],
)
def test_documents(body, found):
    assert tags.read_tagging(body) == found


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"x", b"<Tagging>", b"<TagSet/>", b"<Tagging><Tag/></Tagging>", b"<Tagging>x</Tagging>"),
        document("<Tag/>"),
        document("<Tag><Key>a</Key></Tag>"),
        document("<Tag><Value>a</Value></Tag>"),
        document("<Tag><Key>a</Key><Key>b</Key></Tag>"),
        document("<Tag><Key>a</Key><Value>b</Value><Value>c</Value></Tag>"),
        document("<Tag><Key>a</Key><Value>b</Value><Other/></Tag>"),
        document("<Other><Key>a</Key><Value>b</Value></Other>"),
        document(tag("<a/>", "b")),
        document("text"),
        b"<!DOCTYPE a []>" + document(tag("a", "b")),
    ],
)
def test_what_is_no_tagging_is_malformed(body):
    with pytest.raises(errors.MalformedXML):
        tags.read_tagging(body)


def test_a_document_beyond_a_limit_is_invalid():
    for rows in ([tag("a", 1), tag("a", 2)], [tag("", 1)], [tag(n, n) for n in range(11)]):
        with pytest.raises(errors.InvalidTag):
            tags.read_tagging(document(*rows))


characters = st.characters(codec="utf-8", categories=["L", "N", "Z"], include_characters="+-=._:/@")
taggings = st.dictionaries(
    st.text(characters, min_size=1, max_size=20).filter(lambda key: not key.lower().startswith("aws:")),
    st.text(characters, max_size=20),
    max_size=10,
)


@given(taggings)
def test_tags_come_back_from_header_attribute_and_document(found):
    assert tags.of_header(tags.header_of(found)) == found
    assert tags.of_attributes({"x-amz-tagging": tags.header_of(found)} if found else {}) == found
    assert tags.read_tagging(tags.tagging(found)) == found


def test_an_answer_has_the_tags_in_a_set():
    root = ET.fromstring(tags.tagging({"a&": "<b>", "c": ""}))
    assert root.tag == NAMESPACE + "Tagging"
    assert [one.tag for one in root] == [NAMESPACE + "TagSet"]
    assert [[two.text or "" for two in one] for one in root[0]] == [["a&", "<b>"], ["c", ""]]
    assert len(ET.fromstring(tags.tagging({}))[0]) == 0
