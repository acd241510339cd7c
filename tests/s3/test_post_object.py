"""PostObject: objects uploaded by HTML forms, anonymous or under a signed policy, streamed up to their boundary."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import datetime, timedelta, timezone
from email.header import decode_header, make_header
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from falcon_s3 import cli
from falcon_s3.keyring import LOOK_SECONDS

BOUNDARY = "----WebKitFormBoundaryx7"
MEDIA_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
ZEROS = 2 << 20


def part(name, value, *, filename=None, kind=None, boundary=BOUNDARY):
    data = value if isinstance(value, bytes) else value.encode()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    if kind is not None:
        head += f"\r\nContent-Type: {kind}"
    return head.encode() + b"\r\n\r\n" + data + b"\r\n"


def form(fields, data=b"bar", filename="cat.txt", after=b""):
    """The body of a form: fields in their order, the file, what is after it."""
    parts = [part(name, value) for name, value in (fields.items() if isinstance(fields, dict) else fields)]
    file = b"" if data is None else part("file", data, filename=filename, kind="application/x-unsaid")
    return b"".join((*parts, file, after, f"--{BOUNDARY}--\r\n".encode()))


def post(gateway, target, body, headers=None):
    return gateway.request("POST", target, body, {"Content-Type": MEDIA_TYPE} | (headers or {}))


def upload(gateway, bucket, fields, data=b"bar", **options):
    return post(gateway, f"/{bucket}", form({"key": "foo.txt"} | fields, data, **options))


def content(gateway, bucket, key="foo.txt"):
    return gateway.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def policy_of(*conditions, seconds=6000, **change):
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    document = {"expiration": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "conditions": list(conditions)} | change
    return base64.b64encode(json.dumps(document).encode()).decode()


def signed(gateway, text):
    """The fields of Version 2 over a policy."""
    signature = hmac.new(gateway.secret_key.encode(), text.encode(), hashlib.sha1).digest()
    return {
        "AWSAccessKeyId": gateway.access_key,
        "signature": base64.b64encode(signature).decode(),
        "policy": text,
    }


# --- without keys


@pytest.mark.needs("etags")
def test_a_form_uploads_its_file(gateway, bucket):
    answer = upload(gateway, bucket, {"Content-Type": "text/plain", "acl": "private", "x-amz-meta-Colour": "red"})
    assert (answer.status, answer.body) == (204, b"")
    got = gateway.s3.get_object(Bucket=bucket, Key="foo.txt")
    assert got["Body"].read() == b"bar"
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"colour": "red"})
    assert answer.headers["ETag"] == got["ETag"] == f'"{hashlib.md5(b"bar").hexdigest()}"'
    assert answer.headers["x-amz-version-id"] == got["VersionId"]
    assert answer.headers["Location"] == f"{gateway.url}/{bucket}/foo.txt"


@pytest.mark.needs("attributes")
def test_the_type_of_the_file_is_not_that_of_the_object(gateway, bucket):
    """As in S3, where only the field says it."""
    upload(gateway, bucket, {})
    assert gateway.s3.head_object(Bucket=bucket, Key="foo.txt")["ContentType"] == "binary/octet-stream"


@pytest.mark.needs("paths")
@pytest.mark.parametrize("form_of_path", ["/{}", "/{}/"])
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cat.txt", "up/cat.txt"),
        ("C:\\\\pictures\\\\cat.txt", "up/cat.txt"),
        ("/home/me/cat.txt", "up/cat.txt"),
        ("kätzchen ✓.png", "up/kätzchen ✓.png"),
        ("", "up/"),
    ],
)
def test_a_key_may_have_the_name_of_the_file(gateway, bucket, form_of_path, name, key):
    answer = post(gateway, form_of_path.format(bucket), form({"key": "up/${filename}"}, filename=name))
    assert answer.status == 204
    assert [one["Key"] for one in gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


@pytest.mark.needs("attributes")
def test_a_file_without_a_name_is_a_file(gateway, bucket):
    """Its fields keep ${filename}, as S3's do, for there is nothing to put there."""
    assert upload(gateway, bucket, {"x-amz-meta-name": "<${filename}>"}, filename=None).status == 204
    assert gateway.s3.head_object(Bucket=bucket, Key="foo.txt")["Metadata"] == {"name": "<${filename}>"}


