"""Signature Version 2: AWS's published examples, what botocore signs, and every way of being refused."""

from __future__ import annotations

import time
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import errors, sigv2
from falcon_s3.signature import SignedRequest, seconds_of_date
from falcon_s3.sigv2 import verify

# The keys of the examples (S3 developer guide, RESTAuthentication).
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
secret_of = {ACCESS_KEY: SECRET_KEY}.get
GET_DATE = "Tue, 27 Mar 2007 19:36:42 +0000"
GET_SIGNATURE = "bWq2s1WEIj+Ydj0vQ697zp+IXMU="
GET_MOMENT = 1175024202
UPLOAD_HEADERS = {
    "user-agent": "curl/7.15.5",
    "date": "Tue, 27 Mar 2007 21:06:08 +0000",
    "x-amz-acl": "public-read",
    "content-type": "application/x-download",
    "content-md5": "4gJE4saaMU4BqNR0kLY+lw==",
    "x-amz-meta-reviewedby": "joe@johnsmith.net,jane@johnsmith.net",
    "x-amz-meta-filechecksum": "0x02661779",
    "x-amz-meta-checksumalgorithm": "crc32",
    "content-disposition": "attachment; filename=database.dat",
    "content-encoding": "gzip",
    "content-length": "5913339",
}
# Method, bucket of the host, path, query, headers, signature.
EXAMPLES = {
    "get": ("GET", "johnsmith", "/photos/puppy.jpg", "", {"date": GET_DATE}, GET_SIGNATURE),
    "put": (
        "PUT",
        "johnsmith",
        "/photos/puppy.jpg",
        "",
        {"content-type": "image/jpeg", "content-length": "94328", "date": "Tue, 27 Mar 2007 21:15:45 +0000"},
        "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
    ),
    "list": (
        "GET",
        "johnsmith",
        "/",
        "prefix=photos&max-keys=50&marker=puppy",
        {"date": "Tue, 27 Mar 2007 19:42:41 +0000"},
        "htDYFYduRNen8P9ZfE/s9SuKy0U=",
    ),
    "fetch": (
        "GET",
        "johnsmith",
        "/",
        "acl",
        {"date": "Tue, 27 Mar 2007 19:44:46 +0000"},
        "c2WLPFtWHVgbEmeEG93a4cG37dM=",
    ),
    "delete": (
        "DELETE",
        "",
        "/johnsmith/photos/puppy.jpg",
        "",
        {"date": "Tue, 27 Mar 2007 21:20:26 +0000"},
        "lx3byBScXR6KzyMaifNkardMwNk=",
    ),
    "upload": ("PUT", "static.johnsmith.net", "/db-backup.dat.gz", "", UPLOAD_HEADERS, "ilyl83RwaSoYIEdixDQcA4OnAnc="),
    "list all my buckets": (
        "GET",
        "",
        "/",
        "",
        {"date": "Wed, 28 Mar 2007 01:29:59 +0000"},
        "qGdzdERIC03wnaRNKh6OqZehG9s=",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_published_examples_verify(name):
    method, bucket, path, query, headers, signature = EXAMPLES[name]
    signed = headers | {"authorization": f"AWS {ACCESS_KEY}:{signature}"}
    identity = verify(SignedRequest(method, path, query, signed, bucket), secret_of, seconds_of_date(headers["date"]))
    assert (identity.access_key, identity.chunks, identity.headers) == (ACCESS_KEY, None, {})


def test_the_published_example_of_a_key_in_unicode_is_signed_as_it_is_written():
    """Its escapes are in both cases at once, which nobody sends; a path that arrives decoded cannot tell."""
    resource = sigv2.canonical_resource("", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", "")
    text = sigv2.string_to_sign("GET", "Wed, 28 Mar 2007 01:49:49 +0000", {}, resource)
    assert sigv2.sign(SECRET_KEY, text) == "DNEZGsoieTZ92F3bUfSPQcbGmlM="


def example(authorization=f"AWS {ACCESS_KEY}:{GET_SIGNATURE}", **headers):
    """The first published example; `headers` replace its own (None: takes one away)."""
    given = {"date": GET_DATE, "authorization": authorization} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    kept = {name: value for name, value in given.items() if value is not None}
    return SignedRequest("GET", "/photos/puppy.jpg", "", kept, "johnsmith")


def link(key=ACCESS_KEY, expires="1175139620", signature="NpgCjnDzrM+WFzoENXmpNDUsSn8=", more=""):
    """The published example of a query that signs."""
    fields = {"AWSAccessKeyId": key, "Signature": signature, "Expires": expires}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items() if value is not None)
    return SignedRequest("GET", "/photos/puppy.jpg", query + more, {"host": "johnsmith.s3.amazonaws.com"}, "johnsmith")


def test_the_published_link_verifies_until_it_expires():
    assert verify(link(), secret_of, 0).access_key == ACCESS_KEY
    assert verify(link(), secret_of, 1175139620).access_key == ACCESS_KEY
    with pytest.raises(errors.AccessDenied, match="Request has expired"):
        verify(link(), secret_of, 1175139621)


def test_the_path_may_name_the_bucket_instead_of_the_host():
    path_style = example()._replace(path="/johnsmith/photos/puppy.jpg", bucket="")
    assert verify(path_style, secret_of, GET_MOMENT).access_key == ACCESS_KEY
    with pytest.raises(errors.SignatureDoesNotMatch):
        verify(example()._replace(bucket=""), secret_of, GET_MOMENT)


@pytest.mark.parametrize(
    ("path", "bucket", "signed", "verifies"),
    [
        ("/b", "", "/b/", True),
        ("/b", "", "/b", True),
        ("/b/", "", "/b/", True),
        ("/b/", "", "/b", False),
        ("/b/k", "", "/b/k/", False),
        ("/", "", "/", True),
        ("/", "", "//", False),
        ("/", "b", "/b/", True),
        ("/k", "b", "/b/k", True),
        ("/k", "b", "/b/k/", False),
        ("/b%/a!", "", "/b%25/a!", True),
        ("/b/a/c", "", "/b/a%2fc", True),
        ("/b/a/c", "", "/b%2fa/c", False),
        ("/a/c", "b", "/b/a%2Fc", True),
    ],
)
def test_a_path_is_signed_as_it_was_sent_and_a_bucket_with_a_slash(path, bucket, signed, verifies):
    signature = sigv2.sign(SECRET_KEY, sigv2.string_to_sign("GET", GET_DATE, {}, signed))
    request = example(f"AWS {ACCESS_KEY}:{signature}")._replace(path=path, bucket=bucket)
    if verifies:
        assert verify(request, secret_of, GET_MOMENT).access_key == ACCESS_KEY
    else:
        with pytest.raises(errors.SignatureDoesNotMatch):
            verify(request, secret_of, GET_MOMENT)


@pytest.mark.parametrize(
    ("request_", "error", "text"),
    [
        (example("AWS HAHAHA"), errors.InvalidArgument, "AwsAccessKeyId:signature"),
        (example("AWS "), errors.InvalidArgument, "AwsAccessKeyId:signature"),
        (example("AWS :x"), errors.InvalidArgument, "AwsAccessKeyId:signature"),
        (example("AWS x:"), errors.InvalidArgument, "AwsAccessKeyId:signature"),
        (example("AWS other:x"), errors.InvalidAccessKeyId, "does not exist"),
        (example(f"AWS {ACCESS_KEY}:é"), errors.SignatureDoesNotMatch, "does not match"),
        (example(f"AWS {ACCESS_KEY}:{GET_SIGNATURE.lower()}"), errors.SignatureDoesNotMatch, "does not match"),
        (example(date=None), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(date=""), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(date="Bad Date"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(date="Tue, 07 Jul 1950 21:53:04 GMT"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date=""), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(date="Tue, 07 Jul 9999 21:53:04 GMT"), errors.RequestTimeTooSkewed, "too large"),
        (example(date="Tue, 07 Jul 2010 21:53:04 GMT"), errors.RequestTimeTooSkewed, "too large"),
        (example(x_amz_date="Tue, 07 Jul 2010 21:53:04 GMT"), errors.RequestTimeTooSkewed, "too large"),
        (example(x_amz_date=GET_DATE), errors.SignatureDoesNotMatch, "does not match"),
        (example(x_amz_meta_a="1"), errors.SignatureDoesNotMatch, "does not match"),
        (example(content_type="a/b"), errors.SignatureDoesNotMatch, "does not match"),
        (example(content_md5="x"), errors.SignatureDoesNotMatch, "does not match"),
        (example()._replace(method="PUT"), errors.SignatureDoesNotMatch, "does not match"),
        (example()._replace(path="/photos/puppy.jpg/"), errors.SignatureDoesNotMatch, "does not match"),
        (example()._replace(bucket="other"), errors.SignatureDoesNotMatch, "does not match"),
        (example()._replace(query="acl"), errors.SignatureDoesNotMatch, "does not match"),
        (example()._replace(query="versionId=1"), errors.SignatureDoesNotMatch, "does not match"),
        (
            example(x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            errors.SignatureDoesNotMatch,
            "does not match",
        ),
        (link(key="other"), errors.InvalidAccessKeyId, "does not exist"),
        (link(key=None), errors.AccessDenied, "requires the Signature"),
        (link(signature=None), errors.AccessDenied, "requires the Signature"),
        (link(expires=None), errors.AccessDenied, "requires the Signature"),
        (link(expires=""), errors.AccessDenied, "requires the Signature"),
        (link(expires="tomorrow"), errors.AccessDenied, "Invalid date"),
        (link(expires="-1"), errors.AccessDenied, "Invalid date"),
        (link(expires="²"), errors.AccessDenied, "Invalid date"),
        (link(expires="9" * 5000), errors.AccessDenied, "Invalid date"),
        (link(expires="1175139621"), errors.SignatureDoesNotMatch, "does not match"),
        (link(more="&response-content-type=a"), errors.SignatureDoesNotMatch, "does not match"),
        (link(more="&x-amz-meta-a=1"), errors.SignatureDoesNotMatch, "does not match"),
        (link()._replace(method="DELETE"), errors.SignatureDoesNotMatch, "does not match"),
        (link()._replace(headers={"x-amz-meta-a": "1"}), errors.SignatureDoesNotMatch, "does not match"),
    ],
)
def test_what_does_not_sign_is_refused(request_, error, text):
    with pytest.raises(error, match=text) as caught:
        verify(request_, secret_of, GET_MOMENT)
    assert type(caught.value) is error


def test_another_secret_does_not_match_and_tells_what_was_signed():
    with pytest.raises(errors.SignatureDoesNotMatch) as caught:
        verify(example(), lambda _: "other", GET_MOMENT)
    text = f"GET\n\n\n{GET_DATE}\n/johnsmith/photos/puppy.jpg"
    assert caught.value.fields == {
        "AWSAccessKeyId": ACCESS_KEY,
        "StringToSign": text,
        "SignatureProvided": GET_SIGNATURE,
        "StringToSignBytes": " ".join(f"{byte:02x}" for byte in text.encode()),
    }


@pytest.mark.parametrize("seconds", [-901, 901, 10**9])
def test_a_clock_more_than_a_quarter_of_an_hour_wrong_is_refused(seconds):
    with pytest.raises(errors.RequestTimeTooSkewed):
        verify(example(), secret_of, GET_MOMENT + seconds)


@pytest.mark.parametrize("seconds", [-900, 0, 900])
def test_a_clock_that_is_nearly_right_is_taken(seconds):
    assert verify(example(), secret_of, GET_MOMENT + seconds).access_key == ACCESS_KEY


@pytest.mark.parametrize(
    ("query", "resource"),
    [
        ("", "/b/k"),
        ("prefix=a&marker=b", "/b/k"),
        ("acl", "/b/k?acl"),
        ("acl=", "/b/k?acl"),
        ("versionId=3&uploads&prefix=x&partNumber=1", "/b/k?partNumber=1&uploads&versionId=3"),
        ("uploadId=a%2Bb%20c&partNumber=10", "/b/k?partNumber=10&uploadId=a+b c"),
        ("response-content-type=text%2Fplain%3B+x%3D%22y%22", '/b/k?response-content-type=text/plain; x="y"'),
        ("&&delete&", "/b/k?delete"),
        ("ACL&versionid=1", "/b/k"),
    ],
)
def test_sub_resources_belong_to_the_resource_sorted_and_decoded(query, resource):
    assert sigv2.canonical_resource("", "/b/k", query) == resource
    assert sigv2.canonical_resource("b", "/k", query) == resource


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ("response-content-type=a&versionId=3", "response-content-type=a%26versionId%3D3"),
        ("response-content-type=a&versionId=3&uploads", "response-content-type=a%26uploads&versionId=3"),
        ("partNumber=1&uploadId=u", "partNumber=1%26uploadId%3Du"),
    ],
)
def test_a_parameter_that_is_hidden_in_the_value_of_another_is_not_signed(query, hidden):
    """Else whoever has a link for a version could read another one."""
    for each in (hidden, f"{hidden}&prefix=a"):
        with pytest.raises(errors.SignatureDoesNotMatch, match="reads as another"):
            sigv2.canonical_resource("", "/b/k", each)
    assert sigv2.canonical_resource("", "/b/k", query)


@pytest.mark.parametrize("name", ['"R&D".txt', "a&b=c.txt", "a&prefix=b", "&"])
def test_a_value_may_hold_an_ampersand(name):
    query = f"response-content-disposition={quote(name)}"
    assert sigv2.canonical_resource("", "/b/k", query) == f"/b/k?response-content-disposition={name}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (GET_DATE, GET_MOMENT),
        ("Tue, 27 Mar 2007 19:36:42 GMT", GET_MOMENT),
        ("Tue, 27 Mar 2007 21:36:42 +0200", GET_MOMENT),
        ("27 Mar 2007 19:36:42 GMT", GET_MOMENT),
        ("Tuesday, 27-Mar-07 19:36:42 GMT", GET_MOMENT),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", None),
        ("Tue, 99 Mar 2007 19:36:42 GMT", None),
        ("Tue, 27 Mar 2007 19:36:42 GMT" + " " * 100, None),
        ("20070327T193642Z", None),
        ("", None),
        (",", None),
    ],
)
def test_dates_are_those_of_http_and_mail(text, seconds):
    assert seconds_of_date(text) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,6} [A-Z][a-z]{2} \d{1,9} \d{1,9}:\d\d:\d\d .{0,9}"))
