"""The messages of file bytes, compiled and twin: written and read as the generated classes of google.protobuf do."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import BytesValue
from hypothesis import example, given
from hypothesis import strategies as st

from falcon_s3 import _speedups, _wire_py
from falcon_s3.pfs.wire import pfs_pb2
from falcon_s3.pfs.wire.pfs_pb2 import AddFile, Commit, CopyFile, DeleteFile, ModifyFileRequest

# Where the length of a field becomes longer by a byte, and a message of gRPC as long as pachd takes.
LENGTHS = [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000, 20 << 20]

PATHS = st.text(max_size=300)
CHUNKS = st.binary(max_size=300)


def added(path, datum, chunk):
    """The request as the generated classes write it."""
    add = AddFile(path=path, datum=datum, raw=BytesValue(value=chunk))
    return ModifyFileRequest(add_file=add).SerializeToString()


def judged_value(message):
    """What the generated class makes of the bytes; None: they are malformed."""
    try:
        return BytesValue.FromString(message).value
    except DecodeError:
        return None


def judged_add(message):
    """Path, datum and chunk as the generated class reads them; None: malformed, or no such request."""
    try:
        request = ModifyFileRequest.FromString(message)
    except DecodeError:
        return None
    add = request.add_file
    if request.WhichOneof("body") != "add_file" or add.WhichOneof("source") != "raw":
        return None
    return add.path, add.datum, add.raw.value


@st.composite
def varints(draw):
    """A varint, at times with zeros behind it, at times cut off."""
    number = draw(st.one_of(st.integers(0, 40), st.integers(0, 2**64 - 1)))
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F)
    groups += [0] * draw(st.sampled_from([0, 0, 0, 1, 3]))
    encoded = bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
    return encoded[: len(encoded) - draw(st.sampled_from([0, 0, 0, 0, 1]))]


@st.composite
def fields(draw, content):
    """One field: mostly of a small number and with a length, which mostly fits."""
    number, kind = draw(st.integers(0, 5)), draw(st.sampled_from([2, 2, 2, 2, 2, 0, 1, 3, 4, 5, 6, 7]))
    inside = draw(content)
    if kind != 2:
        return bytes([number << 3 | kind]) + draw(st.one_of(varints(), st.binary(max_size=8)))
    length = draw(st.one_of(st.just(len(inside)), st.just(len(inside)), st.integers(0, 40)))
    padding = draw(st.sampled_from([b"", b"", b"", b"\x80\x00", b"\x80\x80\x80\x80\x00"]))
    head = bytes([length | 0x80 if padding else length]) if length < 0x80 else b"\xff"
    return bytes([number << 3 | kind]) + head + padding + inside


def messages(depth):
    """Bytes that look like messages of such depth, malformed ones among them."""
    inside = st.binary(max_size=12) if depth == 0 else messages(depth - 1)
    several = st.lists(fields(inside), max_size=4).map(b"".join)
    return st.one_of(several, st.binary(max_size=12))


# Truncated, a byte changed, or with something behind: what is left of a message that was right.
@st.composite
def spoiled(draw, whole):
    message = bytearray(draw(whole))
    kind = draw(st.sampled_from(["whole", "cut", "changed", "longer"]))
    if kind == "cut":
        del message[draw(st.integers(0, len(message))) :]
    elif kind == "changed" and message:
        message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    elif kind == "longer":
        message += draw(fields(st.binary(max_size=8)))
    return bytes(message)


# --- BytesValue ------------------------------------------------------------------------------------------------------


@given(chunk=CHUNKS)
def test_a_chunk_becomes_the_message_that_the_generated_class_writes(wire, chunk):
    """The bytes are the same ones, and are read back as they were."""
    message = wire.bytes_value(chunk)
    assert message == BytesValue(value=chunk).SerializeToString()
    assert wire.value_of(message) == chunk


@pytest.mark.parametrize("length", LENGTHS)
def test_a_chunk_of_any_length_is_framed(wire, length):
    """Also where the length of its field takes one byte more."""
    chunk = b"x" * length
    message = wire.bytes_value(chunk)
    assert message == BytesValue(value=chunk).SerializeToString()
    assert wire.value_of(message) == chunk


@given(message=st.one_of(messages(1), spoiled(CHUNKS.map(lambda chunk: BytesValue(value=chunk).SerializeToString()))))
@example(b"\x0a\x00")
@example(b"\x0a\x83\x00abc")
@example(b"\x0a\x81\x80\x80\x80\x00a")
@example(b"\x0a\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00a")
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x0a")
@example(b"\x0a\x80")
@example(b"\x0a\x02a")
@example(b"\x0a\x01a\x0a\x01b")
@example(b"\x12\x01a")
def test_a_value_that_is_read_is_the_one_that_the_generated_class_reads(wire, message):
    """Of any bytes: a value is never another one, and never that of a malformed message."""
    value = wire.value_of(message)
    assert value == _wire_py.value_of(message)
    if value is not None:
        assert value == judged_value(message)


@pytest.mark.parametrize("more", [b"\x10\x01", b"\x0a\x01b", b"\x1a\x00", b"\x13\x14"])
def test_a_value_among_other_fields_is_left_to_the_generated_class(wire, more):
    """It knows which of two values counts, and what a field that it does not know is."""
    for message in (b"\x0a\x01a" + more, more + b"\x0a\x01a"):
        assert wire.value_of(message) is None
        assert judged_value(message) in {b"a", b"b"}


# --- ModifyFileRequest -----------------------------------------------------------------------------------------------


@given(path=PATHS, chunk=CHUNKS)
def test_an_added_chunk_becomes_the_request_that_the_generated_class_writes(wire, path, chunk):
    """The bytes are the same ones."""
    assert wire.add_file(path, chunk) == added(path, "", chunk)


@given(path=st.text(min_size=1, max_size=300), datum=PATHS, chunk=CHUNKS)
def test_an_added_chunk_is_read_from_what_the_generated_class_writes(wire, path, datum, chunk):
    """Path, datum and chunk come out as they were given, without the generated class."""
    assert wire.added_file(added(path, datum, chunk)) == (path, datum, chunk)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("path", ["/a", "/" + "é" * 0x1FFF])
def test_an_added_chunk_of_any_length_is_framed(wire, path, length):
    """Also where a length within takes one byte more."""
    chunk = b"x" * length
    message = wire.add_file(path, chunk)
    assert message == added(path, "", chunk)
    assert wire.added_file(message) == (path, "", chunk)


@given(
    message=st.one_of(
        messages(3),
        messages(2).map(lambda inside: b"\x12" + bytes([len(inside) & 0x7F]) + inside),
        spoiled(st.builds(added, PATHS, st.sampled_from(["", "default"]), CHUNKS)),
    )
)
@example(b"\x12\x05\x0a\x01/\x1a\x00")
@example(b"\x12\x05\x0a\x01\xff\x1a\x00")
@example(b"\x12\x08\x0a\x01/\x12\x01\xff\x1a\x00")
@example(b"\x12\x05\x0a\x01/\x12\x00")
@example(b"\x12\x02\x1a\x00")
@example(b"\x12\x06\x0a\x01/\x1a\x81\x00")
@example(b"")
def test_an_added_chunk_that_is_read_is_the_one_that_the_generated_class_reads(wire, message):
    """Of any bytes: what comes out is never something else, and never from a malformed message."""
    read = wire.added_file(message)
    assert read == _wire_py.added_file(message)
    if read is not None:
        assert read == judged_add(message)


@pytest.mark.parametrize(
    "request_",
    [
        ModifyFileRequest(set_commit=Commit(id="master")),
        ModifyFileRequest(delete_file=DeleteFile(path="/a")),
        ModifyFileRequest(copy_file=CopyFile(dst="/a")),
        ModifyFileRequest(add_file=AddFile(path="/a")),
        ModifyFileRequest(add_file=AddFile(path="/a", url=AddFile.URLSource(URL="s3://b/k"))),
        ModifyFileRequest(),
    ],
    ids=lambda request: request.WhichOneof("body") or "nothing",
)
def test_a_request_of_another_kind_is_left_to_the_generated_class(wire, request_):
    """None says so: the commit, deletions, copies, bytes from elsewhere."""
    assert wire.added_file(request_.SerializeToString()) is None


def test_a_path_that_is_no_text_is_left_to_the_generated_class(wire):
    """It refuses the bytes as malformed."""
    message = added("/a", "", b"x").replace(b"/a", b"/\xff")
    assert wire.added_file(message) is None
    with pytest.raises(DecodeError):
        pfs_pb2.ModifyFileRequest.FromString(message)


# --- what Python can hold --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_", [None, "text", bytearray(b"x"), memoryview(b"x"), 1])
def test_what_is_no_bytes_is_refused(wire, given_):
    """By all functions with the same error, and before anything else."""
    for call in (wire.bytes_value, wire.value_of, wire.added_file, lambda chunk: wire.add_file("/a", chunk)):
        with pytest.raises(TypeError, match=rf"^expected bytes, not {type(given_).__name__}$"):
            call(given_)


def test_a_path_of_surrogates_is_refused(wire):
    """It has no UTF-8 form."""
    with pytest.raises(UnicodeEncodeError):
        wire.add_file("/\udc80", b"x")


def test_the_module_in_use_is_the_compiled_one_if_there_is_one(wire):
    """What `_speedups` hands out is what was tested."""
    if _speedups.compiled == wire.__name__.endswith("_c"):
        for name in ("add_file", "added_file", "bytes_value", "value_of"):
            assert getattr(_speedups, name) is getattr(wire, name)
