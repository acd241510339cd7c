"""A gateway in front of a pachd with users: tokens are the access keys, and pachd says what each may do."""

import contextlib
import time
import uuid

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from botocore.exceptions import ClientError

from falcon_s3 import buckets
from falcon_s3.pfs.pachd import PachdPfs, methods, names
from falcon_s3.pfs.pachd.address import parse
from falcon_s3.pfs.wire import pfs_pb2 as wire
from falcon_s3.tokens import KNOWN_SECONDS, REFUSED_SECONDS
from tests.pachd.users import Users, running
from tests.s3.conftest import Signer

WRITER, READER = "0123456789abcdef0123456789abcdef", "robots-may-read-this-one-too"


@pytest.fixture(scope="module")
def users():
    return Users({WRITER: "robot:writer", READER: "robot:reader"}, {"robot:reader"})


@pytest.fixture(scope="module")
def pachd(users, tmp_path_factory):
    with running(tmp_path_factory.mktemp("pachd") / "data", users) as address:
        yield address


@pytest.fixture(scope="module")
def gateway(pachd, start_gateway):
    with start_gateway(pachd=pachd, workers=1) as running_gateway:
        yield running_gateway
    assert "Traceback" not in running_gateway.log.read_text()


@pytest.fixture(scope="module")
def by(gateway):
    """A client by token."""
    return lambda token, secret=None: gateway.client(access_key=token, secret_key=secret or token)


@pytest.fixture
def bucket(by):
    name = f"master.t{uuid.uuid4().hex[:8]}"
    by(WRITER).create_bucket(Bucket=name)
    return name