def test_no_date_breaks_the_reader(text):
    assert seconds_of_date(text) is None or seconds_of_date(text) >= 0


# --- what botocore signs ---------------------------------------------------------------------------------------------

OWN = Credentials("AKIDOWN", "secret/with+signs=")
OWN_SECRET_OF = {"AKIDOWN": "secret/with+signs="}.get
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
TRICKY = st.sampled_from(["//", "..", ".", "+", " ", "%", "%2F", "%20", "~", "é", "😀", "\\", "?", "#", "&=", "!*'()"])
KEYS = st.lists(TRICKY | TEXT, max_size=6).map("".join)
PAIRS = st.dictionaries(
    st.sampled_from(["acl", "versionId", "uploadId", "response-content-type", "prefix", "delimiter"]), TEXT, max_size=4
)
# How encoders differ: in what they leave as it is.
SAFE = st.sampled_from(["/~", "~", "/~!*'()", "/~$&+,:;=@"])


def wire_query(pairs):
    return "&".join(f"{name}={quote(value, safe='')}" if value else name for name, value in pairs.items())


@given(METHODS, KEYS, PAIRS, SAFE, st.booleans())
def test_what_botocore_signs_verifies(method, key, pairs, safe, virtual):
    path = f"/{quote(key, safe=safe)}"
    query = wire_query(pairs)
    request = AWSRequest(method, f"http://x{'' if virtual else '/bucket'}{path}{'?' if query else ''}{query}")
    request.auth_path = f"/bucket{path}"
    request.headers["x-amz-meta-a"] = " b  c "
    HmacV1Auth(OWN).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    arrived = SignedRequest(
        method, f"/{key}" if virtual else f"/bucket/{key}", query, headers, "bucket" if virtual else ""
    )
    assert verify(arrived, OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"
    with pytest.raises(errors.SignatureDoesNotMatch):
        verify(arrived._replace(path=arrived.path + "x"), OWN_SECRET_OF, time.time())


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_a_bucket_may_be_signed_with_the_slash_that_botocore_adds(method):
    request = AWSRequest(method, "http://x/master.images")
    request.auth_path = "/master.images/"
    HmacV1Auth(OWN).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    arrived = SignedRequest(method, "/master.images", "", headers, "")
    assert verify(arrived, OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"
    for path in ("/master.image", "/master.images/k", "/master.images//"):
        with pytest.raises(errors.SignatureDoesNotMatch):
            verify(arrived._replace(path=path), OWN_SECRET_OF, time.time())


@given(METHODS, KEYS, PAIRS)
def test_what_botocore_presigns_verifies_and_carries_headers(method, key, pairs):
    query = wire_query(pairs)
    request = AWSRequest(method, f"http://x/bucket/{quote(key, safe='/~')}{'?' if query else ''}{query}")
    request.headers["x-amz-meta-a"] = "b c"
    request.headers["Content-Type"] = "text/x"
    HmacV1QueryAuth(OWN, 60).add_auth(request)
    arrived = SignedRequest(method, f"/bucket/{key}", urlsplit(request.url).query, {"host": "x"})
    identity = verify(arrived, OWN_SECRET_OF, time.time())
    assert identity.access_key == "AKIDOWN"
    assert identity.headers == {"x-amz-meta-a": "b c", "content-type": "text/x"}
    with pytest.raises(errors.SignatureDoesNotMatch):
        verify(arrived._replace(headers={"content-type": "text/y"}), OWN_SECRET_OF, time.time())


@given(TEXT, TEXT, st.dictionaries(st.sampled_from(["date", "x-amz-date", "x-amz-meta-a", "content-type"]), TEXT))
def test_nothing_is_raised_but_errors_of_s3(authorization, query, headers):
    for request in (
        SignedRequest("GET", "/", "", headers | {"authorization": f"AWS {authorization}"}),
        SignedRequest("GET", "/", f"Signature=x&{query}", headers),
    ):
        with pytest.raises(errors.S3Error):
            verify(request, secret_of, GET_MOMENT)
