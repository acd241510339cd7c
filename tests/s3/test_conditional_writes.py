"""If-None-Match: * and If-Match on PUT, decided together with the write: of many writers one succeeds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from falcon_s3 import buckets
from tests.s3.etags import etag_of


def put(gateway, bucket, body, **headers):
    return gateway.request(
        "PUT", f"/{bucket}/k", body, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_what_must_be_new_is_written_once(gateway, bucket, unchanged):
    assert put(gateway, bucket, b"1", If_None_Match="*").status == 200
    with unchanged(bucket):
        put(gateway, bucket, b"2", If_None_Match="*").refused(412, "PreconditionFailed")
    assert gateway.request("DELETE", f"/{bucket}/k").status == 204
    assert put(gateway, bucket, b"3", If_None_Match="*").status == 200


def test_what_must_be_known_is_written_over_that_alone(gateway, bucket, unchanged):
    with unchanged(bucket):
        put(gateway, bucket, b"1", If_Match=etag_of(b"0")).refused(404, "NoSuchKey")
        put(gateway, bucket, b"1", If_Match="*").refused(404, "NoSuchKey")
    put(gateway, bucket, b"1")
    with unchanged(bucket):
        put(gateway, bucket, b"2", If_Match=etag_of(b"0")).refused(412, "PreconditionFailed")
        put(gateway, bucket, b"2", If_Match="W/" + etag_of(b"1")).refused(412, "PreconditionFailed")
    assert put(gateway, bucket, b"2", If_Match=etag_of(b"1")).status == 200
    assert put(gateway, bucket, b"3", If_Match=etag_of(b"2").strip('"')).status == 200
    assert put(gateway, bucket, b"4", If_Match="*").status == 200
    assert gateway.request("GET", f"/{bucket}/k").body == b"4"


def test_what_is_there_may_be_anything_but_what_is_named(gateway, bucket, unchanged):
    """ETags in an If-None-Match, as RFC 9110 has them: S3 itself takes only *."""
    assert put(gateway, bucket, b"1", If_None_Match=etag_of(b"0")).status == 200
    assert put(gateway, bucket, b"2", If_None_Match=etag_of(b"0").strip('"')).status == 200
    with unchanged(bucket):
        put(gateway, bucket, b"3", If_None_Match=etag_of(b"2")).refused(412, "PreconditionFailed")
        put(gateway, bucket, b"3", If_None_Match=f"{etag_of(b'1')}, {etag_of(b'2')}").refused(412, "PreconditionFailed")


@pytest.mark.parametrize(
    "headers", [{"If_None_Match": "*", "If_Match": "*"}, {"If_None_Match": ""}, {"If_None_Match": ","}]
)
def test_what_s3_does_not_take_is_refused_and_not_ignored(gateway, bucket, unchanged, headers):
    with unchanged(bucket):
        put(gateway, bucket, b"1", **headers).refused(501, "NotImplemented")


EARLY = "Sat, 01 Jan 2000 00:00:00 GMT"


@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [
        ("PUT", "", {"If-Unmodified-Since": EARLY}),
        ("PUT", "", {"If-Unmodified-Since": EARLY, "x-amz-copy-source": "{}/other"}),
        ("POST", "?uploadId=any", {"If-Unmodified-Since": EARLY}),
        ("DELETE", "", {"If-Unmodified-Since": EARLY}),
        ("DELETE", "", {"If-None-Match": "*"}),
    ],
)
def test_a_condition_that_is_not_looked_at_is_refused_and_not_passed_over(
    gateway, bucket, unchanged, method, query, headers
):
    for key in ("k", "other"):
        gateway.request("PUT", f"/{bucket}/{key}", b"1")
    headers = {name: value.format(bucket) for name, value in headers.items()}
    with unchanged(bucket):
        answer = gateway.request(method, f"/{bucket}/k{query}", None if method == "DELETE" else b"2", headers)
        assert "if-" in answer.refused(501, "NotImplemented")


def test_a_condition_that_another_lifts_or_that_is_of_reads_is_passed_over(gateway, bucket):
    """As RFC 9110 wants it (sections 13.1.3 and 13.1.4)."""
    put(gateway, bucket, b"1")
    assert put(gateway, bucket, b"2", If_Match=etag_of(b"1"), If_Unmodified_Since=EARLY).status == 200
    assert put(gateway, bucket, b"3", If_Modified_Since=EARLY).status == 200
    # Some clients send the condition of a completion with all that comes before, too.
    assert gateway.request("POST", f"/{bucket}/k?uploads", None, {"If-None-Match": "*"}).status == 200


def test_a_refused_write_of_a_large_body_leaves_the_connection_well(gateway, bucket):
    put(gateway, bucket, b"1")
    for _ in range(3):
        put(gateway, bucket, bytes(5_000_000), If_None_Match="*").refused(412, "PreconditionFailed")
    assert gateway.request("GET", f"/{bucket}/k").body == b"1"


@pytest.mark.parametrize("size", [100, 300_000])
def test_of_many_first_writers_exactly_one_succeeds(gateway, bucket, store, size):
    writers = 16
    before = store.inspect_branch(buckets.parse(bucket)).head
    with ThreadPoolExecutor(writers) as pool:
        bodies = [bytes([number]) * size for number in range(writers)]
        answers = list(pool.map(lambda body: put(gateway, bucket, body, If_None_Match="*"), bodies))
    assert sorted(answer.status for answer in answers) == [200] + [412] * (writers - 1)
    (winner,) = [body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200]
    assert gateway.request("GET", f"/{bucket}/k").body == winner
    head = store.inspect_branch(buckets.parse(bucket)).head
    assert store.inspect_commit(head).parent == before


def test_a_counter_kept_by_many_writers_counts_each_once(gateway, bucket):
    """Compare and swap, as table formats and state locks do it: no increment is lost."""
    put(gateway, bucket, b"0")

    def increment(_):
        for _ in range(200):
            read = gateway.request("GET", f"/{bucket}/k")
            written = put(gateway, bucket, str(int(read.body) + 1).encode(), If_Match=read.headers["ETag"])
            if written.status == 200:
                return
            assert written.status == 412
        raise AssertionError("no turn in 200 tries")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(40)))
    assert gateway.request("GET", f"/{bucket}/k").body == b"40"


def test_a_client_sends_conditions(s3, bucket):
    from botocore.exceptions import ClientError

    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first["ETag"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
