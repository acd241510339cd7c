"""GET / lists every branch of every repo as a bucket; nothing else is done to the service."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import boto3
import pytest
from botocore.exceptions import ClientError

from falcon_s3.pfs import Branch, Repo


def test_every_branch_is_a_bucket_with_a_date(gateway, s3, store):
    name = gateway.new_bucket()
    repo = name.partition(".")[2]
    store.create_branch(Branch(Repo("default", repo), "dev"))
    store.create_branch(Branch(Repo("research", repo), "dev"))
    created = {one["Name"]: one["CreationDate"] for one in s3.list_buckets()["Buckets"]}
    assert {f"master.{repo}", f"dev.{repo}", f"dev.{repo}.research"} <= created.keys()
    assert abs(datetime.now(timezone.utc) - created[name]) < timedelta(minutes=10)


def test_the_owner_is_the_one_of_pachyderm(s3):
    assert s3.list_buckets()["Owner"] == {"ID": "0" * 32, "DisplayName": "pachyderm"}


def test_a_browser_is_shown_the_bucket_list(gateway, bucket):
    answer = gateway.request("GET", "/", headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml")
    assert bucket in answer.texts("Name")
    assert all(date.endswith("Z") and date[-5] == "." for date in answer.texts("CreationDate"))


def test_a_query_of_a_client_that_says_what_it_calls_is_no_sub_resource(gateway):
    assert gateway.request("GET", "/?x-id=ListBuckets").status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_no_other_method_is_answered(gateway, method):
    gateway.request(method, "/", b"").refused(405, "MethodNotAllowed")


def test_every_answer_has_a_request_id_of_its_own(gateway, bucket):
    answers = [gateway.request("GET", target) for target in ("/", f"/{bucket}", f"/{bucket}/none", "/none", "/?acl")]
    numbers = [answer.headers["x-amz-request-id"] for answer in answers]
    assert all(len(number) == 16 and int(number, 16) >= 0 for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_health_is_answered_beside_the_buckets(gateway):
    assert gateway.request("GET", "/~/health").status == 200
    assert gateway.request("HEAD", "/~/health").status == 200


@pytest.mark.parametrize("fixture", ["gateway", "keyed_gateway"])
@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("get_caller_identity", {}),
        ("assume_role_with_web_identity", {"RoleArn": "a" * 20, "RoleSessionName": "me", "WebIdentityToken": "1234"}),
    ],
)
def test_who_takes_it_for_sts_is_told(request, fixture, call, arguments):
    """AWS_ENDPOINT_URL is of all services: `aws sts get-caller-identity` knew an unknown error, "Unknown"."""
    gateway = request.getfixturevalue(fixture)
    keys = {"aws_access_key_id": gateway.access_key, "aws_secret_access_key": gateway.secret_key}
    sts = boto3.session.Session().client("sts", endpoint_url=gateway.url, region_name="us-east-1", **keys)
    with pytest.raises(ClientError, match="no service but S3 here") as raised:
        getattr(sts, call)(**arguments)
    answer = raised.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("InvalidAction", 400)
    assert answer["ResponseMetadata"]["RequestId"]
