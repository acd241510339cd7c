"""GET /bucket/key gives the bytes and all that was stored beside them."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime

import pytest

from tests.s3.etags import etag_of

# Keys that servers with folders, or that normalise paths, get wrong: (in the URL, what it names).
KEYS = [
    ("a", "a"),
    ("a/", "a/"),
    ("a/b", "a/b"),
    ("a%2Fc", "a/c"),
    ("a//b", "a//b"),
    ("/lead", "/lead"),
    ("//", "//"),
    (".", "."),
    ("..", ".."),
    ("../x", "../x"),
    ("a/../../b", "a/../../b"),
    ("./y", "./y"),
    ("a+b", "a+b"),
    ("a%20b", "a b"),
    ("a%2Bc", "a+c"),
    ("a%25b", "a%b"),
    ("a%252Fb", "a%2Fb"),
    ("%3Fq%3D1", "?q=1"),
    ("%23hash", "#hash"),
    ("back%5Cslash", "back\\slash"),
    ("%C3%A9", "é"),
    ("e%CC%81", "e\u0301"),
    ("%F0%9F%98%80", "😀"),
    ("~tilde", "~tilde"),
    ("%7E%2Fhealth", "~/health"),
    ("%01%1F%7F", "\x01\x1f\x7f"),
    ("%0A%0D", "\n\r"),
    ("&%3C%3E'%22;=@:,$!*()", "&<>'\";=@:,$!*()"),
    ("k" * 1024, "k" * 1024),
    ("%C3%A9" * 512, "é" * 512),
]


@pytest.mark.needs("paths")
def test_every_key_is_a_name_of_its_own(gateway, bucket, s3):
    for target, key in KEYS:
        assert gateway.request("PUT", f"/{bucket}/{target}", key.encode()).status == 200, key
    for target, key in KEYS:
        answer = gateway.request("GET", f"/{bucket}/{target}")
        assert (answer.status, answer.body) == (200, key.encode()), key
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [row["Key"] for row in listed] == sorted((key for _, key in KEYS), key=str.encode)


@pytest.mark.needs("paths")
def test_a_client_reaches_the_same_keys(gateway, bucket, s3):
    for _, key in KEYS:
        if key in (".", "..", "//") or "../" in key or key.startswith(("./", "/")):
            continue  # urllib3 normalises these paths before they are sent
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
        assert s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"][0]["Key"] == key


@pytest.mark.parametrize("size", [0, 1, 100, 65_536, 1_048_575, 1_048_576, 1_048_577, 9_000_001])
def test_bytes_come_back_as_they_went(s3, bucket, size):
    data = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data)
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert answer["ContentLength"] == size
    assert answer["Body"].read() == data
    assert answer["ETag"] == put["ETag"] == etag_of(data)


@pytest.mark.needs("attributes")
def test_what_was_stored_beside_the_bytes_comes_back(s3, bucket):
    stored = {
        "ContentType": "text/csv; charset=utf-8",
        "ContentEncoding": "gzip",
        "ContentDisposition": 'attachment; filename="a.csv"',
        "ContentLanguage": "de, en",
        "CacheControl": "max-age=60, public",
        "Metadata": {"one": "1", "two-words": "a, b;c=d", "empty": ""},
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires="Wed, 21 Oct 2065 07:28:00 GMT", **stored)
    for answer in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in stored} == stored
        assert answer["ExpiresString"] == "Wed, 21 Oct 2065 07:28:00 GMT"


@pytest.mark.needs("attributes")
def test_an_object_without_a_type_is_binary(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/page.html", b"<html>")
    assert gateway.request("GET", f"/{bucket}/page.html").headers["Content-Type"] == "binary/octet-stream"


@pytest.mark.needs("attributes")
def test_the_headers_of_a_read(gateway, bucket, s3):
    before = int(time.time())
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")["VersionId"]
    answer = gateway.request("GET", f"/{bucket}/k")
    headers = answer.headers
    assert headers["ETag"] == '"827ccb0eea8a706c4c34a16891f84e7b"'
    assert (headers["Content-Length"], headers["Accept-Ranges"]) == ("5", "bytes")
    assert headers["x-amz-version-id"] == version
    assert headers["x-amz-request-id"]
    assert headers["Last-Modified"].endswith(" GMT")
    assert before - 1 <= parsedate_to_datetime(headers["Last-Modified"]).timestamp() <= time.time() + 1


OVERRIDES = {
    "response-content-type": ("Content-Type", "text/x-test"),
    "response-content-language": ("Content-Language", "fr"),
    "response-expires": ("Expires", "Wed, 21 Oct 2065 07:28:00 GMT"),
    "response-cache-control": ("Cache-Control", "no-store"),
    "response-content-disposition": ("Content-Disposition", 'attachment; filename="b c.txt"'),
    "response-content-encoding": ("Content-Encoding", "br"),
}


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_reader_can_override_headers(gateway, bucket, method):
    from urllib.parse import quote

    gateway.request("PUT", f"/{bucket}/k", b"x", {"Content-Type": "text/plain", "Cache-Control": "public"})
    query = "&".join(f"{name}={quote(value)}" for name, (_, value) in OVERRIDES.items())
    headers = gateway.request(method, f"/{bucket}/k?{query}").headers
    assert {header: headers[header] for header, _ in OVERRIDES.values()} == dict(OVERRIDES.values())
    assert gateway.request(method, f"/{bucket}/k").headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
@pytest.mark.parametrize("name", ["Grüße€.txt", '"Grüße€.txt"'])
def test_a_link_names_the_download_in_any_letters(keyed_gateway, signature, name):
    """S3 takes what ISO 8859-1 has; here browsers get any name, as RFC 6266 has it."""
    bucket = keyed_gateway.new_bucket()
    s3 = keyed_gateway.client(signature_version=signature)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    wanted = {"ResponseContentDisposition": f"attachment; filename={name}"}
    link = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"} | wanted)
    answer = keyed_gateway.request("GET", link.removeprefix(keyed_gateway.url))
    told = "attachment; filename=\"Gr__e_.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%E2%82%AC.txt"
    assert (answer.status, answer.headers["Content-Disposition"]) == (200, told)


@pytest.mark.parametrize("value", ["a%0D%0AX-Injected:%20yes", "a%0Ab", "a%00b", "%E2%82%AC"])
def test_an_override_cannot_split_the_answer(gateway, bucket, value):
    gateway.request("PUT", f"/{bucket}/k", b"x")
    answer = gateway.request("GET", f"/{bucket}/k?response-content-type={value}")
    assert answer.headers["X-Injected"] is None
    assert answer.status == 400 or (value == "%E2%82%AC" and answer.body == b"x")


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("query", ["response-content-disposition=%E2%82%AC", "response-content-encoding=%E2%82%AC"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_error_has_no_header_of_the_object(gateway, bucket, method, query):
    """Its Content-Encoding would keep clients from reading the document, its Cache-Control would let proxies keep it."""
    kept = {"Content-Encoding": "gzip", "Cache-Control": "public", "Content-Language": "fr", "x-amz-meta-a": "b"}
    gateway.request("PUT", f"/{bucket}/k", b"x", kept)
    answer = gateway.request(method, f"/{bucket}/k?response-cache-control=max-age=9&response-expires=0&{query}")
    assert answer.status == 400
    assert [name for name in (*kept, "Content-Disposition", "Expires", "ETag") if name in answer.headers] == []
    assert (answer.headers["Content-Type"], bool(answer.headers["x-amz-request-id"])) == ("application/xml", True)


@pytest.mark.parametrize("part", ["algorithm", "key", "key-MD5"])
def test_what_is_encrypted_with_no_key_is_read_with_none(gateway, bucket, part):
    """Who sends a key and gets the object takes it for encrypted."""
    gateway.request("PUT", f"/{bucket}/k", b"x")
    headers = {f"x-amz-server-side-encryption-customer-{part}": "AES256", "x-amz-object-attributes": "ETag"}
    for query in ("", "?attributes"):
        gateway.request("GET", f"/{bucket}/k{query}", None, headers).refused(400, "InvalidRequest")
    assert gateway.request("HEAD", f"/{bucket}/k", None, headers).status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there_is_not_found(gateway, bucket, method):
    gateway.request("PUT", f"/{bucket}/a/b", b"x")
    for target, code in [("none", "NoSuchKey"), ("a", "NoSuchKey"), ("a/", "NoSuchKey"), ("a/b/c", "NoSuchKey")]:
        answer = gateway.request(method, f"/{bucket}/{target}")
        if method == "GET":
            answer.refused(404, code)
            assert answer.text("Resource") == f"/{bucket}/{target}"
        else:
            assert (answer.status, answer.body) == (404, b"")
    if method == "GET":
        gateway.request(method, "/none/k").refused(404, "NoSuchBucket")


def test_overwritten_and_deleted_is_seen_at_once_on_every_connection(gateway, bucket):
    for number in range(20):
        gateway.request("PUT", f"/{bucket}/k", str(number).encode())
        assert gateway.request("GET", f"/{bucket}/k").body == str(number).encode()
    gateway.request("DELETE", f"/{bucket}/k")
    assert gateway.request("GET", f"/{bucket}/k").status == 404


def test_a_reader_who_goes_away_leaves_the_gateway_well(gateway, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(20_000_000))
    for _ in range(5):
        with gateway.connect() as connection:
            connection.sendall(f"GET /{bucket}/k HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.recv(1000)
    assert len(gateway.request("GET", f"/{bucket}/k").body) == 20_000_000


def test_a_slow_reader_gets_the_version_that_was_there_when_it_asked(gateway, bucket, s3):
    data = os.urandom(20_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    with gateway.connect() as connection:
        connection.sendall(f"GET /{bucket}/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = connection.recv(100_000)
        s3.put_object(Bucket=bucket, Key="k", Body=b"new")
        s3.delete_object(Bucket=bucket, Key="k")
        pieces = [received, *iter(lambda: connection.recv(1 << 20), b"")]
    assert b"".join(pieces).partition(b"\r\n\r\n")[2] == data
