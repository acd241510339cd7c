"""Every compiled function beside its readable twin, on the shapes that requests have: the table of _speedups/README.md.

Measured: the shortest time of a call from Python. Good: every function at least twice as fast as its twin on one shape
or more, else it goes back to Python; then the command ends with 1, and so it does when a function has no shape here.

    python benchmarks/bench_speedups.py [--quick]
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from bench_body import frames
from bench_listing_page import FOLDERS, PLAIN, entries
from bench_wire import PATH
from data import best_seconds, noise, show
from wsgi import environment, presigned

from falcon_s3 import _speedups
from falcon_s3.answers import ASKING, KNOWN, PARAMETERS
from falcon_s3.body import FRAMED_READ
from falcon_s3.sigv4_claim import UNSIGNED

COMMAND = "python benchmarks/bench_speedups.py"
LEAST = 2.0
MIB = 1 << 20
MODULES = ("listing", "body", "sign", "wire", "md5")
# Names that are not compiled: exceptions, and which was taken.
PLAIN_NAMES = {"BodyEnd", "ChunkEnd", "compiled"}

Call = Callable[[], object]


def call(name: str, *given: object) -> Callable[[ModuleType], Call]:
    """The function called once."""
    return lambda module: lambda: getattr(module, name)(*given)


def each(name: str, values: list[str]) -> Callable[[ModuleType], Call]:
    """The function called for each value."""

    def made(module: ModuleType) -> Call:
        function = getattr(module, name)
        return lambda: [function(value) for value in values]

    return made


def decode(size: int) -> Callable[[ModuleType], Call]:
    """1 MiB in signed frames of so many bytes, decoded as a body is read."""
    wire = frames(bytes(MIB), size, signed=True)
    blocks = [wire[start : start + FRAMED_READ] for start in range(0, len(wire), FRAMED_READ)]

    def made(module: ModuleType) -> Call:
        def run() -> None:
            decoder = module.ChunkDecoder()
            for block in blocks:
                decoder.feed(block)
            decoder.finish()

        return run

    return made


def hash_together(bodies: int, size: int) -> Callable[[ModuleType], Call]:
    """So many bodies of so many bytes, hashed at one time."""
    chunks = [noise(size) for _ in range(bodies)]

    def made(module: ModuleType) -> Call:
        def run() -> None:
            hashes = [module.Md5() for _ in chunks]
            for each, chunk in zip(hashes, chunks, strict=True):
                each.update(chunk)
            for each in hashes:
                each.digest()

        return run

    return made


def go_on(size: int) -> Callable[[ModuleType], Call]:
    """So many bytes hashed, and as many again by another that goes on from there."""
    chunk = noise(size)

    def made(module: ModuleType) -> Call:
        def run() -> None:
            begun = module.Md5()
            begun.update(chunk)
            other = module.Md5(begun.state())
            other.update(chunk)
            other.digest()

        return run

    return made


def packed(page: list[Any]) -> bytes:
    """Entries as a store gives them: `_listing_py` has the form."""
    fields = [part for path, size, etag, at in page for part in (f"{size} {at} {etag}", path)]
    return "\0".join(fields).encode()


def shapes() -> dict[str, dict[str, Callable[[ModuleType], Call]]]:
    """Function -> shape -> what is called."""
    twins = importlib.import_module("falcon_s3._wire_py")
    page, links = entries(PLAIN), {"a GET": presigned("get_object", PLAIN[0])}
    links["a listing"] = presigned("list_objects_v2", Prefix="train/class 0001/", Delimiter="/", MaxKeys=1000)
    queries = {f"the link of {what}": link.partition("?")[2] for what, link in links.items()}
    env = environment("GET", links["a GET"])
    names = "USER_AGENT ACCEPT_ENCODING X_AMZ_DATE X_AMZ_CONTENT_SHA256 AUTHORIZATION".split()
    env |= {f"HTTP_{name}": "value" for name in names}
    chunks = {"4 KiB": bytes(4 << 10), "1 MiB": bytes(MIB)}
    return {
        "contents_xml": {
            "1,000 packed keys": call("contents_xml", packed(page), False, False),
            "1,000 packed keys, url-encoded": call("contents_xml", packed(page), True, False),
            "1,000 keys": call("contents_xml", page, False, False),
            "1,000 folders": call("contents_xml", FOLDERS, True, False),
        },
        "unpacked": {"1,000 keys": call("unpacked", packed(page))},
        "folded": {
            "1,000 keys in one folder": call("folded", packed(page), 0, b"/"),
            "1,000 folders": call("folded", packed(page), len(b"train/class-"), b"/"),
        },
        "escape": {"1,000 keys, one call each": each("escape", PLAIN)},
        "url_encoded": {"1,000 keys, one call each": each("url_encoded", PLAIN)},
        "ChunkDecoder": {
            f"1 MiB in signed frames of {size}": decode(count)
            for size, count in {"512 B": 512, "8 KiB": 8 << 10, "64 KiB": 64 << 10}.items()
        },
        "Md5": {
            "4 KiB": hash_together(1, 4 << 10),
            "4 KiB, its state told and gone on from": go_on(4 << 10),
            **{f"{bodies} x 256 KiB at one time": hash_together(bodies, 256 << 10) for bodies in (1, 2, 3, 4, 8)},
        },
        **{
            name: {shape: call(name, query) for shape, query in queries.items()}
            for name in ("canonical_query", "claims_of", "link_of", "parse_query")
        },
        "asked_of": {
            f"the link of {what}": call("asked_of", environment("GET", link), KNOWN, ASKING, PARAMETERS)
            for what, link in links.items()
        },
        "canonical_request": {
            shape: call("canonical_request", *("GET", f"/{PLAIN[0]}", query, {"host": "h"}, "host", UNSIGNED))
            for shape, query in queries.items()
        },
        "headers_of": {"seven headers": call("headers_of", env)},
        "bytes_value": {size: call("bytes_value", chunk) for size, chunk in chunks.items()},
        "value_of": {size: call("value_of", twins.bytes_value(chunk)) for size, chunk in chunks.items()},
        "add_file": {size: call("add_file", PATH, chunk) for size, chunk in chunks.items()},
        "added_file": {size: call("added_file", twins.add_file(PATH, chunk)) for size, chunk in chunks.items()},
    }


def module_of(name: str, form: str) -> ModuleType:
    """The module that has the function, compiled (`c`) or as twin (`py`)."""
    modules = (importlib.import_module(f"falcon_s3._{module}_{form}") for module in MODULES)
    return next(module for module in modules if hasattr(module, name))


def microseconds(one: Call) -> float:
    """Of one call, which may be too short for the clock."""
    times = max(1, int(2e-4 / max(best_seconds(one, 0, 3), 1e-8)))

    def many() -> None:
        for _ in range(times):
            one()

    return best_seconds(many, 0.3) / times * 1e6


def main() -> None:
    if not _speedups.compiled:
        sys.exit("the compiled modules are not here, or FALCON_S3_PURE is set")
    wanted = set(_speedups.__all__) - PLAIN_NAMES
    measured = shapes()
    rows, slow = [], []
    for name in sorted(wanted & set(measured)):
        best = 0.0
        for shape, made in measured[name].items():
            twin, compiled = (microseconds(made(module_of(name, form))) for form in ("py", "c"))
            best = max(best, twin / compiled)
            figures = [f"{each:,.2f} µs" if each < 100 else f"{each:,.0f} µs" for each in (twin, compiled)]
            rows.append([f"`{name}`", shape, *figures, f"{twin / compiled:.1f}"])
        if best < LEAST:
            slow.append(name)
    show(f"Compiled functions: {COMMAND}", ["function", "shape", "twin", "compiled", "ratio"], rows)
    missing = sorted(wanted - set(measured))
    if slow or missing:
        sys.exit(f"less than {LEAST} times as fast as the twin: {slow}; without a shape: {missing}")


if __name__ == "__main__":
    main()
