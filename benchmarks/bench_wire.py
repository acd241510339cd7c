"""The messages that carry the bytes of files over gRPC: compiled, twin, and the generated classes of google.protobuf.

Measured: microseconds for one message, at best, without sockets. The generated classes copy the chunk twice, once into
their message and once out of it; the other two copy it once. Good: of chunks of 4 KiB the compiled functions at least
twice as fast as the twin, and of 1 MiB at least twice as fast as the generated classes; there the twin is as fast as
the compiled functions, since both do nothing but one copy.

    python benchmarks/bench_wire.py [--quick]
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from data import best_seconds, noise, quick, show
from google.protobuf.wrappers_pb2 import BytesValue

from falcon_s3 import _wire_py
from falcon_s3.pfs.wire.pfs_pb2 import AddFile, ModifyFileRequest

COMMAND = "python benchmarks/bench_wire.py"
CHUNKS = {"100 B": 100, "4 KiB": 4 << 10, "64 KiB": 64 << 10, "1 MiB": 1 << 20}
PATH = "/train/class-0042/image-00004217.jpg"
TIMES = 20 if quick() else 200


def generated_bytes_value(chunk: bytes) -> bytes:
    return BytesValue(value=chunk).SerializeToString()


def generated_value_of(message: bytes) -> bytes:
    return BytesValue.FromString(message).value


def generated_add_file(path: str, chunk: bytes) -> bytes:
    return ModifyFileRequest(add_file=AddFile(path=path, raw=BytesValue(value=chunk))).SerializeToString()


def generated_added_file(message: bytes) -> tuple[str, str, bytes] | None:
    request = ModifyFileRequest.FromString(message)
    if not request.HasField("add_file"):
        return None
    add = request.add_file
    return add.path, add.datum, add.raw.value


GENERATED: dict[str, Callable[..., Any]] = {
    "bytes_value": generated_bytes_value,
    "value_of": generated_value_of,
    "add_file": generated_add_file,
    "added_file": generated_added_file,
}


def microseconds(function: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    def many() -> None:
        for _ in range(TIMES):
            function(*arguments)

    return best_seconds(many) / TIMES * 1e6


def arguments(name: str, chunk: bytes) -> tuple[Any, ...]:
    given: dict[str, tuple[Any, ...]] = {
        "bytes_value": (chunk,),
        "value_of": (_wire_py.bytes_value(chunk),),
        "add_file": (PATH, chunk),
        "added_file": (_wire_py.add_file(PATH, chunk),),
    }
    return given[name]


def row(name: str, size: str) -> list[str]:
    given = arguments(name, noise(CHUNKS[size]))
    generated = microseconds(GENERATED[name], given)
    twin = microseconds(getattr(_wire_py, name), given)
    figures = [f"`{name}`", size, f"{generated:.2f} µs", f"{twin:.2f} µs"]
    try:
        compiled = microseconds(getattr(importlib.import_module("falcon_s3._wire_c"), name), given)
    except ImportError:
        return [*figures, "-", "-", "-"]
    return [*figures, f"{compiled:.2f} µs", f"{generated / compiled:.1f}", f"{twin / compiled:.1f}"]


def main() -> None:
    show(
        f"one message: {COMMAND}",
        ["function", "chunk", "generated", "twin", "compiled", "generated / compiled", "twin / compiled"],
        [row(name, size) for name in GENERATED for size in CHUNKS],
    )


if __name__ == "__main__":
    main()
