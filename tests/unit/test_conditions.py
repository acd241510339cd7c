"""Conditions and ranges: RFC 9110's order of precedence in tables, and nothing that fails on odd input."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import conditions, errors
from falcon_s3.pfs import Commit, FileInfo, Repo

ETAG = "9e107d9d372bb6826bd81d3542a419d6"
OTHER = "e4d909c290d0fb1ca068ffaddf22cbd0"
# 1994-11-06 08:49:37.500 UTC: RFC 9110's example, and half a second that no HTTP date can say.
MODIFIED = 784111777
MODIFIED_MS = MODIFIED * 1000 + 500
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
FUTURE = formatdate(time.time() + 86400, usegmt=True)

FULL, NOT_MODIFIED, FAILED = "200", "304", "412"


def decide(headers: dict[str, str]) -> str:
    try:
        return NOT_MODIFIED if conditions.not_modified(headers, ETAG, MODIFIED_MS) else FULL
    except errors.PreconditionFailed:
        return FAILED


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, FULL),
        # If-Match: strong comparison, any spelling of a list.
        ({"if-match": f'"{ETAG}"'}, FULL),
        ({"if-match": ETAG}, FULL),
        ({"if-match": "*"}, FULL),
        ({"if-match": f'"{OTHER}","{ETAG}"'}, FULL),
        ({"if-match": f'"{OTHER}" , "{ETAG}"'}, FULL),
        ({"if-match": f"{OTHER}, {ETAG}"}, FULL),
        ({"if-match": f'"{OTHER}"'}, FAILED),
        ({"if-match": f'W/"{ETAG}"'}, FAILED),
        ({"if-match": f'"{ETAG[:-1]}"'}, FAILED),
        ({"if-match": f'"{ETAG.upper()}"'}, FAILED),
        ({"if-match": ""}, FAILED),
        # If-None-Match: weak comparison.
        ({"if-none-match": f'"{ETAG}"'}, NOT_MODIFIED),
        ({"if-none-match": ETAG}, NOT_MODIFIED),
        ({"if-none-match": f'W/"{ETAG}"'}, NOT_MODIFIED),
        ({"if-none-match": "*"}, NOT_MODIFIED),
        ({"if-none-match": f'"{OTHER}", "{ETAG}"'}, NOT_MODIFIED),
        ({"if-none-match": f'"{OTHER}"'}, FULL),
        ({"if-none-match": ""}, FULL),
        # Dates, at whole seconds.
        ({"if-modified-since": BEFORE}, FULL),
        ({"if-modified-since": SAME}, NOT_MODIFIED),
        ({"if-modified-since": AFTER}, NOT_MODIFIED),
        ({"if-modified-since": FUTURE}, FULL),
        ({"if-unmodified-since": BEFORE}, FAILED),
        ({"if-unmodified-since": SAME}, FULL),
        ({"if-unmodified-since": AFTER}, FULL),
        ({"if-unmodified-since": FUTURE}, FULL),
        # The two older forms of a date.
        ({"if-modified-since": "Sunday, 06-Nov-94 08:49:37 GMT"}, NOT_MODIFIED),
        ({"if-modified-since": "Sun Nov  6 08:49:37 1994"}, NOT_MODIFIED),
        ({"if-modified-since": "Sun Nov  6 08:49:36 1994"}, FULL),
        # What is not a date is ignored.
        ({"if-modified-since": "yesterday"}, FULL),
        ({"if-modified-since": ""}, FULL),
        ({"if-unmodified-since": "Sun, 99 Nov 1994 08:49:36 GMT"}, FULL),
        ({"if-unmodified-since": "0"}, FULL),
        # An ETag beats the date that would say otherwise, both ways.
        ({"if-match": ETAG, "if-unmodified-since": BEFORE}, FULL),
        ({"if-match": OTHER, "if-unmodified-since": AFTER}, FAILED),
        ({"if-none-match": OTHER, "if-modified-since": AFTER}, FULL),
        ({"if-none-match": ETAG, "if-modified-since": BEFORE}, NOT_MODIFIED),
        # 412 comes before 304.
        ({"if-match": OTHER, "if-none-match": ETAG}, FAILED),
        ({"if-match": ETAG, "if-none-match": ETAG}, NOT_MODIFIED),
        ({"if-unmodified-since": BEFORE, "if-none-match": ETAG}, FAILED),
        ({"if-unmodified-since": SAME, "if-modified-since": SAME}, NOT_MODIFIED),
    ],
)
def test_a_read_is_decided_in_the_order_of_the_rfc(headers: dict[str, str], answer: str) -> None:
    assert decide(headers) == answer


@pytest.mark.parametrize(
    ("value", "size", "bytes_"),
    [
        ("bytes=0-4", 10, (0, 5)),
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=9-9", 10, (9, 10)),
        ("bytes=4-", 10, (4, 10)),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=4-100", 10, (4, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-10", 10, (0, 10)),
        ("bytes=-100", 10, (0, 10)),
        ("Bytes = 2 - 3 ", 10, (2, 4)),
        ("bytes=00-00000000000000000000000000000004", 10, (0, 5)),
        ("bytes=0-" + "9" * 5000, 10, (0, 10)),
        ("bytes=5000000000-", 6_000_000_000, (5_000_000_000, 6_000_000_000)),
        # Ignored: the whole object is sent.
        ("bytes=5-2", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes", 10, None),
        ("", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=1-2,4-5", 10, None),
        ("bytes=1-2-3", 10, None),
        ("bytes=--5", 10, None),
        ("bytes=+1-2", 10, None),
        ("bytes=0x1-0x2", 10, None),
        ("bytes=٣-٤", 10, None),
        ("lines=0-4", 10, None),
        ("0-4", 10, None),
        (None, 10, None),
        (None, 0, None),
    ],
)
def test_a_range_is_read_or_ignored(value: str | None, size: int, bytes_: tuple[int, int] | None) -> None:
    headers = {} if value is None else {"range": value}
    assert conditions.byte_range(headers, size, ETAG, MODIFIED_MS) == bytes_


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=10-20", 10),
        ("bytes=" + "9" * 5000 + "-", 10),
        ("bytes=-0", 10),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-1", 0),
    ],
)
def test_a_range_without_a_byte_of_the_object_is_refused_with_its_size(value: str, size: int) -> None:
    with pytest.raises(errors.InvalidRange) as caught:
        conditions.byte_range({"range": value}, size, ETAG, MODIFIED_MS)
    assert caught.value.status == 416
    assert caught.value.fields == {"RangeRequested": value, "ActualObjectSize": str(size)}
    assert caught.value.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    ("if_range", "honoured"),
    [
        (f'"{ETAG}"', True),
        (ETAG, True),
        (SAME, True),
        ("Sunday, 06-Nov-94 08:49:37 GMT", True),
        (f'"{OTHER}"', False),
        (f'W/"{ETAG}"', False),
        ("*", False),
        ("", False),
        ("yesterday", False),
        (BEFORE, False),
        (AFTER, False),
    ],
)
def test_if_range_lets_a_range_pass_only_for_the_very_version(if_range: str, honoured: bool) -> None:
    headers = {"range": "bytes=2-3", "if-range": if_range}
    assert conditions.byte_range(headers, 10, ETAG, MODIFIED_MS) == ((2, 4) if honoured else None)


def test_an_unsatisfiable_range_of_another_version_is_not_refused() -> None:
    headers = {"range": "bytes=99-", "if-range": f'"{OTHER}"'}
    assert conditions.byte_range(headers, 10, ETAG, MODIFIED_MS) is None


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_what_slicing_gives(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    for value, expected in [
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[-last:] if last else b""),
    ]:
        try:
            found = conditions.byte_range({"range": value}, size, ETAG, MODIFIED_MS)
        except errors.InvalidRange:
            assert expected == b""
            continue
        if found is None:
            assert last < first and not value.endswith("-")
        else:
            assert content[slice(*found)] == expected != b""


@pytest.fixture
def in_new_york(monkeypatch):
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_date_without_a_zone_is_utc_wherever_the_server_is(in_new_york):
    """The form of C's asctime() (RFC 9110 section 5.6.7)."""
    assert decide({"if-modified-since": "Sun Nov  6 08:49:37 1994"}) == NOT_MODIFIED
    assert decide({"if-modified-since": "Sun Nov  6 08:49:36 1994"}) == FULL


