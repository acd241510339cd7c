"""GET /bucket?list-type=2: ListObjectsV2, whose tokens are opaque and safe to tamper with."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

KEYS = sorted(
    ["a", "a/1", "a/2", "a0", "b/1", "b/2/3", "c", "d+e", "d e", "d/", "é/1", "😀", "&amp;", "x//y"], key=str.encode
)


@pytest.fixture(scope="module")
def listed(gateway):
    bucket = gateway.new_bucket()
    for key in KEYS:
        gateway.s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    return bucket


def entries(answer):
    keys = [one["Key"] for one in answer.get("Contents", [])]
    return keys, [one["Prefix"] for one in answer.get("CommonPrefixes", [])]


@pytest.mark.needs("paths")
@pytest.mark.parametrize("limit", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    ("prefix", "delimiter", "keys", "folders"),
    [
        ("", "", KEYS, []),
        ("", "/", ["&amp;", "a", "a0", "c", "d e", "d+e", "😀"], ["a/", "b/", "d/", "x/", "é/"]),
        ("a", "/", ["a", "a0"], ["a/"]),
        ("a/", "/", ["a/1", "a/2"], []),
        ("b/", "/", ["b/1"], ["b/2/"]),
        ("d/", "/", ["d/"], []),
        ("x/", "/", [], ["x//"]),
        ("d", "", ["d e", "d+e", "d/"], []),
        ("none", "/", [], []),
        ("", "/1", [key for key in KEYS if not key.endswith("/1")], ["a/1", "b/1", "é/1"]),
    ],
)
def test_pages_put_together_are_the_listing(gateway, listed, prefix, delimiter, keys, folders, limit):
    found = ([], [])
    token = {}
    while True:
        answer = gateway.s3.list_objects_v2(Bucket=listed, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit, **token)
        page = entries(answer)
        assert answer["KeyCount"] == len(page[0]) + len(page[1]) <= limit
        found = (found[0] + page[0], found[1] + page[1])
        assert ("NextContinuationToken" in answer) == answer["IsTruncated"]
        if not answer["IsTruncated"]:
            break
        assert answer["KeyCount"] == limit
        token = {"ContinuationToken": answer["NextContinuationToken"]}
    assert found == (keys, folders)


@pytest.mark.needs("paths")
def test_start_after_is_a_place_and_not_a_key(gateway, listed, s3):
    for place in ("", "a", "a/", "a/15", "zzz", "😀", "b/2/3"):
        wanted = [key for key in KEYS if key.encode() > place.encode()]
        answer = s3.list_objects_v2(Bucket=listed, StartAfter=place)
        assert entries(answer) == (wanted, [])
        assert answer.get("StartAfter", "") == place


@pytest.mark.needs("paths")
def test_the_token_wins_over_start_after(s3, listed):
    first = s3.list_objects_v2(Bucket=listed, MaxKeys=2)
    answer = s3.list_objects_v2(Bucket=listed, StartAfter="zzz", ContinuationToken=first["NextContinuationToken"])
    assert entries(answer) == (KEYS[2:], [])
    assert answer["ContinuationToken"] == first["NextContinuationToken"]


@pytest.mark.needs("paths")
def test_owners_are_shown_to_who_asks(s3, listed):
    assert all("Owner" not in row for row in s3.list_objects_v2(Bucket=listed)["Contents"])
    rows = s3.list_objects_v2(Bucket=listed, FetchOwner=True)["Contents"]
    assert {row["Owner"]["DisplayName"] for row in rows} == {"pachyderm"}


@pytest.mark.needs("paths")
def test_no_keys_asked_for_is_an_empty_listing_that_is_not_truncated(s3, listed):
    answer = s3.list_objects_v2(Bucket=listed, MaxKeys=0)
    assert (answer["KeyCount"], answer["IsTruncated"], "NextContinuationToken" in answer) == (0, False, False)


@pytest.mark.needs("paths")
def test_url_encoding_leaves_tokens_alone(gateway, listed):
    answer = gateway.request("GET", f"/{listed}?list-type=2&encoding-type=url&max-keys=1&prefix=d&start-after=d%2B")
    assert answer.texts("Key") == ["d%2Be"]
    assert answer.text("StartAfter") == "d%2B"
    token = answer.text("NextContinuationToken")
    again = gateway.request("GET", f"/{listed}?list-type=2&prefix=d&continuation-token={quote(token, safe='')}")
    assert again.texts("Key") == ["d/"]
    assert again.text("ContinuationToken") == token


@pytest.mark.needs("paths")
def test_an_empty_token_is_the_start(gateway, listed, s3):
    answer = s3.list_objects_v2(Bucket=listed, ContinuationToken="")
    assert entries(answer) == (KEYS, [])
    assert answer["ContinuationToken"] == ""
    answer = gateway.request("GET", f"/{listed}?list-type=2&continuation-token=&start-after={quote(KEYS[0])}")
    assert answer.texts("Key") == KEYS[1:]


@pytest.mark.needs("paths")
@pytest.mark.parametrize("token", ["x", "AAAA", "é", "=", "a/1", "%00", "A" * 5000, "../../etc", "' OR 1=1 --"])
def test_a_token_that_was_not_given_out_is_refused(s3, listed, token):
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket=listed, ContinuationToken=token)
    assert caught.value.response["Error"]["Code"] == "InvalidArgument"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.needs("paths")
def test_a_token_that_was_tampered_with_never_fails_the_server(gateway, listed, s3):
    token = s3.list_objects_v2(Bucket=listed, MaxKeys=5)["NextContinuationToken"]
    for at in range(len(token)):
        for change in ("", "A", "~", "%"):
            target = f"/{listed}?list-type=2&continuation-token={quote(token[:at] + change + token[at + 1 :], safe='')}"
            answer = gateway.request("GET", target)
            assert answer.status == 200 or (answer.status, answer.code) == (400, "InvalidArgument")


def test_a_listing_goes_on_from_its_place_after_what_was_there_is_deleted(gateway, s3, bucket):
    for key in "abcd":
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    s3.delete_object(Bucket=bucket, Key="b")
    s3.put_object(Bucket=bucket, Key="aa", Body=b"1")
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert entries(rest) == (["c", "d"], [])


@pytest.mark.needs("paths")
@pytest.mark.parametrize("kind", ["1", "3", "x"])
def test_no_other_kind_of_listing_is_guessed(gateway, listed, kind):
    answer = gateway.request("GET", f"/{listed}?list-type={kind}")
    assert answer.status in (400, 501) or kind == "1"


@pytest.mark.needs("paths")
def test_the_paginator_of_a_client_sees_everything(s3, listed):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=listed, PaginationConfig={"PageSize": 3})
    assert [row["Key"] for page in pages for row in page["Contents"]] == KEYS
