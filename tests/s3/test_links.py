"""Signed links of Version 4: what else their query may carry, as a header, a remark, or something to refuse."""

from __future__ import annotations

from email.header import decode_header, make_header
from urllib.parse import quote

import pytest

DATA = b"linked"
EARLY, LATE = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2065 07:28:00 GMT"


@pytest.fixture
def bucket(keyed_gateway):
    name = keyed_gateway.new_bucket()
    keyed_gateway.s3.put_object(Bucket=name, Key="k", Body=DATA)
    return name


@pytest.fixture
def follow(keyed_gateway, signer):
    """A function that makes a link and follows it; headers are sent with it and not signed."""

    def answer(method, path, more=(), body=None, **headers):
        target = signer.link(method, path, "x", 60, dict(more))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return keyed_gateway.request(method, target, body, {"Host": "x"} | sent)

    return answer


@pytest.mark.parametrize("name", ["If-None-Match", "if-none-match"])
def test_a_link_may_say_that_nothing_is_written_over(keyed_gateway, bucket, follow, name):
    """The condition is in the query and signed with it (S3 user guide, "Conditional writes")."""
    path, more = f"/{bucket}/new", {name: "*"}
    assert follow("PUT", path, more, b"first").status == 200
    follow("PUT", path, more, b"second").refused(412, "PreconditionFailed")
    assert keyed_gateway.s3.get_object(Bucket=bucket, Key="new")["Body"].read() == b"first"


def test_a_link_may_say_what_is_written_over(keyed_gateway, bucket, follow):
    path, etag = f"/{bucket}/k", keyed_gateway.s3.head_object(Bucket=bucket, Key="k")["ETag"]
    follow("PUT", path, {"If-Match": "d41d8cd98f00b204e9800998ecf8427e"}, b"new").refused(412, "PreconditionFailed")
    assert follow("PUT", path, {"If-Match": etag}, b"new").status == 200
    follow("PUT", path, {"If-Match": etag}, b"newer").refused(412, "PreconditionFailed")
    follow("DELETE", path, {"If-Match": etag}).refused(412, "PreconditionFailed")
    assert keyed_gateway.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_who_follows_a_link_cannot_lift_its_condition(keyed_gateway, bucket, follow):
    path, more = f"/{bucket}/k", {"If-None-Match": "*"}
    follow("PUT", path, more, b"other", If_None_Match='"no such"').refused(412, "PreconditionFailed")
    follow("PUT", path, more, b"other", If_Match="*").refused(501, "NotImplemented")
    assert keyed_gateway.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == DATA


@pytest.mark.parametrize(
    ("more", "header"),
    [({"If-Unmodified-Since": EARLY}, "If_Match"), ({"If-Modified-Since": EARLY}, "If_None_Match")],
)
def test_no_etag_takes_the_place_of_a_date_that_was_signed(bucket, follow, more, header):
    """Beside an ETag a date is not looked at (RFC 9110 section 13.2.2), so it must be the maker's own."""
    etag = "*" if header == "If_Match" else '"x"'
    for method in ("GET", "HEAD"):
        assert follow(method, f"/{bucket}/k", more, **{header: etag}).status == 501
        assert follow(method, f"/{bucket}/k", more | {header.replace("_", "-"): etag}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("PUT", "k", {"If-Unmodified-Since": EARLY}),
        ("PUT", "k", {"if-modified-since": EARLY}),
        ("PUT", "k", {"If-Match": "x", "If-Unmodified-Since": EARLY}),
        ("PUT", "k", {"tagging": "", "If-Match": "x"}),
        ("PUT", "k", {"uploadId": "x", "partNumber": "1", "If-None-Match": "*"}),
        ("PUT", "", {"If-None-Match": "*"}),
        ("POST", "k", {"uploads": "", "If-None-Match": "*"}),
        ("POST", "", {"delete": "", "If-Match": "x"}),
        ("DELETE", "k", {"If-None-Match": "*"}),
        ("DELETE", "k", {"If-Unmodified-Since": EARLY}),
        ("DELETE", "k", {"tagging": "", "If-Match": "x"}),
        ("DELETE", "", {"If-Match": "x"}),
        ("GET", "", {"list-type": "2", "If-None-Match": "*"}),
        ("GET", "k", {"tagging": "", "If-None-Match": "*"}),
    ],
)
def test_a_condition_that_would_be_passed_over_is_refused(keyed_gateway, bucket, follow, method, path, more):
    """Where nothing looks at a condition, a link that has one does what its maker did not mean."""
    follow(method, f"/{bucket}/{path}", more, b"").refused(501, "NotImplemented")
    assert keyed_gateway.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == DATA


