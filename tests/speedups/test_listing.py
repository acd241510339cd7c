"""Listings as XML, by the compiled module and by its twin: what expat, urllib and datetime read back is what went in."""

from __future__ import annotations

import contextlib
import inspect
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

import defusedxml.ElementTree
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from falcon_s3 import _listing_py, _speedups
from falcon_s3.pfs import Entry

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST_MS = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
LARGEST = 2**63 - 1

# Everything that a Python string can hold, and more often what needs work.
ANY = st.text(
    st.characters(exclude_categories=[])
    | st.sampled_from(
        "&<>\"'\t\n\r\0\x01\x0b\x1f\x7f\x85\xa0\u2028\ud7ff\ud800\udc00\udfff\ue000\ufffd\ufffe\uffff😀%+~/ "
    ),
    max_size=40,
)
TIMES = st.integers(0, LAST_MS) | st.integers(FIRST_MS, LAST_MS)
FILES = st.builds(Entry, ANY, st.integers(0, LARGEST), ANY, TIMES)
FOLDERS = st.builds(Entry, ANY, st.just(-1) | st.integers(-LARGEST - 1, -1), st.just(""), st.just(0))

# Each byte's worth, and both sides of every border of UTF-8 and of XML.
CODES = [*range(0x100), 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000, 0xEFFF, 0xF000, 0xFDD0, 0xFEFF]
CODES += [0xFF00, 0xFFEF, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x10FFFF]


def sayable(text):
    """The text as XML 1.0, section 2.2, can say it: U+FFFD stands for any other character."""

    def is_char(character):
        code = ord(character)
        return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

    return "".join(character if is_char(character) else "\ufffd" for character in text)


def quoted(text):
    """The text percent-encoded byte by byte, a lone surrogate as `?`."""
    return "".join(quote("?" if "\ud800" <= character <= "\udfff" else character, safe="/") for character in text)


def read(rows):
    """The rows as two independent parsers see them: lists of (name, text) for each element of a row."""
    document = b"<page>" + rows + b"</page>"
    found = ET.fromstring(document)
    assert ET.tostring(found) == ET.tostring(defusedxml.ElementTree.fromstring(document))
    return [
        (row.tag, {part.tag: "".join(part.itertext()) for part in row}, [part.tag for part in row]) for row in found
    ]


def moment(text):
    """Milliseconds since the epoch of the one form of ISO 8601 that S3 uses."""
    assert len(text) == 24 and text.endswith("Z")
    return (datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc) - EPOCH) // timedelta(
        milliseconds=1
    )


# --- text ------------------------------------------------------------------------------------------------------------


@given(text=ANY)
@example(text="\ufffe")
@example(text="\ufffe\uffff\ufffd\uf000")
@example(text="\ud83d\ude00 as two surrogates")
def test_escaped_text_is_read_back_by_a_parser(listing, text):
    """What a parser reads is the text, with U+FFFD for each character that XML has not."""
    escaped = listing.escape(text)
    assert ET.fromstring(f"<a>{escaped}</a>".encode()).text == (sayable(text) or None)
    assert ET.fromstring(f'<a b="{escaped}"/>'.encode()).get("b") == sayable(text)


@pytest.mark.parametrize("code", CODES)
def test_each_character_is_escaped_alone_and_between_others(listing, code):
    """A character that needs work gets it at the beginning, in the middle and at the end of a text."""
    for text in (chr(code), f"a{chr(code)}", f"{chr(code)}b", f"é{chr(code)}€", chr(code) * 3):
        assert ET.fromstring(f"<a>{listing.escape(text)}</a>".encode()).text == sayable(text)
        assert listing.url_encoded(text) == quoted(text)


@given(text=ANY)
def test_url_encoded_text_is_what_urllib_makes(listing, text):
    """Every byte of the UTF-8 is percent-encoded but the unreserved ones and the slash."""
    encoded = listing.url_encoded(text)
    assert encoded == quoted(text)
    assert unquote(encoded) == "".join("?" if "\ud800" <= character <= "\udfff" else character for character in text)
    assert listing.escape(encoded) == encoded


@pytest.mark.parametrize("text", ["", "a", "&" * 100_000, "\x01" * 100_000, "é" * 100_000, "\ud800" * 100_000])
def test_long_and_empty_texts_are_escaped_whole(listing, text):
    """The room for a text is enough when every character of it grows."""
    assert (ET.fromstring(f"<a>{listing.escape(text)}</a>").text or "") == sayable(text)
    assert unquote(listing.url_encoded(text)) == text.replace("\ud800", "?")


