"""Multipart uploads: numbers, completion documents, and what the whole is called, against independent computations."""

from __future__ import annotations

import base64
import hashlib
import zlib
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import errors, multipart
from falcon_s3.digests import CHECKSUMS
from falcon_s3.multipart import LEAST_PART, NamedPart
from falcon_s3.pfs import Commit, FileInfo, Part, Repo, Upload

CRC32, TYPE, ALGORITHM = "x-amz-checksum-crc32", "x-amz-checksum-type", "x-amz-checksum-algorithm"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def md5(data):
    return hashlib.md5(data).hexdigest()


def crc(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def part(number, data=b"", size=None, **attributes):
    named = {f"x-amz-checksum-{name}": value for name, value in attributes.items()}
    return Part(number, len(data) if size is None else size, md5(data), 0, named)


def named(*parts, **checksums):
    return [NamedPart(one.number, one.etag, checksums) for one in parts]


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("10000", 10_000), ("007", 7), ("0" * 5000 + "7", 7)])
def test_part_numbers(text, number):
    assert multipart.part_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "00", "10001", "-1", "+1", "1.0", "1e3", " 1", "1 ", "a", "²", "１", "0x1", "1_0", "0" * 10),
        *("9" * 20, "9" * 9999, "0000000001" + "9" * 10, "0000000001" + "9" * 9999),
    ],
)
def test_what_is_no_part_number_is_an_invalid_argument(text):
    """However long it is: a number of thousands of digits is none that Python converts."""
    with pytest.raises(errors.InvalidArgument, match="between 1 and 10000, inclusive") as caught:
        multipart.part_number(text)
    assert caught.value.fields == {"ArgumentName": "partNumber", "ArgumentValue": text}


@pytest.mark.parametrize(
    ("query", "number"),
    [({}, 0), ({"m": ""}, 0), ({"m": "0"}, 0), ({"m": "12"}, 12), ({"m": "2147483647"}, 2147483647), ({"m": "01"}, 1)],
)
def test_markers(query, number):
    assert multipart.marker(query, "m") == number


@pytest.mark.parametrize("text", ["-1", "a", "1.5", " ", "²", "2147483648", "9" * 9999])
def test_what_is_no_marker_is_an_invalid_argument(text):
    with pytest.raises(errors.InvalidArgument, match="between 0 and 2147483647") as caught:
        multipart.marker({"part-number-marker": text}, "part-number-marker")
    assert caught.value.fields == {"ArgumentName": "part-number-marker", "ArgumentValue": text}


# --- completion documents --------------------------------------------------------------------------------------------


def document(*rows, namespace=""):
    return f"<CompleteMultipartUpload{namespace}>{''.join(rows)}</CompleteMultipartUpload>".encode()


def row(number, etag="e", more=""):
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>"


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (document(row(1)), [NamedPart(1, "e", {})]),
        (document(row(1, '"e"'), row(3, "&quot;f&quot;")), [NamedPart(1, "e", {}), NamedPart(3, "f", {})]),
        (document(row(1), namespace=' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'), [NamedPart(1, "e", {})]),
        (document("\n  ", row(" 2 ", " e\n"), "\n"), [NamedPart(2, "e", {})]),
        (document("<Part><ETag>e</ETag><PartNumber>5</PartNumber></Part>"), [NamedPart(5, "e", {})]),
        (
            document(row(1, more="<ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumSHA1>x</ChecksumSHA1>")),
            [NamedPart(1, "e", {"crc32": "AAAAAA==", "sha1": "x"})],
        ),
        (
            document(
                *(
                    row(number, more=f"<Checksum{name}> v </Checksum{name}>")
                    for number, name in enumerate([each.upper() for each in CHECKSUMS], 1)
                )
            ),
            [NamedPart(number, "e", {name: "v"}) for number, name in enumerate(CHECKSUMS, 1)],
        ),
        (document(*(row(number) for number in range(1, 10_001))), [NamedPart(n, "e", {}) for n in range(1, 10_001)]),
    ],
)
def test_completion_documents(body, parts):
    assert multipart.read_complete(body) == parts


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"<CompleteMultipartUpload>",
        b"<CompleteMultipartUpload/>",
        document(),
        document(" "),
        b"<Delete/>",
        b"<Part><PartNumber>1</PartNumber></Part>",
        document("text", row(1)),
        document(row(1), "text"),
        document(row("")),
        document(row("a")),
        document(row("-1")),
        document(row("1.0")),
        document(row("²")),
        document(row("9" * 5000)),
        document("<Part/>"),
        document("<Part><ETag>e</ETag></Part>"),
        document("<Part><PartNumber>1</PartNumber></Part>"),
        document("<Other><PartNumber>1</PartNumber><ETag>e</ETag></Other>"),
        document(row(1, more="<ETag>f</ETag>")),
        document(row(1, more="<PartNumber>1</PartNumber>")),
        document(row(1, more="<Size>1</Size>")),
        document(row("<b>1</b>")),
        document(row(1, "<b>e</b>")),
        document(*(row(number) for number in range(1, 10_002))),
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + document(row(1, "&b;")),
        document(row(1)) + document(row(2)),
        b"<?xml version='1.0' encoding='utf-16'?>" + document(row(1)),
    ],
)
def test_what_is_no_completion_document_is_malformed(body):
    with pytest.raises(errors.MalformedXML):
        multipart.read_complete(body)


