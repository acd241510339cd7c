"""If-Match and its kin on GET and HEAD: 304 and 412 as S3 gives them, over a real socket."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from tests.s3.etags import etag_of

DATA = b"some bytes"
ETAG = etag_of(DATA).strip('"')


@pytest.fixture(scope="module")
def stored(gateway):
    """A key, and the date it was last modified."""
    bucket = gateway.new_bucket()
    gateway.request("PUT", f"/{bucket}/k", DATA, {"Cache-Control": "max-age=5"})
    answer = gateway.request("HEAD", f"/{bucket}/k")
    return f"/{bucket}/k", parsedate_to_datetime(answer.headers["Last-Modified"])


def http_date(moment):
    return format_datetime(moment.astimezone(timezone.utc), usegmt=True)


CASES = [
    ({"If-Match": f'"{ETAG}"'}, 200),
    ({"If-Match": ETAG}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": f'"0", "{ETAG}"'}, 200),
    ({"If-Match": '"0"'}, 412),
    ({"If-Match": f'W/"{ETAG}"'}, 412),
    ({"If-None-Match": f'"{ETAG}"'}, 304),
    ({"If-None-Match": f'W/"{ETAG}"'}, 304),
    ({"If-None-Match": ETAG}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"0"'}, 200),
    ({"If-Modified-Since": 0}, 304),
    ({"If-Modified-Since": -1}, 200),
    ({"If-Modified-Since": 7200}, 200),
    ({"If-Modified-Since": "nonsense"}, 200),
    ({"If-Unmodified-Since": 0}, 200),
    ({"If-Unmodified-Since": -1}, 412),
    ({"If-Unmodified-Since": 7200}, 200),
    ({"If-Unmodified-Since": "nonsense"}, 200),
    ({"If-Match": ETAG, "If-Unmodified-Since": -1}, 200),
    ({"If-Match": '"0"', "If-Unmodified-Since": 0}, 412),
    ({"If-None-Match": '"0"', "If-Modified-Since": 0}, 200),
    ({"If-None-Match": ETAG, "If-Modified-Since": -1}, 304),
    ({"If-Match": '"0"', "If-None-Match": ETAG}, 412),
    ({"If-Match": ETAG, "If-None-Match": ETAG}, 304),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "status"), CASES)
def test_a_condition_decides(gateway, stored, method, headers, status):
    target, modified = stored
    sent = {
        name: http_date(modified + timedelta(seconds=value)) if isinstance(value, int) else value
        for name, value in headers.items()
    }
    answer = gateway.request(method, target, headers=sent)
    assert answer.status == status
    if status == 412 and method == "GET":
        assert answer.refused(412, "PreconditionFailed")
    else:
        assert answer.body == (DATA if status == 200 and method == "GET" else b"")


@pytest.mark.needs("attributes")
def test_not_modified_says_which_version_is_meant(gateway, stored):
    answer = gateway.request("GET", stored[0], headers={"If-None-Match": "*"})
    assert answer.headers["ETag"] == f'"{ETAG}"'
    assert answer.headers["Cache-Control"] == "max-age=5"
    assert answer.headers["Last-Modified"] == http_date(stored[1])
    assert answer.headers["x-amz-request-id"]


def test_a_client_sees_its_own_copy_is_current(gateway, stored, s3):
    from botocore.exceptions import ClientError

    bucket, _, key = stored[0][1:].partition("/")
    for condition in ({"IfNoneMatch": ETAG}, {"IfModifiedSince": datetime.now(timezone.utc)}):
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=bucket, Key=key, **condition)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304


def test_what_is_not_there_is_not_found_whatever_the_condition(gateway, bucket):
    for headers in ({"If-Match": "*"}, {"If-None-Match": "*"}, {"If-Match": '"0"'}):
        gateway.request("GET", f"/{bucket}/none", headers=headers).refused(404, "NoSuchKey")