def test_a_subclass_of_str_is_a_text(listing):
    """Which kind of string a caller has does not matter."""
    text = type("Text", (str,), {})("a<é")
    assert (listing.escape(text), listing.url_encoded(text)) == ("a&lt;é", "a%3C%C3%A9")
    assert read(listing.contents_xml([Entry(text, -1, "", 0)], False, False))[0][1] == {"Prefix": "a<é"}


@pytest.mark.parametrize("broken", [None, b"bytes", b"", bytearray(b"a"), 7, 1.5, ["a"], object()])
def test_what_is_no_text_is_a_type_error(listing, broken):
    """Nothing but a string is escaped or encoded, as a key and as an ETag neither."""
    for function in (listing.escape, listing.url_encoded):
        with pytest.raises(TypeError):
            function(broken)
    for encode in (False, True):
        for entry in ((broken, 1, "e", 0), (broken, -1, "", 0), ("k", 1, broken, 0)):
            with pytest.raises(TypeError):
                listing.contents_xml([entry], encode, False)


# --- pages -----------------------------------------------------------------------------------------------------------


@given(entries=st.lists(FILES | FOLDERS, max_size=12), url_encode=st.booleans(), owner=st.booleans())
def test_a_page_is_read_back_by_a_parser(listing, entries, url_encode, owner):
    """Every file and then every folder is there, in order, with all that it is."""
    rows = read(listing.contents_xml(entries, url_encode, owner))
    key = quoted if url_encode else sayable
    files = [entry for entry in entries if entry.size >= 0]
    folders = [entry for entry in entries if entry.size < 0]
    assert [name for name, _, _ in rows] == ["Contents"] * len(files) + ["CommonPrefixes"] * len(folders)
    for entry, (_, parts, names) in zip(files, rows, strict=False):
        assert names == ["Key", "LastModified", "ETag", "Size", *(["Owner"] if owner else []), "StorageClass"]
        assert (parts["Key"], parts["ETag"], parts["Size"]) == (
            key(entry.path),
            f'"{sayable(entry.etag)}"',
            str(entry.size),
        )
        assert moment(parts["LastModified"]) == entry.modified_ms
        assert parts["StorageClass"] == "STANDARD"
    for entry, (_, parts, names) in zip(folders, rows[len(files) :], strict=True):
        assert (parts, names) == ({"Prefix": key(entry.path)}, ["Prefix"])


def test_the_owner_has_an_id_and_a_name(listing):
    """The Owner element is as in S3's schema, in every file and in no folder."""
    rows = ET.fromstring(
        b"<p>" + listing.contents_xml([Entry("a", 1, "e", 0), Entry("b/", -1, "", 0)], False, True) + b"</p>"
    )
    assert [(part.tag, part.text) for part in rows[0].find("Owner")] == [("ID", "0" * 32), ("DisplayName", "pachyderm")]
    assert rows[1].find("Owner") is None


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda rows: (tuple(row) for row in rows)])
def test_entries_may_come_in_anything_iterable(listing, kind):
    """A list, a tuple and a generator of entries make the same page."""
    entries = [Entry(f"k{number}", number, "e", number) for number in range(300)]
    assert listing.contents_xml(kind(entries), False, False) == listing.contents_xml(entries, False, False)


def test_an_empty_page_is_empty(listing):
    """No entry, no byte."""
    assert listing.contents_xml([], False, True) == b""


@pytest.mark.parametrize("url_encode", [False, True])
@pytest.mark.parametrize("character", ["a", "&", "\x01", "é", "😀", "\ud800", "\uffff"])
def test_a_page_of_the_longest_keys_is_whole(listing, url_encode, character):
    """Two hundred keys and ETags of 1,024 characters, all of which grow, and two hundred folders."""
    entries = [Entry(character * 1024, LARGEST, character * 1024, LAST_MS)] * 200
    entries += [Entry(character * 1024, -1, "", 0)] * 200
    rows = read(listing.contents_xml(entries, url_encode, True))
    key = (quoted if url_encode else sayable)(character * 1024)
    assert [parts.get("Key", parts.get("Prefix")) for _, parts, _ in rows] == [key] * 400
    assert {parts.get("ETag") for _, parts, _ in rows} == {f'"{sayable(character * 1024)}"', None}


@pytest.mark.parametrize("size", [0, 1, 9, 10, 99, 100, 2**31 - 1, 2**31, 2**32, 5 << 30, 10**18, LARGEST, True])
def test_a_size_is_written_in_decimal(listing, size):
    """Sizes up to 63 bits are written as they are."""
    ((_, parts, _),) = read(listing.contents_xml([Entry("k", size, "e", 0)], False, False))
    assert parts["Size"] == str(int(size))