@pytest.mark.needs("attributes")
def test_the_name_of_a_file_is_text_whatever_charset_it_claims(gateway, bucket):
    body = form({"key": "k", "x-amz-meta-name": "${filename}"}, filename="F")
    coded = body.replace(b'filename="F"', b"filename*=raw_unicode_escape''a%5Cud800b")
    assert post(gateway, f"/{bucket}", coded).status == 204
    assert gateway.s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"name": "a?b"}


def test_a_preamble_is_skipped(gateway, bucket):
    """RFC 2046 section 5.1.1."""
    assert post(gateway, f"/{bucket}", b"preamble\r\n" * 1000 + form({"key": "foo.txt"})).status == 204
    assert content(gateway, bucket) == b"bar"


@pytest.mark.needs("attributes")
def test_names_of_fields_are_in_any_case(gateway, bucket):
    body = form([("KEY", "foo.txt"), ("aCl", "private"), ("CONTENT-type", "a/b")], None, after=part("FILE", b"bar"))
    assert post(gateway, f"/{bucket}", body).status == 204
    assert gateway.s3.head_object(Bucket=bucket, Key="foo.txt")["ContentType"] == "a/b"


@pytest.mark.needs("attributes")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cache-Control", "no-cache"),
        ("Content-Disposition", 'attachment; filename="a b"'),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "de"),
        ("Expires", "Thu, 01 Dec 2030 16:00:00 GMT"),
    ],
)
def test_fields_are_kept_as_headers(gateway, bucket, name, value):
    assert upload(gateway, bucket, {name: value}).status == 204
    assert gateway.request("GET", f"/{bucket}/foo.txt").headers[name] == value


@pytest.mark.needs("attributes")
def test_metadata_is_utf_8_and_sent_as_s3_sends_it(gateway, bucket):
    """Encoded by RFC 2047."""
    assert upload(gateway, bucket, {"x-amz-meta-name": "kätzchen ✓"}).status == 204
    got = gateway.request("GET", f"/{bucket}/foo.txt").headers["x-amz-meta-name"]
    assert str(make_header(decode_header(got))) == "kätzchen ✓"


@pytest.mark.needs("attributes")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            'attachment; filename="kätzchen.pdf"',
            "attachment; filename=\"k_tzchen.pdf\"; filename*=UTF-8''k%C3%A4tzchen.pdf",
        ),
        ("inline; FileName=日本; x=y", "inline; filename=\"__\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC; x=y"),
        ("attachment; filename=\"ä\"; filename*=UTF-8''%C3%A4", "attachment; filename=\"_\"; filename*=UTF-8''%C3%A4"),
        ("ä; filename=a", "=?utf-8?b?w6Q7IGZpbGVuYW1lPWE=?="),
    ],
)
def test_the_name_of_a_download_may_have_any_letters(gateway, bucket, given, told):
    """Browsers are told it as RFC 6266 has it: a header has ASCII alone."""
    assert upload(gateway, bucket, {"Content-Disposition": given}).status == 204
    assert gateway.request("GET", f"/{bucket}/foo.txt").headers["Content-Disposition"] == told


@pytest.mark.needs("attributes")
def test_tags_come_as_a_document(gateway, bucket):
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>1&#43;2</Value></Tag></TagSet></Tagging>"
    assert upload(gateway, bucket, {"tagging": tagging}).status == 204
    found = gateway.s3.get_object_tagging(Bucket=bucket, Key="foo.txt")["TagSet"]
    assert found == [{"Key": "a", "Value": "1+2"}]


