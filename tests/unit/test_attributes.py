"""What is kept of a write's headers, what is refused, and what is told again."""

from __future__ import annotations

import pytest

from falcon_s3 import attributes, errors
from falcon_s3.rights import ALL, Rights


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({}, {}),
        ({"host": "x", "content-length": "5", "content-md5": "x", "range": "x", "x-amz-date": "x"}, {}),
        *(({name: "/v"}, {name: "/v"}) for name in attributes.KEPT_HEADERS),
        ({"content-type": ""}, {}),
        ({"content-encoding": "aws-chunked"}, {}),
        ({"content-encoding": "gzip,aws-chunked"}, {"content-encoding": "gzip"}),
        ({"x-amz-meta-a": "1", "x-amz-meta-": ""}, {"x-amz-meta-a": "1", "x-amz-meta-": ""}),
        ({"x-amz-tagging": ""}, {}),
        ({"x-amz-tagging": "a=b c"}, {"x-amz-tagging": "a=b+c"}),
        ({"x-amz-checksum-crc32": "v", "x-amz-checksum-algorithm": "CRC32"}, {}),
        ({"x-amz-meta-a": "v" * 2047}, {"x-amz-meta-a": "v" * 2047}),
    ],
)
def test_what_is_kept(headers, kept):
    assert attributes.of_headers(headers) == kept


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"x-amz-meta-a": "v" * 2048}, errors.MetadataTooLarge),
        ({"x-amz-meta-" + "a" * 2000: "v" * 49}, errors.MetadataTooLarge),
        ({f"x-amz-meta-{n:03d}": "v" * 100 for n in range(20)}, errors.MetadataTooLarge),
        ({"x-amz-tagging": "a=%FF"}, errors.InvalidArgument),
        ({"x-amz-tagging": "aws:a=1"}, errors.InvalidTag),
        *(({attributes.REDIRECT: text}, errors.InvalidRedirectLocation) for text in ("x", "http:/x", "ftp://x/", " /")),
    ],
)
def test_what_cannot_be_kept_is_refused(headers, error):
    with pytest.raises(error):
        attributes.of_headers(headers)


@pytest.mark.parametrize("text", ["/", "/x", "http://x/", "https://x/", "/ü", "https://x/ü"])
def test_a_redirection_leads_to_an_address_or_within_the_bucket(text):
    redirection = {attributes.REDIRECT: attributes.in_ascii(attributes.REDIRECT, text)}
    assert attributes.described(redirection) == redirection


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        *(({name: "x"}, errors.NotImplemented) for name in attributes.REFUSED_HEADERS),
        ({"x-amz-object-lock-event-hold": "ON"}, errors.NotImplemented),
        ({"x-amz-object-lock-event-hold-duration-days": "3"}, errors.NotImplemented),
        ({"x-amz-server-side-encryption-bucket-key-enabled": "true"}, errors.NotImplemented),
        ({"x-amz-copy-source-server-side-encryption-customer-key": "x"}, errors.NotImplemented),
        ({"x-amz-storage-class": "GLACIER"}, errors.InvalidStorageClass),
        ({"x-amz-acl": "public-read"}, errors.NotImplemented),
        ({"x-amz-acl": "log-delivery-write"}, errors.NotImplemented),
        ({"x-amz-acl": "x"}, errors.InvalidArgument),
        ({"x-amz-grant-read": "id=x"}, errors.NotImplemented),
    ],
)
def test_what_would_be_dropped_is_refused(headers, error):
    with pytest.raises(error):
        attributes.refuse_headers(headers, "master.images", Rights())


@pytest.mark.parametrize(
    ("headers", "everybody"),
    [
        ({}, Rights()),
        ({"x-amz-storage-class": "STANDARD"}, Rights()),
        ({"x-amz-server-side-encryption-bucket-key-enabled": "false"}, Rights()),
        ({"x-amz-acl": ""}, Rights()),
        ({"x-amz-acl": "private"}, Rights()),
        ({"x-amz-acl": "bucket-owner-read"}, Rights()),
        ({"x-amz-acl": "bucket-owner-full-control"}, Rights()),
        ({"x-amz-acl": "public-read"}, Rights(("master.i*",))),
        ({"x-amz-acl": "authenticated-read"}, Rights(("master.i*",))),
        ({"x-amz-acl": "public-read-write"}, ALL),
    ],
)
def test_what_holds_anyway_is_taken(headers, everybody):
    attributes.refuse_headers(headers, "images", everybody)


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ({}, {}),
        ({"content-type": "a/b", "x-amz-meta-a": "1"}, {"content-type": "a/b", "x-amz-meta-a": "1"}),
        ({"x-amz-checksum-crc32": "v", "x-amz-checksum-type": "FULL_OBJECT"}, {}),
        ({"x-amz-tagging": "a=1&b="}, {"x-amz-tagging-count": "2"}),
    ],
)
def test_what_is_told(kept, told):
    """A checksum only on demand, and of tags how many there are."""
    assert attributes.told(kept) == told
