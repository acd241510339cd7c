"""Uploads in parts are kept in pachd, where nobody sees them and every gateway finds them."""

import contextlib
import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from falcon_s3.pfs import Branch, BranchNotFound, InvalidName, PfsError, Repo, Unavailable, UploadNotFound, filesets
from falcon_s3.pfs.pachd import PachdPfs, layers, leases, methods, uploads, writing
from falcon_s3.pfs.pachd.address import parse
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pachd.users import running
from tests.pachd.wiretap import Lost
from tests.pfs.bodies import Bytes, get, names, put


def hidden(pfs, branch):
    """The branches that uploads of a repo are kept on, as pachd itself has them."""
    return [name for name in uploads._names(pfs._calls, branch) if name.startswith(uploads.PREFIX)]


def test_an_upload_goes_on_through_any_gateway(open_pfs, branch):
    first = open_pfs()
    upload = first.start_upload(branch, "a", {"x": "1"})
    one = first.put_part(branch, "a", upload.id, 1, Bytes(b"1" * 100_000), {"n": "1"})
    first.close()
    second, third = open_pfs(), open_pfs()
    two = second.put_part(branch, "a", upload.id, 2, Bytes(b"2"))
    assert third.list_parts(branch, "a", upload.id) == [one, two]
    assert list(third.list_uploads(branch)) == [upload]
    file = third.finish_upload(branch, "a", upload.id, [(1, one.etag), (2, two.etag)], "")
    assert second.inspect_finished(branch, "a", upload.id) == file
    assert get(second, branch, "a") == b"1" * 100_000 + b"2"


def test_a_part_that_is_sent_again_is_the_later_one_and_nothing_of_the_earlier(pfs, branch):
    upload = pfs.start_upload(branch, "a").id
    pfs.put_part(branch, "a", upload, 1, Bytes(b"1" * 100_000), {"n": "1", "of": "the first"})
    other = pfs.put_part(branch, "a", upload, 10_000, Bytes(b"3"))
    later = pfs.put_part(branch, "a", upload, 1, Bytes(b"2" * 7), {"n": "2"})
    assert pfs.list_parts(branch, "a", upload) == [later, other]
    assert pfs.list_parts(branch, "a", upload, after=1) == [other]
    assert pfs.list_parts(branch, "a", upload, after=10_000) == []
    pfs.finish_upload(branch, "a", upload, [(1, later.etag), (10_000, other.etag)], "")
    assert get(pfs, branch, "a") == b"2" * 7 + b"3"


def test_of_those_who_send_one_part_at_one_time_one_has_it_whole(open_pfs, branch):
    """Its bytes, its size, its ETag and its attributes."""
    stores = [open_pfs() for _ in range(4)]
    first = stores[0]
    upload = first.start_upload(branch, "a").id

    def send(store, name):
        data = b"%d" % name * (1000 + name)
        return [store.put_part(branch, "a", upload, 1, Bytes(data, step=100), {"n": str(name)}) for _ in range(10)]

    with ThreadPoolExecutor(len(stores)) as threads:
        sent = [part for parts in threads.map(send, stores, range(len(stores))) for part in parts]
    [part] = first.list_parts(branch, "a", upload)
    assert part in sent
    file = first.finish_upload(branch, "a", upload, [(1, part.etag)], "")
    assert hashlib.md5(get(first, branch, "a")).hexdigest() == part.etag
    assert file.size == part.size == 1000 + int(part.attributes["n"])


class Deletions(grpc.ServerInterceptor):
    """Writes down the paths that are deleted by changes to files."""

    def __init__(self):
        self.paths = []

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if not handler_call_details.method.endswith("/ModifyFile"):
            return handler

        def noted(messages):
            for message in messages:
                change = wire.ModifyFileRequest.FromString(message)
                if change.HasField("delete_file"):
                    self.paths.append(change.delete_file.path)
                yield message

        return grpc.stream_unary_rpc_method_handler(
            lambda messages, context: handler.stream_unary(noted(messages), context),
            handler.request_deserializer,
            handler.response_serializer,
        )


def test_a_part_makes_pachd_look_for_no_others(tmp_path):
    """It deletes files and no folder, for which pachd goes through all parts that are there."""
    branch, deletions = Branch(Repo("default", "images"), "master"), Deletions()
    with running(tmp_path, deletions) as address, contextlib.closing(PachdPfs(parse(address))) as pfs:
        pfs.create_branch(branch)
        upload = pfs.start_upload(branch, "a").id
        for _ in range(2):
            pfs.put_part(branch, "a", upload, 7, Bytes(b"x"))
    assert deletions.paths == ["/00007/data", "/00007/about"] * 2


