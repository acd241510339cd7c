"""Range on GET: the bytes asked for, 206 with their place, 416 with the size."""

from __future__ import annotations

import random

import pytest

from tests.s3.etags import etag_of

DATA = random.Random(3).randbytes(3_000_000)
SIZE = len(DATA)


@pytest.fixture(scope="module")
def target(gateway):
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    return f"/{bucket}/k"


@pytest.fixture(scope="module")
def etag(gateway, target):
    """Without its quotes; that of a long file is pachd's affair."""
    told = gateway.request("HEAD", target).headers["ETag"]
    assert told == etag_of(DATA)
    return told.strip('"')


@pytest.fixture(scope="module")
def empty(gateway):
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"")
    return f"/{bucket}/k"


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, SIZE),
        ("bytes=-100", SIZE - 100, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=5-{SIZE + 100}", 5, SIZE),
        (f"bytes=-{SIZE + 100}", 0, SIZE),
        ("bytes=0-", 0, SIZE),
        ("bytes=1048575-1048576", 1048575, 1048577),
        ("bytes=1000-2500000", 1000, 2500001),
    ],
)
def test_a_range_is_sent_with_its_place(gateway, target, etag, value, start, stop):
    answer = gateway.request("GET", target, headers={"Range": value})
    assert answer.status == 206
    assert answer.body == DATA[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.headers["ETag"] == f'"{etag}"'


@pytest.mark.parametrize("value", ["bytes=5-2", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "", "0-4"])
def test_what_is_no_range_gets_the_whole(gateway, target, value):
    answer = gateway.request("GET", target, headers={"Range": value})
    assert (answer.status, answer.body == DATA, answer.headers["Content-Range"]) == (200, True, None)


@pytest.mark.parametrize("value", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=" + "9" * 30 + "-"])
def test_a_range_outside_is_refused_as_xml_with_the_size(gateway, target, value):
    answer = gateway.request("GET", target, headers={"Range": value})
    answer.refused(416, "InvalidRange")
    assert answer.text("ActualObjectSize") == str(SIZE)
    assert answer.text("RangeRequested") == value
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("value", ["bytes=0-0", "bytes=0-", "bytes=-5", "bytes=40-50"])
def test_an_empty_object_has_no_range(gateway, empty, value):
    gateway.request("GET", empty, headers={"Range": value}).refused(416, "InvalidRange")


@pytest.mark.parametrize(
    ("value", "status"),
    [('"ETAG"', 206), ("ETAG", 206), ('"0"', 200), ('W/"ETAG"', 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)],
)
def test_if_range_decides_between_the_part_and_the_whole(gateway, target, etag, value, status):
    answer = gateway.request("GET", target, headers={"Range": "bytes=1-3", "If-Range": value.replace("ETAG", etag)})
    assert (answer.status, answer.body) == (status, DATA[1:4] if status == 206 else DATA)


def test_if_range_with_the_date_of_the_object_gets_the_part(gateway, target):
    modified = gateway.request("HEAD", target).headers["Last-Modified"]
    assert gateway.request("GET", target, headers={"Range": "bytes=1-3", "If-Range": modified}).status == 206


def test_a_condition_is_looked_at_before_the_range(gateway, target, etag):
    beyond = {"Range": f"bytes={SIZE}-"}
    assert gateway.request("GET", target, headers=beyond | {"If-None-Match": etag}).status == 304
    assert gateway.request("GET", target, headers=beyond | {"If-Match": '"0"'}).status == 412


def test_a_file_read_in_parts_by_a_client_is_whole(s3, target, etag):
    bucket, _, key = target[1:].partition("/")
    parts = [
        s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + 777_777 - 1}", IfMatch=etag)["Body"].read()
        for start in range(0, SIZE, 777_777)
    ]
    assert b"".join(parts) == DATA


def test_a_part_may_be_asked_for_only_where_parts_are(gateway, target):
    """`partNumber` is of multipart uploads: ignored it would give a client the whole file for each part."""
    answer = gateway.request("GET", f"{target}?partNumber=2")
    assert answer.status in (416, 400, 501)