@given(times=st.lists(TIMES, min_size=1, max_size=8))
@example(times=[FIRST_MS, -1, 0, LAST_MS, -86_400_000, -86_400_001])
@example(times=[-86_400_000])
@example(times=[951_782_400_000, 4_107_542_400_000, 1_709_164_800_000])  # leap days, and a century without one
def test_a_date_is_what_datetime_says(listing, times):
    """Every millisecond of the years 1 to 9999, whatever the date before it on the page was."""
    rows = read(listing.contents_xml([Entry("k", 1, "e", each) for each in times], False, False))
    expected = [(EPOCH + timedelta(milliseconds=each)).isoformat(timespec="milliseconds") for each in times]
    assert [parts["LastModified"] for _, parts, _ in rows] == [each.replace("+00:00", "Z") for each in expected]


def test_every_day_of_four_centuries_is_right(listing):
    """The calendar repeats after 146,097 days; each of them is as datetime has it."""
    days = range(-25_567, 146_097 - 25_567)
    rows = listing.contents_xml([Entry("", 0, "", day * 86_400_000 + 86_399_999) for day in days], False, False)
    found = [row.partition(b"</LastModified>")[0].decode() for row in rows.split(b"<LastModified>")[1:]]
    first = datetime(1900, 1, 1)
    assert found == [f"{(first + timedelta(days=number)).date()}T23:59:59.999Z" for number in range(146_097)]


# --- broken pages ----------------------------------------------------------------------------------------------------

BROKEN = {
    "no page": (None, TypeError),
    "a number": (7, TypeError),
    "an entry that is a number": ([7], TypeError),
    "an entry that is None": ([None], TypeError),
    "an entry of nothing": ([()], ValueError),
    "an entry too short": ([("k", 1, "e")], ValueError),
    "an entry too long": ([("k", 1, "e", 0, 0)], ValueError),
    "a size of text": ([("k", "1", "e", 0)], TypeError),
    "a size of None": ([("k", None, "e", 0)], TypeError),
    "a size that is no whole number": ([("k", 1.5, "e", 0)], TypeError),
    "a negative size that is no whole number": ([("k", -1.5, "e", 0)], TypeError),
    "a size over 63 bits": ([("k", LARGEST + 1, "e", 0)], OverflowError),
    "a size far over 63 bits": ([("k", 10**300, "e", 0)], OverflowError),
    "a negative size over 63 bits": ([("k", -LARGEST - 2, "e", 0)], OverflowError),
    "a time of text": ([("k", 1, "e", "0")], TypeError),
    "a time of None": ([("k", 1, "e", None)], TypeError),
    "a time that is no whole number": ([("k", 1, "e", 0.5)], TypeError),
    "a time that is not a number": ([("k", 1, "e", float("nan"))], TypeError),
    "a time before the year 1": ([("k", 1, "e", FIRST_MS - 1)], OverflowError),
    "a time after the year 9999": ([("k", 1, "e", LAST_MS + 1)], OverflowError),
    "the earliest time of 64 bits": ([("k", 1, "e", -LARGEST - 1)], OverflowError),
    "the latest time of 64 bits": ([("k", 1, "e", LARGEST)], OverflowError),
    "a time over 64 bits": ([("k", 1, "e", 10**300)], OverflowError),
}


@pytest.mark.parametrize("before", [0, 1000])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_page_is_refused(listing, name, before):
    """Of the same kind in both twins, and also after a thousand good entries."""
    entries, error = BROKEN[name]
    if isinstance(entries, list):
        entries = [Entry("k", 1, "e", 0)] * before + entries
    with pytest.raises(error) as caught:
        listing.contents_xml(entries, False, False)
    assert caught.type is error


def test_of_a_folder_only_the_path_is_read(listing):
    """What a folder has for an ETag and a time matters to nobody."""
    assert read(listing.contents_xml([("f/", -1, None, None)], False, True)) == [
        ("CommonPrefixes", {"Prefix": "f/"}, ["Prefix"])
    ]


def test_an_error_of_the_entries_is_passed_on(listing):
    """What ends a page half-way is what the caller sees."""

    def failing():
        yield Entry("k", 1, "e", 0)
        raise LookupError("the store")

    with pytest.raises(LookupError, match="the store"):
        listing.contents_xml(failing(), False, False)