@pytest.mark.parametrize(("wanted", "status"), [("200", 200), ("204", 204), ("404", 204), ("", 204), ("x", 204)])
def test_the_form_says_how_success_is_told(gateway, bucket, wanted, status):
    answer = upload(gateway, bucket, {"success_action_status": wanted})
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.needs("etags")
def test_success_can_be_told_in_a_document(gateway, bucket):
    answer = upload(gateway, bucket, {"key": "a b/ü&.txt", "success_action_status": "201"})
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/xml")
    root = ET.fromstring(answer.body)
    assert root.tag == "PostResponse"
    assert {one.tag: one.text for one in root} == {
        "Location": f"{gateway.url}/{bucket}/a%20b/%C3%BC%26.txt",
        "Bucket": bucket,
        "Key": "a b/ü&.txt",
        "ETag": answer.headers["ETag"],
    }
    assert gateway.request("GET", answer.headers["Location"].removeprefix(gateway.url)).body == b"bar"


def test_the_address_that_is_redirected_to_may_be_the_bucket_itself(gateway, bucket):
    """What is added to it asks for nothing."""
    answer = upload(gateway, bucket, {"success_action_redirect": f"{gateway.url}/{bucket}"})
    target = answer.headers["Location"].removeprefix(gateway.url)
    assert "?" in target
    assert gateway.request("GET", target).texts("Key") == gateway.request("GET", f"/{bucket}").texts("Key") != []


@pytest.mark.needs("etags")
@pytest.mark.parametrize("name", ["success_action_redirect", "redirect"])
@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://example.org/done", "http://example.org/done?"),
        ("https://example.org/done?a=1", "https://example.org/done?a=1&"),
    ],
)
def test_the_browser_can_be_sent_on(gateway, bucket, name, url, start):
    answer = upload(gateway, bucket, {"key": "a b.txt", name: url, "success_action_status": "201"})
    etag = hashlib.md5(b"bar").hexdigest()
    assert (answer.status, answer.body) == (303, b"")
    assert answer.headers["Location"] == f"{start}bucket={bucket}&key=a%20b.txt&etag=%22{etag}%22"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "//evil", "/done", "http://[", "http://a\r\nX: y", "http://ä", "x", ""]
)
def test_what_is_no_address_is_left_aside(gateway, bucket, url):
    answer = upload(gateway, bucket, {"success_action_redirect": url})
    assert answer.status == 204
    assert answer.headers["X"] is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"--",
        b"\r\n--" + BOUNDARY.encode()[:-1],
        b"\r\n-" * 40_000,
        b"\0" * ZEROS,
        bytes(range(256)) * 4097,
    ],
    ids=["empty", "newline", "dashes", "nearly", "many", "zeros", "bytes"],
)
def test_a_file_ends_at_its_boundary_and_nowhere_else(gateway, bucket, data):
    assert upload(gateway, bucket, {}, data).status == 204
    assert content(gateway, bucket) == data


def test_fields_behind_the_file_are_left_aside(gateway, bucket):
    after = part("key", "other") + part("policy", "x") + part("success_action_status", "201")
    assert upload(gateway, bucket, {}, after=after).status == 204
    assert content(gateway, bucket) == b"bar"