def test_the_condition_of_an_upload_in_parts_counts(keyed_gateway, bucket, follow):
    """A parameter beside uploadId is no less signed."""
    s3 = keyed_gateway.s3
    upload = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    document = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    ).encode()
    more = {"uploadId": upload["UploadId"]}
    follow("POST", f"/{bucket}/k", more | {"If-None-Match": "*"}, document).refused(412, "PreconditionFailed")
    assert follow("POST", f"/{bucket}/k", more, document).status == 200


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"If-Match": "*"}, 200),
        ({"If-Match": "other"}, 412),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": LATE}, 200),
        ({"If-Unmodified-Since": EARLY}, 412),
    ],
)
def test_a_link_reads_under_its_condition(bucket, follow, more, status):
    assert follow("GET", f"/{bucket}/k", more).status == status
    assert follow("HEAD", f"/{bucket}/k", more).status == status


@pytest.mark.parametrize("name", ["If-None-Match", "if-match", "If-Unmodified-Since"])
@pytest.mark.parametrize("query", ["", "uploadId=1&", "versionId=1&"])
def test_a_condition_that_no_link_carries_is_refused(gateway, unchanged, name, query):
    """Nobody signed it, and it is no header: to pass it over would write without it."""
    bucket = gateway.new_bucket()
    with unchanged(bucket):
        for method in ("PUT", "POST", "DELETE"):
            gateway.request(method, f"/{bucket}/k?{query}{name}=*", b"").refused(501, "NotImplemented")


def test_a_link_that_reads_may_have_remarks(bucket, follow):
    """S3 leaves aside what it does not know; it is signed with the rest."""
    more = {"requestedBy": "abcDEF123", "utm source": "ä &="}
    assert follow("GET", f"/{bucket}/k", more).body == DATA
    assert follow("HEAD", f"/{bucket}/k", more).status == 200
    assert follow("GET", f"/{bucket}", more | {"list-type": "2"}).texts("Key") == ["k"]
    overridden = follow("GET", f"/{bucket}/k", {"response-set-cookie": "a=b", "response-content-type": "a/b"})
    assert (overridden.body, overridden.headers["Content-Type"], overridden.headers["Set-Cookie"]) == (
        DATA,
        "a/b",
        None,
    )


@pytest.mark.parametrize(
    "more",
    [
        {"somethingNew": ""},
        {"requestedBy": "a", "somethingNew": ""},
        {"requestedBy": "a", "torrent": ""},
        {"torrent": "x"},
        {"ACL": "x"},
        {"versionid": "x"},
        {"Range": "bytes=0-1"},
    ],
)
def test_what_may_mean_something_is_no_remark(bucket, follow, more):
    """A parameter without a value may name an operation, and one that is written wrong was meant."""
    follow("GET", f"/{bucket}/k", more).refused(501, "NotImplemented")


@pytest.mark.parametrize(("method", "path"), [("PUT", "k"), ("DELETE", "k"), ("POST", ""), ("PUT", ""), ("DELETE", "")])
def test_a_link_that_writes_has_no_remarks(keyed_gateway, bucket, follow, unchanged, method, path):
    """What it does not know may be what it should do."""
    follow(method, f"/{bucket}/{path}", {"requestedBy": "a"}, b"").refused(501, "NotImplemented")
    assert keyed_gateway.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == DATA