@given(
    entries=st.lists(
        st.tuples(*[st.none() | st.integers() | st.floats() | ANY | st.binary()] * 4) | st.text(max_size=5)
    ),
    url_encode=st.booleans(),
)
def test_nothing_crashes_and_no_twin_takes_what_the_other_refuses(listing, entries, url_encode):
    """Any rows at all: an answer that is the twin's answer, or an error where the twin has one."""
    try:
        expected = _listing_py.contents_xml(entries, url_encode, False)
    except (TypeError, ValueError, OverflowError):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            listing.contents_xml(entries, url_encode, False)
    else:
        assert listing.contents_xml(entries, url_encode, False) == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("escape", []),
        ("escape", ["a", "b"]),
        ("url_encoded", []),
        ("contents_xml", [[]]),
        ("contents_xml", [[], 1, 1, 1]),
    ],
)
def test_a_wrong_number_of_arguments_is_a_type_error(listing, name, arguments):
    """As of any Python function."""
    with pytest.raises(TypeError):
        getattr(listing, name)(*arguments)


# --- packed entries --------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
PATHS = st.text(st.sampled_from("ab/-é😀&<\x01 "), max_size=8)
PACKED = st.builds(Entry, WORDS | PATHS, st.integers(-1, LARGEST), WORDS, TIMES)


def pack(entries):
    """Entries as a store packs them."""
    return "\0".join(f"{size} {modified_ms} {etag}\0{path}" for path, size, etag, modified_ms in entries).encode()


@given(entries=st.lists(PACKED, max_size=12), url_encode=st.booleans(), owner=st.booleans())
@example(entries=[Entry("", 0, "", 0)], url_encode=False, owner=False)
@example(entries=[Entry("&" * 500, 1, "\x01" * 500, 0)] * 3, url_encode=False, owner=True)
@example(
    entries=[Entry("\ufffe\uffff\uf000", 1, "\ufffe", 0), Entry("a" * 99, LARGEST, "e", LAST_MS)],
    url_encode=False,
    owner=False,
)
def test_packed_entries_are_the_same_page(listing, entries, url_encode, owner):
    """As entries they are, and read back they are the entries."""
    packed = pack(entries)
    assert listing.unpacked(packed) == entries
    assert listing.contents_xml(packed, url_encode, owner) == listing.contents_xml(entries, url_encode, owner)


@given(
    st.lists(PATHS, max_size=12), st.sampled_from(["", "a", "é", "ab"]), st.sampled_from(["/", "--", "a", "😀", "é/"])
)
@example(["a/b", "a/c", "a/", "b"], "", "/")
@example(["a", "aa", "aaa"], "a", "a")
def test_folders_are_those_of_the_paths(listing, paths, prefix, delimiter):
    """Each folder once, in the place of the first path that is in it; files as they were; and the last folder."""
    paths = sorted({prefix + path for path in paths}, key=str.encode)
    entries = [Entry(path, number, f"e{number}", number) for number, path in enumerate(paths)]
    wanted, folder = [], ""
    for entry in entries:
        head, mark, _ = entry.path[len(prefix) :].partition(delimiter)
        folder = prefix + head + mark if mark else ""
        if not folder:
            wanted.append(entry)
        elif not wanted or wanted[-1] != (folder, -1, "", 0):
            wanted.append(Entry(folder, -1, "", 0))
    rows, count, last = listing.folded(pack(entries), len(prefix.encode()), delimiter.encode())
    assert (listing.unpacked(rows), count, last) == (wanted, len(wanted), folder)


BROKEN_ROWS = {
    "no NUL": (b"1 2 e", ValueError),
    "a field too many": (b"1 2 e\0a\0001 2 e", ValueError),
    "an end too many": (b"1 2 e\0a\0", ValueError),
    "nothing known": (b"\0a", ValueError),
    "one number": (b"1\0a", ValueError),
    "no ETag, not even an empty one": (b"1 2\0a", ValueError),
    "a size that is a word": (b"x 2 e\0a", ValueError),
    "a size that is only a sign": (b"- 2 e\0a", ValueError),
    "a time that is a word": (b"1 x e\0a", ValueError),
    "a space before": (b" 1 2 e\0a", ValueError),
    "a plus": (b"+1 2 e\0a", ValueError),
    "an underscore": (b"1_0 2 e\0a", ValueError),
    "digits of another script": ("٣ 2 e\0a".encode(), ValueError),
    "too many digits": (b"12345678901234567890 2 e\0a", ValueError),
    "many too many digits": (b"1" * 5000 + b" 2 e\0a", ValueError),
    "a size over 63 bits": (b"9223372036854775808 2 e\0a", OverflowError),
    "a negative size over 63 bits": (b"-9223372036854775809 2 e\0a", OverflowError),
    "a time over 63 bits": (b"1 9223372036854775808 e\0a", OverflowError),
}


