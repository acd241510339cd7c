"""Pages of other sites: browsers ask before they send, without a signature, and are told what a page may read."""

from __future__ import annotations

import pytest

ORIGIN = "https://app.example.org"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}


@pytest.fixture(scope="module")
def open_gateway(start_gateway):
    """A gateway with a key and two patterns of origins."""
    origins = ["--cors-origin", "https://*.example.org", "--cors-origin", "http://localhost:3000"]
    with start_gateway(keys=True, arguments=origins) as running:
        running.s3.create_bucket(Bucket="master.images")
        running.s3.put_object(Bucket="master.images", Key="k", Body=b"12345", Metadata={"colour": "red"})
        yield running
    assert "Traceback" not in running.log.read_text()


def granted(answer):
    return answer.headers["Access-Control-Allow-Origin"]


@pytest.mark.parametrize(
    "target", ["/master.images", "/master.images/k", "/master.images/none", "/none/k", "/", "/none?acl"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_a_preflight_needs_no_signature(open_gateway, target, method):
    headers = PREFLIGHT | {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,x-amz-date",
    }
    answer = open_gateway.request("OPTIONS", target, None, headers)
    assert (answer.status, answer.body, granted(answer)) == (200, b"", ORIGIN)
    assert method in answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,x-amz-date"
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Origin" in answer.headers["Vary"]
    assert answer.headers["x-amz-request-id"]


@pytest.mark.parametrize(
    "origin", ["https://example.org", "http://app.example.org", "https://evil", "null", "http://localhost"]
)
def test_a_preflight_of_another_origin_is_refused(open_gateway, origin):
    answer = open_gateway.request("OPTIONS", "/master.images/k", None, PREFLIGHT | {"Origin": origin})
    answer.refused(403, "AccessForbidden")
    assert granted(answer) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": ORIGIN},
        {"Access-Control-Request-Method": "GET"},
        PREFLIGHT | {"Access-Control-Request-Method": "X"},
    ],
)
def test_what_is_no_preflight_is_a_bad_request(open_gateway, gateway, headers):
    open_gateway.request("OPTIONS", "/master.images/k", None, headers).refused(400, "BadRequest")
    gateway.request("OPTIONS", "/master.images/k", None, headers).refused(400, "BadRequest")


def test_without_origins_every_preflight_is_refused(gateway, bucket):
    answer = gateway.request("OPTIONS", f"/{bucket}/k", None, PREFLIGHT)
    answer.refused(403, "AccessForbidden")
    assert granted(answer) is None


def test_without_origins_answers_say_nothing_of_them(gateway, bucket):
    answer = gateway.request("GET", f"/{bucket}", headers={"Origin": ORIGIN})
    assert answer.status == 200
    for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary"):
        assert answer.headers[name] is None


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_a_page_may_read_an_answer_and_its_headers(open_gateway, new_signer, origin):
    signer = new_signer(open_gateway.access_key, open_gateway.secret_key)
    host = f"127.0.0.1:{open_gateway.port}"
    headers = signer.headers("GET", "/master.images/k", {"host": host}) | {"Origin": origin, "Range": "bytes=1-2"}
    answer = open_gateway.request("GET", "/master.images/k", headers=headers)
    assert (answer.status, answer.body, granted(answer)) == (206, b"23", origin)
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert {
        "etag",
        "content-range",
        "accept-ranges",
        "x-amz-version-id",
        "x-amz-meta-colour",
        "x-amz-request-id",
    } <= exposed
    assert "Origin" in answer.headers["Vary"]


def test_a_page_may_read_why_it_was_refused(open_gateway):
    answer = open_gateway.request("GET", "/master.images/k", headers={"Origin": ORIGIN})
    answer.refused(403, "AccessDenied")
    assert granted(answer) == ORIGIN


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil"}])
def test_other_pages_may_not(open_gateway, headers):
    """A cache is told that the answer would be another for another page."""
    answer = open_gateway.request("GET", "/master.images/k", headers=headers)
    assert granted(answer) is None
    assert "Origin" in answer.headers["Vary"]


def test_an_origin_does_not_stand_for_a_signature(open_gateway):
    open_gateway.request("PUT", "/master.images/k", b"x", {"Origin": ORIGIN}).refused(403, "AccessDenied")
    assert open_gateway.s3.get_object(Bucket="master.images", Key="k")["Body"].read() == b"12345"


def test_any_origin_may_be_allowed(start_gateway):
    with start_gateway(arguments=["--cors-origin", "*"]) as running:
        assert granted(running.request("OPTIONS", "/b/k", None, PREFLIGHT)) == "*"
        assert granted(running.request("GET", "/", headers={"Origin": "https://any"})) == "*"
        assert granted(running.request("GET", "/")) is None


FORM = (
    b'--B\r\nContent-Disposition: form-data; name="key"\r\n\r\nnew\r\n'
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n1\r\n--B--\r\n'
)


@pytest.mark.needs("no signature")
@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("", FORM, "multipart/form-data; boundary=B"),
        ("?delete", b"<Delete><Object><Key>k</Key></Object></Delete>", "text/plain"),
        ("/k?uploads", b"", "text/plain"),
    ],
)
def test_where_nobody_signs_pages_of_other_sites_change_nothing(gateway, bucket, query, body, kind):
    """What browsers send for any page without a preflight. Programs name no origin, and pages of the gateway its own."""
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    before = gateway.s3.list_objects_v2(Bucket=bucket)["Contents"]
    for origin in ("https://evil.example", "null", f"http://evil.example:{gateway.port}"):
        answer = gateway.request("POST", f"/{bucket}{query}", body, {"Content-Type": kind, "Origin": origin})
        answer.refused(403, "AccessForbidden")
    assert gateway.s3.list_objects_v2(Bucket=bucket)["Contents"] == before
    for own in ({}, {"Origin": f"http://127.0.0.1:{gateway.port}"}):
        assert gateway.request("POST", f"/{bucket}{query}", body, {"Content-Type": kind} | own).status in (200, 204)


def test_where_nobody_signs_pages_of_allowed_origins_send_forms(start_gateway):
    with start_gateway(arguments=["--cors-origin", ORIGIN]) as running:
        bucket = running.new_bucket()
        kind = {"Content-Type": "multipart/form-data; boundary=B"}
        running.request("POST", f"/{bucket}", FORM, kind | {"Origin": "https://x"}).refused(403, "AccessForbidden")
        answer = running.request("POST", f"/{bucket}", FORM, kind | {"Origin": ORIGIN})
        assert (answer.status, granted(answer)) == (204, ORIGIN)
