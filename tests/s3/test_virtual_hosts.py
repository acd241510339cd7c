"""A host below a domain of the gateway names the bucket, and then all of the path is the key."""

from __future__ import annotations

import contextlib
import hashlib
import socket

import pytest

from tests.conftest import Gateway

DATA = b"some bytes"
DOMAIN = "s3.example.org"


@pytest.fixture(scope="module")
def hosted(start_gateway):
    """A gateway with a key and three domains, the last one inside the first."""
    domains = ["--domain", DOMAIN, "--domain", f"Storage.Test,deep.{DOMAIN}"]
    with start_gateway(keys=True, arguments=domains) as running:
        yield running
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def bucket(hosted):
    name = hosted.new_bucket()
    hosted.s3.put_object(Bucket=name, Key="k", Body=DATA)
    hosted.s3.put_object(Bucket=name, Key=f"{name}/k", Body=b"inner")
    return name


@pytest.fixture
def named(hosted, monkeypatch):
    """Every name of the domains is an address of the gateway; gives a function that makes boto3 clients for it."""
    resolve = socket.getaddrinfo

    def resolve_here(host, *rest, **options):
        return resolve("127.0.0.1" if str(host).endswith(DOMAIN) else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)

    class Named(Gateway):
        url = f"http://{DOMAIN}:{hosted.port}"

    gateway = Named(hosted.port, hosted.data, hosted.log, hosted.process)
    return lambda **options: gateway.client(s3={"addressing_style": "virtual"}, **options)


def get(hosted, signer_of, host, path):
    signer = signer_of(hosted.access_key, hosted.secret_key)
    return hosted.request("GET", path, headers=signer.headers("GET", path, {"host": host}))


@pytest.mark.parametrize(
    "form",
    [
        "{}.s3.example.org",
        "{}.s3.example.org:80",
        "{}.s3.example.org:30600",
        "{}.s3.example.org.",
        "{}.s3.example.org.:80",
        "{}.S3.EXAMPLE.org",
        "{}.storage.test",
        "{}.deep.s3.example.org",
    ],
)
def test_a_host_below_a_domain_is_a_bucket(hosted, bucket, new_signer, form):
    assert get(hosted, new_signer, form.format(bucket), "/k").body == DATA
    assert get(hosted, new_signer, form.format(bucket.upper()), "/k").body == DATA
    assert get(hosted, new_signer, form.format(bucket), f"/{bucket}/k").body == b"inner"
    assert get(hosted, new_signer, form.format(bucket), "/").text("Name") == bucket


@pytest.mark.parametrize(
    "host",
    [
        "s3.example.org",
        "S3.Example.Org:80",
        "s3.example.org.",
        "deep.s3.example.org",
        ".s3.example.org",
        "127.0.0.1",
        "[::1]",
        "[::1]:30600",
        "localhost",
        "example.org",
        "master.images.example.org",
        "{}.other.example",
        "xs3.example.org",
        "{}.s3.example.org.evil.example",
        ":",
        "..",
    ],
)
def test_any_other_host_leaves_the_bucket_in_the_path(hosted, bucket, new_signer, host):
    host = host.format(bucket)
    assert get(hosted, new_signer, host, f"/{bucket}/k").body == DATA
    assert get(hosted, new_signer, host, f"/{bucket}/{bucket}/k").body == b"inner"


def test_without_a_domain_every_host_leaves_the_bucket_in_the_path(gateway, s3):
    name = gateway.new_bucket()
    s3.put_object(Bucket=name, Key="k", Body=DATA)
    assert gateway.request("GET", f"/{name}/k", headers={"Host": f"other.{DOMAIN}"}).body == DATA


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_boto3_does_everything_by_virtual_host(hosted, named, signature):
    s3, name = named(signature_version=signature), f"master.virtual-{signature}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a b/ü+%2F//c", Body=DATA)
    assert s3.get_object(Bucket=name, Key="a b/ü+%2F//c", ResponseContentType="a/b")["Body"].read() == DATA
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=name)["Contents"]] == ["a b/ü+%2F//c"]
    assert hosted.s3.get_object(Bucket=name, Key="a b/ü+%2F//c")["Body"].read() == DATA
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "a b/ü+%2F//c"}]})
    s3.delete_bucket(Bucket=name)
    assert name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


@pytest.mark.parametrize("signature", ["s3v4", "s3"])
def test_links_by_virtual_host(hosted, bucket, named, signature):
    url = named(signature_version=signature).generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    host, _, target = url.removeprefix("http://").partition("/")
    assert host == f"{bucket}.{DOMAIN}:{hosted.port}"
    assert hosted.request("GET", f"/{target}", headers={"Host": host}).body == DATA
    hosted.request("GET", f"/{target}", headers={"Host": f"x{host}"}).refused(403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("key", ["~/health", "~/x", "/lead", "//", "a/../b", "./c", "d/"])
def test_the_path_is_the_key_whatever_it_looks_like(hosted, bucket, new_signer, key):
    """Our own endpoints are not below a bucket, so that what looks like one needs a signature."""
    host, path = f"{bucket}.{DOMAIN}", f"/{key}"
    signer = new_signer(hosted.access_key, hosted.secret_key)
    for method in ("GET", "PUT"):
        hosted.request(method, path, headers={"Host": host}).refused(403, "AccessDenied")
    headers = signer.headers("PUT", path, {"host": host}, hashlib.sha256(DATA).hexdigest())
    assert hosted.request("PUT", path, DATA, headers).status == 200
    assert get(hosted, new_signer, host, path).body == DATA
    assert key in [row["Key"] for row in hosted.s3.list_objects_v2(Bucket=bucket)["Contents"]]


def test_health_is_told_on_every_other_host(hosted):
    for host in (DOMAIN, "127.0.0.1", "x"):
        assert hosted.request("GET", "/~/health", headers={"Host": host}).body == b"ok\n"


@pytest.mark.parametrize("name", ["no-such", "a.b.c.d.e", "-", "_", "a..b", "x" * 300, "%41"])
def test_a_host_that_is_no_bucket_is_refused(hosted, new_signer, name):
    answer = get(hosted, new_signer, f"{name}.{DOMAIN}", "/k")
    assert answer.code in ("NoSuchBucket", "InvalidBucketName"), answer


def test_a_bucket_of_the_host_is_not_one_of_the_path(hosted, bucket, new_signer):
    """A signature for a host is good for its bucket alone."""
    signer = new_signer(hosted.access_key, hosted.secret_key)
    headers = signer.headers("GET", "/k", {"host": f"{bucket}.{DOMAIN}"}) | {"host": f"other.{DOMAIN}"}
    hosted.request("GET", "/k", headers=headers).refused(403, "SignatureDoesNotMatch")


def test_a_host_that_is_not_text_is_answered(hosted):
    with contextlib.suppress(ConnectionError):
        answer = hosted.send(b"GET /k HTTP/1.1\r\nHost: \xff\xfe.s3.example.org\r\n\r\n")
        assert answer.status in (400, 403)