@pytest.mark.parametrize("number", ["0", "000"])
def test_parts_are_numbered_from_one(number):
    with pytest.raises(errors.InvalidArgument, match="PartNumber must be >= 1"):
        multipart.read_complete(document(row(number), row(1)))


@pytest.mark.parametrize("numbers", [(2, 1), (1, 3, 2), (1, 2, 1), (2, 2, 1), (10_000, 1)])
def test_parts_are_named_in_ascending_order(numbers):
    with pytest.raises(errors.InvalidPartOrder):
        multipart.read_complete(document(*(row(number) for number in numbers)))


# --- which parts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(0,), (1,), (LEAST_PART, 0), (LEAST_PART, LEAST_PART + 1, 1), (5 << 30,)])
def test_parts_are_chosen_as_they_are_named(sizes):
    """The last one may be of any size."""
    there = [part(number, bytes([number]), size) for number, size in enumerate(sizes, 1)]
    assert multipart.chosen(named(*there), reversed(there)) == there


def test_parts_that_are_not_named_are_left_out():
    there = [part(number, bytes([number]), LEAST_PART) for number in (1, 4, 7)]
    assert multipart.chosen(named(there[0], there[2]), there) == [there[0], there[2]]
    assert multipart.chosen(named(there[1]), there) == [there[1]]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ([NamedPart(2, md5(b"a"), {})], "2"),
        ([NamedPart(0, md5(b"a"), {})], "0"),
        ([NamedPart(99_999, md5(b"a"), {})], "99999"),
        ([NamedPart(1, md5(b"b"), {})], "1"),
        ([NamedPart(1, "", {})], "1"),
        ([NamedPart(1, md5(b"a"), {"crc32": crc(b"b")})], "1"),
        ([NamedPart(1, md5(b"a"), {"sha256": "x"})], "1"),
        ([NamedPart(1, md5(b"a"), {"crc32": crc(b"a")}), NamedPart(2, md5(b"a"), {})], "2"),
        # What is not there is told before what is too small.
        ([NamedPart(1, md5(b"a"), {}), NamedPart(3, "x", {})], "3"),
    ],
)
def test_a_part_that_is_another_is_an_invalid_part(wanted, number):
    with pytest.raises(errors.InvalidPart) as caught:
        multipart.chosen(wanted, [part(1, b"a", crc32=crc(b"a"))])
    assert caught.value.fields["PartNumber"] == number


@pytest.mark.parametrize(
    ("sizes", "small"), [((LEAST_PART - 1, 9), 1), ((0, 0), 1), ((LEAST_PART, 1, LEAST_PART), 2), ((1, 2, 3), 1)]
)
def test_only_the_last_part_may_be_small(sizes, small):
    there = [part(number, bytes([number]), size) for number, size in enumerate(sizes, 1)]
    with pytest.raises(errors.EntityTooSmall) as caught:
        multipart.chosen(named(*there), there)
    assert caught.value.fields == {
        "ProposedSize": str(sizes[small - 1]),
        "MinSizeAllowed": "5242880",
        "PartNumber": str(small),
        "ETag": md5(bytes([small])),
    }


