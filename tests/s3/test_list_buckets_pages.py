"""ListBuckets by prefix, region and page; and the header that says whose bucket a client expects."""

from __future__ import annotations

import uuid
from urllib.parse import quote

import pytest

OWNER = "0" * 32


@pytest.fixture(scope="module")
def family(gateway):
    """A prefix that only these five buckets have, and their names in order."""
    prefix = f"fam{uuid.uuid4().hex[:8]}"
    names = [f"{prefix}{number}.images" for number in "31524"]
    for name in names:
        gateway.s3.create_bucket(Bucket=name)
    return prefix, sorted(names)


def names_of(answer):
    return [one["Name"] for one in answer["Buckets"]]


def test_a_prefix_is_what_names_begin_with(s3, family):
    prefix, names = family
    answer = s3.list_buckets(Prefix=prefix)
    assert names_of(answer) == names
    assert answer["Prefix"] == prefix
    assert "ContinuationToken" not in answer
    assert names_of(s3.list_buckets(Prefix=names[2])) == [names[2]]
    assert names_of(s3.list_buckets(Prefix=f"{prefix}none")) == []


def test_a_plain_list_has_neither_regions_nor_a_prefix(gateway, bucket):
    answer = gateway.request("GET", "/")
    assert bucket in answer.texts("Name")
    for name in ("BucketRegion", "Prefix", "ContinuationToken"):
        assert answer.text(name) is None


@pytest.mark.parametrize("query", ["prefix=", "max-buckets=10000", "bucket-region=us-east-1", "continuation-token="])
def test_with_a_parameter_each_bucket_says_its_region(gateway, bucket, query):
    answer = gateway.request("GET", f"/?{query}")
    assert answer.status == 200
    regions = answer.texts("BucketRegion")
    assert set(regions) == {"us-east-1"}
    assert len(regions) == len(answer.texts("Name"))


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6])
def test_pages_have_every_bucket_once(s3, family, most):
    prefix, names = family
    found, token, pages = [], {}, 0
    while True:
        answer = s3.list_buckets(Prefix=prefix, MaxBuckets=most, **token)
        assert len(answer["Buckets"]) <= most
        found += names_of(answer)
        pages += 1
        if "ContinuationToken" not in answer:
            break
        token = {"ContinuationToken": answer["ContinuationToken"]}
    assert found == names
    assert pages == -(-len(names) // most)


def test_the_paginator_of_a_client_finds_all(s3, family):
    prefix, names = family
    pages = s3.get_paginator("list_buckets").paginate(Prefix=prefix, PaginationConfig={"PageSize": 2})
    assert [name for page in pages for name in names_of(page)] == names


def test_a_page_goes_on_where_its_bucket_was_deleted(s3, gateway):
    prefix = f"gone{uuid.uuid4().hex[:8]}"
    for number in "123":
        s3.create_bucket(Bucket=f"{prefix}{number}.images")
    first = s3.list_buckets(Prefix=prefix, MaxBuckets=1)
    s3.delete_bucket(Bucket=f"{prefix}1.images")
    rest = s3.list_buckets(Prefix=prefix, ContinuationToken=first["ContinuationToken"])
    assert names_of(rest) == [f"{prefix}2.images", f"{prefix}3.images"]


@pytest.mark.parametrize("text", ["0", "-1", "10001", "x", "1.5", "", "1" * 5000, "%D9%A1", "+1"])
def test_a_page_has_one_to_ten_thousand_buckets(gateway, text):
    answer = gateway.request("GET", f"/?max-buckets={text}")
    answer.refused(400, "InvalidArgument")
    assert answer.text("ArgumentName") == "max-buckets"


def test_a_token_that_was_changed_is_refused(gateway, s3, family):
    token = s3.list_buckets(Prefix=family[0], MaxBuckets=1)["ContinuationToken"]
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    for text in (*changed[::3], changed[-3], token[:-4], token + "AAAA", "x", "%FF", "é", "=", "A" * 3000):
        answer = gateway.request("GET", f"/?continuation-token={quote(text, safe='%')}")
        assert (answer.status, answer.code) in ((400, "InvalidArgument"), (400, "InvalidURI")), text


def test_no_bucket_is_in_another_region(s3, family):
    assert names_of(s3.list_buckets(Prefix=family[0], BucketRegion="us-east-1")) == family[1]
    assert names_of(s3.list_buckets(Prefix=family[0], BucketRegion="eu-west-1")) == []


REQUESTS = [
    ("GET", "/{}"),
    ("HEAD", "/{}"),
    ("DELETE", "/{}"),
    ("PUT", "/{}-new"),
    ("GET", "/{}/k"),
    ("PUT", "/{}/k"),
    ("PUT", "/{}/new"),
    ("DELETE", "/{}/k"),
    ("POST", "/{}?delete"),
    ("GET", "/{}?location"),
]


@pytest.mark.parametrize("header", ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"])
@pytest.mark.parametrize(("method", "target"), REQUESTS)
def test_a_bucket_of_another_owner_is_not_touched(gateway, bucket, unchanged, method, target, header):
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    with unchanged(bucket):
        body = b"2" if method in ("PUT", "POST") else None
        answer = gateway.request(method, target.format(bucket), body, {header: "123456789012"})
    if method == "HEAD":
        assert answer.status == 403
    else:
        answer.refused(403, "AccessDenied")
    assert gateway.request("HEAD", f"/{bucket}-new").status == 404


def test_the_owner_of_all_buckets_is_let_in(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ExpectedBucketOwner=OWNER)
    assert s3.get_object(Bucket=bucket, Key="k", ExpectedBucketOwner=OWNER)["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner=OWNER)["KeyCount"] == 1
