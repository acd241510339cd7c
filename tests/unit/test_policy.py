"""Policies of forms: read whole or refused, checked field by field, signed in both versions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import errors, policy, xml
from falcon_s3.policy import Condition

NOW = 1_700_000_000.0
LATER = "2030-01-01T00:00:00.000Z"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def coded(document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.b64encode(text.encode()).decode()


def read(*conditions: Any) -> policy.Policy:
    return policy.read(coded({"expiration": LATER, "conditions": list(conditions)}))


@pytest.mark.parametrize(
    ("condition", "field", "operator", "value"),
    [
        ({"acl": "private"}, "acl", "eq", "private"),
        ({"aCl": "Private"}, "acl", "eq", "Private"),
        (["eq", "$key", "a/b"], "key", "eq", "a/b"),
        (["EQ", "$Key", ""], "key", "eq", ""),
        (["starts-with", "$Content-Type", "image/"], "content-type", "starts-with", "image/"),
        (["StArTs-WiTh", "$x-amz-meta-Name", ""], "x-amz-meta-name", "starts-with", ""),
        ({"x": "\\$1"}, "x", "eq", "\\$1"),
        ({"x": "é\ud7ff"}, "x", "eq", "é\ud7ff"),
    ],
)
def test_a_condition_is_read(condition: Any, field: str, operator: str, value: str) -> None:
    assert read(condition).conditions == (Condition(operator, field, value),)


def test_a_dollar_sign_may_be_escaped() -> None:
    r"""As S3 has it, though JSON knows no `\$`; a backslash that is escaped itself stays."""
    text = r'{"expiration": "2030-01-01T00:00:00Z", "conditions": [["eq", "$key", "\$a\\$b\n"]]}'
    assert policy.read(coded(text)).conditions == (Condition("eq", "key", "$a\\$b\n"),)


@pytest.mark.parametrize(
    ("conditions", "least", "most"),
    [
        ([], 0, None),
        ([["content-length-range", 0, 0]], 0, 0),
        ([["content-length-range", 1, 10]], 1, 10),
        ([["Content-Length-Range", "1", "10"]], 1, 10),
        ([["content-length-range", 1, 10], ["content-length-range", 5, 20]], 5, 10),
    ],
)
def test_the_length_of_the_file_has_a_range(conditions: list[Any], least: int, most: int | None) -> None:
    found = read(*conditions)
    assert (found.least, found.most, found.conditions) == (least, most, ())


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"a": "1", "b": "2"},
        {"a": 1},
        {"a": None},
        [],
        ["eq", "$a"],
        ["eq", "a", "1"],
        ["eq", "$a", 1],
        ["ne", "$a", "1"],
        ["eq", "$a", "1", "2"],
        [1, 2, 3],
        "eq",
        None,
        1,
        ["content-length-range"],
        ["content-length-range", 0],
        ["content-length-range", -1, 0],
        ["content-length-range", 0, 1, 2],
        ["content-length-range", 0, 1.5],
        ["content-length-range", 0, "x"],
        ["content-length-range", 0, "٣"],
        ["content-length-range", 0, "9" * 5000],
        ["content-length-range", 0, None],
        ["content-length-range", True, 5],
        ["content-length-range", [], {}],
    ],
)
def test_a_condition_that_is_none_is_refused(condition: Any) -> None:
    with pytest.raises(errors.InvalidPolicyDocument):
        read(condition)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "e30",  # without its padding
        coded(""),
        coded("[]"),
        coded("null"),
        coded("{"),
        coded("[" * 100_000),
        coded({}),
        coded({"expiration": LATER}),
        coded({"conditions": []}),
        coded({"expiration": LATER, "conditions": {}}),
        coded({"expiration": LATER, "CONDITIONS": []}),
        coded({"EXPIRATION": LATER, "conditions": []}),
        coded({"expiration": LATER, "conditions": [], "more": 1}),
        coded({"expiration": LATER, "conditions": [], "\ud800\0": 1}),
        coded('{"expiration": "2030-01-01T00:00:00Z", "conditions": [["content-length-range", 0, %s]]}' % ("9" * 9000)),
        base64.b64encode(b"\xff{}").decode(),
    ],
)
def test_a_document_that_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidPolicyDocument) as caught:
        policy.read(text)
    xml.error_document(caught.value, "/", "1")


@pytest.mark.parametrize(
    "expiration",
    [
        "2030-01-01 00:00:00.000000+00:00",
        "2030-01-01T00:00:00",
        "2030-01-01T00:00:00+00:00",
        "2030-13-01T00:00:00Z",
        "2030-01-01T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "2030-01-01",
        "",
        None,
        1900000000,
        "٢٠30-01-01T00:00:00Z",
    ],
)
def test_an_expiration_is_a_time_in_utc(expiration: Any) -> None:
    with pytest.raises(errors.InvalidPolicyDocument):
        policy.read(coded({"expiration": expiration, "conditions": []}))


@pytest.mark.parametrize("expiration", ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.999Z"])
def test_a_policy_is_good_until_it_expires(expiration: str) -> None:
    found = policy.read(coded({"expiration": expiration, "conditions": []}))
    found.check({}, NOW)
    with pytest.raises(errors.AccessDenied, match="expired"):
        found.check({}, NOW + 1)


PHOTO = [
    {"bucket": "b"},
    ["starts-with", "$key", "user/"],
    {"acl": "private"},
    ["starts-with", "$Content-Type", "image/"],
]
GOOD = {"bucket": "b", "key": "user/1.png", "acl": "private", "content-type": "image/png"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"key": "user/"}, None),
        ({"key": "User/1"}, "starts-with"),
        ({"key": "other/user/"}, "starts-with"),
        ({"key": None}, "starts-with"),
        ({"acl": "Private"}, "eq"),
        ({"acl": "private "}, "eq"),
        ({"acl": None}, "eq"),
        ({"bucket": "c"}, "eq"),
        ({"content-type": "image/png,image/gif"}, None),
        ({"content-type": "image/png, image/gif"}, None),
        ({"content-type": "image/png,text/html"}, "starts-with"),
        ({"content-type": "text/html,image/png"}, "starts-with"),
        ({"x-amz-meta-a": ""}, "Extra input fields: x-amz-meta-a"),
        ({"success_action_redirect": "http://evil"}, "Extra input fields: success_action_redirect"),
        ({"x-amz-credential": "a/b"}, "Extra input fields: x-amz-credential"),
        ({"tagging": ""}, "Extra input fields: tagging"),
        ({"x-ignore-this": "1", "policy": "p", "signature": "s", "awsaccesskeyid": "k", "x-amz-signature": "s"}, None),
        ({"x-amz-checksum-sha256": "x", "file": "f"}, None),
    ],
)
def test_every_field_is_covered_and_every_condition_holds(change: dict[str, str | None], message: str | None) -> None:
    fields = {name: value for name, value in (GOOD | change).items() if value is not None}
    if message is None:
        read(*PHOTO).check(fields, NOW)
    else:
        with pytest.raises(errors.AccessDenied, match="Invalid according to Policy.*" + message):
            read(*PHOTO).check(fields, NOW)


@pytest.mark.parametrize("condition", [["starts-with", "$x", ""], {"x": ""}])
def test_a_field_that_is_not_there_is_empty(condition: Any) -> None:
    read(condition).check({}, NOW)
    read(["starts-with", "$x", ""]).check({"x": "anything"}, NOW)


def test_a_bucket_must_be_covered_too() -> None:
    with pytest.raises(errors.AccessDenied, match="bucket"):
        read(["starts-with", "$key", ""]).check({"bucket": "b", "key": "k"}, NOW)


@pytest.mark.parametrize(
    ("length", "ended", "error"),
    [
        (0, False, None),
        (4, False, None),
        (4, True, errors.EntityTooSmall),
        (0, True, errors.EntityTooSmall),
        (5, True, None),
        (10, True, None),
        (11, False, errors.EntityTooLarge),
        (11, True, errors.EntityTooLarge),
    ],
)
def test_a_file_is_measured_while_it_comes(length: int, ended: bool, error: type[Exception] | None) -> None:
    limits = read(["content-length-range", 5, 10])
    if error is None:
        limits.check_length(length, ended=ended)
    else:
        with pytest.raises(error):
            limits.check_length(length, ended=ended)


def secret_of(key: str) -> str | None:
    return SECRET if key == KEY else None


def version_2(**change: str) -> dict[str, str]:
    text = change.get("policy", "cG9saWN5")
    signature = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return {"policy": text, "awsaccesskeyid": KEY, "signature": signature} | change


def version_4(**change: str) -> dict[str, str]:
    scope = "20151229/us-east-1/s3/aws4_request"
    key = b"AWS4" + SECRET.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = change.get("policy", "cG9saWN5")
    fields = {
        "policy": text,
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{KEY}/{scope}",
        "x-amz-date": "20151229T000000Z",
        "x-amz-signature": hmac.new(key, text.encode(), hashlib.sha256).hexdigest(),
    }
    return fields | {name.replace("_", "-"): value for name, value in change.items()}


# The form of Version 4 in the S3 API reference ("Example: Browser-Based Upload using HTTP POST"), its lines with CRLF.
PUBLISHED = (
    '{ "expiration": "2015-12-30T12:00:00.000Z",\r\n'
    '  "conditions": [\r\n'
    '    {"bucket": "sigv4examplebucket"},\r\n'
    '    ["starts-with", "$key", "user/user1/"],\r\n'
    '    {"acl": "public-read"},\r\n'
    '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},\r\n'
    '    ["starts-with", "$Content-Type", "image/"],\r\n'
    '    {"x-amz-meta-uuid": "14365123651274"},\r\n'
    '    {"x-amz-server-side-encryption": "AES256"},\r\n'
    '    ["starts-with", "$x-amz-meta-tag", ""],\r\n'
    "\r\n"
    '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},\r\n'
    '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},\r\n'
    '    {"x-amz-date": "20151229T000000Z" }\r\n'
    "  ]\r\n"
    "}"
)
PUBLISHED_SIGNATURE = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"


def test_the_published_form_is_signed_as_published() -> None:
    fields = version_4(policy=coded(PUBLISHED)) | {"x-amz-signature": PUBLISHED_SIGNATURE}
    assert policy.signer(fields, secret_of, "us-east-1") == KEY
    assert len(policy.read(fields["policy"]).conditions) == 11


@pytest.mark.parametrize("fields", [version_2(), version_4()])
def test_a_form_is_signed_in_either_version(fields: dict[str, str]) -> None:
    assert policy.signer(fields, secret_of, "us-east-1") == KEY
    assert policy.signer(fields, secret_of, None) == KEY
    with pytest.raises(errors.SignatureDoesNotMatch):
        policy.signer(fields | {"policy": "b3RoZXI="}, secret_of, "us-east-1")
    for name in fields:
        rest = {each: value for each, value in fields.items() if each != name}
        with pytest.raises(errors.InvalidArgument, match=f"(?i)'{name}'"):
            policy.signer(rest, secret_of, "us-east-1")
        with pytest.raises(errors.InvalidArgument, match=f"(?i)'{name}'"):
            policy.signer(fields | {name: ""}, secret_of, "us-east-1")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (version_2(signature="x"), errors.SignatureDoesNotMatch),
        (version_2(signature="é"), errors.SignatureDoesNotMatch),
        (version_2(awsaccesskeyid="other"), errors.InvalidAccessKeyId),
        (version_4(x_amz_signature="0" * 64), errors.SignatureDoesNotMatch),
        (version_4(x_amz_credential="other/20151229/us-east-1/s3/aws4_request"), errors.InvalidAccessKeyId),
        (version_4(x_amz_credential=f"{KEY}/20151229/eu-west-1/s3/aws4_request"), errors.InvalidArgument),
        (version_4(x_amz_credential=f"{KEY}/20151228/us-east-1/s3/aws4_request"), errors.InvalidArgument),
        (version_4(x_amz_credential=f"{KEY}/20151229/us-east-1/ec2/aws4_request"), errors.InvalidArgument),
        (version_4(x_amz_credential=KEY), errors.InvalidArgument),
        (version_4(x_amz_credential=f"{KEY}/20151229/{'a' * 1000}/s3/aws4_request"), errors.InvalidArgument),
        (version_4(x_amz_date="20151229"), errors.InvalidArgument),
        (version_4(x_amz_algorithm="AWS4-ECDSA-P256-SHA256"), errors.InvalidArgument),
        (version_4() | {"x-amz-security-token": "t"}, errors.InvalidToken),
        (version_4() | version_2(), errors.InvalidArgument),
        ({"policy": "cG9saWN5"}, errors.AccessDenied),
        ({"signature": "x"}, errors.InvalidArgument),
    ],
)
def test_a_form_that_is_not_signed_well_is_refused(fields: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        policy.signer(fields, secret_of, "us-east-1")


def test_a_form_may_be_nobodys() -> None:
    assert policy.signer({"key": "k"}, secret_of, "us-east-1") == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(document=JSON | st.fixed_dictionaries({"expiration": st.just(LATER), "conditions": st.lists(JSON, max_size=4)}))
def test_no_document_raises_anything_but_its_refusal(document: Any) -> None:
    try:
        found = policy.read(coded(json.dumps(document)))
        found.check({"key": "k"}, NOW)
    except (errors.InvalidPolicyDocument, errors.AccessDenied) as ex:
        xml.error_document(ex, "/", "1")
