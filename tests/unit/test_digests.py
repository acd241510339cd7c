"""Digests: the published values, and the same however a body is cut, on threads or not."""

from __future__ import annotations

import base64
import hashlib
import random
import subprocess
import sys
import threading
import time
import weakref
import zlib

import pytest
import xxhash
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import digests, pfs
from falcon_s3.digests import CHECKSUMS, INLINE_BYTES, REMEMBERED_BYTES, HashedBody, Hashes, body_of
from falcon_s3.pfs.beginnings import Beginnings

CHECK = b"123456789"
# Of b"123456789": the check values of the catalogue of CRC algorithms, and of FIPS 180-4's functions, and others.
PUBLISHED = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "sha512": "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
    "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "xxhash64": "8cb841db40e6ae83",
}
OF_NOTHING = {
    "crc32": "00000000",
    "crc32c": "00000000",
    "crc64nvme": "0000000000000000",
    "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "md5": "d41d8cd98f00b204e9800998ecf8427e",
    "xxhash64": "ef46db3751d8e999",
    "xxhash3": "2d06800538d394c2",
    "xxhash128": "99aa06d3014798d86001c324468d497f",
}
OTHER_XXHASHES = {"xxhash64": xxhash.xxh64, "xxhash3": xxhash.xxh3_64, "xxhash128": xxhash.xxh3_128}
POLYNOMIALS = {"crc32": 0xEDB88320, "crc32c": 0x82F63B78, "crc64nvme": 0x9A6C9329AC4BC9B5}