def refused(status, code, call, **arguments):
    """Assert that the call of boto3 is refused so; gives the message."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    return response["Error"].get("Message")


def test_whoever_holds_a_token_signs_with_it(by, bucket):
    """It is the access key and the secret key; chunks of a body are signed with it as well."""
    by(WRITER).put_object(Bucket=bucket, Key="k", Body=b"content", ChecksumAlgorithm="SHA256")

    assert by(READER).get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"
    assert bucket in [each["Name"] for each in by(READER).list_buckets()["Buckets"]]


def test_signatures_in_links_are_good(by, gateway, bucket):
    """Of both versions; a link shows the token."""
    by(WRITER).put_object(Bucket=bucket, Key="k", Body=b"content")
    for version in ("s3v4", "s3"):
        client = gateway.client(access_key=READER, secret_key=READER, signature_version=version)
        link = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
        assert gateway.request("GET", link.removeprefix(gateway.url)).body == b"content"
        assert READER in link


def test_what_pachd_does_not_allow_is_denied_in_its_words(by, bucket):
    """Every change, of who may only read."""
    by(WRITER).put_object(Bucket=bucket, Key="k", Body=b"content")
    client = by(READER)
    for call, arguments in (
        (client.put_object, {"Bucket": bucket, "Key": "k", "Body": b"other"}),
        (client.delete_object, {"Bucket": bucket, "Key": "k"}),
        (client.copy_object, {"Bucket": bucket, "Key": "l", "CopySource": f"{bucket}/k"}),
        (client.create_multipart_upload, {"Bucket": bucket, "Key": "k"}),
        (client.delete_objects, {"Bucket": bucket, "Delete": {"Objects": [{"Key": "k"}]}}),
        (client.create_bucket, {"Bucket": f"dev.{bucket}x"[:20]}),
    ):
        assert "robot:reader is not authorized" in refused(403, "AccessDenied", call, **arguments)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_who_may_not_write_is_denied_before_the_body_is_sent(gateway, by, bucket):
    """A client that waits for 100 Continue sends nothing."""
    by(WRITER).put_object(Bucket=bucket, Key="k", Body=b"content")
    host = {"Host": f"127.0.0.1:{gateway.port}"}
    signed = Signer(READER, READER).headers("PUT", f"/{bucket}/k", host, "UNSIGNED-PAYLOAD")
    head = {**signed, "Content-Length": "1000000000", "Expect": "100-continue"}
    lines = [f"PUT /{bucket}/k HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    answer = gateway.send("\r\n".join(lines).encode() + b"\r\n\r\n", "PUT")

    assert "robot:reader is not authorized" in answer.refused(403, "AccessDenied")


def test_who_may_not_write_is_denied_before_the_body_of_a_part_is_sent(gateway, by, bucket):
    """Who began the upload may; parts that are copied are asked about in the same way."""
    upload = by(WRITER).create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    query = f"partNumber=1&uploadId={upload}"
    host = {"Host": f"127.0.0.1:{gateway.port}"}
    signed = Signer(READER, READER).headers("PUT", f"/{bucket}/k", host, "UNSIGNED-PAYLOAD", query)
    head = {**signed, "Content-Length": "1000000000", "Expect": "100-continue"}
    lines = [f"PUT /{bucket}/k?{query} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    answer = gateway.send("\r\n".join(lines).encode() + b"\r\n\r\n", "PUT")
    part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1}

    assert "robot:reader is not authorized" in answer.refused(403, "AccessDenied")
    by(WRITER).put_object(Bucket=bucket, Key="source", Body=b"x")
    refused(403, "AccessDenied", by(READER).upload_part_copy, CopySource=f"{bucket}/source", **part)
    assert by(WRITER).upload_part(Body=b"x", **part)["ETag"]


def test_a_token_that_pachd_does_not_know_is_no_access_key(by, users, bucket):
    """Nor one that has expired, which older versions of pachd call an error of their own."""
    assert "token" in refused(403, "InvalidAccessKeyId", by("unknown").list_objects_v2, Bucket=bucket)
    users.expired.add("expired")
    refused(403, "InvalidAccessKeyId", by("expired").list_objects_v2, Bucket=bucket)


def test_a_secret_that_is_not_the_token_is_refused_with_a_hint(by, users, bucket):
    """Before pachd is asked anything."""
    before = len(users.called)

    assert "same as the access key" in refused(
        403, "SignatureDoesNotMatch", by(WRITER, "x").list_objects_v2, Bucket=bucket
    )
    assert users.called[before:] == []


def test_without_a_signature_nobody_is_let_in(gateway, bucket):
    """The message says how to sign. Health is told to everybody."""
    assert "token" in gateway.request("GET", f"/{bucket}").refused(403, "AccessDenied")
    assert gateway.request("GET", "/~/health").status == 200


def test_forms_are_signed_with_tokens(by, gateway, bucket):
    """By whom the policy is made; unsigned ones are refused."""
    import http.client

    def post(made):
        boundary = "x"
        fields = {**made["fields"], "file": "content"}
        parts = "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        connection.request("POST", f"/{bucket}", (parts + "--x--\r\n").encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    assert post(by(WRITER).generate_presigned_post(bucket, "form"))[0] == 204
    assert by(READER).get_object(Bucket=bucket, Key="form")["Body"].read() == b"content"
    status, body = post(by(READER).generate_presigned_post(bucket, "form"))
    assert (status, "robot:reader" in body) == (403, True)
    status, body = post({"fields": {"key": "form"}})
    assert (status, "<Code>AccessDenied</Code>" in body) == (403, True)


def test_pachd_is_asked_who_somebody_is_once_in_a_while(by, users, bucket):
    """However many requests there are; and its word is good for a few seconds only."""
    client = by(WRITER)
    client.head_bucket(Bucket=bucket)
    before, begun = len(users.called), time.monotonic()
    for _ in range(20):
        client.head_bucket(Bucket=bucket)
    at_most = 1 + (time.monotonic() - begun) / KNOWN_SECONDS  # on a slow machine they take longer than it knows

    assert sum(method == "WhoAmI" for method, _ in users.called[before:]) <= at_most
    users.names["fleeting"] = "robot:writer"
    by("fleeting").head_bucket(Bucket=bucket)
    del users.names["fleeting"]
    time.sleep(KNOWN_SECONDS)
    refused(403, "403", by("fleeting").head_bucket, Bucket=bucket)
    users.names["fleeting"] = "robot:writer"
    time.sleep(REFUSED_SECONDS)
    by("fleeting").head_bucket(Bucket=bucket)


def test_an_open_commit_is_changed_by_who_has_the_right_alone(by, users, bucket, pachd):
    """Pachd itself does not ask for it there."""
    branch = buckets.parse(bucket)
    with contextlib.closing(PachdPfs(parse(pachd))) as store:
        view = store.as_user(WRITER)
        request = wire.StartCommitRequest(branch=names.branch_message(branch))
        commit = view._calls.change(methods.START_COMMIT, request).id
    opened = f"{commit}.{bucket}"
    by(WRITER).put_object(Bucket=opened, Key="k", Body=b"content")
    upload = by(WRITER).create_multipart_upload(Bucket=opened, Key="m")["UploadId"]
    part = by(WRITER).upload_part(Bucket=opened, Key="m", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    listed = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    before = len(users.called)
    refused(403, "AccessDenied", by(READER).put_object, Bucket=opened, Key="k2", Body=b"content")
    refused(403, "AccessDenied", by(READER).delete_object, Bucket=opened, Key="k")
    refused(
        403,
        "AccessDenied",
        by(READER).complete_multipart_upload,
        Bucket=opened,
        Key="m",
        UploadId=upload,
        MultipartUpload=listed,
    )
    refused(403, "AccessDenied", by(READER).delete_objects, Bucket=opened, Delete={"Objects": [{"Key": "k"}]})
    assert not {"AddFileSet", "ModifyFile", "CreateFileSet"} & {method for method, _ in users.called[before:]}
    assert [each["Key"] for each in by(READER).list_objects_v2(Bucket=opened)["Contents"]] == ["k"]


def test_who_may_only_read_aborts_no_upload(by, bucket):
    """Nor clears its parts on the way: pachd itself lets whoever may read a commit do that."""
    upload = by(WRITER).create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    place = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    part = by(WRITER).upload_part(PartNumber=1, Body=b"x", **place)["ETag"]
    assert "robot:reader is not authorized" in refused(403, "AccessDenied", by(READER).abort_multipart_upload, **place)
    listed = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    by(WRITER).complete_multipart_upload(MultipartUpload=listed, **place)
    assert by(READER).get_object(Bucket=bucket, Key="m")["Body"].read() == b"x"


def test_each_call_is_made_with_the_token_of_who_asked(by, users, bucket):
    before = len(users.called)
    by(WRITER).put_object(Bucket=bucket, Key="k", Body=b"content")
    by(READER).list_objects_v2(Bucket=bucket)
    called = users.called[before:]

    assert {token for method, token in called if method == "ModifyFile"} == {WRITER}
    assert {token for method, token in called if method in ("WalkFile", "ListFile")} == {READER}


def test_what_is_not_there_is_not_found(by, bucket):
    """Unknown commits, branches, repos and keys: 404 for who has a token."""
    client = by(READER)
    for missing in ("0" * 12 + "4" + "0" * 19 + "." + bucket, f"no{bucket}", "master.nothing"):
        refused(404, "NoSuchBucket", client.list_objects_v2, Bucket=missing)
    refused(404, "NoSuchKey", client.get_object, Bucket=bucket, Key="nothing")


@pytest.mark.parametrize("keys", [("any", "any"), ("x", "x"), None])
def test_without_auth_everybody_is_let_in(tmp_path, start_gateway, keys):
    """With any two equal keys, or none; two that differ are refused."""
    with (
        running(tmp_path / "data", Users({}, is_on=False)) as address,
        start_gateway(pachd=address, workers=1) as open_one,
    ):
        if keys is None:
            assert open_one.request("PUT", "/master.images").status == 200
            assert open_one.request("PUT", "/master.images/k", b"content").status == 200
            assert open_one.request("GET", "/master.images/k").body == b"content"
        else:
            client = open_one.client(access_key=keys[0], secret_key=keys[1])
            client.create_bucket(Bucket="master.images")
            client.put_object(Bucket="master.images", Key="k", Body=b"content")
            other = open_one.client(access_key=keys[0], secret_key="differs")
            refused(403, "SignatureDoesNotMatch", other.list_objects_v2, Bucket="master.images")
