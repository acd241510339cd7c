"""x-amz-tagging: a query string of tags, some of which have no value."""

from __future__ import annotations

import pytest

from falcon_s3 import errors, tags


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        ("foo=bar&bar", {"bar": "", "foo": "bar"}),
        ("a=", {"a": ""}),
        ("b=1&a=2", {"a": "2", "b": "1"}),
        ("a%20b=c+d%2B", {"a b": "c d+"}),
        ("%C3%A9=%E4%B8%AD", {"é": "中"}),
    ],
)
def test_the_header_is_read(text, found):
    """In the order of the keys, as the document shows them."""
    assert list(tags.of_header(text).items()) == list(found.items())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a=%FF", errors.InvalidArgument),
        ("&".join(f"{number}=1" for number in range(2000)), errors.InvalidArgument),
        ("=b", errors.InvalidArgument),
        ("a=1&a=2", errors.InvalidArgument),
        ("aws:a=1", errors.InvalidTag),
        ("a=1,b=2", errors.InvalidTag),
        ("&".join(f"{number}=1" for number in range(11)), errors.InvalidTag),
        ("k" * 129, errors.InvalidTag),
        ("k=" + "v" * 257, errors.InvalidTag),
    ],
)
def test_what_is_none_is_refused(text, error):
    with pytest.raises(error):
        tags.of_header(text)