TEXTS = st.text(max_size=60) | st.from_regex(r'[bytes=0-9,"*W/ ]{0,40}', fullmatch=True)
DATES = st.from_regex(r"[A-Z][a-z]{2},? [0-9 :,+-]{0,30}( GMT| -0000| [A-Za-z]{1,4})?", fullmatch=True)


@given(
    st.dictionaries(
        st.sampled_from(["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"]),
        TEXTS | DATES,
    )
)
def test_odd_headers_are_decided_without_any_other_error(headers: dict[str, str]) -> None:
    assert decide(headers) in (FULL, NOT_MODIFIED, FAILED)
    try:
        found = conditions.byte_range(headers, 10, ETAG, MODIFIED_MS)
    except errors.InvalidRange:
        return
    assert found is None or 0 <= found[0] < found[1] <= 10


def file_with(etag: str) -> FileInfo:
    commit = Commit(Repo("default", "images"), "0123456789ab4cdef0123456789abcde")
    return FileInfo(commit, "key", 3, etag, MODIFIED_MS, {}, None)


ABSENT, PRESENT = None, file_with(ETAG)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "stored", "raised"),
    [
        (None, "*", ABSENT, None),
        (None, " * ", ABSENT, None),
        (None, "*", PRESENT, errors.PreconditionFailed),
        (None, f'"{ETAG}"', ABSENT, None),
        (None, f'"{OTHER}"', PRESENT, None),
        (None, f'"{ETAG}"', PRESENT, errors.PreconditionFailed),
        (None, ETAG, PRESENT, errors.PreconditionFailed),
        (None, f'W/"{ETAG}"', PRESENT, errors.PreconditionFailed),
        (None, f'"{OTHER}", "{ETAG}"', PRESENT, errors.PreconditionFailed),
        (f'"{ETAG}"', None, PRESENT, None),
        (ETAG, None, PRESENT, None),
        (f'"{OTHER}", "{ETAG}"', None, PRESENT, None),
        ("*", None, PRESENT, None),
        (f'"{OTHER}"', None, PRESENT, errors.PreconditionFailed),
        (f'W/"{ETAG}"', None, PRESENT, errors.PreconditionFailed),
        ("", None, PRESENT, errors.PreconditionFailed),
        (f'"{ETAG}"', None, ABSENT, errors.NoSuchKey),
        ("*", None, ABSENT, errors.NoSuchKey),
    ],
)
def test_a_write_condition_looks_at_what_is_stored(
    if_match: str | None, if_none_match: str | None, stored: FileInfo | None, raised: type[Exception] | None
) -> None:
    check = conditions.put_check(if_match, if_none_match)
    assert check is not None
    if raised is None:
        check(stored)
    else:
        with pytest.raises(raised):
            check(stored)


