"""GET /bucket: ListObjects, compared page by page with a model that knows only sorting and splitting."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest

# Neighbours in byte order that a walk of folders or an order by code units gets wrong, and odd keys of all kinds.
KEYS = [
    "a",
    "a/",
    "a/b",
    "a/b/c",
    "a/b/d",
    "a0",
    "a-b",
    "a b",
    "a+b",
    "a%2Fb",
    "a//b",
    "a//",
    "../x",
    "./y",
    "\\z",
    "&<>'\"",
    "b/1",
    "b/2",
    "b/3/4",
    "bb",
    "dir/",
    "e\u0301",
    "é",
    "\uffee",
    "😀/1",
    "😀/2",
    "z-z-z",
    "z-z-y",
    "tab\there",
]


def in_order(keys):
    return sorted(keys, key=str.encode)


def model(keys, prefix="", delimiter="", after="", limit=1000):
    """The page after `after`, by the words of the S3 API reference: (keys, folders, last entry, truncated)."""
    entries = []
    for key in in_order(keys):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = (key, False) if at < 0 else (key[: at + len(delimiter)], True)
        if entry not in entries:
            entries.append(entry)
    entries = [entry for entry in entries if entry[0].encode() > after.encode()]
    page = entries[:limit]
    return (
        [name for name, folder in page if not folder],
        [name for name, folder in page if folder],
        page[-1][0] if page else None,
        len(entries) > limit > 0,
    )


@pytest.fixture(scope="module")
def listed(gateway):
    bucket = gateway.new_bucket()
    for key in KEYS:
        gateway.s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


QUERIES = [
    ("", ""),
    ("", "/"),
    ("a", "/"),
    ("a/", "/"),
    ("a/b", "/"),
    ("a/b/", "/"),
    ("a//", "/"),
    ("a", ""),
    ("b/", ""),
    ("dir/", "/"),
    ("none", "/"),
    ("", "-"),
    ("z", "-z"),
    ("", "/b"),
    ("", "z-"),
    ("", "b/3/"),
    ("😀", "/"),
    ("", "😀"),
    ("e", ""),
    ("..", "/"),
    (" ", ""),
    ("a ", " "),
    ("a b", " "),
]


@pytest.mark.needs("paths")
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("prefix", "delimiter"), QUERIES)
def test_pages_are_those_of_the_model_from_the_first_to_the_last(gateway, listed, prefix, delimiter, limit):
    marker = ""
    for _ in range(len(KEYS) + 1):
        answer = gateway.s3.list_objects(
            Bucket=listed, Prefix=prefix, Delimiter=delimiter, Marker=marker, MaxKeys=limit, EncodingType="url"
        )
        keys, folders, last, truncated = model(KEYS, prefix, delimiter, marker, limit)
        # botocore decodes keys only if it asked for the encoding itself.
        assert [unquote(one["Key"]) for one in answer.get("Contents", [])] == keys
        assert [unquote(one["Prefix"]) for one in answer.get("CommonPrefixes", [])] == folders
        assert (answer["IsTruncated"], answer["MaxKeys"]) == (truncated, limit)
        if not truncated:
            return
        marker = unquote(answer.get("NextMarker") or quote(last))
        assert marker == last
    raise AssertionError("the listing has no end")


@pytest.mark.needs("paths")
@pytest.mark.parametrize(
    "marker", ["a/", "a/b", "a/b/c", "a/zzz", "b", "dir/", "none", "\x01", "😀/1", "zzzz", "a\uffff"]
)
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_a_marker_need_not_be_a_key(gateway, listed, marker, delimiter):
    answer = gateway.s3.list_objects(Bucket=listed, Marker=marker, Delimiter=delimiter)
    keys, folders, _, _ = model(KEYS, "", delimiter, marker)
    assert [one["Key"] for one in answer.get("Contents", [])] == keys
    assert [one["Prefix"] for one in answer.get("CommonPrefixes", [])] == folders


@pytest.mark.needs("paths")
def test_a_file_has_size_quoted_etag_date_class_and_owner(gateway, s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    (row,) = s3.list_objects(Bucket=bucket)["Contents"]
    assert row["ETag"] == put["ETag"] == '"827ccb0eea8a706c4c34a16891f84e7b"'
    assert (row["Size"], row["StorageClass"]) == (5, "STANDARD")
    assert row["Owner"] == {"ID": "0" * 32, "DisplayName": "pachyderm"}
    head = s3.head_object(Bucket=bucket, Key="k")
    assert row["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert re.search(r"<LastModified>[^<]*\.\d\d\dZ</LastModified>", gateway.request("GET", f"/{bucket}").body.decode())


@pytest.mark.needs("paths")
def test_the_request_is_echoed_and_an_absent_delimiter_is_not(gateway, listed):
    answer = gateway.request("GET", f"/{listed}?prefix=a%20%26&marker=a&delimiter=%2F&max-keys=3")
    echoed = {name: answer.text(name) for name in ("Name", "Prefix", "Marker", "Delimiter", "MaxKeys", "EncodingType")}
    assert echoed == {
        "Name": listed,
        "Prefix": "a &",
        "Marker": "a",
        "Delimiter": "/",
        "MaxKeys": "3",
        "EncodingType": None,
    }
    plain = gateway.request("GET", f"/{listed}")
    assert (plain.text("Delimiter"), plain.text("Prefix"), plain.text("Marker")) == (None, "", "")
    assert plain.text("MaxKeys") == "1000"


@pytest.mark.needs("paths")
def test_url_encoding_covers_keys_prefixes_and_echoes(gateway, listed):
    answer = gateway.request("GET", f"/{listed}?encoding-type=url&prefix=a&delimiter=%20&marker=%2B")
    assert answer.text("EncodingType") == "url"
    assert answer.text("Marker") == "%2B"
    assert answer.text("Delimiter") in ("%20", "+")
    assert "a%252Fb" in answer.texts("Key")
    assert "a%2Bb" in answer.texts("Key")
    assert answer.texts("Prefix")[-1] in ("a%20", "a+")


@pytest.mark.needs("paths")
def test_no_keys_asked_for_is_an_empty_listing_that_is_not_truncated(gateway, listed):
    answer = gateway.request("GET", f"/{listed}?max-keys=0")
    assert (answer.status, answer.texts("Key"), answer.text("IsTruncated")) == (200, [], "false")


@pytest.mark.needs("paths")
def test_more_than_a_page_asked_for_is_a_page(gateway, listed):
    answer = gateway.request("GET", f"/{listed}?max-keys=100000")
    assert (answer.status, answer.text("MaxKeys")) == (200, "1000")


@pytest.mark.needs("paths")
@pytest.mark.parametrize(
    "query",
    [
        "max-keys=-1",
        "max-keys=x",
        "max-keys=1.5",
        "max-keys=%D9%A3",
        "max-keys=99999999999999999999",
        "encoding-type=base64",
        "encoding-type=URL",
    ],
)
@pytest.mark.parametrize("version", ["", "&list-type=2"])
def test_what_cannot_be_meant_is_an_invalid_argument(gateway, listed, query, version):
    gateway.request("GET", f"/{listed}?{query}{version}").refused(400, "InvalidArgument")


@pytest.mark.needs("paths")
@pytest.mark.parametrize("version", ["", "&list-type=2"])
def test_an_unordered_listing_may_be_ordered_but_has_no_delimiter(gateway, listed, version):
    """Ceph's parameter, which some of its clients send."""
    answer = gateway.request("GET", f"/{listed}?allow-unordered=true{version}")
    assert answer.texts("Key") == in_order(KEYS)
    target = f"/{listed}?allow-unordered=true&delimiter=/{version}"
    gateway.request("GET", target).refused(400, "InvalidArgument")