def test_the_connection_can_be_used_again(gateway, bucket):
    """Whatever is behind the last boundary has been read."""
    body = form({"key": "k"}) + b"epilogue" * 1000
    head = f"POST /{bucket} HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    from tests.conftest import read_answer

    with gateway.connect() as connection:
        for _ in range(3):
            connection.sendall(head.encode() + body)
            assert read_answer(connection, "POST").status == 204


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"key": ""}, 400, "InvalidArgument"),
        ({"key": "k" * 1025}, 400, "KeyTooLongError"),
        ({"key": "a\0b"}, 400, "InvalidFilePath"),
        ({"acl": "aws-exec-read"}, 501, "NotImplemented"),
        ({"x-amz-storage-class": "GLACIER"}, 400, "InvalidStorageClass"),
        ({"x-amz-website-redirect-location": "x"}, 400, "InvalidRedirectLocation"),
        ({"x-amz-server-side-encryption": "AES256"}, 501, "NotImplemented"),
        ({"x-amz-object-lock-event-hold": "ON"}, 501, "NotImplemented"),
        ({"x-amz-grant-read": "x"}, 501, "NotImplemented"),
        ({"Content-Type": "a/b\r\nX-Evil: 1"}, 400, "InvalidArgument"),
        ({"x-amz-meta-a": "b\0"}, 400, "InvalidArgument"),
        ({"x-amz-meta-a b": "c"}, 400, "InvalidArgument"),
        ({"x-amz-meta-ä": "c"}, 400, "InvalidArgument"),
        ({"x-amz-meta-a": "b" * 2048}, 400, "MetadataTooLarge"),
        ({"x-amz-meta-a": b"\xff"}, 400, "InvalidArgument"),
        ({"x-ignore-a": "b" * 21_000}, 400, "MaxPostPreDataLengthExceededError"),
        ({f"x-ignore-{number}": "b" for number in range(400)}, 400, "MaxPostPreDataLengthExceededError"),
        ({"Key": "other"}, 400, "InvalidArgument"),
        ({"tagging": "<Tagging>"}, 400, "MalformedXML"),
        ({"Content-MD5": "x"}, 400, "InvalidDigest"),
        ({"Content-MD5": base64.b64encode(bytes(16)).decode()}, 400, "BadDigest"),
        ({"x-amz-checksum-sha256": "sailorjerry"}, 400, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, 400, "BadDigest"),
        ({"x-amz-checksum-algorithm": "CRC8"}, 400, "InvalidRequest"),
        pytest.param({"policy": "x"}, 400, "InvalidPolicyDocument", marks=pytest.mark.needs("unequal keys")),
    ],
)
def test_a_form_that_is_wrong_changes_nothing(gateway, bucket, unchanged, fields, status, code):
    with unchanged(bucket):
        upload(gateway, bucket, fields).refused(status, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"x", "MalformedPOSTRequest"),
        (b"\0" * 100_000, "MalformedPOSTRequest"),
        (f"--{BOUNDARY}--\r\n".encode(), "InvalidArgument"),
        (form({"key": "k"}, None), "InvalidArgument"),
        (form({}), "InvalidArgument"),
        (form({"key": "k"}, after=part("file", b"another")), "InvalidArgument"),
        (form({"key": "k"})[: -len(BOUNDARY) - 8], "MalformedPOSTRequest"),
        (form({"key": "k"})[:-40], "MalformedPOSTRequest"),
        (form({"key": "k"}).replace(b'name="file"', b"name=file\xff"), "MalformedPOSTRequest"),
        (form({"key": "k"}).replace(b'; name="key"', b""), "MalformedPOSTRequest"),
        (form({"key": "k"}).replace(b"Content-Disposition", b"X" * 9000), "MalformedPOSTRequest"),
        (form({"key": "k"}, filename="%").replace(b"filename=", b"filename*=x'y'"), "MalformedPOSTRequest"),
        (b"preamble" * 100_000 + form({"key": "k"}), "MaxPostPreDataLengthExceededError"),
    ],
)
def test_what_is_no_form_is_refused(gateway, bucket, unchanged, body, code):
    with unchanged(bucket):
        post(gateway, f"/{bucket}", body).refused(400, code)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("application/x-www-form-urlencoded", 412, "PreconditionFailed"),
        ("text/plain", 412, "PreconditionFailed"),
        ("multipart/form-datax; boundary=x", 412, "PreconditionFailed"),
        ("multipart/form-data", 400, "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=", 400, "MalformedPOSTRequest"),
        (f"multipart/form-data; boundary={'x' * 71}", 400, "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=other", 400, "MalformedPOSTRequest"),
    ],
)
def test_a_form_says_its_boundary(gateway, bucket, unchanged, kind, status, code):
    with unchanged(bucket):
        post(gateway, f"/{bucket}", form({"key": "k"}), {"Content-Type": kind}).refused(status, code)


@pytest.mark.parametrize("cut", [1, 30, 100, 600_000])
def test_a_form_that_is_cut_short_changes_nothing(gateway, bucket, unchanged, cut):
    body = form({"key": "k"}, b"\0" * 1_000_000)
    head = f"POST /{bucket} HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    with unchanged(bucket):
        gateway.send(head.encode() + body[:-cut], "POST", end=True)