@pytest.mark.parametrize("told", [b"", b"{}", b"3", b"[1]", b"\xff"])
def test_what_is_no_part_of_ours_is_an_error_of_the_store(pfs, branch, told):
    upload = pfs.start_upload(branch, "a").id
    commit = uploads.find(pfs._calls, branch, "a", upload).commit
    writing.modify(pfs._calls, commit, [writing.add("00001/data", b"x"), writing.add("00001/about", told)])
    with pytest.raises(PfsError, match="00001/about"):
        pfs.list_parts(branch, "a", upload)


class Slow(grpc.ServerInterceptor):
    """Answers a method that takes a stream late, and others meanwhile."""

    def __init__(self, method, seconds):
        self._method = method
        self._seconds = seconds

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if not handler_call_details.method.endswith(f"/{self._method}"):
            return handler

        def late(messages, context):
            time.sleep(self._seconds)
            return handler.stream_unary(messages, context)

        return grpc.stream_unary_rpc_method_handler(late, handler.request_deserializer, handler.response_serializer)


def test_an_upload_of_many_bytes_may_take_pachd_longer_to_put_together(tmp_path):
    """Than it may keep other calls waiting: 8 MiB, four seconds more than three."""
    branch = Branch(Repo("default", "images"), "master")
    with running(tmp_path, Slow("CreateFileSet", 4.0)) as address:
        with contextlib.closing(PachdPfs(parse(address), deadline=3.0)) as pfs:
            pfs.create_branch(branch)
            upload = pfs.start_upload(branch, "a").id
            part = pfs.put_part(branch, "a", upload, 1, Bytes(b"x" * (8 << 20)))
            file = pfs.finish_upload(branch, "a", upload, [(1, part.etag)], "")
            small = pfs.start_upload(branch, "b").id
            part = pfs.put_part(branch, "b", small, 1, Bytes(b"x"))
            with pytest.raises(Unavailable):
                pfs.finish_upload(branch, "b", small, [(1, part.etag)], "")
            assert file.size == 8 << 20
            assert names(pfs, branch) == ["a"]


@pytest.mark.parametrize("is_renewed", [True, False])
def test_what_an_upload_is_put_together_of_is_kept_as_long_as_that_takes(tmp_path, monkeypatch, is_renewed):
    """By renewing it: pachd keeps it for some minutes, here four seconds."""
    monkeypatch.setattr(filesets, "TTL_SECONDS", 4)
    monkeypatch.setattr(layers, "MADE_SECONDS", 4)
    monkeypatch.setattr(leases, "LOOK_SECONDS", 0.1)
    if is_renewed:
        monkeypatch.setattr(leases, "MADE_AGE", 0.0)
    branch = Branch(Repo("default", "images"), "master")
    with running(tmp_path, Slow("CreateFileSet", 6.0)) as address, contextlib.closing(PachdPfs(parse(address))) as pfs:
        pfs.create_branch(branch)
        upload = pfs.start_upload(branch, "a").id
        parts = [pfs.put_part(branch, "a", upload, number, Bytes(b"x" * number)) for number in (1, 2)]
        wanted = [(part.number, part.etag) for part in parts]
        if is_renewed:
            assert pfs.finish_upload(branch, "a", upload, wanted, "").size == 3
        else:
            with pytest.raises(Unavailable):
                pfs.finish_upload(branch, "a", upload, wanted, "")
        assert not [thread for thread in threading.enumerate() if thread.name == "pachd-leases"]


class Composed(grpc.ServerInterceptor):
    """Writes down for how long file sets are composed."""

    def __init__(self):
        self.seconds = []

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if not handler_call_details.method.endswith("/ComposeFileSet"):
            return handler

        def noted(message, context):
            self.seconds.append(wire.ComposeFileSetRequest.FromString(message).ttl_seconds)
            return handler.unary_unary(message, context)

        return grpc.unary_unary_rpc_method_handler(noted, handler.request_deserializer, handler.response_serializer)


def test_nothing_that_an_upload_is_put_together_of_stays(tmp_path):
    """pachd keeps for ever what is composed without a time."""
    branch, composed = Branch(Repo("default", "images"), "master"), Composed()
    with running(tmp_path, composed) as address, contextlib.closing(PachdPfs(parse(address))) as pfs:
        pfs.create_branch(branch)
        upload = pfs.start_upload(branch, "a").id
        parts = [pfs.put_part(branch, "a", upload, number, Bytes(b"x")) for number in (1, 2)]
        pfs.finish_upload(branch, "a", upload, [(part.number, part.etag) for part in parts], "")
    assert composed.seconds == [leases.MADE_SECONDS] * 2


