"""With a key set every request must be signed with it; without one nobody is asked."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = b"some bytes"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def bucket(keyed_gateway):
    name = keyed_gateway.new_bucket()
    keyed_gateway.s3.put_object(Bucket=name, Key="k", Body=DATA)
    return name


def files(keyed_gateway, bucket):
    return [(row["Key"], row["ETag"]) for row in keyed_gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]]


REQUESTS = [
    ("GET", "/"),
    ("GET", "/{}"),
    ("HEAD", "/{}"),
    ("PUT", "/{}-new"),
    ("DELETE", "/{}"),
    ("GET", "/{}?location"),
    ("GET", "/{}/k"),
    ("HEAD", "/{}/k"),
    ("PUT", "/{}/k"),
    ("DELETE", "/{}/k"),
    ("POST", "/{}?delete"),
    ("GET", "/{}?acl"),
    ("GET", "/none/k"),
    ("GET", "/bad..name"),
    ("GET", "/{}/k%FF"),
    ("PATCH", "/{}/k"),
]


@pytest.mark.parametrize(("method", "form"), REQUESTS)
def test_nobody_is_let_in_without_a_signature(keyed_gateway, bucket, method, form):
    before = files(keyed_gateway, bucket)
    answer = keyed_gateway.request(method, form.format(bucket), b"x" if method in ("PUT", "POST") else None)
    if method == "HEAD":
        assert (answer.status, answer.body) == (403, b"")
    elif answer.status != 400:
        answer.refused(403, "AccessDenied")
        assert answer.text("Message") == "Access Denied: requests must be signed with an access key."
    assert DATA not in answer.body
    assert files(keyed_gateway, bucket) == before


def test_health_needs_no_key(keyed_gateway):
    assert keyed_gateway.request("GET", "/~/health").status == 200


@pytest.mark.parametrize("key", ["k", "a b", "a+b", "a%2Fb", "é/😀", "~-_.", "a//b", "!*'()&=;:@$,?#", "x" * 1000])
def test_a_client_with_the_key_reads_and_writes_any_name(keyed_gateway, key):
    s3, name = keyed_gateway.s3, keyed_gateway.new_bucket()
    s3.put_object(Bucket=name, Key=key, Body=DATA, Metadata={"spaces": "a   b"}, ContentType="text/x; a=b")
    assert s3.get_object(Bucket=name, Key=key, ResponseContentType="a/b c+d")["Body"].read() == DATA
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=name, Prefix=key, Delimiter="|&=+ ")["Contents"]] == [key]
    s3.delete_object(Bucket=name, Key=key)
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize("key", ["/lead", "a/../b", "./c", "d/", "//", "..", "%01"])
def test_a_name_that_clients_normalise_is_signed_as_it_is(keyed_gateway, signer, key):
    from urllib.parse import quote

    name = keyed_gateway.new_bucket()
    target = f"/{name}/{quote(key, safe='/~')}"
    headers = signer.headers("PUT", f"/{name}/{key}", {"host": "x"}, SHA256)
    assert keyed_gateway.request("PUT", target, DATA, headers).status == 200


@pytest.mark.parametrize("key", ["%FF", "a/%C3%28", "%FF%EF%BF%BD"])
def test_a_signed_name_that_is_no_utf_8_is_refused_as_an_unsigned_one_is(keyed_gateway, bucket, signer, key):
    headers = signer.headers("GET", unquote_to_bytes(f"/{bucket}/{key}"), {"host": "x"})
    assert "UTF-8" in keyed_gateway.request("GET", f"/{bucket}/{key}", headers=headers).refused(400, "InvalidURI")


def test_boto3_with_version_2_does_everything_with_buckets_and_objects(keyed_gateway):
    s3 = keyed_gateway.client(signature_version="s3")
    s3.create_bucket(Bucket="master.version-two")
    s3.head_bucket(Bucket="master.version-two")
    s3.put_object(Bucket="master.version-two", Key="a b/é", Body=DATA)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket="master.version-two")["Contents"]] == ["a b/é"]
    assert s3.get_object(Bucket="master.version-two", Key="a b/é")["Body"].read() == DATA
    s3.delete_objects(Bucket="master.version-two", Delete={"Objects": [{"Key": "a b/é"}]})
    s3.delete_bucket(Bucket="master.version-two")


@pytest.mark.parametrize(
    ("keys", "code"),
    [({"access_key": "AKIDOTHER"}, "InvalidAccessKeyId"), ({"secret_key": "other"}, "SignatureDoesNotMatch")],
)
def test_another_key_is_not_let_in(keyed_gateway, bucket, keys, code):
    with pytest.raises(ClientError) as caught:
        keyed_gateway.client(**keys).get_object(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def signed(signer, method, path, headers=None, **more):
    return signer.headers(method, path, {"host": "x"} | (headers or {}), **more)


def test_a_request_signed_by_hand_is_let_in(keyed_gateway, bucket, signer):
    assert keyed_gateway.request("GET", f"/{bucket}/k", headers=signed(signer, "GET", f"/{bucket}/k")).body == DATA


def test_a_signature_for_another_region_is_told_the_right_one(keyed_gateway, bucket, signer):
    signer.region = "moon-north-7"
    headers = signed(signer, "GET", f"/{bucket}/k")
    answer = keyed_gateway.request("GET", f"/{bucket}/k", headers=headers)
    assert "expecting 'us-east-1'" in answer.refused(400, "AuthorizationHeaderMalformed")
    assert answer.text("Region") == answer.headers["x-amz-bucket-region"] == "us-east-1"
    answer = keyed_gateway.request("GET", signer.link("GET", f"/{bucket}/k", "x", 60), headers={"Host": "x"})
    answer.refused(400, "AuthorizationQueryParametersError")


def test_where_a_bucket_is_may_be_asked_in_any_region(keyed_gateway, bucket, signer):
    """minio asks so before it signs for the right region."""
    signer.region = "moon-north-7"
    for query in ("location", "location="):
        headers = signed(signer, "GET", f"/{bucket}", query="location=")
        assert keyed_gateway.request("GET", f"/{bucket}?{query}", headers=headers).status == 200
    keyed_gateway.request("PUT", f"/{bucket}?location", headers=headers).refused(400, "AuthorizationHeaderMalformed")


def test_buckets_are_listed_in_any_region(keyed_gateway, bucket, signer):
    signer.region = "moon-north-7"
    answer = keyed_gateway.request("GET", "/", headers=signed(signer, "GET", "/"))
    assert bucket in answer.texts("Name")


@pytest.fixture(scope="module")
def distant(start_gateway):
    """A gateway in a region that clients do not expect."""
    with start_gateway(keys=True, arguments=["--region", "eu-west-1"]) as running:
        yield running


def test_boto3_finds_the_region_by_itself(distant):
    """As its users have it who configured another one, or none."""
    s3, name = distant.client(), distant.new_bucket()
    assert name in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k", Body=DATA)
    assert distant.client().get_object(Bucket=name, Key="k")["Body"].read() == DATA
    assert distant.client().head_bucket(Bucket=name)["BucketRegion"] == "eu-west-1"


def test_minio_finds_the_region_by_itself(distant):
    import io

    from minio import Minio

    name = distant.new_bucket()
    keys = {"access_key": distant.access_key, "secret_key": distant.secret_key}
    client = Minio(f"127.0.0.1:{distant.port}", secure=False, **keys)
    client.put_object(name, "k", io.BytesIO(DATA), len(DATA))
    assert client.get_object(name, "k").read() == DATA
    assert name in [each.name for each in client.list_buckets()]


@pytest.mark.parametrize(
    ("method", "target", "change"),
    [
        ("GET", "/{}/other", {}),
        ("GET", "/{}/k?versionId=1", {}),
        ("HEAD", "/{}/k", {}),
        ("DELETE", "/{}/k", {}),
        ("GET", "/{}/k", {"host": "y"}),
        ("GET", "/{}/k", {"x-amz-date": "20200101T000000Z"}),
        ("GET", "/{}/k", {"x-amz-content-sha256": "0" * 64}),
        ("GET", "/{}/k", {"x-amz-meta-signed": "2"}),
    ],
)
def test_a_signature_is_for_that_request_alone(keyed_gateway, bucket, signer, method, target, change):
    headers = signed(signer, "GET", f"/{bucket}/k", {"x-amz-meta-signed": "1"}) | change
    answer = keyed_gateway.request(method, target.format(bucket), headers=headers)
    assert answer.status == 403
    assert answer.code in ("SignatureDoesNotMatch", "RequestTimeTooSkewed", "AccessDenied", None)
    assert keyed_gateway.s3.head_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("minutes", [-16, 16, -1000, 100_000])
def test_a_clock_that_is_wrong_is_refused_and_told_the_time(keyed_gateway, bucket, signer, minutes):
    signer.moment = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    headers = signed(signer, "GET", f"/{bucket}/k")
    answer = keyed_gateway.request("GET", f"/{bucket}/k", headers=headers)
    answer.refused(403, "RequestTimeTooSkewed")
    told = datetime.fromisoformat(answer.text("ServerTime").replace("Z", "+00:00"))
    assert abs(datetime.now(timezone.utc) - told) < timedelta(minutes=5)
    assert answer.text("RequestTime") == signer.timestamp
    assert answer.text("MaxAllowedSkewMilliseconds") == "900000"


@pytest.mark.parametrize("minutes", [-13, 13])
def test_a_clock_that_is_nearly_right_is_taken(keyed_gateway, bucket, signer, minutes):
    signer.moment = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    assert keyed_gateway.request("GET", f"/{bucket}/k", headers=signed(signer, "GET", f"/{bucket}/k")).status == 200


def test_a_body_that_was_changed_is_not_stored(keyed_gateway, bucket, signer):
    before = files(keyed_gateway, bucket)
    headers = signed(signer, "PUT", f"/{bucket}/k", payload=SHA256)
    answer = keyed_gateway.request("PUT", f"/{bucket}/k", b"other byte", headers)
    answer.refused(400, "XAmzContentSHA256Mismatch")
    assert files(keyed_gateway, bucket) == before


def test_an_unsigned_body_with_a_signed_head_is_stored(keyed_gateway, bucket, signer):
    headers = signed(signer, "PUT", f"/{bucket}/k2", payload="UNSIGNED-PAYLOAD")
    assert keyed_gateway.request("PUT", f"/{bucket}/k2", DATA, headers).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/x/y/z/w, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-ECDSA-P256-SHA256 Credential=AKIDEXAMPLE/20260101/s3/aws4_request, SignedHeaders=host, Signature=00",
        "AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=",
        "Basic QUtJREVYQU1QTEU6eA==",
        "Bearer x",
        "AWS4-HMAC-SHA256 " + "Credential=" * 1000,
    ],
)
def test_a_header_that_is_no_signature_is_refused(keyed_gateway, bucket, authorization):
    headers = {"Authorization": authorization, "x-amz-date": datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")}
    answer = keyed_gateway.request("GET", f"/{bucket}/k", headers=headers)
    assert answer.status in (400, 403, 501), answer
    assert answer.code
    assert DATA not in answer.body


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-content-sha256"])
def test_a_header_that_a_signature_needs_is_missed(keyed_gateway, bucket, signer, name):
    headers = signed(signer, "GET", f"/{bucket}/k")
    del headers[name]
    answer = keyed_gateway.request("GET", f"/{bucket}/k", headers=headers)
    assert answer.status in (400, 403)
    assert answer.code


def test_an_amazon_header_that_was_not_signed_is_refused(keyed_gateway, bucket, signer):
    headers = signed(signer, "PUT", f"/{bucket}/k3", payload=SHA256) | {"x-amz-meta-added": "later"}
    answer = keyed_gateway.request("PUT", f"/{bucket}/k3", DATA, headers)
    assert (answer.status, answer.code) in ((403, "AccessDenied"), (403, "SignatureDoesNotMatch"))


def target_of(url):
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}", {"Host": parts.netloc}


def presigned(keyed_gateway, operation, bucket, seconds=60, **more):
    client = keyed_gateway.client(signature_version="s3v4")
    return target_of(client.generate_presigned_url(operation, Params={"Bucket": bucket, **more}, ExpiresIn=seconds))


def test_a_link_with_a_signature_reads_without_the_key(keyed_gateway, bucket):
    target, headers = presigned(keyed_gateway, "get_object", bucket, Key="k", ResponseContentType="a/b")
    answer = keyed_gateway.request("GET", target, headers=headers)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, DATA, "a/b")
    answer = keyed_gateway.request("GET", target + "&response-content-language=x", headers=headers)
    answer.refused(403, "SignatureDoesNotMatch")
    keyed_gateway.request("DELETE", target, headers=headers).refused(403, "SignatureDoesNotMatch")


def test_a_link_with_a_signature_writes_without_the_key(keyed_gateway, bucket):
    target, headers = presigned(keyed_gateway, "put_object", bucket, Key="by link")
    assert keyed_gateway.request("PUT", target, DATA, headers).status == 200
    assert keyed_gateway.s3.get_object(Bucket=bucket, Key="by link")["Body"].read() == DATA


@pytest.mark.parametrize(("seconds", "age", "status"), [(60, 30, 200), (60, 90, 403), (604_800, 604_000, 200)])
def test_a_link_is_good_for_its_time(keyed_gateway, bucket, signer, seconds, age, status):
    signer.moment = datetime.now(timezone.utc) - timedelta(seconds=age)
    answer = keyed_gateway.request("GET", signer.link("GET", f"/{bucket}/k", "x", seconds), headers={"Host": "x"})
    assert (answer.status, answer.code) == (status, None if status == 200 else "AccessDenied")


@pytest.mark.parametrize("seconds", ["604801", "-1", "x", ""])
def test_a_link_for_longer_than_a_week_is_refused(keyed_gateway, bucket, seconds):
    target, headers = presigned(keyed_gateway, "get_object", bucket, Key="k")
    target = target.replace("X-Amz-Expires=60", f"X-Amz-Expires={seconds}")
    answer = keyed_gateway.request("GET", target, headers=headers)
    assert answer.status in (400, 403)
    assert answer.code in ("AuthorizationQueryParametersError", "AccessDenied")


@pytest.mark.needs("unequal keys")
def test_without_a_key_any_signature_is_welcome(gateway, s3):
    name = gateway.new_bucket()
    gateway.client(access_key="somebody", secret_key="else").put_object(Bucket=name, Key="k", Body=DATA)
    for authorization in ("x", "AWS a:b", "AWS4-HMAC-SHA256 Credential=//s3/, SignedHeaders=, Signature="):
        assert gateway.request("GET", f"/{name}/k", headers={"Authorization": authorization}).body == DATA


def test_without_a_key_nobody_need_sign(gateway):
    from botocore import UNSIGNED

    name = gateway.new_bucket()
    client = gateway.client(signature_version=UNSIGNED)
    client.put_object(Bucket=name, Key="k", Body=DATA)
    assert client.get_object(Bucket=name, Key="k")["Body"].read() == DATA


@settings(max_examples=300)
@given(
    st.sampled_from(["AWS ", "AWS4-HMAC-SHA256 ", "aws ", "Basic ", ""]),
    st.text(max_size=80) | st.from_regex(r"(Credential|SignedHeaders|Signature)=[a-z0-9/;,= ]{0,60}"),
    st.text(max_size=30) | st.from_regex(r"((X-Amz-[A-Z][a-z]{3,12}|Signature|Expires)=[A-Za-z0-9%/-]{0,20}&){1,5}"),
    st.dictionaries(st.sampled_from(["x-amz-date", "date", "host", "x-amz-content-sha256"]), st.text(max_size=40)),
    st.sampled_from(["/", "/b", "/b/k", "*", "", "//"]),
    st.sampled_from(["", "b"]),
)
def test_nothing_that_claims_to_sign_raises_but_errors_of_s3(scheme, claim, query, headers, path, bucket):
    from falcon_s3.auth import identify
    from falcon_s3.errors import S3Error
    from falcon_s3.keyring import Keyring
    from falcon_s3.signature import SignedRequest

    request = SignedRequest("GET", path, query, headers | {"authorization": f"{scheme}{claim}"}, bucket)
    with contextlib.suppress(S3Error):
        assert identify(request, Keyring({"AKIDEXAMPLE": "secret"}).secret_of, "us-east-1").access_key == ""


def test_two_signatures_at_once_are_refused(keyed_gateway, bucket, signer):
    path = f"/{bucket}/k"
    link, header = signer.link("GET", path, "x", 60), signed(signer, "GET", path)
    old = "AWSAccessKeyId=a&Signature=b&Expires=1"
    for target, headers in (
        (link, header),
        (f"{path}?{old}", header),
        (f"{link}&{old}", {"host": "x"}),
        (link, {"host": "x", "Authorization": "AWS a:b"}),
    ):
        answer = keyed_gateway.request("GET", target, headers=headers)
        assert "Only one auth mechanism" in answer.refused(400, "InvalidRequest")


@pytest.mark.parametrize("name", ["X-Amz-Security-Token", "x-amz-security-token"])
def test_a_session_token_is_refused(keyed_gateway, bucket, signer, name):
    """In a header or in a link: there are no temporary keys."""
    path = f"/{bucket}/k"
    answer = keyed_gateway.request("GET", path, headers=signed(signer, "GET", path, {name: "token"}))
    assert "session token" in answer.refused(400, "InvalidToken")
    target = f"{signer.link('GET', path, 'x', 60)}&{name}=token"
    keyed_gateway.request("GET", target, headers={"host": "x"}).refused(400, "InvalidToken")


@pytest.mark.parametrize("authorization", ["", " "])
def test_an_empty_signature_is_none(keyed_gateway, bucket, signer, authorization):
    path = f"/{bucket}/k"
    answer = keyed_gateway.request("GET", path, headers={"Authorization": authorization})
    answer.refused(403, "AccessDenied")
    answer = keyed_gateway.request(
        "GET", signer.link("GET", path, "x", 60), headers={"host": "x", "Authorization": authorization}
    )
    assert answer.body == DATA


def test_a_date_may_stand_for_the_date_of_amazon(keyed_gateway, bucket, signer):
    from email.utils import format_datetime

    timestamp, empty = signer.timestamp, hashlib.sha256(b"").hexdigest()
    date = format_datetime(signer.moment.replace(microsecond=0), usegmt=True)
    headers = {"date": date, "host": "x", "x-amz-content-sha256": empty}
    names = ";".join(sorted(headers))
    lines = ["GET", f"/{bucket}/k", "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, empty]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    signature = signer.signature("AWS4-HMAC-SHA256", timestamp, signer.scope, digest)
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={signer.access_key}/{signer.scope}, SignedHeaders={names}, Signature={signature}"
    )
    assert keyed_gateway.request("GET", f"/{bucket}/k", headers=headers).body == DATA


def test_an_amazon_header_added_to_a_link_is_refused(keyed_gateway, bucket, signer):
    target = signer.link("PUT", f"/{bucket}/added", "x", 60)
    answer = keyed_gateway.request("PUT", target, DATA, {"host": "x", "x-amz-meta-a": "1"})
    answer.refused(403, "AccessDenied")
    assert answer.text("HeadersNotSigned") == "x-amz-meta-a"


def test_an_answer_to_head_names_the_right_region_in_a_header(keyed_gateway, bucket, signer):
    signer.region = "moon-north-7"
    answer = keyed_gateway.request("HEAD", f"/{bucket}", headers=signed(signer, "HEAD", f"/{bucket}"))
    assert (answer.status, answer.headers["x-amz-bucket-region"]) == (400, "us-east-1")
