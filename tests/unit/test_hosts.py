"""Which bucket a Host header names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3.buckets import of_host

DOMAINS = ("s3.example.org", "example.org", "localhost")


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("master.images.s3.example.org", "master.images"),
        ("images.s3.example.org", "images"),
        ("images.s3.example.org:30600", "images"),
        ("images.s3.example.org.", "images"),
        ("images.s3.example.org.:1", "images"),
        ("Images.S3.Example.Org", "images"),
        ("s3x.example.org", "s3x"),
        ("a.s3x.example.org", "a.s3x"),
        ("images.localhost:30600", "images"),
        ("s3.example.org", ""),
        ("s3.example.org.", ""),
        ("S3.EXAMPLE.ORG:1", ""),
        ("example.org", ""),
        ("localhost", ""),
        ("xlocalhost", ""),
        ("images.example.net", ""),
        (".s3.example.org", ""),
        ("images.s3.example.org..", ""),
        ("127.0.0.1:30600", ""),
        ("[::1]:30600", ""),
        ("[::1]", ""),
        ("", ""),
        (".", ""),
        (":", ""),
    ],
)
def test_the_bucket_is_before_the_longest_domain(host, bucket):
    assert of_host(host, DOMAINS) == bucket
    assert of_host(host, DOMAINS[::-1]) == bucket
    assert of_host(host, ()) == ""


@given(st.text())
def test_any_host_has_an_answer(host):
    assert isinstance(of_host(f"{host}.s3.example.org", DOMAINS), str)
