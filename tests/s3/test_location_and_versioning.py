"""GET ?location and ?versioning answer what clients ask before they do anything else."""

from __future__ import annotations

import pytest


def test_the_location_is_the_default_region(gateway, bucket, s3):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    answer = gateway.request("GET", f"/{bucket}?location")
    assert (answer.status, answer.text("LocationConstraint")) == (200, "")


def test_versioning_is_always_on(s3, bucket):
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


@pytest.mark.parametrize("query", ["location", "versioning", "location=", "versioning="])
def test_a_bucket_that_is_not_there_has_neither(gateway, query):
    gateway.request("GET", f"/none?{query}").refused(404, "NoSuchBucket")


@pytest.mark.parametrize("query", ["location", "versioning"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_neither_can_be_changed_and_the_bucket_stays(gateway, bucket, unchanged, query, method):
    with unchanged(bucket):
        answer = gateway.request(method, f"/{bucket}?{query}", b"")
        if (method, query) == ("PUT", "versioning"):  # an empty document; test_configurations.py has the others
            answer.refused(400, "MalformedXML")
        else:
            answer.refused(501, "NotImplemented")
