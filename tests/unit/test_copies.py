"""Sources of copies: which object a header names, in which spelling, and which of its bytes."""

from __future__ import annotations

from email.utils import formatdate
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import copies, errors
from falcon_s3.copies import Source

SOURCE = "x-amz-copy-source"
VERSION = "0123456789ab4cdef0123456789abcde"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("b/k", Source("b", "k", None)),
        ("/b/k", Source("b", "k", None)),
        ("b/k/l/", Source("b", "k/l/", None)),
        ("/b//k", Source("b", "/k", None)),
        ("b//", Source("b", "/", None)),
        ("b%2Fk", Source("b", "k", None)),
        ("%2Fb%2Fk", Source("b", "k", None)),
        ("master.b/a%20b", Source("master.b", "a b", None)),
        ("b/a b", Source("b", "a b", None)),
        ("b/a%2Bb", Source("b", "a+b", None)),
        ("b/a+b", Source("b", "a b", None)),
        ("b/100%25", Source("b", "100%", None)),
        ("b/100%", Source("b", "100%", None)),
        ("b/%zz", Source("b", "%zz", None)),
        ("b/%2525", Source("b", "%25", None)),
        ("b/%C3%BC", Source("b", "ü", None)),
        ("b/%F0%9F%98%80", Source("b", "😀", None)),
        # As WSGI hands on what a client did not encode (PEP 3333).
        ("b/ü😀".encode().decode("latin-1"), Source("b", "ü😀", None)),
        ("b/k?versionId=" + VERSION, Source("b", "k", VERSION)),
        ("/b/k?versionId=null", Source("b", "k", "null")),
        ("b/k%3FversionId=x", Source("b", "k?versionId=x", None)),
        ("b/k%3FversionId=x?versionId=y", Source("b", "k?versionId=x", "y")),
        ("b/k?other=x", Source("b", "k?other=x", None)),
        ("b/.", Source("b", ".", None)),
        ("b/../c", Source("b", "../c", None)),
    ],
)
def test_sources(text, source):
    assert copies.source_of({SOURCE: text}) == source


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "//", "b", "/b", "b/", "/b/", "//k", "//b/k", "?versionId=x", "b?versionId=x", "b/?versionId=x"),
        *("b/k?versionId=", "b/%00", "b/a%00b", "b/%FF", "b/%C3", "%FF/k", "b/\xff", "b/%ED%A0%80"),
    ],
)
def test_what_names_no_object_is_an_invalid_argument(text):
    with pytest.raises(errors.InvalidArgument) as caught:
        copies.source_of({SOURCE: text})
    assert caught.value.fields == {"ArgumentName": SOURCE, "ArgumentValue": text}


keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(keys, st.sampled_from(["", "/"]), st.sampled_from(["/", "", "/~"]), st.sampled_from([None, VERSION]))
def test_any_key_comes_back_however_it_is_encoded(key, slash, safe, version):
    """As botocore encodes it, with and without its slashes."""
    text = slash + quote(f"b/{key}", safe=safe) + (f"?versionId={version}" if version else "")
    assert copies.source_of({SOURCE: text}) == Source("b", key, version)


def test_a_plus_is_encoded():
    """The one letter on which encodings differ is sent encoded by all of them."""
    assert quote("+") == quote_plus("+") == "%2B"


# --- conditions ------------------------------------------------------------------------------------------------------

MODIFIED = 1_700_000_000_123
BEFORE, AT, AFTER = (formatdate(1_700_000_000 + seconds, usegmt=True) for seconds in (-10, 0, 10))


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"if-match": '"e"'}, True),
        ({"if-match": "e"}, True),
        ({"if-match": "*"}, True),
        ({"if-match": '"f"'}, False),
        ({"if-match": 'W/"e"'}, False),
        ({"if-none-match": '"e"'}, False),
        ({"if-none-match": "*"}, False),
        ({"if-none-match": '"f"'}, True),
        ({"if-modified-since": BEFORE}, True),
        ({"if-modified-since": AT}, False),
        ({"if-modified-since": AFTER}, False),
        ({"if-unmodified-since": BEFORE}, False),
        ({"if-unmodified-since": AT}, True),
        ({"if-unmodified-since": AFTER}, True),
        # S3 API, CopyObject: both present, and the tag decides.
        ({"if-match": '"e"', "if-unmodified-since": BEFORE}, True),
        ({"if-none-match": '"e"', "if-modified-since": BEFORE}, False),
        ({"if-none-match": '"f"', "if-modified-since": AFTER}, True),
        ({"if-modified-since": "garbage"}, True),
    ],
)
def test_conditions_on_the_source(conditions, holds):
    headers = {f"x-amz-copy-source-{name}": value for name, value in conditions.items()}
    # Conditions on what is written over are none on the source.
    headers |= {"if-match": '"other"', "if-none-match": '"e"', SOURCE: "b/k"}
    if holds:
        copies.check(headers, "e", MODIFIED)
    else:
        with pytest.raises(errors.PreconditionFailed) as caught:
            copies.check(headers, "e", MODIFIED)
        name = caught.value.fields["Condition"]
        assert name.startswith("x-amz-copy-source-If-")
        assert name.lower() in headers


# --- directives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x-amz-metadata-directive", "x-amz-tagging-directive"])
def test_directives(name):
    assert copies.directive({}, name) == "COPY"
    for value in ("COPY", "REPLACE"):
        assert copies.directive({name: value}, name) == value
    for value in ("", "copy", "replace", "MOVE", "COPY, REPLACE"):
        with pytest.raises(errors.InvalidArgument) as caught:
            copies.directive({name: value}, name)
        assert caught.value.fields == {"ArgumentName": name, "ArgumentValue": value}
    assert str(caught.value) == f"Unknown {name[6:-10]} directive."


# --- ranges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, (0, 10)),
        ("bytes=0-9", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=9-9", (9, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=00-09", (0, 10)),
    ],
)
def test_ranges(text, found):
    assert copies.byte_range({} if text is None else {f"{SOURCE}-range": text}, 10) == found


def test_all_of_nothing_is_nothing():
    assert copies.byte_range({}, 0) == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=1", "bytes=1-", "bytes=-1", "bytes=5-3", "bytes=0-1,3-4", "0-9"),
        *("items=0-9", "bytes 0-9", "bytes=0-9 ", " bytes=0-9", "bytes=0-9\n", "bytes=a-b", "bytes=²-9", "BYTES=0-9"),
        f"bytes=0-{'9' * 20}",
        f"bytes={'0' * 5000}-9",
    ],
)
def test_a_range_in_another_form_is_an_invalid_argument(text):
    """Only first and last are taken: a copy of other bytes than were meant would not be noticed."""
    with pytest.raises(errors.InvalidArgument) as caught:
        copies.byte_range({f"{SOURCE}-range": text}, 10)
    assert caught.value.fields == {"ArgumentName": f"{SOURCE}-range", "ArgumentValue": text}


@pytest.mark.parametrize(("text", "size"), [("0-10", 10), ("10-10", 10), ("0-0", 0), (f"0-{'9' * 19}", 10)])
def test_bytes_that_are_not_there_are_an_invalid_range(text, size):
    with pytest.raises(errors.InvalidRange) as caught:
        copies.byte_range({f"{SOURCE}-range": f"bytes={text}"}, size)
    assert caught.value.fields == {"RangeRequested": f"bytes={text}", "ActualObjectSize": str(size)}
