"""Bodies on their way: what has come goes on, what failed leaves nothing, what was cut short is never whole."""

import time

import pytest
from google.protobuf.wrappers_pb2 import BytesValue

from falcon_s3.pfs import Changed, FileNotFound, Unavailable, Unsupported
from falcon_s3.pfs.pachd import framing, methods
from falcon_s3.pfs.pachd.names import branch_message
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pfs.bodies import Breaking, Bytes, Wrong, names, put

MEBIBYTE = 1 << 20
PATIENCE_SECONDS = 20


class Paced(Bytes):
    """A body whose next chunk comes when the last has arrived behind the proxy."""

    def __init__(self, proxy, chunks=8):
        super().__init__(bytes(range(256)) * 4096 * chunks)
        self._proxy = proxy
        self.seen = []

    def __iter__(self):
        for chunk in super().__iter__():
            before = self._proxy.sent
            yield chunk
            end = time.monotonic() + PATIENCE_SECONDS
            while self._proxy.sent - before <= len(chunk) // 2 and time.monotonic() < end:
                time.sleep(0.005)
            self.seen.append(self._proxy.sent - before)


def test_the_first_bytes_are_at_pachd_before_the_last_come_from_the_client(far, branch, proxy):
    body = Paced(proxy)
    file = far.put_file(branch, "a", body)
    assert file.size == 8 * MEBIBYTE
    assert min(body.seen) > MEBIBYTE // 2, "a chunk was held back until the body ended"


@pytest.mark.parametrize("size", [0, 1, 100_000, 5 * MEBIBYTE])
def test_a_body_that_fails_makes_no_commit(pfs, branch, size):
    """Of no size, and as often as it is tried."""
    before = pfs.inspect_branch(branch)
    for _ in range(20 if size < MEBIBYTE else 5):
        with pytest.raises(Wrong):
            pfs.put_file(branch, "a", Breaking(b"x" * size))
    assert pfs.inspect_branch(branch) == before
    put(pfs, branch, "b", b"1")
    assert names(pfs, branch) == ["b"]
    assert pfs.inspect_commit(pfs.inspect_branch(branch).head).parent == before.head


def test_what_is_known_to_be_lost_is_refused_before_the_body(pfs, branch):
    class Unread(Bytes):
        def __iter__(self):
            raise AssertionError("the body was read")

    with pytest.raises(Unsupported, match="tags"):
        pfs.put_file(branch, "a", Unread(b""), {"x-amz-tagging": "a=b"})
    with pytest.raises(Unsupported):
        pfs.start_upload(branch, "a", {"x-amz-tagging": "a=b"})


@pytest.mark.parametrize("messages", [0, 1, 3])
def test_a_stream_that_ends_early_is_no_whole_file(pfs, branch, messages, monkeypatch):
    """pachd says how long a file is before it sends it: fewer bytes are a failure, not the end."""
    file = put(pfs, branch, "a", b"x" * 5 * MEBIBYTE)
    real = pfs._calls.replies

    def short(method, request):
        replies = real(method, request)
        if method is methods.GET_FILE:
            kept = [next(replies) for _ in range(messages)]
            replies.close()
            replies = FewReplies(kept)
        return replies

    monkeypatch.setattr(pfs._calls, "replies", short)
    with pytest.raises(Unavailable, match="before its end"):
        b"".join(pfs.open_file(file))


class FewReplies(list):
    def __init__(self, replies):
        super().__init__(replies)
        self._iterator = iter(replies)

    def __next__(self):
        return next(self._iterator)

    def close(self):
        pass


def test_an_empty_file_is_read_without_a_call(pfs, branch):
    """pachd sends no message for it, pfsd an empty one; the store knows the size."""
    file = put(pfs, branch, "a", b"")
    pfs.calls()
    assert list(pfs.open_file(file)) == []
    assert pfs.calls() == []


def test_a_file_that_has_gone_says_so_before_the_first_byte(pfs, branch):
    """With its commit: then it is to be found again, for a branch may show it in another one."""
    file = put(pfs, branch, "a", b"x")
    with pytest.raises(FileNotFound):
        pfs.open_file(file._replace(path="b"))
    pfs.delete_branch(branch)
    with pytest.raises(Changed):
        pfs.open_file(file)


def test_chunks_are_read_in_whatever_form_they_come(pfs):
    """A value that is not where every encoder puts it is found too."""
    odd = b"\x12\x03abc" + BytesValue(value=b"xyz").SerializeToString()
    assert framing.chunk(odd) == b"xyz"
    assert framing.chunk(b"") == b""


def test_memory_for_a_body_is_bounded(far, branch, proxy):
    """When nothing is taken from us, nothing more is taken from the client."""
    taken = 0

    class Endless(Bytes):
        def __iter__(self):
            nonlocal taken
            for _ in range(200):
                taken += MEBIBYTE
                if taken == 3 * MEBIBYTE:
                    proxy.stalled = True
                yield bytes(MEBIBYTE)

    with pytest.raises(Unavailable):
        far.put_file(branch, "a", Endless(b""))
    assert taken < 40 * MEBIBYTE


def test_memory_for_downloads_that_nobody_takes_is_bounded(far, pfs, branch, proxy):
    """What pachd sends ahead does not grow with the downloads beside: it is all held for them."""
    found = put(pfs, branch, "a", bytes(48 * MEBIBYTE))
    before = proxy.received
    readers = [far.open_file(found) for _ in range(16)]
    seen = -1
    while seen != proxy.received:
        seen = proxy.received
        time.sleep(0.3)
    assert seen - before < len(readers) * 3 * MEBIBYTE
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("size", [1, 200_000, 3 * MEBIBYTE])
def test_a_file_that_grew_since_it_was_found_is_not_read_in_part(pfs, branch, size):
    """In an open commit; its first bytes, under the length it had, would look like a whole file."""
    pfs._calls.change(methods.START_COMMIT, wire.StartCommitRequest(branch=branch_message(branch)))
    found = put(pfs, branch, "a", b"1" * size)
    put(pfs, branch, "a", b"2" * (size + 1))
    with pytest.raises(Changed):
        list(pfs.open_file(found))


@pytest.mark.parametrize(
    ("before", "after"), [(1, 2), (300_000, 300), (300, 300_000), (300_000, 300_001), (3 * MEBIBYTE, 300_000), (5, 0)]
)
def test_an_answer_does_not_begin_with_another_length_than_the_file_has_now(pfs, branch, before, after):
    """In an open commit, where the file is of no more than a chunk now, or was: who asks can be answered anew."""
    pfs._calls.change(methods.START_COMMIT, wire.StartCommitRequest(branch=branch_message(branch)))
    found = put(pfs, branch, "a", b"1" * before)
    put(pfs, branch, "a", b"2" * after)
    with pytest.raises(Changed):
        pfs.open_file(found)