@pytest.mark.needs("paths")
@pytest.mark.parametrize("query", ["prefix=%FF", "marker=%C3%28", "delimiter=%ED%A0%80", "prefix=%00"])
def test_a_query_that_is_no_utf_8_is_a_bad_request(gateway, listed, query):
    answer = gateway.request("GET", f"/{listed}?{query}")
    # NUL is UTF-8: it is no part of any key, so nothing is found.
    assert answer.status == 400 or (query == "prefix=%00" and answer.texts("Key") == [])


@pytest.mark.needs("paths")
def test_empty_values_are_as_if_they_were_not_there(gateway, listed):
    answer = gateway.request("GET", f"/{listed}?prefix=&marker=&delimiter=&max-keys=&encoding-type=")
    assert (answer.status, answer.texts("Key")) == (200, in_order(KEYS))


def test_a_bucket_that_is_not_there_has_no_listing(gateway):
    gateway.request("GET", "/none").refused(404, "NoSuchBucket")
    assert gateway.request("HEAD", "/none").status == 404


@pytest.mark.needs("paths")
def test_a_key_that_xml_cannot_hold_is_listed_in_well_formed_xml(gateway, bucket):
    assert gateway.request("PUT", f"/{bucket}/a%01%EF%BF%BFb%0D", b"x").status == 200
    assert len(gateway.request("GET", f"/{bucket}").texts("Key")) == 1
    answer = gateway.request("GET", f"/{bucket}?encoding-type=url")
    assert answer.texts("Key") == ["a%01%EF%BF%BFb%0D"]


def test_the_default_page_has_a_thousand_entries(gateway, store):
    from falcon_s3 import buckets
    from falcon_s3.digests import body_of

    bucket = gateway.new_bucket()
    branch = buckets.parse(bucket)
    store.start_commit(branch)
    for number in range(1005):
        store.put_file(branch, f"{number:04d}", body_of([b"x"]))
    store.finish_commit(branch)
    first = gateway.s3.list_objects(Bucket=bucket)
    assert (len(first["Contents"]), first["IsTruncated"]) == (1000, True)
    rest = gateway.s3.list_objects(Bucket=bucket, Marker=first["Contents"][-1]["Key"])
    assert [one["Key"] for one in rest["Contents"]] == [f"{number:04d}" for number in range(1000, 1005)]
    pages = gateway.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    assert [one["Key"] for page in pages for one in page["Contents"]] == [f"{number:04d}" for number in range(1005)]