def test_a_remark_is_signed_with_the_rest(keyed_gateway, bucket, signer):
    target = signer.link("GET", f"/{bucket}/k", "x", 60)
    keyed_gateway.request("GET", f"{target}&a=b", headers={"Host": "x"}).refused(403, "SignatureDoesNotMatch")


@pytest.mark.needs("unequal keys")
def test_whoever_reads_may_make_remarks(gateway):
    """As pages do that name a version of an image, to have it anew."""
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    assert gateway.request("GET", f"/{bucket}/k?v=3").body == DATA
    assert gateway.request("HEAD", f"/{bucket}/k?v=3").status == 200
    assert gateway.request("GET", f"/{bucket}?list-type=2&metadata=true").texts("Key") == ["k"]
    assert gateway.request("GET", "/?v=3").status == 200
    for query in ("v", "v=", "versionid=3", "torrent=3", "v=3&somethingNew", "V&v=3", "v=3&V"):
        gateway.request("GET", f"/{bucket}/k?{query}").refused(501, "NotImplemented")
    for method in ("PUT", "DELETE"):
        gateway.request(method, f"/{bucket}/k?v=3", b"").refused(501, "NotImplemented")
    assert gateway.request("GET", f"/{bucket}/k").body == DATA


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_parameters_that_begin_with_x_are_left_aside(gateway, method):
    """In any request (S3 user guide, "Amazon S3 server access log format": they are for its log)."""
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=DATA)
    body = DATA if method == "PUT" else None
    assert gateway.request(method, f"/{bucket}/k?x-user=johndoe", body).status == 200
    gateway.request("GET", f"/{bucket}/k?x-user=johndoe&somethingNew").refused(501, "NotImplemented")


@pytest.mark.needs("attributes")
def test_metadata_in_a_link_may_be_any_text(keyed_gateway, bucket, follow):
    """It is kept as S3 keeps it, encoded by RFC 2047."""
    assert follow("PUT", f"/{bucket}/m", {"x-amz-meta-a": "zwölf — 日本"}, DATA).status == 200
    found = keyed_gateway.s3.head_object(Bucket=bucket, Key="m")["Metadata"]["a"]
    assert found.isascii()
    assert str(make_header(decode_header(found))) == "zwölf — 日本"


@pytest.mark.needs("attributes", "unequal keys")
@pytest.mark.parametrize(
    "query", ["X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0&", "AWSAccessKeyId=a&Signature=b&Expires=1&"]
)
def test_what_a_link_carries_counts_without_keys_too(gateway, query):
    """A program makes its links in the same way where nobody looks at their signature."""
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="from", Body=DATA)
    assert gateway.request("PUT", f"/{bucket}/m?{query}x-amz-meta-colour=red", DATA).status == 200
    assert gateway.s3.head_object(Bucket=bucket, Key="m")["Metadata"] == {"colour": "red"}
    source = quote(f"{bucket}/from", safe="")
    assert gateway.request("PUT", f"/{bucket}/copy?{query}x-amz-copy-source={source}", b"").status == 200
    assert gateway.s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == DATA


@pytest.mark.needs("attributes")
def test_the_name_of_metadata_in_a_link_may_be_encoded(keyed_gateway, bucket, follow):
    """As all of a query may be; what then is no name of a header is refused."""
    assert follow("PUT", f"/{bucket}/m", {"x-amz-meta-a!b": "1", "x-amz-meta-c_d": "2"}, DATA).status == 200
    assert keyed_gateway.s3.head_object(Bucket=bucket, Key="m")["Metadata"] == {"a!b": "1", "c_d": "2"}
    for name in ("x-amz-meta-a\nb", "x-amz-meta-a:b", "x-amz-meta-ä"):
        follow("PUT", f"/{bucket}/n", {name: "1"}, DATA).refused(400, "InvalidArgument")