class SlowToTell(grpc.ServerInterceptor):
    """Begins archives late."""

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if not handler_call_details.method.endswith("/GetFileTAR"):
            return handler

        def late(message, context):
            time.sleep(6.0)
            yield from handler.unary_stream(message, context)

        return grpc.unary_stream_rpc_method_handler(late, handler.request_deserializer, handler.response_serializer)


def test_parts_are_listed_though_pachd_looks_for_them_longer_than_for_other_calls(tmp_path):
    """As it does when there are thousands: here six seconds, not three."""
    branch = Branch(Repo("default", "images"), "master")
    with running(tmp_path, SlowToTell()) as address, contextlib.closing(PachdPfs(parse(address), deadline=3.0)) as pfs:
        pfs.create_branch(branch)
        upload = pfs.start_upload(branch, "a").id
        part = pfs.put_part(branch, "a", upload, 1, Bytes(b"x"))
        assert pfs.list_parts(branch, "a", upload) == [part]


def test_the_branch_of_an_upload_is_no_bucket(pfs, branch):
    pfs.start_upload(branch, "a")
    [name] = hidden(pfs, branch)
    secret = Branch(branch.repo, name)
    assert [info.branch for info in pfs.list_branches() if info.branch.repo == branch.repo] == [branch]
    for call in (pfs.inspect_branch, pfs.delete_branch, pfs.list_files, lambda ref: put(pfs, ref, "a")):
        with pytest.raises(BranchNotFound):
            call(secret)
    with pytest.raises(InvalidName):
        pfs.create_branch(secret)


def test_an_upload_of_no_parts_is_an_empty_file(pfs, branch):
    assert pfs.finish_upload(branch, "a", pfs.start_upload(branch, "a").id, [], "").size == 0
    assert get(pfs, branch, "a") == b""


def test_what_ended_leaves_no_branch(pfs, branch):
    """An upload that was aborted goes at once; the result of one that was finished is kept for a day."""
    aborted, done = pfs.start_upload(branch, "a").id, pfs.start_upload(branch, "b").id
    pfs.abort_upload(branch, "a", aborted)
    assert hidden(pfs, branch) == [uploads.PREFIX + done]
    pfs.finish_upload(branch, "b", done, [], "")
    assert hidden(pfs, branch) == [uploads.PREFIX + done]
    pfs.delete_branch(branch)
    assert all(info.branch.repo != branch.repo for info in pfs.list_branches())


@pytest.mark.parametrize("age_ms", [0, 3_600_000])
def test_uploads_that_nobody_finishes_expire(open_pfs, branch, monkeypatch, age_ms):
    """And the results of old ones; younger ones stay."""
    pfs = open_pfs()
    open_one, done = pfs.start_upload(branch, "a").id, pfs.start_upload(branch, "b").id
    pfs.finish_upload(branch, "b", done, [], "")
    monkeypatch.setattr(uploads, "FINISHED_MS", age_ms)
    monkeypatch.setattr(pfs, "_upload_ms", age_ms)
    count = pfs.expire_uploads()
    if age_ms:
        assert (count, len(hidden(pfs, branch))) == (0, 2)
        assert pfs.inspect_upload(branch, "a", open_one).id == open_one
    else:
        assert count >= 2
        assert hidden(pfs, branch) == []
        with pytest.raises(UploadNotFound):
            pfs.inspect_upload(branch, "a", open_one)
    assert names(pfs, branch) == ["b"]


def test_uploads_without_an_end_stay_when_none_is_set(pfs, branch):
    upload = pfs.start_upload(branch, "a").id
    pfs.expire_uploads()
    assert isinstance(pfs, PachdPfs)
    assert pfs.inspect_upload(branch, "a", upload).id == upload


def while_put_together(pfs, trouble):
    """Have something happen between the first look at the parts and the file that they become."""
    real = pfs._calls.read

    def read(method, request):
        if method is methods.INSPECT_BRANCH:  # the last call before they are put together
            trouble()
        return real(method, request)

    pfs._calls.read = read


def test_an_upload_that_is_aborted_while_it_is_put_together_makes_no_file(open_pfs, pfs, branch):
    other = open_pfs()
    upload = pfs.start_upload(branch, "a").id
    parts = [pfs.put_part(branch, "a", upload, number, Bytes(b"x" * 1000)) for number in (1, 2)]
    before = pfs.inspect_branch(branch)
    while_put_together(pfs, lambda: other.abort_upload(branch, "a", upload))
    with pytest.raises(UploadNotFound):
        pfs.finish_upload(branch, "a", upload, [(part.number, part.etag) for part in parts], "")
    assert other.inspect_branch(branch) == before
    assert names(other, branch) == []


