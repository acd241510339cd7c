"""The aws-chunked decoder, compiled and twin: what an encoder of this file wrote is read back, however it is split."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from falcon_s3 import _body_py, _speedups
from falcon_s3._body_py import CHUNK_SIZE, LINE_BYTES, TRAILER_BYTES, BodyEnd, ChunkEnd

SIGNATURE = "0123456789abcdef" * 4

# --- an encoder, and a reader of whole bodies ------------------------------------------------------------------------


def encoded(chunks, signatures, trailers=(), *, size="%x", ends="\r\n", last="\r\n"):
    """The aws-chunked body of these chunks; `ends` is how a trailer line ends, `last` the end of all."""
    wire = b""
    for chunk, signature in zip([*chunks, b""], signatures, strict=True):
        extension = f";chunk-signature={signature}" if signature else ""
        wire += (size % len(chunk) + extension).encode() + b"\r\n" + (chunk + b"\r\n" if chunk else b"")
    for name, value in trailers:
        wire += f"{name}:{value}{ends}".encode("latin-1")
    return wire + last.encode()


HEADER = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;([^\n]*))?\r\n")


def read_whole(wire):
    """Data, (size, signature) of each chunk, and trailers of a body held whole; None if it is malformed.

    Knows nothing of limits but the largest chunk: for short bodies.
    """
    data, ends, at = b"", [], 0
    while True:
        header = HEADER.match(wire, at)
        if header is None or int(header[1], 16) > CHUNK_SIZE:
            return None
        size = int(header[1], 16)
        ends.append((size, re.sub("^chunk-signature=", "", (header[2] or b"").decode("latin-1"))))
        at = header.end()
        if not size:
            break
        data += wire[at : at + size]
        at += size + 2
        if wire[at - 2 : at] != b"\r\n":
            return None
    trailers = {}
    *lines, rest = wire[at:].split(b"\n")
    bare = False
    for number, line in enumerate(lines):
        if bare and line == b"\r":  # LF CRLF ends a trailer too
            bare = False
            continue
        if line in (b"", b"\r"):
            return (data, ends, trailers) if not rest and number == len(lines) - 1 else None
        if b":" not in line:
            return None
        bare = not line.endswith(b"\r")
        name, value = line.decode("latin-1").split(":", 1)
        trailers[name.strip().lower()] = value.strip()
    if rest.strip(b"\r"):
        if b":" not in rest:
            return None
        name, value = rest.decode("latin-1").split(":", 1)
        trailers[name.strip().lower()] = value.strip()
    return data, ends, trailers


def decoded(body, pieces):
    """What a decoder makes of these pieces: data, (size, signature) of each chunk, and trailers."""
    decoder = body.ChunkDecoder()
    data, ends, trailers, between = b"", [], None, 0
    for events in itertools.chain(map(decoder.feed, pieces), (decoder.finish() for _ in range(2))):
        for event in events:
            assert trailers is None, "nothing comes behind the end"
            if type(event) is bytes:
                assert event
                data += event
                between += len(event)
            elif type(event) is ChunkEnd:
                assert event.size == between, "a chunk ends behind its data"
                ends.append((event.size, event.signature))
                between = 0
            else:
                assert type(event) is BodyEnd
                trailers = event.trailers
    assert trailers is not None
    return data, ends, trailers


def one_byte_each(wire):
    return [wire[at : at + 1] for at in range(len(wire))]


def cut(wire, places):
    """The pieces of a body cut at these places; some may be empty."""
    places = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    return [wire[start:end] for start, end in itertools.pairwise(places)]


def outcome(body, pieces):
    """What came out of a decoder, or the text of its ValueError."""
    try:
        return decoded(body, pieces)
    except ValueError as ex:
        assert type(ex) is ValueError
        return str(ex)


# --- well-formed bodies ----------------------------------------------------------------------------------------------

CHUNKS = st.lists(
    st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n", b"\n", b"0\r\n\r\n", b"x" * 300]), max_size=6
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x85\xa0"), max_size=20)
TRAILERS = st.dictionaries(NAMES, VALUES, max_size=4).filter(
    lambda found: len({name.lower() for name in found}) == len(found)
)
PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@st.composite
def bodies(draw):
    """A body, and what it says."""
    chunks = draw(CHUNKS)
    signatures = [draw(st.sampled_from(["", SIGNATURE, "not-hex"])) for _ in range(len(chunks) + 1)]
    trailers = draw(TRAILERS)
    wire = encoded(
        chunks,
        signatures,
        trailers.items(),
        size=draw(st.sampled_from(["%x", "%X", "%04x", "%016x", "%016X"])),
        ends=draw(st.sampled_from(["\r\n", "\n", "\n\r\n"])),
        last=draw(st.sampled_from(["\r\n", "\n", "\r", ""])),
    )
    ends = list(zip(map(len, [*chunks, b""]), signatures, strict=True))
    return wire, (b"".join(chunks), ends, {name.lower(): value for name, value in trailers.items()})


@given(made=bodies(), places=PLACES)
def test_what_was_encoded_is_read_back_however_it_is_split(body, made, places):
    """One big read, one-byte reads and any pieces give the same data, ends of chunks and trailers."""
    wire, said = made
    assert decoded(body, [wire]) == said
    assert decoded(body, one_byte_each(wire)) == said
    assert decoded(body, cut(wire, places)) == said
    assert read_whole(wire) == said


SMALL = encoded([b"\r\n0", b"abc"], [SIGNATURE[:3], "", SIGNATURE[:3]], [("A", "b"), ("c", "")])


@pytest.mark.parametrize("places", [1, 2])
def test_every_way_of_splitting_a_small_body(body, places):
    """Cut at every place, and at every pair of places."""
    said = (b"\r\n0abc", [(3, "012"), (3, ""), (0, "012")], {"a": "b", "c": ""})
    for chosen in itertools.combinations(range(len(SMALL) + 1), places):
        assert decoded(body, cut(SMALL, chosen)) == said


@pytest.mark.parametrize("size", [1, 15, 16, 255, 4095, 4096, 65_535, 65_536, 1 << 20])
@pytest.mark.parametrize("read", [7, 4096, 65_536, 1 << 30])
def test_chunks_of_all_sizes_are_read_in_pieces_of_all_sizes(body, size, read):
    """A chunk may be longer or shorter than a read."""
    data = bytes(range(256)) * (size // 256 + 1)
    chunks = [data[:size], data[1 : size + 1]][: 2 if size < 1 << 20 or read > 7 else 1]
    if read == 7:
        chunks = [chunk[:70_000] for chunk in chunks]
    wire = encoded(chunks, [SIGNATURE] * (len(chunks) + 1))
    ends = [(len(chunk), SIGNATURE) for chunk in [*chunks, b""]]
    pieces = [wire[at : at + read] for at in range(0, len(wire), read)]
    assert decoded(body, pieces) == (b"".join(chunks), ends, {})


def test_a_body_of_a_hundred_thousand_chunks_is_read(body):
    """One byte each, in one read."""
    wire = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    assert decoded(body, [wire]) == (b"x" * 100_000, [(1, "")] * 100_000 + [(0, "")], {})


WELL_FORMED = {
    "an empty body": (b"0\r\n\r\n", b"", [(0, "")], {}),
    "an empty body without its last line": (b"0\r\n", b"", [(0, "")], {}),
    "a last size of many zeros": (b"0000000000000000\r\n\r\n", b"", [(0, "")], {}),
    "a size of both cases": (b"0a\r\n0123456789\r\n0A\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2, [(10, "")] * 2 + [(0, "")], {}),
    "an empty extension": (b"1;\r\nx\r\n0;\r\n\r\n", b"x", [(1, ""), (0, "")], {}),
    "another extension": (b"1;a=b\r\nx\r\n0\r\n\r\n", b"x", [(1, "a=b"), (0, "")], {}),
    "two extensions": (b"1;chunk-signature=a;b\r\nx\r\n0\r\n\r\n", b"x", [(1, "a;b"), (0, "")], {}),
    "an extension named twice": (b"0;chunk-signature=chunk-signature=\r\n\r\n", b"", [(0, "chunk-signature=")], {}),
    "bytes above 127 in an extension": (b"0;\xe9\xff\r\n\r\n", b"", [(0, "é\xff")], {}),
    "a carriage return in an extension": (b"0;a\rb\r\n\r\n", b"", [(0, "a\rb")], {}),
    "a NUL in an extension": (b"0;a\0b\r\n\r\n", b"", [(0, "a\0b")], {}),
    "a trailer with spaces": (b"0\r\n A : b c \r\n\r\n", b"", [(0, "")], {"a": "b c"}),
    "a trailer with colons": (b"0\r\na:b:c\r\n\r\n", b"", [(0, "")], {"a": "b:c"}),
    "a trailer without a name": (b"0\r\n:b\r\n\r\n", b"", [(0, "")], {"": "b"}),
    "a trailer without a value": (b"0\r\na:\r\n\r\n", b"", [(0, "")], {"a": ""}),
    "a trailer that comes twice": (b"0\r\na:b\r\nA:c\r\n\r\n", b"", [(0, "")], {"a": "c"}),
    "a trailer in Latin-1": (b"0\r\n\xc9:\xff\r\n\r\n", b"", [(0, "")], {"é": "\xff"}),
    "trailers that end with LF": (b"0\r\na:b\nc:d\n\n", b"", [(0, "")], {"a": "b", "c": "d"}),
    "trailers that end with LF CRLF": (b"0\r\na:b\n\r\nc:d\r\n\r\n", b"", [(0, "")], {"a": "b", "c": "d"}),
    "a trailer that the end cuts": (b"0\r\na:b", b"", [(0, "")], {"a": "b"}),
    "a trailer that the end cuts in its CRLF": (b"0\r\na:b\r", b"", [(0, "")], {"a": "b"}),
    "carriage returns for a last line": (b"0\r\n\r\r\r", b"", [(0, "")], {}),
    "data that looks like framing": (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", [(5, ""), (0, "")], {}),
    "the longest header": (b"1;" + b"s" * (LINE_BYTES - 3) + b"\r\nx\r\n0\r\n\r\n", b"x", [(1, "s" * (LINE_BYTES - 3)), (0, "")], {}),
    "the longest trailer": (b"0\r\na:" + b"v" * (LINE_BYTES - 3) + b"\r\n\r\n", b"", [(0, "")], {"a": "v" * (LINE_BYTES - 3)}),
    "the most trailers": (
        b"0\r\n" + b"".join(b"%d:%s\r\n" % (n, b"v" * 4094) for n in range(4)) + b"\r\n",
        b"",
        [(0, "")],
        {str(n): "v" * 4094 for n in range(4)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WELL_FORMED)
def test_an_unusual_body_is_read(body, name):
    """What is odd but says one thing is taken, in one read and in reads of one byte."""
    wire, *said = WELL_FORMED[name]
    assert decoded(body, [wire]) == decoded(body, one_byte_each(wire)) == tuple(said)


def test_the_largest_chunk_may_begin(body):
    """5 GiB, the largest object of one PUT, may be one chunk."""
    assert body.ChunkDecoder().feed(b"%x\r\nab" % CHUNK_SIZE) == [b"ab"]


# --- malformed bodies ------------------------------------------------------------------------------------------------

SIZE = "the size of a chunk is not a hexadecimal number"
CRLF = "a line of the chunked body does not end with CRLF"
LONG_LINE = "a line of the chunked body is too long"
LONG_CHUNK = "a chunk is too long"
LONG_TRAILERS = "the trailing headers are too long"
LONG_DATA = "the data of a chunk is longer than it says"
BEHIND = "there are bytes behind the end of the chunked body"
COLON = "a trailing header has no colon"
EARLY = "the chunked body ends before its last chunk"

MALFORMED = {
    "nothing": (b"", EARLY),
    "a size without an end": (b"5", EARLY),
    "a size with half an end": (b"5\r", EARLY),
    "no data": (b"5\r\n", EARLY),
    "too little data": (b"5\r\nhell", EARLY),
    "no end of the data": (b"5\r\nhello", EARLY),
    "half an end of the data": (b"5\r\nhello\r", EARLY),
    "no last chunk": (b"5\r\nhello\r\n", EARLY),
    "a last chunk that is cut": (b"5\r\nhello\r\n0", EARLY),
    "a last chunk with half an end": (b"5\r\nhello\r\n0\r", EARLY),
    "no size": (b"\r\n\r\n", SIZE),
    "no size but an extension": (b";chunk-signature=a\r\n\r\n", SIZE),
    "no number": (b"hello\r\n", SIZE),
    "a number and more": (b"5 \r\nhello\r\n0\r\n\r\n", SIZE),
    "a space before a number": (b" 5\r\nhello\r\n0\r\n\r\n", SIZE),
    "a negative size": (b"-5\r\nhello\r\n", SIZE),
    "a size with a plus": (b"+5\r\nhello\r\n", SIZE),
    "a size with 0x": (b"0x5\r\nhello\r\n", SIZE),
    "a size with an underscore": (b"1_0\r\nhello\r\n", SIZE),
    "a size with a NUL": (b"5\0\r\nhello\r\n", SIZE),
    "a size with a carriage return": (b"5\r\r\nhello\r\n", SIZE),
    "a size of the letter g": (b"g\r\n", SIZE),
    "a size of the sign after 9": (b":\r\n", SIZE),
    "a size of the sign before A": (b"@\r\n", SIZE),
    "a size of the sign before a": (b"`\r\n", SIZE),
    "a size of the sign before 0": (b"/\r\n", SIZE),
    "a size of high bytes": (b"\xb2\xff\r\n", SIZE),
    "a size of 17 digits": (b"00000000000000005\r\nhello\r\n", SIZE),
    "a size of 17 digits and an extension": (b"00000000000000005;a\r\nhello\r\n", SIZE),
    "a size of a thousand digits": (b"f" * 1000 + b"\r\n", SIZE),
    "a chunk over 5 GiB": (b"%x\r\n" % (CHUNK_SIZE + 1), LONG_CHUNK),
    "a chunk of 2**63 bytes": (b"8000000000000000\r\nx", LONG_CHUNK),
    "a chunk of 2**64 - 1 bytes": (b"ffffffffffffffff\r\nx", LONG_CHUNK),
    "a header that ends with LF": (b"5\nhello\r\n0\r\n\r\n", CRLF),
    "data that ends with LF": (b"5\r\nhello\n0\r\n\r\n", CRLF),
    "an empty header that ends with LF": (b"\n", CRLF),
    "a last chunk that ends with LF": (b"0\n\r\n", CRLF),
    "data longer than it says": (b"5\r\nhello!\r\n0\r\n\r\n", LONG_DATA),
    "data longer than it says by a carriage return": (b"5\r\nhello\r\r\n0\r\n\r\n", LONG_DATA),
    "data longer than it says, with a line end": (b"5\r\nhello world\n", CRLF),
    "data shorter than it says": (b"6\r\nhello\r\n0\r\n\r\n", CRLF),
    "a header that is too long": (b"1;" + b"s" * (LINE_BYTES - 2) + b"\r\nx", LONG_LINE),
    "a header without an end": (b"1;" + b"s" * (LINE_BYTES - 1), LONG_LINE),
    "a header with a late end": (b"1" * 100_000 + b"\r\n", LONG_LINE),
    "data much longer than it says": (b"1\r\n" + b"x" * 100_000, LONG_LINE),
    "a trailer that is too long": (b"0\r\na:" + b"v" * (LINE_BYTES - 2) + b"\r\n", LONG_LINE),
    "a trailer without an end": (b"0\r\na:" + b"v" * LINE_BYTES, LONG_LINE),
    "a trailer without a colon": (b"0\r\nhello\r\n\r\n", COLON),
    "a trailer of a carriage return": (b"0\r\n\r\r\n\r\n", COLON),
    "a trailer of a space": (b"0\r\n \r\n\r\n", COLON),
    "a second trailer without a colon": (b"0\r\na:b\r\nhello\r\n\r\n", COLON),
    "a trailer without a colon that the end cuts": (b"0\r\nhello", COLON),
    "a byte behind the end": (b"0\r\n\r\nx", BEHIND),
    "a line behind the end": (b"0\r\n\r\n\r\n", BEHIND),
    "a chunk behind the end": (b"0\r\n\r\n5\r\nhello\r\n", BEHIND),
    "a line behind trailers": (b"0\r\na:b\r\n\r\n\n", BEHIND),
    "a line behind trailers that end with LF CRLF": (b"0\r\na:b\n\r\n\r\n\r\n", BEHIND),
    "trailers that are too long": (
        b"0\r\n" + b"".join(b"%d:%s\r\n" % (n, b"v" * 4094) for n in range(4)) + b":\r\n\r\n",
        LONG_TRAILERS,
    ),
    "a trailer repeated for ever": (b"0\r\n" + b"a:b\r\n" * (TRAILER_BYTES // 3 + 1), LONG_TRAILERS),
    "a cut trailer that is too long for the others": (
        b"0\r\n" + b"".join(b"%d:%s\r\n" % (n, b"v" * 4094) for n in range(4)) + b"x:",
        LONG_TRAILERS,
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_body_is_refused_with_the_same_words(body, name):
    """By both twins, in one read, in two halves and in reads of one byte."""
    wire, text = MALFORMED[name]
    for pieces in ([wire], cut(wire, [len(wire) // 2]), one_byte_each(wire)):
        with pytest.raises(ValueError) as caught:
            decoded(body, pieces)
        assert (caught.type, str(caught.value)) == (ValueError, text)


FRAGMENTS = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"0",
        b"1",
        b"2",
        b"f",
        b"F",
        b"5\r\n",
        b"0\r\n",
        b"\r\n\r\n",
        b";",
        b":",
        b"a:b\r\n",
        b"x",
        b"hello",
        b";chunk-signature=",
        b"0\r\n\r\n",
        b"1\r\nx\r\n",
        b"\xff",
        b"\0",
        b" ",
        b"140000000",
        b"140000001",
        b"ffffffffffffffff",
    ]
)
ANYTHING = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=12).map(b"".join)


@st.composite
def damaged(draw):
    """A good body in which a few bytes were changed, taken out or put in."""
    wire = draw(bodies())[0]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(wire)))
        wire = wire[:at] + draw(FRAGMENTS | st.binary(max_size=2)) + wire[at + draw(st.integers(0, 3)) :]
    return wire


@settings(max_examples=500)
@given(wire=ANYTHING | damaged(), places=PLACES)
@example(wire=b"5\r\nhello\r\r\n", places=[])
def test_any_bytes_are_read_or_refused_alike_however_they_are_split(body, wire, places):
    """As a reader of whole bodies has it, and with the words of the twin."""
    found = outcome(body, [wire])
    said = read_whole(wire)
    assert found == said if said is not None else isinstance(found, str)
    assert outcome(body, cut(wire, places)) == outcome(body, one_byte_each(wire)) == found
    assert outcome(_body_py, [wire]) == found


@given(wires=st.lists(ANYTHING, max_size=6))
def test_a_decoder_that_has_refused_goes_on_like_its_twin(body, wires):
    """Whatever is done with it after an error, it does not crash."""
    decoders = body.ChunkDecoder(), _body_py.ChunkDecoder()

    def tried(call):
        try:
            return call()
        except ValueError as ex:
            return str(ex)

    for wire in wires:
        left, right = (tried(lambda one=one: one.feed(wire)) for one in decoders)
        assert left == right
    for _ in range(2):
        left, right = (tried(one.finish) for one in decoders)
        assert left == right


# --- the face of it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [b"", b"5", b"5\r\n", b"5\r\nhello", b"0\r\n", b"0\r\n\r\n"])
@pytest.mark.parametrize(
    "broken", [None, "", "5\r\n", bytearray(b"5\r\n"), memoryview(b"5\r\n"), 5, 1.5, [b"5"], object()]
)
def test_what_is_not_bytes_is_a_type_error(body, state, broken):
    """In every state, and the decoder goes on as if it had not been asked."""
    decoder, other = body.ChunkDecoder(), body.ChunkDecoder()
    decoder.feed(state)
    other.feed(state)
    with pytest.raises(TypeError):
        decoder.feed(broken)
    rest = {b"": b"1\r\nx\r\n0\r\n\r\n", b"0\r\n\r\n": b""}.get(state, b"\r\n")
    assert decoder.feed(rest) == other.feed(rest)


@pytest.mark.parametrize(
    "call",
    [
        lambda body: body.ChunkDecoder(1),
        lambda body: body.ChunkDecoder(x=1),
        lambda body: body.ChunkDecoder().feed(),
        lambda body: body.ChunkDecoder().feed(b"", b""),
        lambda body: body.ChunkDecoder().finish(b""),
    ],
)
def test_a_wrong_call_is_a_type_error(body, call):
    """As of any Python class."""
    with pytest.raises(TypeError):
        call(body)


def test_the_argument_can_be_named(body):
    """Both can be called with the same keywords."""
    assert body.ChunkDecoder().feed(data=b"1\r\nx") == [b"x"]


def test_a_subclass_of_bytes_is_taken(body):
    """Which kind of bytes a server hands out does not matter."""
    assert b"".join(body.ChunkDecoder().feed(type("Block", (bytes,), {})(b"2\r\nab"))) == b"ab"


def test_nothing_in_is_nothing_out(body):
    """An empty read changes nothing, in any state."""
    decoder = body.ChunkDecoder()
    for wire in (b"5", b"\r", b"\n", b"hel", b"lo", b"\r\n", b"0\r\n", b"a:b\r\n", b"\r\n"):
        decoder.feed(wire)
        assert decoder.feed(b"") == []


def test_a_read_that_is_all_data_is_not_copied(body):
    """A large chunk read in large pieces costs no copy of them."""
    decoder = body.ChunkDecoder()
    decoder.feed(b"100000\r\n")
    piece = bytes(1 << 18)
    assert decoder.feed(piece)[0] is piece


def test_no_reference_is_kept(body):
    """Neither to what was read nor to what came of it, also after an error."""
    piece = b"hello\r\n5\r\nhel" + b"x" * 50
    count = sys.getrefcount(piece)
    for _ in range(100):
        decoder = body.ChunkDecoder()
        decoder.feed(b"5\r\n")
        with contextlib.suppress(ValueError):
            decoder.feed(piece)
    del decoder
    assert sys.getrefcount(piece) == count


def test_the_gateway_takes_the_compiled_decoder_where_there_is_one(body):
    """What is tested here is what reads bodies."""
    if _speedups.compiled == body.__name__.endswith("_c"):
        assert _speedups.ChunkDecoder is body.ChunkDecoder
