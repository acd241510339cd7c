"""How clients may have written a path: every way means the same key."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3.spelling import decoded, headers_as_signed, parameters, spellings

PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).map("/b/{}".format)


@given(PATHS, st.sampled_from(["", "bucket"]))
def test_every_spelling_means_the_same_path_and_the_canonical_one_comes_first(path, bucket):
    found = list(spellings(path, bucket))
    assert found[0] == quote(path, safe="/-_.~")
    assert {unquote(written) for written in found} == {path}
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("path", "bucket", "found"),
    [
        ("/", "", ["/"]),
        ("/b", "", ["/b"]),
        ("/b/k", "", ["/b/k"]),
        ("/b/k/l", "", ["/b/k/l", "/b/k%2Fl", "/b/k%2fl"]),
        ("/k/l", "b", ["/k/l", "/k%2Fl", "/k%2fl"]),
        ("/b/%", "", ["/b/%25"]),
        ("/b/é", "", ["/b/%C3%A9", "/b/%c3%a9"]),
        ("/b/+", "", ["/b/%2B", "/b/%2b", "/b/+"]),
        ("/b/ ", "", ["/b/%20"]),
    ],
)
def test_a_path_has_the_spellings_of_the_usual_encoders(path, bucket, found):
    assert list(spellings(path, bucket)) == found


def test_a_path_that_no_key_has_is_not_worth_its_spellings():
    assert len(list(spellings(f"/b/{'+' * 1024}", ""))) == 3
    assert list(spellings(f"/b/{'+' * 4096}", "")) == [f"/b/{'%2B' * 4096}"]


def test_parameters_are_decoded():
    assert list(parameters("a&b=%2B+c&&d=e=f&%41=")) == [("a", ""), ("b", "+ c"), ("d", "e=f"), ("A", "")]
    assert decoded("%FF") == "\ufffd"


SIGNED = "AWS4-HMAC-SHA256 Credential=a_b/20260101/us-east-1/s3/aws4_request, SignedHeaders={}, Signature=0"


@pytest.mark.parametrize(
    ("authorization", "query", "names"),
    [
        (SIGNED.format("host;m-a_b;m-a-b-c"), "", {"m-a_b", "m-a-b-c"}),
        (SIGNED.format("host;m-a_b;m-a_b_c"), "", {"m-a_b", "m-a_b_c"}),
        (SIGNED.format("host;m-a-b"), "", {"m-a-b", "m-a-b-c"}),
        (SIGNED.format("host_;o_r;m-other_name"), "", {"m-a-b", "m-a-b-c"}),
        (SIGNED.format(""), "", {"m-a-b", "m-a-b-c"}),
        ("AWS key_id:signature", "", {"m-a-b", "m-a-b-c"}),
        (None, "X-Amz-SignedHeaders=host%3Bm-a_b%3Bm-a-b_c&X-Amz-Signature=0", {"m-a_b", "m-a-b_c"}),
        (None, "X-Amz-SignedHeaders=host%3Bm-a%5Fb&X-Amz-Signature=0", {"m-a_b", "m-a-b-c"}),
        (None, "X-Amz-SignedHeaders=%FF_", {"m-a-b", "m-a-b-c"}),
        (None, "", {"m-a-b", "m-a-b-c"}),
    ],
)
def test_what_is_signed_says_where_underscores_were(authorization, query, names):
    headers = {"host": "x", "o-r": "0", "m-a-b": "1", "m-a-b-c": "2"}
    if authorization is not None:
        headers["authorization"] = authorization
    found = headers_as_signed(headers, query, "m-")
    assert {name for name in found if name.startswith("m-")} == names
    assert list(found.values()) == list(headers.values())
    assert found["o-r"] == "0"
