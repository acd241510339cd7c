"""Conditions, ranges, names, queries and tokens: any text is understood, ignored or refused by an S3 error."""

from __future__ import annotations

import contextlib
from email.utils import formatdate

from hypothesis import strategies as st

from falcon_s3 import attributes, buckets, checksums, conditions, copies, errors, multipart, pfs, tags
from falcon_s3.cors import Origins
from falcon_s3.request import parse_query
from falcon_s3.resources import listing, service
from falcon_s3.resources import object as objects
from falcon_s3.rights import ALL
from tests.fuzz.examples import fuzz, mutated, repeated

SIZE = 1000
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
MODIFIED_MS = 1_700_000_000_999
FILE = pfs.FileInfo(pfs.Commit(pfs.Repo("default", "r"), "0" * 32), "k", SIZE, ETAG, MODIFIED_MS, {}, None)

VALUES = [
    "bytes=0-9",
    "bytes=-5",
    "bytes=999-",
    "bytes=0-1,5-",
    f'"{ETAG}"',
    f'W/"{ETAG}", "x", bare',
    "*",
    formatdate(MODIFIED_MS // 1000, usegmt=True),
    "Tuesday, 14-Nov-23 22:13:20 GMT",
    "Tue Nov 14 22:13:20 2023",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "2023-11-14T22:13:20.999Z",
    "0001-01-01T00:00:00+23:59",
    "1000",
    "",
]
PIECES = [*'bytes= = - , : " W/ W/" * 0 9 99999999999999999999 ² ü T Z +00:00 -0000 GMT Jan ( ) ;'.split(), " ", "\t"]
VALUE = st.text(max_size=60) | mutated(st.sampled_from(VALUES), [*PIECES, *VALUES])
NAMES = "range if-range if-match if-none-match if-modified-since if-unmodified-since".split()
HEADERS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUE))


def check_conditions(headers):
    with contextlib.suppress(errors.PreconditionFailed):
        conditions.not_modified(headers, ETAG, MODIFIED_MS)
    with contextlib.suppress(errors.InvalidRange):
        found = conditions.byte_range(headers, SIZE, ETAG, MODIFIED_MS)
        assert found is None or 0 <= found[0] < found[1] <= SIZE
    with contextlib.suppress(errors.InvalidRange):
        assert conditions.byte_range(headers, 0, ETAG, MODIFIED_MS) is None


@fuzz(headers=HEADERS)
def test_any_condition_of_a_read_holds_or_does_not(headers):
    check_conditions(headers)


@fuzz(one=st.none() | VALUE, two=st.none() | VALUE, three=st.none() | VALUE)
def test_any_condition_of_a_write_holds_or_is_refused(one, two, three):
    for make, arguments in ((conditions.put_check, (one, two)), (conditions.delete_check, (one, two, three))):
        for file in (FILE, None):
            with contextlib.suppress(errors.PreconditionFailed, errors.NoSuchKey, errors.S3Error):
                check = make(*arguments)
                assert (check is None) == (set(arguments) == {None})
                if check is not None:
                    check(file)


@fuzz(value=repeated(PIECES), slower=4)
def test_long_headers_are_understood_or_refused(value):
    for each in (value, '"' + value, "bytes=" + value, "1 Jan 2020 " + value):
        check_conditions(dict.fromkeys(NAMES, each))
        check_conditions({"range": "bytes=0-9", "if-range": each})
        for arguments in ((each, None, None), (None, each, None), (None, None, each)):
            with contextlib.suppress(errors.S3Error):
                check = conditions.delete_check(*arguments)
                check(FILE)
        with contextlib.suppress(errors.S3Error):
            conditions.put_check(None, each)(FILE)


# --- buckets ---------------------------------------------------------------------------------------------------------

PARTS = ["master", "images", "0123456789ab4cdef0123456789abcde", ".", "..", "-", "_", "ü", "\n", "\0", "/", "a" * 256]
NAME = st.text(max_size=40) | st.lists(st.sampled_from(PARTS), max_size=6).map("".join)


@fuzz(name=NAME)
def test_any_bucket_name_is_a_branch_or_a_commit_or_refused(name):
    try:
        ref = buckets.parse(name)
    except pfs.InvalidName:
        return
    if isinstance(ref, pfs.Branch):
        assert buckets.parse(buckets.name_of(ref)) == ref


@fuzz(name=repeated(PARTS), domains=st.sampled_from([(), ("a",), ("images", "s3.images")]), slower=4)
def test_long_names_are_refused(name, domains):
    with contextlib.suppress(pfs.InvalidName):
        buckets.parse(name)
    for host in (name, f"{name}.images", f"{name}.images:80"):
        buckets.of_host(host, domains)


# --- queries and tokens ----------------------------------------------------------------------------------------------

QUERY_PIECES = [*"& = % %2 %2F %ff %C3%BC %00 + a prefix= max-keys= ; ü".split(), " "]
QUERY = st.text(max_size=60) | st.lists(st.sampled_from(QUERY_PIECES), max_size=20).map("".join)


@fuzz(query=QUERY)
def test_any_query_is_text_or_refused(query):
    with contextlib.suppress(errors.InvalidURI):
        for text in [each for pair in parse_query(query).items() for each in pair]:
            text.encode()


@fuzz(query=repeated(QUERY_PIECES), slower=4)
def test_long_queries_are_text_or_refused(query):
    with contextlib.suppress(errors.InvalidURI):
        parse_query(query)


TOKENS = [listing.token_of("a/ü"), service.token_of("master.images"), listing.token_of("\0"), ""]
TOKEN = st.text(max_size=60) | mutated(st.sampled_from(TOKENS), ["=", "-", "_", "A", "ü", "\n"])