def bitwise(name, data):
    """A reflected CRC, bit by bit, as its catalogue defines it."""
    polynomial, width = POLYNOMIALS[name], 64 if "64" in name else 32
    value = ones = (1 << width) - 1
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
    return (value ^ ones).to_bytes(width // 8, "big")


def hashed(chunks, *named):
    hashes = Hashes(*named)
    for chunk in chunks:
        hashes.update(chunk)
    return hashes


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize(
    "chunks", [[CHECK], [CHECK[:4], CHECK[4:]], [b"", CHECK, b""], [bytes([each]) for each in CHECK]]
)
def test_published_values(name, chunks):
    """The check value of each algorithm, in one chunk or in several."""
    assert hashed(chunks, None if name == "md5" else name).digest(name).hex() == PUBLISHED[name]


@pytest.mark.parametrize("name", OF_NOTHING)
@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_of_nothing(name, chunks):
    """A body of no bytes has digests too."""
    assert hashed(chunks, None if name == "md5" else name).digest(name).hex() == OF_NOTHING[name]


@given(chunks=st.lists(st.binary(max_size=100), max_size=5), name=st.sampled_from(list(POLYNOMIALS)))
def test_a_crc_is_what_its_definition_says(chunks, name):
    """Bit by bit, over any chunks."""
    assert hashed(chunks, name).digest(name) == bitwise(name, b"".join(chunks))


@given(chunks=st.lists(st.binary(max_size=500), max_size=5), name=st.sampled_from(list(OTHER_XXHASHES)))
def test_an_xxhash_is_what_another_library_says(chunks, name):
    """Over any chunks, also of memory that is not bytes, and after a look in between."""
    hashes = CHECKSUMS[name]()
    for chunk in chunks:
        hashes.update(memoryview(bytearray(chunk)))
        hashes.digest()
    assert hashes.digest() == OTHER_XXHASHES[name](b"".join(chunks)).digest()


def test_the_checksums_are_those_that_clients_may_send():
    """Each with the length of its digest."""
    lengths = {name: len(make().digest()) for name, make in CHECKSUMS.items()}
    assert lengths == {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32, "sha512": 64, "md5": 16} | {
        "xxhash64": 8,
        "xxhash3": 8,
        "xxhash128": 16,
    }


BLOCK = bytes(range(251)) * (3 * INLINE_BYTES // 251)
SIZES = [0, 1, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 2 * INLINE_BYTES, pfs.CHUNK_BYTES // 2]


@pytest.mark.parametrize("name", [None, *CHECKSUMS])
@pytest.mark.parametrize("first", SIZES)
@pytest.mark.parametrize("second", SIZES)
def test_chunks_hashed_here_and_on_threads_come_in_order(name, first, second):
    """A small chunk behind a large one waits for it, and the other way round."""
    chunks = [BLOCK[:first], BLOCK[7 : 7 + second], b"between", BLOCK[9 : 9 + first], BLOCK[:second]]
    data = b"".join(chunks)
    hashes = hashed(chunks, name, "sha256")
    assert hashes.finish() == pfs.Digests(hashlib.md5(data).digest(), hashlib.sha256(data).digest())
    assert hashes.digest("md5") == hashlib.md5(data).digest()
    assert hashes.digest("sha256") == hashlib.sha256(data).digest()
    if name == "crc32":
        assert hashes.digest(name) == zlib.crc32(data).to_bytes(4, "big")
    elif name == "sha1":
        assert hashes.digest(name) == hashlib.sha1(data).digest()
    elif name is not None:
        assert hashes.digest(name) == hashed([data], name).digest(name)


@pytest.mark.parametrize("size", [10, 2 * INLINE_BYTES])
def test_a_digest_may_be_asked_for_at_any_time(size):
    """It is of the chunks so far, and more may follow."""
    hashes = Hashes("crc32")
    for number in range(1, 4):
        hashes.update(BLOCK[:size])
        assert hashes.digest("crc32") == hashes.digest("crc32") == zlib.crc32(BLOCK[:size] * number).to_bytes(4, "big")
        assert hashes.finish() == hashes.finish()


@pytest.mark.parametrize(("checksum", "asked"), [(None, "crc32"), ("crc32", "sha1"), (None, "md4")])
def test_a_digest_that_is_not_computed_is_a_key_error(checksum, asked):
    """Nothing is computed that was not asked for at the beginning."""
    with pytest.raises(KeyError):
        Hashes(checksum).digest(asked)


@pytest.mark.parametrize("name", ["", "md4", "CRC32", "x-amz-checksum-crc32"])
def test_an_unknown_checksum_is_a_key_error(name):
    """Which names there are is decided before."""
    with pytest.raises(KeyError):
        Hashes(name)


def test_a_checksum_that_is_named_twice_is_computed_once():
    """And the MD5 of every body also where it is named."""
    assert list(Hashes("sha256", None, "sha256", "md5")._named) == ["sha256"]


@pytest.mark.parametrize("name", [None, *CHECKSUMS])
def test_threads_are_for_two_hashes(name):
    """A CRC takes so little beside the MD5 that it is none."""
    assert Hashes(name).is_for_threads() == (name in ("sha1", "sha256", "sha512"))


def test_a_sha256_that_nobody_asked_for_is_not_computed():
    """Of all digests it is the one that costs most besides the MD5."""
    assert hashed([CHECK]).finish() == pfs.Digests(hashlib.md5(CHECK).digest(), None)


@pytest.mark.parametrize("bad", ["text", None, 7])
def test_what_is_no_bytes_is_a_type_error(bad):
    """A mistake of the caller is told where it is made."""
    with pytest.raises(TypeError):
        Hashes().update(bad)


def test_an_error_on_a_thread_is_raised_by_the_next_step(monkeypatch):
    """A digest that was not computed is never given out."""

    def fail(data, value):
        raise OverflowError

    monkeypatch.setitem(CHECKSUMS, "crc32", lambda: digests.Crc(fail, 4))
    hashes = Hashes("crc32")
    hashes.update(bytes(INLINE_BYTES + 1))
    with pytest.raises(OverflowError):
        hashes.finish()
    hashes = Hashes("crc32")
    hashes.update(bytes(INLINE_BYTES + 1))
    with pytest.raises(OverflowError):
        hashes.digest("crc32")


@pytest.mark.parametrize("length", [5, INLINE_BYTES, INLINE_BYTES + 1])
def test_small_chunks_need_no_threads(length, monkeypatch):
    """For them a thread is slower than the hash; the checksums of large ones go to the threads."""
    asked = []
    monkeypatch.setattr(digests, "_threads", lambda real=digests._threads: asked.append(1) or real())
    hashed([BLOCK[:length]]).finish()
    assert asked == []
    hashed([BLOCK[:length]], "sha256").finish()
    assert bool(asked) == (length > INLINE_BYTES)


def test_one_chunk_is_under_way_at_a_time(monkeypatch):
    """The next large chunk is handed over only when the one before is hashed."""
    free, busy = threading.Event(), []

    class Slow:
        def update(self, data):
            busy.append(len(data))
            assert free.wait(30)

        def digest(self):
            return b""

    hashes = Hashes()
    hashes._named = {"slow": Slow()}
    hashes.update(BLOCK[: INLINE_BYTES + 1])
    second = threading.Thread(target=hashes.update, args=(BLOCK[: INLINE_BYTES + 2],))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    assert busy in ([], [INLINE_BYTES + 1])
    free.set()
    second.join(30)
    hashes.digest("md5")
    assert busy == [INLINE_BYTES + 1, INLINE_BYTES + 2]


def test_hashes_that_are_given_up_leave_nothing():
    """When the chunk under way is hashed, nothing holds on to it or to them."""
    free = threading.Event()

    class Slow:
        def update(self, data):
            free.wait(30)

    hashes = Hashes()
    hashes._named = {"slow": Slow()}
    gone = weakref.ref(hashes._named["slow"])
    chunk = bytes(INLINE_BYTES + 1)
    count = sys.getrefcount(chunk)
    hashes.update(chunk)
    del hashes
    free.set()
    for _ in range(1000):
        if gone() is None and sys.getrefcount(chunk) == count:
            break
        time.sleep(0.01)
    else:
        pytest.fail("something is kept")


def test_many_bodies_are_hashed_at_once():
    """More than there are threads, each with its own digests."""
    results = {}

    def one(number):
        chunks = [bytes([number]) * (INLINE_BYTES + 1)] * 3
        results[number] = hashed(chunks).finish() == hashed([b"".join(chunks)[:0], *chunks]).finish()
        results[number] &= hashed(chunks, "sha256").digest("sha256") == hashlib.sha256(b"".join(chunks)).digest()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert results == dict.fromkeys(range(40), True)


FORKED = """
import hashlib, os
from falcon_s3.digests import Hashes
data = bytes(1 << 20)
def digest():
    hashes = Hashes()
    hashes.update(data)
    return hashes.finish().md5
assert digest() == hashlib.md5(data).digest()
child = os.fork()
if not child:
    os._exit(0 if digest() == hashlib.md5(data).digest() else 1)
assert os.waitpid(child, 0)[1] == 0
assert digest() == hashlib.md5(data).digest()
"""


def test_threads_are_made_anew_after_a_fork():
    """A child of a process that has hashed on threads hashes on threads of its own."""
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)


# --- bodies at hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b""],
        [b"a"],
        [b"a", b"", b"b"],
        [bytes(pfs.CHUNK_BYTES)],
        [bytes(pfs.CHUNK_BYTES + 1), b"x"],
        [BLOCK * 5, BLOCK],
    ],
)
@pytest.mark.parametrize("kind", [list, iter])
def test_a_body_of_bytes_at_hand(chunks, kind):
    """Whatever it is made of, its chunks have 1 to CHUNK_BYTES bytes and its digests are of all."""
    made = body_of(kind(chunks))
    found = list(made)
    data = b"".join(chunks)
    assert b"".join(found) == data
    assert all(0 < len(chunk) <= pfs.CHUNK_BYTES for chunk in found)
    assert made.digests() == pfs.Digests(hashlib.md5(data).digest())