def test_no_condition_is_no_check() -> None:
    assert conditions.put_check(None, None) is None


@pytest.mark.parametrize(
    ("if_match", "if_none_match"),
    [(None, ""), (None, " , "), (None, '"*"'), (None, "**"), (None, f"*, {ETAG}"), (ETAG, "*"), ("*", "*")],
)
def test_a_write_condition_that_s3_does_not_take_is_refused_and_not_ignored(
    if_match: str | None, if_none_match: str
) -> None:
    with pytest.raises(errors.NotImplemented):
        conditions.put_check(if_match, if_none_match)


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        (('"e"', None, None), True),
        (("*", None, None), True),
        (("e", "5", "Thu, 01 Jan 1970 00:00:01 GMT"), True),
        ((None, "5", None), True),
        ((None, None, "1970-01-01T00:00:01Z"), True),
        ((None, None, "1970-01-01T00:00:01.000Z"), True),
        (('"x"', None, None), False),
        (('W/"e"', None, None), False),
        ((None, "4", None), False),
        (("e", "5" * 30, None), False),
        ((None, None, "Thu, 01 Jan 1970 00:00:02 GMT"), False),
        (("x", "5", "1970-01-01T00:00:01Z"), False),
    ],
)
def test_a_deletion_is_decided_by_all_of_its_conditions(given, holds):
    """A file that is not there passes all of them."""
    check = conditions.delete_check(*given)
    file = FileInfo(Commit(Repo("default", "r"), "c"), "k", 5, "e", 1999, {}, None)
    check(None)
    if holds:
        check(file)
    else:
        with pytest.raises(errors.PreconditionFailed):
            check(file)


@pytest.mark.parametrize(
    "given", [(None, "x", None), (None, "-1", None), (None, None, "x"), (None, None, "1970-01-01T00:00:01")]
)
def test_a_condition_of_a_deletion_that_means_nothing_is_refused(given):
    with pytest.raises(errors.InvalidArgument):
        conditions.delete_check(*given)
    assert conditions.delete_check(None, None, None) is None