@fuzz(token=TOKEN | repeated(["A", "=", "-"]))
def test_any_continuation_token_is_a_place_or_refused(token):
    for read in (listing.key_of, service.bucket_of):
        with contextlib.suppress(errors.InvalidArgument):
            read(token).encode()


@fuzz(key=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_says_where_a_page_ends(key):
    assert listing.key_of(listing.token_of(key)) == key


@fuzz(
    text=st.text(max_size=30)
    | repeated(["0", "9", "1", "²"], 6000)
    | st.sampled_from(["2147483647", "2147483648", "-1"])
)
def test_any_size_of_a_page_is_a_number_or_refused(text):
    with contextlib.suppress(errors.InvalidArgument):
        assert 0 <= listing.limit({"max-keys": text}, "max-keys", listing.MAX_KEYS) <= listing.MAX_KEYS
    with contextlib.suppress(errors.InvalidArgument):
        assert (service.max_buckets(text) or 1) >= 1


@fuzz(text=st.text(max_size=30))
def test_any_header_from_a_query_can_be_sent_or_is_refused(text):
    with contextlib.suppress(errors.InvalidArgument):
        assert not set(objects.header_value("response-expires", text).encode("latin-1")) & set(b"\r\n\0")


NUMBER = (
    st.text(max_size=30)
    | repeated(["0", "9", "1", "²"], 6000)
    | st.sampled_from(["1", "10000", "10001", "-1", "0000000001999", "0000000001" * 500])
)


@fuzz(text=NUMBER)
def test_any_part_number_is_a_number_or_refused(text):
    with contextlib.suppress(errors.InvalidArgument):
        assert 1 <= multipart.part_number(text) <= multipart.MOST_PARTS
    with contextlib.suppress(errors.InvalidArgument):
        assert 0 <= multipart.marker({"part-number-marker": text}, "part-number-marker") < 1 << 31


# --- copies, tags, checksums and origins -----------------------------------------------------------------------------

SOURCES = ["/b/k", "b/k?versionId=0123456789ab4cdef0123456789abcde", "b%2Fk%3F", "master.images/a%20b+c"]
SOURCE_PIECES = [
    "/",
    "?versionId=",
    "%",
    "%FF",
    "%00",
    "%2F",
    "ü",
    "b",
    "?",
    "bytes=",
    "0-",
    "-",
    "9" * 30,
    "=",
    "&",
    "a",
]
SOURCE = st.text(max_size=60) | mutated(st.sampled_from(SOURCES), SOURCE_PIECES) | repeated(SOURCE_PIECES, 20_000)


@fuzz(source=SOURCE, range_text=SOURCE, condition=VALUE)
def test_any_source_of_a_copy_is_an_object_or_refused(source, range_text, condition):
    headers = {copies.PREFIX: source, f"{copies.PREFIX}-range": range_text}
    with contextlib.suppress(errors.InvalidArgument):
        found = copies.source_of(headers)
        assert found.bucket and found.key and found.version != ""
    with contextlib.suppress(errors.InvalidArgument, errors.InvalidRange):
        start, stop = copies.byte_range(headers, SIZE)
        assert 0 <= start < stop <= SIZE
    with contextlib.suppress(errors.InvalidArgument):
        assert copies.directive({"x-amz-metadata-directive": source}, "x-amz-metadata-directive") in ("COPY", "REPLACE")
    for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"):
        with contextlib.suppress(errors.PreconditionFailed):
            copies.check({f"{copies.PREFIX}-{name}": condition}, ETAG, MODIFIED_MS)


@fuzz(text=SOURCE | st.lists(st.sampled_from(QUERY_PIECES), max_size=20).map("".join))
def test_any_tags_are_kept_as_they_are_or_refused(text):
    with contextlib.suppress(errors.InvalidArgument, errors.InvalidTag):
        found = tags.of_header(text)
        assert tags.of_attributes({tags.ATTRIBUTE: tags.header_of(found)}) == found


@fuzz(text=VALUE | st.sampled_from(["CRC32", "crc64nvme", "FULL_OBJECT", "COMPOSITE"]), kind=st.none() | VALUE)
def test_any_checksum_of_an_upload_is_known_or_refused(text, kind):
    headers = {checksums.ALGORITHM: text} | ({} if kind is None else {checksums.TYPE: kind})
    with contextlib.suppress(errors.InvalidRequest):
        checksums.of_upload(headers)


ORIGINS = [Origins(()), Origins(("*",)), Origins(("https://*.example.org", "null"))]
ORIGIN_PIECES = ["https://", "a.", "example.org", "*", ":", "/", "null", " ", "ü", ","]
ORIGIN = st.text(max_size=40) | st.lists(st.sampled_from(ORIGIN_PIECES)).map("".join) | repeated(ORIGIN_PIECES)


@fuzz(origin=ORIGIN, names=ORIGIN, method=st.sampled_from(["", "GET", "PATCH"]), origins=st.sampled_from(ORIGINS))
def test_any_origin_is_allowed_or_refused(origin, names, method, origins):
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": names,
    }
    with contextlib.suppress(errors.BadRequest, errors.AccessForbidden):
        origins.preflight(headers)
    origins.answer(origin, ["ETag", "x-amz-meta-a"])


HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)


@fuzz(
    headers=st.dictionaries(
        st.sampled_from([*attributes.KEPT_HEADERS, *attributes.REFUSED_HEADERS, "x-amz-meta-", "x-amz-acl"]),
        HEADER_TEXT,
    )
)
def test_any_attribute_is_kept_or_refused(headers):
    with contextlib.suppress(errors.S3Error):
        attributes.refuse_headers(headers, "master.images", ALL)
        attributes.of_headers(headers)
