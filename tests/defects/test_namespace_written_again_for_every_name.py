"""A document of 100 KB with one long namespace and thousands of names in it took gigabytes, one of 2 MB all memory.

The parser resolved namespaces, and wrote the namespace out again for every element and attribute.
"""

from __future__ import annotations

import tracemalloc

import pytest

from falcon_s3 import errors, xml_reader

LONG = b"n" * 60_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "body",
    [
        b'<Delete xmlns:p="%s" %s/>' % (LONG, b" ".join(b'p:a%d=""' % number for number in range(5000))),
        b'<Delete xmlns="%s">%s</Delete>' % (LONG, b"".join(b"<a%d/>" % number for number in range(5000))),
    ],
    ids=["attributes", "elements"],
)
def test_a_long_namespace_is_held_once(body):
    tracemalloc.start()
    try:
        with pytest.raises(errors.MalformedXML):
            xml_reader.read_delete(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20


def test_a_long_namespace_is_still_one():
    body = b'<p:Delete xmlns:p="%s"><p:Object><p:Key>a:b</p:Key></p:Object></p:Delete>' % LONG
    assert [each.key for each in xml_reader.read_delete(body).objects] == ["a:b"]