def test_a_form_needs_a_length_and_a_bucket(gateway, bucket):
    chunked = b"3\r\nabc\r\n0\r\n\r\n"
    post(gateway, f"/{bucket}", chunked, {"Transfer-Encoding": "chunked"}).refused(411, "MissingContentLength")
    post(gateway, "/none", form({"key": "k"})).refused(404, "NoSuchBucket")
    post(gateway, f"/{bucket}/key", form({"key": "k"})).refused(405, "MethodNotAllowed")
    post(gateway, "/", form({"key": "k"})).refused(405, "MethodNotAllowed")


@pytest.mark.needs("attributes")
def test_a_checksum_is_verified_told_and_kept(gateway, bucket):
    value = base64.b64encode(hashlib.sha256(b"bar").digest()).decode()
    answer = upload(gateway, bucket, {"x-amz-checksum-sha256": value})
    told = (answer.headers["x-amz-checksum-sha256"], answer.headers["x-amz-checksum-type"])
    assert (answer.status, told) == (204, (value, "FULL_OBJECT"))
    head = gateway.s3.head_object(Bucket=bucket, Key="foo.txt", ChecksumMode="ENABLED")
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (value, "FULL_OBJECT")
    assert upload(gateway, bucket, {"x-amz-checksum-algorithm": "CRC32"}).status == 204
    assert gateway.s3.head_object(Bucket=bucket, Key="foo.txt", ChecksumMode="ENABLED")["ChecksumCRC32"]


def test_a_condition_in_a_header_is_kept(gateway, bucket, unchanged):
    body = form({"key": "k"})
    assert post(gateway, f"/{bucket}", body, {"If-None-Match": "*"}).status == 204
    with unchanged(bucket):
        post(gateway, f"/{bucket}", body, {"If-None-Match": "*"}).refused(412, "PreconditionFailed")


@pytest.mark.needs("paths")
def test_a_policy_without_keys_is_kept_all_the_same(gateway, bucket, unchanged):
    text = policy_of({"bucket": bucket}, ["starts-with", "$key", "foo"], ["content-length-range", 3, 3])
    assert upload(gateway, bucket, {"policy": text}).status == 204
    with unchanged(bucket):
        upload(gateway, bucket, {"policy": text}, b"four").refused(400, "EntityTooLarge")
        upload(gateway, bucket, {"policy": text, "key": "bar"}).refused(403, "AccessDenied")


# --- with keys


@pytest.fixture
def kept(keyed_gateway):
    """A bucket of the gateway with a key, and a function that uploads under a policy of its own."""
    bucket = keyed_gateway.new_bucket()
    base = [
        {"bucket": bucket},
        ["starts-with", "$key", "foo"],
        {"acl": "private"},
        ["starts-with", "$Content-Type", "text/plain"],
    ]

    def send(*conditions, fields=None, data=b"bar", seconds=6000, **change):
        text = policy_of(*base, *conditions, seconds=seconds, **change)
        given = {"acl": "private", "Content-Type": "text/plain"} | signed(keyed_gateway, text) | (fields or {})
        return upload(keyed_gateway, bucket, {name: value for name, value in given.items() if value is not None}, data)

    return bucket, send