def before(pfs, wanted, doing):
    """Have something happen just before the next call of a method."""
    real = pfs._calls.change

    def change(method, request):
        if method is wanted:
            pfs._calls.change = real
            doing()
        return real(method, request)

    pfs._calls.change = change


@pytest.mark.parametrize("step", [methods.CLEAR_COMMIT, methods.DELETE_BRANCH, methods.DROP_COMMIT_SET])
@pytest.mark.parametrize("discard", ["abort", "expire", "delete"])
def test_of_two_who_discard_an_upload_at_one_time_neither_fails(open_pfs, pfs, branch, monkeypatch, step, discard):
    other = open_pfs()
    upload = pfs.start_upload(branch, "a").id
    pfs.create_branch(Branch(branch.repo, "beside"))
    found = uploads.find(other._calls, branch, "a", upload)
    before(pfs, step, lambda: uploads.discard(other._calls, found))
    monkeypatch.setattr(pfs, "_upload_ms", 0)
    if discard == "abort":
        pfs.abort_upload(branch, "a", upload)
    elif discard == "expire":
        pfs.expire_uploads()
    else:
        pfs.delete_branch(branch, if_empty=True)
    assert hidden(pfs, branch) == []


def test_an_upload_that_is_completed_while_it_is_aborted_is_no_more_under_way(open_pfs, pfs, branch):
    other = open_pfs()
    upload = pfs.start_upload(branch, "a").id
    part = pfs.put_part(branch, "a", upload, 1, Bytes(b"x"))
    before(pfs, methods.CLEAR_COMMIT, lambda: other.finish_upload(branch, "a", upload, [(1, part.etag)], ""))
    with pytest.raises(UploadNotFound):
        pfs.abort_upload(branch, "a", upload)
    assert pfs.inspect_finished(branch, "a", upload).size == 1
    assert get(pfs, branch, "a") == b"x"


def test_an_upload_is_completed_once_though_the_last_answer_is_lost(pfs, branch):
    """Who heard of a failure would complete it again, which is a second commit, or is refused by the condition."""
    upload = pfs.start_upload(branch, "a").id
    part = pfs.put_part(branch, "a", upload, 1, Bytes(b"1"))
    real = pfs._channel.callable

    def callable_of(kind, method, serialize):
        call = real(kind, method, serialize)
        if method is not methods.FINISH_COMMIT:
            return call

        def lose_answer(request, **options):
            pfs._channel.callable = real
            call(request, **options)
            raise Lost

        return lose_answer

    pfs._channel.callable = callable_of
    file = pfs.finish_upload(branch, "a", upload, [(1, part.etag)], "")
    assert pfs.inspect_finished(branch, "a", upload) == file


def test_a_part_that_is_replaced_while_they_are_put_together_changes_nothing(open_pfs, pfs, branch):
    """The file has the parts that were asked for, whose ETags were compared."""
    other = open_pfs()
    upload = pfs.start_upload(branch, "a").id
    parts = [pfs.put_part(branch, "a", upload, number, Bytes(b"%d" % number * 1000)) for number in (1, 2)]
    while_put_together(pfs, lambda: other.put_part(branch, "a", upload, 2, Bytes(b"3" * 1000)))
    pfs.finish_upload(branch, "a", upload, [(part.number, part.etag) for part in parts], "")
    assert get(other, branch, "a") == b"1" * 1000 + b"2" * 1000


class Forgetful(grpc.ServerInterceptor):
    """Makes a file set of every copy as if its source were not there, as pachd does."""

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if not handler_call_details.method.endswith("/CreateFileSet"):
            return handler
        return grpc.stream_unary_rpc_method_handler(
            lambda _messages, context: handler.stream_unary(iter(()), context),
            handler.request_deserializer,
            handler.response_serializer,
        )


def test_parts_that_pachd_copies_to_nothing_make_no_file(tmp_path):
    """pachd copies what is not there to nothing: the file is counted before anybody sees it."""
    branch = Branch(Repo("default", "images"), "master")
    with running(tmp_path, Forgetful()) as address, contextlib.closing(PachdPfs(parse(address))) as pfs:
        pfs.create_branch(branch)
        upload = pfs.start_upload(branch, "a").id
        parts = [pfs.put_part(branch, "a", upload, number, Bytes(b"x" * 1000)) for number in (1, 2)]
        before = pfs.inspect_branch(branch)
        with pytest.raises(Unavailable):
            pfs.finish_upload(branch, "a", upload, [(part.number, part.etag) for part in parts], "")
        assert pfs.inspect_branch(branch) == before
        assert pfs.list_parts(branch, "a", upload) == parts
