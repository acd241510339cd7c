"""A signed request whose Date lies in the year 9999, but for its zone in the year 10000, was answered 500."""

from __future__ import annotations

from falcon_s3.signature import seconds_of_date

LATE = "Fri, 31 Dec 9999 23:59:59 -2359"


def test_such_a_date_is_none(keyed_gateway):
    assert seconds_of_date(LATE) is None
    scope = "AKIDEXAMPLE/20261123/us-east-1/s3/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope},SignedHeaders=host,Signature={'0' * 64}",
        "Date": LATE,
    }
    for extra in ({}, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}):
        signed = headers["Authorization"].replace("host,", ";".join(["host", *extra]) + ",")
        answer = keyed_gateway.request("GET", "/", headers=headers | extra | {"Authorization": signed})
        answer.refused(403 if extra else 400, "AccessDenied" if extra else "InvalidRequest")


def test_the_last_second_is_one():
    assert seconds_of_date("Fri, 31 Dec 9999 23:59:59 +0000") == 253402300799