def test_a_signed_form_uploads(keyed_gateway, kept):
    bucket, send = kept
    assert send(["content-length-range", 0, 1024]).status == 204
    assert content(keyed_gateway, bucket) == b"bar"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_the_form_that_boto3_makes_uploads(keyed_gateway, version):
    bucket = keyed_gateway.new_bucket()
    client = keyed_gateway.client(signature_version=version)
    made = client.generate_presigned_post(
        bucket,
        "up/${filename}",
        Fields={"success_action_status": "201", "x-amz-meta-a": "b"},
        Conditions=[{"success_action_status": "201"}, {"x-amz-meta-a": "b"}, ["content-length-range", 1, 10]],
    )
    target = made["url"].removeprefix(keyed_gateway.url)
    answer = post(keyed_gateway, target, form(made["fields"]))
    assert (answer.status, answer.text("Key")) == (201, "up/cat.txt")
    assert content(keyed_gateway, bucket, "up/cat.txt") == b"bar"
    post(keyed_gateway, target, form(made["fields"], b"01234567890")).refused(400, "EntityTooLarge")
    post(keyed_gateway, target, form(made["fields"], b"")).refused(400, "EntityTooSmall")
    for name in made["fields"]:
        changed = made["fields"] | {name: "!" + made["fields"][name]}
        assert post(keyed_gateway, target, form(changed)).status in (400, 403), name
    other = keyed_gateway.new_bucket()
    post(keyed_gateway, f"/{other}", form(made["fields"])).refused(403, "AccessDenied")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"AWSAccessKeyId": "foo"}, 403, "InvalidAccessKeyId"),
        ({"signature": "x"}, 403, "SignatureDoesNotMatch"),
        ({"signature": None}, 400, "InvalidArgument"),
        ({"policy": None}, 400, "InvalidArgument"),
        ({"AWSAccessKeyId": None, "signature": None}, 403, "AccessDenied"),
        ({"AWSAccessKeyId": None, "signature": None, "policy": None}, 403, "AccessDenied"),
        ({"key": "bar"}, 403, "AccessDenied"),
        ({"acl": None}, 403, "AccessDenied"),
        ({"Content-Type": "text/html"}, 403, "AccessDenied"),
        ({"x-amz-meta-a": "b"}, 403, "AccessDenied"),
        ({"bucket": "other"}, 403, "AccessDenied"),
        ({"x-ignore-a": "b"}, 204, None),
        ({"x-amz-security-token": "t"}, 400, "InvalidToken"),
    ],
)
def test_a_signed_form_does_what_its_policy_says(keyed_gateway, kept, fields, status, code):
    bucket, send = kept
    answer = send(fields=fields)
    assert (answer.status, answer.code) == (status, code)
    there = keyed_gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"]
    assert there == (1 if status == 204 else 0)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"seconds": -60}, 403, "AccessDenied"),
        ({"expiration": "2030-01-01 00:00:00"}, 400, "InvalidPolicyDocument"),
        ({"conditions": []}, 403, "AccessDenied"),
        ({"conditions": [{}]}, 400, "InvalidPolicyDocument"),
        ({"conditions": None}, 400, "InvalidPolicyDocument"),
        ({"conditions": [["content-length-range", 0]]}, 400, "InvalidPolicyDocument"),
    ],
)
def test_a_policy_that_is_over_or_none_lets_nothing_in(kept, change, status, code):
    kept[1](**change).refused(status, code)


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (511, "EntityTooSmall"),
        (512, None),
        (3_000_000, None),
        (3_000_001, "EntityTooLarge"),
        (6_000_000, "EntityTooLarge"),
    ],
)
def test_the_file_has_the_size_that_the_policy_says(keyed_gateway, kept, size, code):
    bucket, send = kept
    answer = send(["content-length-range", 512, 3_000_000], data=b"x" * size)
    assert (answer.status, answer.code) == ((400, code) if code else (204, None))
    assert keyed_gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == (0 if code else 1)


@pytest.mark.parametrize("name", ["Signature", "AWSAccessKeyId"])
def test_a_field_that_is_missing_is_named_as_s3_writes_it(keyed_gateway, kept, name):
    _, send = kept
    answer = send(fields={name if name == "AWSAccessKeyId" else "signature": None})
    assert f"'{name}'" in answer.refused(400, "InvalidArgument")
    assert (answer.text("ArgumentName"), answer.text("ArgumentValue")) == (name, "")


