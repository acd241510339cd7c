"""A page of 1,000 keys as XML: the compiled module, its readable twin, and xml.etree.ElementTree of the standard library.

Measured: the shortest time of one call of `contents_xml` for the page, and of `escape` and `url_encoded` for each of
its keys, called from Python; beside it the same page built and written by ElementTree. Without the store. Good: a
page in less than 0.5 ms compiled, and every function at least twice as fast as its twin.

    python benchmarks/bench_listing_page.py [--quick]
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from types import ModuleType
from urllib.parse import quote
from xml.etree import ElementTree as ET

from data import best_seconds, paths, show

from falcon_s3 import _listing_py
from falcon_s3.pfs import Entry

COMMAND = "python benchmarks/bench_listing_page.py"
PAGE = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

PLAIN = paths(PAGE)
ODD = [f"données & résultats/{path.replace('-', ' ')}" for path in PLAIN]


def entries(keys: Sequence[str]) -> list[Entry]:
    """The keys as files of some days, as a data set that was uploaded has them."""
    start = 1_562_969_390_274
    return [Entry(key, number * 4099, f"{number:032x}", start + number * 180_007) for number, key in enumerate(keys)]


FOLDERS = [Entry(f"train/class-{number:04}/", -1, "", 0) for number in range(PAGE)]

# What is asked for: the entries, whether keys are url-encoded, whether owners are named.
PAGES = {
    "page, plain keys": (entries(PLAIN), False, False),
    "page, url-encoded": (entries(PLAIN), True, False),
    "page, with owners": (entries(PLAIN), False, True),
    "page, odd keys": (entries(ODD), False, False),
    "page, odd keys, url-encoded": (entries(ODD), True, False),
    "page of folders": (FOLDERS, True, False),
}


def by_element_tree(page: Sequence[Entry], url_encode: bool, owner: bool) -> bytes:
    """What a page costs that is built as a tree; for readable keys only."""
    root = ET.Element("ListBucketResult")
    for path, size, etag, modified_ms in page:
        key = quote(path, safe="/") if url_encode else path
        if size < 0:
            ET.SubElement(ET.SubElement(root, "CommonPrefixes"), "Prefix").text = key
            continue
        row = ET.SubElement(root, "Contents")
        ET.SubElement(row, "Key").text = key
        date = (EPOCH + timedelta(milliseconds=modified_ms)).isoformat(timespec="milliseconds")
        ET.SubElement(row, "LastModified").text = date.replace("+00:00", "Z")
        ET.SubElement(row, "ETag").text = f'"{etag}"'
        ET.SubElement(row, "Size").text = str(size)
        if owner:
            who = ET.SubElement(row, "Owner")
            ET.SubElement(who, "ID").text = "0" * 32
            ET.SubElement(who, "DisplayName").text = "pachyderm"
        ET.SubElement(row, "StorageClass").text = "STANDARD"
    return ET.tostring(root, encoding="utf-8")


def compiled_module() -> ModuleType | None:
    try:
        return importlib.import_module("falcon_s3._listing_c")
    except ImportError:
        return None


def row(name: str, calls: Sequence[Callable[[], object] | None]) -> list[str]:
    """Times of the twin, the compiled function and ElementTree, and how much faster than the twin the compiled is."""
    seconds = [None if call is None else best_seconds(call) for call in calls]
    twin, compiled, _ = seconds
    ratio = "-" if twin is None or compiled is None else f"{twin / compiled:.1f}"
    return [name, *("-" if each is None else f"{each * 1e6:,.0f} µs" for each in seconds), ratio]


def main() -> None:
    compiled = compiled_module()
    rows = []
    for name, (page, url_encode, owner) in PAGES.items():
        arguments = (page, url_encode, owner)
        made = _listing_py.contents_xml(*arguments)
        assert ET.canonicalize(b"<ListBucketResult>" + made + b"</ListBucketResult>") == ET.canonicalize(
            by_element_tree(*arguments)
        )
        assert compiled is None or compiled.contents_xml(*arguments) == made
        calls = [_listing_py.contents_xml, compiled and compiled.contents_xml, by_element_tree]
        rows.append(row(name, [each and (lambda each=each, given=arguments: each(*given)) for each in calls]))
    for function in ("escape", "url_encoded"):
        for name, keys in {"plain": PLAIN, "odd": ODD}.items():
            calls = [getattr(module, function, None) for module in (_listing_py, compiled)]
            each_key = [one and (lambda one=one, keys=keys: [one(key) for key in keys]) for one in calls]
            rows.append(row(f"{function} of {name} keys", [*each_key, None]))
    show(f"{PAGE:,} keys as XML: {COMMAND}", ["what", "twin", "compiled", "ElementTree", "twin / compiled"], rows)


if __name__ == "__main__":
    main()