def test_an_object_has_at_most_five_tebibytes():
    there = [part(number, b"", 5 << 30) for number in range(1, 1025)]
    assert multipart.chosen(named(*there), there) == there
    there.append(part(1025, b"", 1))
    with pytest.raises(errors.EntityTooLarge) as caught:
        multipart.chosen(named(*there), there)
    assert caught.value.fields == {"MaxSizeAllowed": str(5 * 1024**4)}


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20))
def test_the_etag_is_the_md5_of_the_md5s_and_their_number(pieces):
    parts = [part(number, piece) for number, piece in enumerate(pieces, 1)]
    joined = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    assert multipart.etag_of(parts) == f"{hashlib.md5(joined).hexdigest()}-{len(pieces)}"


# --- the checksum of the whole ---------------------------------------------------------------------------------------

PIECES = [b"The quick brown fox", b" jumps over", b" the lazy dog"]
PARTS = [part(number, piece, crc32=crc(piece)) for number, piece in enumerate(PIECES, 1)]
WHOLE = crc(b"".join(PIECES))
OF_PARTS = crc(b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in PIECES)) + "-3"
FULL = {ALGORITHM: "crc32", TYPE: "FULL_OBJECT"}
COMPOSITE = {ALGORITHM: "crc32", TYPE: "COMPOSITE"}


@pytest.mark.parametrize(
    ("attributes", "headers", "kept"),
    [
        (FULL, {}, {CRC32: WHOLE, TYPE: "FULL_OBJECT"}),
        (FULL, {CRC32: WHOLE}, {CRC32: WHOLE, TYPE: "FULL_OBJECT"}),
        (FULL, {CRC32: WHOLE, TYPE: "FULL_OBJECT"}, {CRC32: WHOLE, TYPE: "FULL_OBJECT"}),
        (COMPOSITE, {}, {CRC32: OF_PARTS, TYPE: "COMPOSITE"}),
        (COMPOSITE, {CRC32: OF_PARTS, TYPE: "COMPOSITE"}, {CRC32: OF_PARTS, TYPE: "COMPOSITE"}),
        (COMPOSITE, {TYPE: "composite"}, {CRC32: OF_PARTS, TYPE: "COMPOSITE"}),
        (COMPOSITE, {"x-amz-mp-object-size": "43"}, {CRC32: OF_PARTS, TYPE: "COMPOSITE"}),
        # An upload that named no algorithm, whose parts all came with the same one.
        ({}, {}, {CRC32: WHOLE, TYPE: "FULL_OBJECT"}),
        ({}, {CRC32: WHOLE}, {CRC32: WHOLE, TYPE: "FULL_OBJECT"}),
    ],
)
def test_the_checksum_of_the_whole_follows_from_the_parts(attributes, headers, kept):
    assert multipart.checksum_of(attributes, PARTS, headers) == kept


@pytest.mark.parametrize(
    ("attributes", "headers", "error"),
    [
        (FULL, {CRC32: crc(b"")}, errors.BadDigest),
        (FULL, {CRC32: OF_PARTS}, errors.BadDigest),
        (FULL, {CRC32: "*"}, errors.BadDigest),
        (FULL, {"x-amz-checksum-sha256": WHOLE}, errors.BadDigest),
        (FULL, {TYPE: "COMPOSITE"}, errors.InvalidRequest),
        (FULL, {TYPE: ""}, errors.InvalidRequest),
        (COMPOSITE, {CRC32: WHOLE}, errors.BadDigest),
        (COMPOSITE, {TYPE: "FULL_OBJECT", CRC32: WHOLE}, errors.InvalidRequest),
        ({}, {CRC32: crc(b"")}, errors.BadDigest),
        *(
            (each, {"x-amz-mp-object-size": size}, errors.InvalidRequest)
            for each in (FULL, COMPOSITE, {})
            for size in ("42", "44", "-43", "x", "", "9" * 5000)
        ),
    ],
)
def test_another_checksum_size_or_type_than_the_client_expects_is_refused(attributes, headers, error):
    with pytest.raises(error):
        multipart.checksum_of(attributes, PARTS, headers)


