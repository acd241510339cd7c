"""The table fails closed: what is not in it is 501, whatever the verb, and nothing else happens instead."""

from __future__ import annotations

import pytest

BUCKET = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "session",
    "tagging",
    "website",
    "somethingNew",
]
OBJECT = [
    "acl",
    "annotation",
    "legal-hold",
    "object-lock",
    "renameObject",
    "restore",
    "retention",
    "select",
    "select&select-type=2",
    "torrent",
    "encryption",
    "somethingNew",
]


# What is answered, and tested in test_configurations.py.
ANSWERED = {
    "GET": "accelerate acl cors encryption lifecycle logging notification object-lock ownershipControls policy"
    " policyStatus publicAccessBlock replication requestPayment tagging website",
    "PUT": "acl",
    "DELETE": "cors encryption lifecycle policy publicAccessBlock replication tagging website",
}
ANSWERED_OF_OBJECTS = {"GET": "acl", "PUT": "acl"}
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]


def refused(queries, answered):
    return [(method, query) for method in METHODS for query in queries if query not in answered.get(method, "").split()]


@pytest.fixture(scope="module")
def filled(gateway):
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    return bucket


@pytest.fixture(scope="module")
def empty(gateway):
    return gateway.new_bucket()


def assert_not_implemented(gateway, method, target):
    answer = gateway.request(method, target, b"" if method in ("PUT", "POST") else None)
    if method == "HEAD":
        assert (answer.status, answer.body) == (501, b"")
    else:
        answer.refused(501, "NotImplemented")


@pytest.mark.parametrize(("method", "query"), refused(BUCKET, ANSWERED))
def test_a_sub_resource_of_a_bucket_is_not_implemented(gateway, filled, unchanged, query, method):
    with unchanged(filled):
        for form in (query, f"{query}=", f"x-id=Any&{query}"):
            assert_not_implemented(gateway, method, f"/{filled}?{form}")


@pytest.mark.parametrize(("method", "query"), refused(OBJECT, ANSWERED_OF_OBJECTS))
def test_a_sub_resource_of_an_object_is_not_implemented(gateway, filled, unchanged, query, method):
    with unchanged(filled):
        assert_not_implemented(gateway, method, f"/{filled}/k?{query}")


@pytest.mark.parametrize("query", BUCKET)
def test_deleting_a_sub_resource_does_not_delete_the_bucket(gateway, empty, query):
    """Pachyderm's own gateway deletes the bucket on `DELETE /bucket?ownershipControls`."""
    assert gateway.request("DELETE", f"/{empty}?{query}").status in (204, 501)
    assert gateway.request("HEAD", f"/{empty}").status == 200


@pytest.mark.parametrize("query", BUCKET)
def test_writing_a_sub_resource_does_not_create_a_bucket(gateway, filled, query):
    name = f"{filled}-not-made"
    gateway.request("PUT", f"/{name}?{query}", b"")
    assert gateway.request("HEAD", f"/{name}").status == 404


def test_a_word_that_only_looks_like_a_value_is_a_sub_resource_too(gateway, filled, unchanged):
    with unchanged(filled):
        for query in ("abac&prefix=a", "prefix=a&abac", "list-type=2&abac", "%61bac", "Acl"):
            assert gateway.request("GET", f"/{filled}?{query}").status in (400, 501)
            assert gateway.request("DELETE", f"/{filled}/k?{query}").status in (400, 501)


@pytest.mark.parametrize("method", ["POST", "PATCH", "OPTIONS", "TRACE", "LOCK"])
@pytest.mark.parametrize("form", ["/{}", "/{}/k"])
def test_a_method_that_a_shape_has_not_changes_nothing(gateway, filled, unchanged, method, form):
    with unchanged(filled):
        answer = gateway.request(method, form.format(filled), b"")
        assert answer.status in (400, 405, 412, 501)
        # OPTIONS is a browser's question, POST to a bucket a form; this is neither.
        assert answer.code in ("BadRequest", "PreconditionFailed", "MethodNotAllowed", "NotImplemented", None)


@pytest.mark.parametrize(
    ("query", "methods"),
    [
        ("attributes", ["HEAD", "PUT", "POST", "DELETE"]),
        ("tagging", ["HEAD", "POST"]),
        ("uploads", ["GET", "HEAD", "PUT", "DELETE"]),
        ("uploadId=x", ["HEAD"]),
        ("partNumber=1", ["PUT", "POST", "DELETE"]),
    ],
)
def test_a_method_that_an_answered_sub_resource_has_not_is_not_implemented(gateway, filled, unchanged, query, methods):
    with unchanged(filled):
        for method in methods:
            assert_not_implemented(gateway, method, f"/{filled}/k?{query}")


@pytest.mark.needs("attributes")
@pytest.mark.parametrize("name", ["Content-Type", "content-type", "Content-MD5", "Cache-Control", "Content-Length"])
def test_a_header_that_a_link_repeats_says_nothing(gateway, filled, name):
    """The links of the AWS SDK for JavaScript 2 hold them in the query; what counts are the headers, as in S3."""
    answer = gateway.request("PUT", f"/{filled}/linked?{name}=a%2Fb", b"1", {"Content-Type": "c/d"})
    assert answer.status == 200
    assert gateway.request("HEAD", f"/{filled}/linked").headers["Content-Type"] == "c/d"