@pytest.mark.parametrize("name", sorted(PUBLISHED.keys() - {"md5"}))
def test_a_checksum_of_a_body_is_known_when_it_ended(name):
    """As the attribute that keeps it; not before, and not where nobody asked."""
    attributes = {"other": "1"}
    body = HashedBody([CHECK[:4], CHECK[4:]], name, attributes)
    for _ in body:
        assert attributes == {"other": "1"}
    value = base64.b64encode(bytes.fromhex(PUBLISHED[name])).decode()
    assert attributes == {"other": "1", f"x-amz-checksum-{name}": value}
    assert body.digests().md5.hex() == PUBLISHED["md5"]
    for arguments in ((name, None), (None, {}), (None, None)):
        assert list(HashedBody([CHECK], *arguments)) == [CHECK]
        assert not arguments[1]


class Counted:
    """An MD5 that counts the bytes it is given."""

    hashed = 0

    def update(self, data, keep=False):
        Counted.hashed += len(data)
        self._md5.update(data, keep)

    def kept(self):
        return self._md5.kept()

    def state(self):
        return self._md5.state()

    def digest(self):
        return self._md5.digest()


@pytest.fixture
def counted(monkeypatch):
    """What is remembered of nothing, and the class that counts."""
    md5 = digests.Md5
    monkeypatch.setattr(Counted, "__init__", lambda self, state=None: setattr(self, "_md5", md5(state)))
    monkeypatch.setattr(Counted, "hashed", 0)
    monkeypatch.setattr(digests, "Md5", Counted)
    monkeypatch.setattr(digests.Remembered, "_states", Beginnings())
    return Counted