@pytest.mark.parametrize(
    "parts",
    [
        [part(1, b"a")],
        [part(1, b"a", crc32=crc(b"a")), part(2, b"b")],
        [part(1, b"a", crc32=crc(b"a")), part(2, b"b", crc32c="x")],
        [part(1, b"a", sha1="x")],
    ],
)
def test_parts_without_a_common_crc_have_no_checksum_together(parts):
    assert multipart.checksum_of({}, parts, {}) == {}
    with pytest.raises(errors.InvalidRequest, match="CRC32"):
        multipart.checksum_of({}, parts, {CRC32: crc(b"a")})


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "most", "numbers", "truncated", "following"),
    [
        (0, 1000, [1, 5, 9], False, 9),
        (0, 3, [1, 5, 9], False, 9),
        (0, 2, [1, 5], True, 5),
        (1, 1, [5], True, 5),
        (4, 1, [5], True, 5),
        (5, 1, [9], False, 9),
        (9, 1, [], False, 0),
        (99, 5, [], False, 0),
        # A page of nothing says it is the last, as every listing here does: who follows it would never end.
        (0, 0, [], False, 0),
        (5, 0, [], False, 0),
    ],
)
def test_pages_of_parts(behind, most, numbers, truncated, following):
    page = multipart.page_of([part(number) for number in (1, 5, 9)], behind, most)
    assert ([one.number for one in page.parts], page.truncated, page.next_marker) == (numbers, truncated, following)


def texts(document, name):
    return [one.text for one in ET.fromstring(document).iter(NAMESPACE + name)]


STRANGE = "a&<b>\"'ü\n "
UPLOAD = Upload("id", STRANGE, 1_700_000_000_123, {ALGORITHM: "crc32", TYPE: "COMPOSITE"})


def test_documents_hold_any_key():
    file = FileInfo(Commit(Repo("p", "r"), "c"), STRANGE, 1, "e-1", 0, {CRC32: "v", TYPE: "COMPOSITE"}, 1)
    for found in (
        multipart.initiated("b", UPLOAD),
        multipart.completed("b", "http://x/a&b", file),
        multipart.list_parts_result("b", UPLOAD, multipart.page_of(PARTS, 0, 2)),
    ):
        assert texts(found, "Key") == [STRANGE]
        assert texts(found, "Bucket") == ["b"]
    done = multipart.completed("b", "http://x/a&b", file)
    assert texts(done, "Location") + texts(done, "ETag") == ["http://x/a&b", '"e-1"']
    assert texts(done, "ChecksumCRC32") + texts(done, "ChecksumType") == ["v", "COMPOSITE"]


def test_a_list_of_parts_says_what_each_is():
    found = multipart.list_parts_result("b", UPLOAD, multipart.page_of(PARTS, 0, 2))
    assert texts(found, "PartNumber") == ["1", "2"]
    assert texts(found, "ETag") == [f'"{md5(piece)}"' for piece in PIECES[:2]]
    assert texts(found, "Size") == ["19", "11"]
    assert texts(found, "ChecksumCRC32") == [crc(piece) for piece in PIECES[:2]]
    assert texts(found, "IsTruncated") + texts(found, "NextPartNumberMarker") == ["true", "2"]
    assert texts(found, "ChecksumAlgorithm") + texts(found, "ChecksumType") == ["CRC32", "COMPOSITE"]


@pytest.mark.parametrize("encoded", [False, True])
def test_a_list_of_uploads_encodes_what_comes_from_keys(encoded):
    uploads = [UPLOAD, Upload("", "ü/", 0, {}), Upload("z", "z", 0, {})]
    page = multipart.UploadsPage("b", "ü", "/", "ü ", "m", 2, True, encoded, uploads)
    found = multipart.list_uploads_result(page)
    coded = {"ü": "%C3%BC", "ü ": "%C3%BC%20", "ü/": "%C3%BC/", STRANGE: "a%26%3Cb%3E%22%27%C3%BC%0A%20"}
    show = coded.get if encoded else lambda text: text
    assert texts(found, "Key") == [show(STRANGE), "z"]
    assert texts(found, "Prefix") == [show("ü"), show("ü/")]
    assert texts(found, "KeyMarker") + texts(found, "UploadIdMarker") == [show("ü "), "m"]
    assert texts(found, "NextKeyMarker") + texts(found, "NextUploadIdMarker") == ["z", "z"]
    assert texts(found, "EncodingType") == (["url"] if encoded else [])
    assert texts(found, "Initiated")[0] == "2023-11-14T22:13:20.123Z"