@pytest.mark.parametrize("before", [0, 1000])
@pytest.mark.parametrize("name", BROKEN_ROWS)
def test_broken_rows_are_refused(listing, name, before):
    """Of the same kind in both twins, as a page and read back, and also after a thousand good entries."""
    rows, error = BROKEN_ROWS[name]
    rows = b"1 2 e\0k\0" * before + rows
    for call in (listing.unpacked, lambda broken: listing.contents_xml(broken, False, False)):
        with pytest.raises(error) as caught:
            call(rows)
        assert caught.type is error


def test_the_numbers_of_64_bits_are_read(listing):
    """Both ends of what fits."""
    rows = f"{LARGEST} {-LARGEST - 1} e\0a\0{-LARGEST - 1} {LARGEST} \0b".encode()
    assert listing.unpacked(rows) == [("a", LARGEST, "e", -LARGEST - 1), ("b", -LARGEST - 1, "", LARGEST)]
    with pytest.raises(OverflowError):
        listing.contents_xml(f"1 {LAST_MS + 1} e\0a".encode(), False, False)


@pytest.mark.parametrize(
    "arguments", [(b"1 2 e", 0, b"/"), (b"1 2 e\0a\0", 0, b"/"), (b"1 2 e\0a", 0, b""), (b"1 2 e\0a", -1, b"/")]
)
def test_rows_that_cannot_be_folded_are_refused(listing, arguments):
    """A row without a path, and a delimiter of nothing."""
    with pytest.raises(ValueError, match=r"path|delimiter|prefix"):
        listing.folded(*arguments)


@given(rows=st.binary() | st.lists(st.sampled_from([b"1", b"-", b" ", b"\0", b"a/", b"\xff", b"2 "])).map(b"".join))
def test_any_bytes_are_rows_or_refused(listing, rows):
    """Whatever is in them: an answer, or the error for what are no rows."""
    for call in (
        listing.unpacked,
        lambda given: listing.folded(given, 1, b"/"),
        lambda given: listing.contents_xml(given, False, False),
        lambda given: listing.contents_xml(given, True, True),
    ):
        with contextlib.suppress(ValueError, OverflowError):
            call(rows)


def test_no_rows_are_no_entries(listing):
    """Nothing in, nothing out."""
    assert (listing.unpacked(b""), listing.folded(b"", 3, b"/"), listing.contents_xml(b"", True, True)) == (
        [],
        (b"", 0, ""),
        b"",
    )


@pytest.mark.parametrize("broken", [None, "text", 7, [], bytearray(b"1 2 e\0a")])
def test_only_bytes_are_packed(listing, broken):
    """Nothing but bytes is read as rows."""
    with pytest.raises(TypeError):
        listing.unpacked(broken)
    with pytest.raises(TypeError):
        listing.folded(broken, 0, b"/")
    with pytest.raises(TypeError):
        listing.folded(b"", 0, broken)


# --- the twins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["contents_xml", "escape", "url_encoded"])
def test_names_of_arguments_are_the_same(listing, name):
    """Both can be called with the same keywords."""
    names = list(inspect.signature(getattr(_listing_py, name)).parameters)
    values = {"entries": [Entry("a&b", 1, "e", 0)], "text": "a&b"}
    keywords = {each: values.get(each, True) for each in names}
    assert getattr(listing, name)(**keywords) == getattr(_listing_py, name)(**keywords)


def test_no_reference_is_kept(listing):
    """Calls that answer and calls that raise leave no reference to what they were given."""
    path, etag = "p" * 50 + "é", "e" * 50 + "é"
    counts = sys.getrefcount(path), sys.getrefcount(etag)
    for _ in range(100):
        listing.contents_xml([(path, 1, etag, 0), (path, -1, etag, 0)], True, True)
        with contextlib.suppress(OverflowError):
            listing.contents_xml([(path, 1, etag, LAST_MS + 1)], True, True)
    assert (sys.getrefcount(path), sys.getrefcount(etag)) == counts


def test_the_gateway_takes_the_compiled_module_where_there_is_one(listing):
    """What is tested here is what answers requests."""
    if _speedups.compiled == listing.__name__.endswith("_c"):
        assert _speedups.contents_xml is listing.contents_xml
        assert _speedups.escape is listing.escape
