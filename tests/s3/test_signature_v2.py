"""Signature Version 2 through a socket: as boto3 makes it with signature_version "s3", and refused like S3 does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import datetime, timedelta
from email.utils import formatdate
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import ClientError

DATA = b"some bytes"
SIGNATURE = "frJIUN8DYpKDtOLCwo//yllqDzg="


@pytest.fixture(scope="module")
def bucket(keyed_gateway):
    name = keyed_gateway.new_bucket()
    keyed_gateway.s3.put_object(Bucket=name, Key="k", Body=DATA)
    return name


@pytest.fixture(scope="module")
def old(keyed_gateway):
    return keyed_gateway.client(signature_version="s3")


def sign(gateway, *lines):
    """The signature as the developer guide describes it, worked out once more."""
    digest = hmac.new(gateway.secret_key.encode(), "\n".join(lines).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def signed(gateway, method, resource, headers=None):
    """Headers that sign a request; `resource` is the path with its sub-resources."""
    headers = {"Date": formatdate(usegmt=True)} | (headers or {})
    lower = {name.lower(): value for name, value in headers.items()}
    amazon = [f"{name}:{lower[name]}" for name in sorted(lower) if name.startswith("x-amz-")]
    date = "" if "x-amz-date" in lower else lower["date"]
    lines = [method, lower.get("content-md5", ""), lower.get("content-type", ""), date, *amazon, resource]
    return headers | {"Authorization": f"AWS {gateway.access_key}:{sign(gateway, *lines)}"}


def files(gateway, bucket):
    return [(row["Key"], row["ETag"]) for row in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]]


def test_boto3_does_everything(keyed_gateway, old):
    name = keyed_gateway.new_bucket()
    written = old.put_object(Bucket=name, Key="a b", Body=DATA, Metadata={"colour": "red"}, ContentType="text/x")
    assert old.get_object(Bucket=name, Key="a b", VersionId=written["VersionId"])["Body"].read() == DATA
    found = old.head_object(Bucket=name, Key="a b", ResponseContentType='a/b; c="d+e f"')
    assert (found["Metadata"], found["ContentType"]) == ({"colour": "red"}, 'a/b; c="d+e f"')
    assert [row["Key"] for row in old.list_objects_v2(Bucket=name, Prefix="a ", Delimiter="/")["Contents"]] == ["a b"]
    assert old.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert old.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert name in [each["Name"] for each in old.list_buckets()["Buckets"]]
    old.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "a b"}]})
    old.delete_bucket(Bucket=name)


@pytest.mark.parametrize(
    ("keys", "code"),
    [({"access_key": "AKIDOTHER"}, "InvalidAccessKeyId"), ({"secret_key": "other"}, "SignatureDoesNotMatch")],
)
def test_another_key_is_not_let_in(keyed_gateway, bucket, keys, code):
    with pytest.raises(ClientError) as caught:
        keyed_gateway.client(signature_version="s3", **keys).get_object(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("headers", [{}, {"x-amz-date": formatdate(usegmt=True)}, {"x-amz-date": formatdate()}])
def test_a_request_signed_by_hand_is_let_in(keyed_gateway, bucket, headers):
    target = f"/{bucket}/k"
    assert keyed_gateway.request("GET", target, headers=signed(keyed_gateway, "GET", target, headers)).body == DATA


def test_headers_sent_twice_are_signed_joined(keyed_gateway, bucket):
    target = f"/{bucket}/twice"
    headers = signed(keyed_gateway, "PUT", target, {"x-amz-meta-a": "1,2"})
    del headers["x-amz-meta-a"]
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += ["X-Amz-Meta-A: 1", "x-amz-meta-a: 2", "Host: x", f"Content-Length: {len(DATA)}"]
    request = f"PUT {target} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    assert keyed_gateway.send(request.encode() + DATA).status == 200
    assert keyed_gateway.s3.head_object(Bucket=bucket, Key="twice")["Metadata"] == {"a": "1,2"}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "AWS HAHAHA"}, 400, "InvalidArgument"),
        ({"Authorization": "AWS"}, 400, "InvalidRequest"),
        ({"Authorization": f"AWS AKIDOTHER:{SIGNATURE}"}, 403, "InvalidAccessKeyId"),
        ({"Authorization": f"AWS AKIDEXAMPLE:{SIGNATURE}"}, 403, "SignatureDoesNotMatch"),
        ({"Authorization": ""}, 403, "AccessDenied"),
        ({"Date": "Bad Date"}, 403, "AccessDenied"),
        ({"Date": ""}, 403, "AccessDenied"),
        ({"x-amz-date": "Bad Date"}, 403, "AccessDenied"),
        ({"x-amz-date": ""}, 403, "AccessDenied"),
        ({"x-amz-date": "Tue, 07 Jul 2010 21:53:04 GMT"}, 403, "RequestTimeTooSkewed"),
        ({"x-amz-date": "Tue, 07 Jul 1950 21:53:04 GMT"}, 403, "AccessDenied"),
        ({"x-amz-date": "Tue, 07 Jul 9999 21:53:04 GMT"}, 403, "RequestTimeTooSkewed"),
        ({"x-amz-meta-added": "later"}, 403, "SignatureDoesNotMatch"),
        ({"Content-MD5": "added"}, 403, "SignatureDoesNotMatch"),
        ({"x-amz-security-token": "token"}, 400, "InvalidToken"),
    ],
)
def test_what_does_not_sign_is_refused_before_the_body_is_read(keyed_gateway, bucket, headers, status, code):
    before, target = files(keyed_gateway, bucket), f"/{bucket}/k"
    sent = signed(keyed_gateway, "PUT", target) | {"Expect": "100-continue", "Content-Length": "10"} | headers
    answer = keyed_gateway.request("PUT", target, None, sent)
    answer.refused(status, code)
    assert files(keyed_gateway, bucket) == before


def test_a_date_must_be_there(keyed_gateway, bucket):
    headers = signed(keyed_gateway, "GET", f"/{bucket}/k")
    del headers["Date"]
    keyed_gateway.request("GET", f"/{bucket}/k", headers=headers).refused(403, "AccessDenied")


@pytest.mark.parametrize("minutes", [-16, 16, -13, 13])
def test_a_clock_may_be_a_quarter_of_an_hour_wrong(keyed_gateway, bucket, minutes):
    date = formatdate(time.time() + 60 * minutes, usegmt=True)
    answer = keyed_gateway.request(
        "GET", f"/{bucket}/k", headers=signed(keyed_gateway, "GET", f"/{bucket}/k", {"Date": date})
    )
    assert answer.code == ("RequestTimeTooSkewed" if abs(minutes) > 15 else None)


@pytest.mark.parametrize("query", ["?versionId=1", "?acl", "?response-content-type=a"])
def test_a_sub_resource_must_be_signed(keyed_gateway, bucket, query):
    headers = signed(keyed_gateway, "GET", f"/{bucket}/k")
    keyed_gateway.request("GET", f"/{bucket}/k{query}", headers=headers).refused(403, "SignatureDoesNotMatch")


def test_chunks_that_claim_to_be_signed_are_refused(keyed_gateway, bucket):
    """Nobody could verify them."""
    target = f"/{bucket}/chunks"
    headers = {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-decoded-content-length": "1",
        "content-encoding": "aws-chunked",
    }
    body = b"1;chunk-signature=00\r\nx\r\n0;chunk-signature=00\r\n\r\n"
    answer = keyed_gateway.request("PUT", target, body, signed(keyed_gateway, "PUT", target, headers))
    answer.refused(400, "InvalidRequest")


def link(gateway, method, path, seconds=60, more=""):
    expires = str(int(time.time()) + seconds)
    signature = quote(sign(gateway, method, "", "", expires, path), safe="")
    return f"{path}?AWSAccessKeyId={gateway.access_key}&Expires={expires}&Signature={signature}{more}"


def test_a_link_reads_without_the_key_until_it_expires(keyed_gateway, bucket):
    path = f"/{bucket}/k"
    assert keyed_gateway.request("GET", link(keyed_gateway, "GET", path)).body == DATA
    assert keyed_gateway.request("GET", link(keyed_gateway, "GET", path, 10**9)).body == DATA
    answer = keyed_gateway.request("GET", link(keyed_gateway, "GET", path, -1))
    assert answer.refused(403, "AccessDenied") == "Request has expired"
    expired = datetime.fromisoformat(answer.text("Expires").replace("Z", "+00:00"))
    assert timedelta(0) < datetime.fromisoformat(answer.text("ServerTime").replace("Z", "+00:00")) - expired
    keyed_gateway.request("DELETE", link(keyed_gateway, "GET", path)).refused(403, "SignatureDoesNotMatch")
    keyed_gateway.request("GET", link(keyed_gateway, "GET", path, more="&acl")).refused(403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("left", ["AWSAccessKeyId", "Expires", "Signature"])
def test_a_link_needs_all_three_parameters(keyed_gateway, bucket, left):
    path, _, query = link(keyed_gateway, "GET", f"/{bucket}/k").partition("?")
    kept = "&".join(part for part in query.split("&") if not part.startswith(left))
    keyed_gateway.request("GET", f"{path}?{kept}").refused(403, "AccessDenied")


def test_the_links_of_boto3_carry_headers(keyed_gateway, old, bucket):
    """It puts what was asked for into the query, and the link alone stores it."""
    more = {"Metadata": {"colour": "light red"}, "ContentType": "text/x"}
    url = urlsplit(old.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "linked", **more}))
    target = f"{url.path}?{url.query}"
    assert keyed_gateway.request("PUT", target, DATA).status == 200
    found = keyed_gateway.s3.head_object(Bucket=bucket, Key="linked")
    assert (found["Metadata"], found["ContentType"]) == ({"colour": "light red"}, "text/x")
    answer = keyed_gateway.request("PUT", target, DATA, {"Content-Type": "text/y"})
    answer.refused(403, "SignatureDoesNotMatch")
    answer = keyed_gateway.request("PUT", target, DATA, {"x-amz-meta-colour": "blue"})
    answer.refused(403, "SignatureDoesNotMatch")


@pytest.mark.needs("unequal keys")
def test_a_link_for_an_old_version_is_not_one_for_the_newest(keyed_gateway, old, bucket):
    """Though the value of another parameter may hold what makes the same text to be signed."""
    version = keyed_gateway.s3.put_object(Bucket=bucket, Key="v", Body=b"old")["VersionId"]
    keyed_gateway.s3.put_object(Bucket=bucket, Key="v", Body=b"new")
    asked = {"Bucket": bucket, "Key": "v", "VersionId": version, "ResponseContentType": "a/b"}
    link = urlsplit(old.generate_presigned_url("get_object", asked))
    assert keyed_gateway.request("GET", f"{link.path}?{link.query}").body == b"old"
    rest = link.query.replace(f"versionId={version}&", "").replace("response-content-type=a%2Fb&", "")
    assert len(rest.split("&")) == 3
    hidden = f"response-content-type=a%2Fb%26versionId%3D{version}&{rest}"
    keyed_gateway.request("GET", f"{link.path}?{hidden}").refused(403, "SignatureDoesNotMatch")


def test_without_a_key_links_and_signatures_of_any_kind_are_welcome(gateway):
    name = gateway.new_bucket()
    gateway.client(signature_version="s3").put_object(Bucket=name, Key="k", Body=DATA)
    for target in (f"/{name}/k?AWSAccessKeyId=a&Expires=b&Signature=c", f"/{name}/k?Signature=c&x-amz-meta-a=1"):
        assert gateway.request("GET", target).body == DATA