PIECE = random.Random(3).randbytes(REMEMBERED_BYTES + 1)
OTHER = random.Random(4).randbytes(REMEMBERED_BYTES + 1)


def test_the_md5_of_the_same_bytes_is_computed_once(counted):
    """However many bodies have them, if they are cut alike."""
    for _ in range(3):
        assert hashed([PIECE, OTHER, PIECE]).digest("md5") == hashlib.md5(PIECE + OTHER + PIECE).digest()
    assert counted.hashed == 3 * len(PIECE)


@pytest.mark.parametrize("piece", [PIECE, PIECE[:-1], PIECE[:-2], b"1"])
def test_the_md5_goes_on_where_bodies_part(counted, piece):
    """From what was computed of both; pieces that are not whole blocks, and such as are too small to be remembered."""
    hashed([PIECE, piece, PIECE]).digest("md5")
    for pieces in ([PIECE, OTHER], [PIECE, piece, OTHER], [PIECE, piece, OTHER, PIECE], [PIECE, piece], [PIECE]):
        before = counted.hashed
        hashes = hashed(pieces)
        assert hashes.digest("md5") == hashes.digest("md5") == hashlib.md5(b"".join(pieces)).digest()
        assert counted.hashed - before < sum(map(len, pieces[1:])) + 1


def test_the_md5_of_a_beginning_may_be_forgotten_before_that_of_more(counted):
    """As it mostly is: it was used before. What is computed anew is remembered as its own."""
    hashed([PIECE, OTHER]).digest("md5")
    del digests.Remembered._states._known[blake3(PIECE).digest()]
    for pieces in ([PIECE, OTHER], [PIECE], [PIECE, PIECE], [PIECE, OTHER, PIECE]):
        assert hashed(pieces).digest("md5") == hashlib.md5(b"".join(pieces)).digest()
    assert counted.hashed == (2 + 1 + 1 + 1) * len(PIECE)


def test_bodies_that_are_hashed_at_once_remember_the_same(counted):
    """Two threads a body, each with its own end."""
    wrong = []

    def take(number):
        for turn in range(50):
            pieces = [PIECE, OTHER, bytes([number]) * REMEMBERED_BYTES, bytes([turn]) * REMEMBERED_BYTES]
            if hashed(pieces).digest("md5") != hashlib.md5(b"".join(pieces)).digest():
                wrong.append(pieces)

    threads = [threading.Thread(target=take, args=(number // 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_was_not_used_for_longest_is_forgotten():
    """And what was used is not."""
    beginnings = Beginnings(2)
    beginnings.put(b"a", 1)
    beginnings.put(b"b", 2)
    assert beginnings.get(b"a") == 1
    beginnings.put(b"c", 3)
    assert [beginnings.get(each) for each in (b"a", b"b", b"c")] == [1, None, 3]
    assert beginnings.get(b"a") == 1
    beginnings.put(b"c", 4)
    beginnings.put(b"d", 5)
    assert [beginnings.get(each) for each in (b"a", b"c", b"d")] == [None, 4, 5]
    beginnings.clear()
    assert [beginnings.get(each) for each in (b"c", b"d")] == [None, None]


def test_of_many_some_are_forgotten_at_a_time():
    """Those not used for longest, an eighth; all others stay."""
    beginnings = Beginnings(16)
    for number in range(17):
        assert beginnings.get(b"0") == (0 if number else None)
        beginnings.put(b"%d" % number, number)
    assert [beginnings.get(b"%d" % number) for number in range(17)] == [0, None, None, *range(3, 17)]


def test_a_body_begins_with_what_came_of_it():
    """Its BLAKE3, at any time, also of chunks that are hashed on threads."""
    hashes = Hashes("sha256")
    assert hashes.beginning() == blake3().digest()
    hashes.update(PIECE)
    assert hashes.beginning() == blake3(PIECE).digest()
    hashes.update(bytes(INLINE_BYTES + 1))
    assert hashes.beginning() == blake3(PIECE + bytes(INLINE_BYTES + 1)).digest()