def test_a_policy_that_was_changed_is_told_with_what_was_signed(keyed_gateway, kept):
    _, send = kept
    answer = send(fields={"policy": "e30="})
    answer.refused(403, "SignatureDoesNotMatch")
    assert (answer.text("AWSAccessKeyId"), answer.text("StringToSign")) == (keyed_gateway.access_key, "e30=")
    assert answer.text("StringToSignBytes") == "65 33 30 3d"
    assert len(base64.b64decode(answer.text("SignatureProvided"))) == 20


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
def test_who_sends_no_form_is_told_so_before_anybody_must_sign(keyed_gateway, kept, kind):
    bucket, _ = kept
    headers = {} if kind is None else {"Content-Type": kind}
    answer = keyed_gateway.request("POST", f"/{bucket}", b"key=foo.txt&file=x", headers)
    answer.refused(412, "PreconditionFailed")
    assert answer.text("Condition") == "Bucket POST must be of the enclosure-type multipart/form-data"
    keyed_gateway.request("POST", f"/{bucket}/foo.txt", b"x", headers).refused(405, "MethodNotAllowed")
    assert keyed_gateway.s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_policy_is_looked_at_before_the_file_comes(keyed_gateway, kept):
    """A client that sends the fields only has its answer."""
    bucket, _ = kept
    start = form({"key": "foo.txt"} | signed(keyed_gateway, policy_of(seconds=-1)), b"")[: -len(BOUNDARY) - 8]
    head = f"POST /{bucket} HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: 9000000000\r\n\r\n"
    # Falcon reads ahead by this much, to know a boundary when it sees one.
    keyed_gateway.send(head.encode() + start + b"\0" * (64 << 10), "POST").refused(403, "AccessDenied")


def test_only_a_form_comes_without_a_signature(keyed_gateway, kept):
    """A form's type opens nothing else."""
    bucket, _ = kept
    document = b"<Delete><Object><Key>foo.txt</Key></Object></Delete>"
    keyed_gateway.s3.put_object(Bucket=bucket, Key="foo.txt", Body=b"1")
    for method, target in (
        ("POST", f"/{bucket}?delete"),
        ("POST", f"/{bucket}/foo.txt?uploads"),
        ("POST", f"/{bucket}?x-id=PostObject"),
        ("PUT", f"/{bucket}/foo.txt"),
        ("GET", f"/{bucket}"),
        ("DELETE", f"/{bucket}/foo.txt"),
    ):
        keyed_gateway.request(method, target, document, {"Content-Type": MEDIA_TYPE}).refused(403, "AccessDenied")
    assert content(keyed_gateway, bucket) == b"1"


def test_a_form_is_not_signed_in_its_headers(keyed_gateway, kept, signer):
    bucket, _ = kept
    body = form({"key": "foo.txt"})
    host = f"127.0.0.1:{keyed_gateway.port}"
    headers = signer.headers("POST", f"/{bucket}", {"host": host}, hashlib.sha256(body).hexdigest())
    post(keyed_gateway, f"/{bucket}", body, headers).refused(400, "InvalidRequest")


def test_who_signed_the_policy_must_be_allowed_to_write(keyed_gateway):
    """Rights are those of PutObject, and end with the key."""
    mine, other = keyed_gateway.new_bucket(), keyed_gateway.new_bucket()

    def key(*arguments):
        run = CliRunner().invoke(cli.main, ["key", *arguments, "--data", str(keyed_gateway.data), "--json"])
        assert run.exit_code == 0, run.output
        time.sleep(LOOK_SECONDS)
        return json.loads(run.stdout)

    [writer] = key("create", "--write", mine)
    [reader] = key("create", "--read", "*")

    def send(holder, bucket):
        made = keyed_gateway.client(access_key=holder["key"], secret_key=holder["secret"])
        return post(keyed_gateway, f"/{bucket}", form(made.generate_presigned_post(bucket, "k")["fields"]))

    assert send(writer, mine).status == 204
    for holder, bucket in ((writer, other), (reader, mine), (writer, "none")):
        message = send(holder, bucket).refused(403, "AccessDenied")
        assert holder["key"] in message
    key("disable", writer["key"])
    send(writer, mine).refused(403, "InvalidAccessKeyId")
    assert keyed_gateway.s3.list_objects_v2(Bucket=other)["KeyCount"] == 0


def test_a_form_grants_nothing_that_is_not_so(keyed_gateway, kept):
    """Where nobody may read unsigned, no form makes an object public, whatever its policy says."""
    bucket, _ = kept
    text = policy_of({"bucket": bucket}, ["starts-with", "$key", ""], ["starts-with", "$acl", ""])
    upload(keyed_gateway, bucket, signed(keyed_gateway, text) | {"acl": "public-read"}).refused(501, "NotImplemented")
    assert upload(keyed_gateway, bucket, signed(keyed_gateway, text) | {"acl": "private"}).status == 204
