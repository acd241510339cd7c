"""Origins: which patterns are taken, what fits them, and what a browser is told."""

from __future__ import annotations

import pytest

from falcon_s3 import errors
from falcon_s3.cors import ANY, Origins, is_pattern


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", True),
        ("null", True),
        ("https://example.org", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("https://*.example.org", True),
        ("https://app-*.example.org:8443", True),
        ("https://*", True),
        ("moz-extension://abc", True),
        ("", False),
        ("**", False),
        ("example.org", False),
        ("https://", False),
        ("https://example.org/", False),
        ("https://example.org/path", False),
        ("https://*.*.example.org", False),
        ("https://example.org:port", False),
        ("https://example.org:123456", False),
        ("https://example.org\r\nX: y", False),
        ("https://exämple.org", False),
        ("*://example.org", False),
        ("https://user@example.org", False),
    ],
)
def test_a_pattern_is_a_whole_origin(text: str, expected: bool) -> None:
    assert is_pattern(text) is expected


@pytest.mark.parametrize(
    ("patterns", "origin", "allowed"),
    [
        ("https://a.example", "https://a.example", "https://a.example"),
        ("https://a.example", "HTTPS://A.example", "HTTPS://A.example"),
        ("https://a.example", "http://a.example", None),
        ("https://a.example", "https://a.example:8443", None),
        ("https://a.example", "https://b.a.example", None),
        ("https://a.example", "https://aXexample", None),
        ("https://a.example", "https://a.example.evil", None),
        ("https://a.example", "", None),
        ("https://a.example", "null", None),
        ("https://*.example", "https://a.example", "https://a.example"),
        ("https://*.example", "https://a.b.example", "https://a.b.example"),
        ("https://*.example", "https://.example", "https://.example"),
        ("https://*.example", "https://example", None),
        ("https://*.example", "https://evil/.example", None),
        ("https://app*.example", "https://app.example", "https://app.example"),
        ("https://a.example https://b.example", "https://b.example", "https://b.example"),
        ("null", "null", "null"),
        ("*", "https://a.example", ANY),
        ("https://a.example *", "https://a.example", ANY),
        ("*", "null", ANY),
        ("", "https://a.example", None),
        ("", "", None),
    ],
)
def test_an_origin_fits_a_pattern_as_a_whole(patterns: str, origin: str, allowed: str | None) -> None:
    assert Origins(patterns.split()).allow(origin) == allowed


def asked(origin: str = "https://a.example", method: str = "PUT", names: str = "") -> dict[str, str]:
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": names}
    return {name: value for name, value in headers.items() if value}


def test_a_preflight_says_what_may_be_sent() -> None:
    answer = Origins(["https://*.example"]).preflight(asked(names="authorization, x-amz-meta-Colour"))
    assert answer == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Access-Control-Allow-Methods": "GET, HEAD, PUT, POST, DELETE",
        "Access-Control-Allow-Headers": "authorization, x-amz-meta-Colour",
        "Access-Control-Max-Age": "600",
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    assert "Access-Control-Allow-Headers" not in Origins("*").preflight(asked())


@pytest.mark.parametrize(
    ("patterns", "headers", "error"),
    [
        (["*"], asked(origin=""), errors.BadRequest),
        (["*"], asked(method=""), errors.BadRequest),
        (["*"], asked(method="PATCH"), errors.BadRequest),
        (["*"], asked(method="get"), errors.BadRequest),
        ([], {}, errors.BadRequest),
        ([], asked(), errors.AccessForbidden),
        (["https://b.example"], asked(), errors.AccessForbidden),
        (["*"], asked(names="x\r\nSet-Cookie: a"), errors.AccessForbidden),
        (["*"], asked(names="é"), errors.AccessForbidden),
    ],
)
def test_a_preflight_is_refused(patterns: list[str], headers: dict[str, str], error: type[errors.S3Error]) -> None:
    with pytest.raises(error):
        Origins(patterns).preflight(headers)


def test_a_page_may_read_the_headers_of_s3_that_there_are() -> None:
    names = ["ETag", "x-amz-version-id", "X-Amz-Meta-Colour", "content-type", "content-range", "set-cookie"]
    answer = Origins(["https://a.example"]).answer("https://a.example", names)
    assert answer["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer["Access-Control-Expose-Headers"] == "content-range, etag, x-amz-meta-colour, x-amz-version-id"
    assert answer["Vary"].startswith("Origin")


@pytest.mark.parametrize("origin", [None, "", "https://b.example"])
def test_others_are_told_only_that_answers_differ(origin: str | None) -> None:
    assert list(Origins(["https://a.example"]).answer(origin, ["ETag"])) == ["Vary"]
    assert Origins([]).answer(origin, ["ETag"]) == {}
