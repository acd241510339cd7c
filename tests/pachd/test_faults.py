"""pachd slow, cut off, refusing or restarted: a failure in words and in time, nothing half-written, and back again."""

import threading
import time
from collections import Counter

import grpc
import pytest

from falcon_s3.pfs import Branch, CommitFinished, CommitNotFound, Repo, Unavailable
from falcon_s3.pfs.pachd import failures, methods
from falcon_s3.pfs.pachd.address import parse
from falcon_s3.pfs.pachd.names import branch_message, commit_of, ref_message
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.conftest import free_port
from tests.pachd.proxy import Proxy
from tests.pachd.users import ends, running
from tests.pfs.bodies import Bytes, get, names, put
from tests.pfsd.conftest import running_pfsd

MEBIBYTE = 1 << 20
# A call fails within its deadline, which is two seconds here; the rest is for a machine with much to do.
PATIENCE_SECONDS = 20


@pytest.fixture
def filled(far, pfs, branch):
    """A branch of two files, one of them large, which the far store has talked to."""
    put(pfs, branch, "a", b"small")
    put(pfs, branch, "large", bytes(range(256)) * 4096 * 16)
    assert names(far, branch) == ["a", "large"]
    return branch


def every_read(far, branch, file):
    return [
        lambda: far.inspect_file(branch, "a"),
        lambda: far.list_branches(),
        lambda: names(far, branch),
        lambda: far.open_file(file),
        far.who_am_i,
        far.check_version,
    ]


def every_write(far, branch):
    return [
        lambda: put(far, branch, "b"),
        lambda: put(far, branch, "b", check=lambda found: None),
    ]


@pytest.mark.parametrize("trouble", ["stalled", "refusing"])
def test_every_call_fails_in_time_and_works_again_afterwards(far, pfs, filled, proxy, trouble):
    file = far.inspect_file(filled, "large")
    before = pfs.inspect_branch(filled).head
    if trouble == "stalled":
        proxy.stalled = True
    else:
        proxy.refuse()
        proxy.cut()
    for call in every_read(far, filled, file) + every_write(far, filled):
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            call()
        assert time.monotonic() - begun < PATIENCE_SECONDS
    assert pfs.inspect_branch(filled).head == before
    if trouble == "stalled":
        proxy.cut()
        proxy.stalled = False
    else:
        proxy.accept()
    eventually(lambda: names(far, filled) == ["a", "large"])
    put(far, filled, "b", b"back")
    assert get(far, filled, "b") == b"back"


def eventually(holds):
    """Ask again and again until something holds; what is not there for a while is no failure."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            assert holds()
        except (Unavailable, AssertionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def test_a_lost_connection_costs_a_read_nothing(far, filled, proxy):
    """The read is asked a second time, over a new connection."""
    for _ in range(3):
        proxy.cut()
        assert get(far, filled, "a") == b"small"
        proxy.cut()
        assert names(far, filled) == ["a", "large"]


class Losing(grpc.ServerInterceptor):
    """Each call finds its connection gone for the first `times`, as gRPC tells it."""

    def __init__(self, times):
        self.times = times
        self.asked = Counter()

    def intercept_service(self, continuation, handler_call_details):
        method = handler_call_details.method
        self.asked[method] += 1
        if self.asked[method] > self.times:
            return continuation(handler_call_details)
        return ends(grpc.StatusCode.UNAVAILABLE, "Stream removed (sendmsg: Broken pipe (32))")


def test_a_read_is_asked_until_a_connection_holds_and_a_write_once(tmp_path, open_pfs):
    """The connection over which it is asked again may be about to break off too."""
    branch = Branch(Repo("default", "images"), "master")
    losing = Losing(0)
    with running(tmp_path, losing) as address:
        pfs = open_pfs(parse(address), deadline=5.0)
        pfs.create_branch(branch)
        put(pfs, branch, "a", b"small")
        losing.times = 3
        losing.asked.clear()
        assert get(pfs, branch, "a") == b"small"
        assert names(pfs, branch) == ["a"]
        losing.asked.clear()
        with pytest.raises(Unavailable):
            put(pfs, branch, "b")
        assert losing.asked["/pfs_v2.API/ModifyFile"] == 1
        losing.times = 0
        assert names(pfs, branch) == ["a"]


@pytest.mark.parametrize("trouble", ["stalled", "cut"])
def test_a_read_that_is_cut_or_stalled_in_the_middle_is_no_whole_file(far, filled, proxy, trouble):
    file = far.inspect_file(filled, "large")
    reader = far.open_file(file)
    received = len(next(reader))
    proxy.stalled = trouble == "stalled"
    if trouble == "cut":
        proxy.cut()
    with pytest.raises(Unavailable):
        for chunk in reader:
            received += len(chunk)
    assert received < file.size


@pytest.mark.parametrize("check", [None, lambda found: None], ids=["plain", "under a condition"])
def test_a_write_that_is_cut_in_the_middle_leaves_nothing(far, pfs, filled, proxy, check):
    before = pfs.inspect_branch(filled)

    class Cut(Bytes):
        def __iter__(self):
            for number, chunk in enumerate(super().__iter__()):
                yield chunk
                if number == 4:
                    proxy.cut()

    for path in ("a", "b"):
        with pytest.raises(Unavailable):
            far.put_file(filled, path, Cut(bytes(10 * MEBIBYTE)), None, check)
    time.sleep(0.2)
    assert pfs.inspect_branch(filled) == before
    assert get(pfs, filled, "a") == b"small"


def test_a_listing_that_is_cut_is_not_taken_for_its_end(far, pfs, branch, proxy):
    for number in range(3):
        put(pfs, branch, f"{number}")
    assert len(names(far, branch)) == 3
    proxy.stalled = True
    with pytest.raises(Unavailable):
        names(far, branch)


def test_a_restart_is_got_over(open_pfs, tmp_path):
    """Another process at the same address: the channel finds it by itself."""
    with Proxy(("127.0.0.1", 1)) as proxy:
        store = open_pfs(parse(f"127.0.0.1:{proxy.port}"), deadline=5.0)
        for number in range(2):
            with running_pfsd(tmp_path / "data", tmp_path / "log") as server:
                proxy.target = ("127.0.0.1", server.port)
                eventually(lambda: store.list_branches() is not None)
                assert len(store.list_branches()) == number
                store.create_branch(Branch(Repo("default", f"r{number}"), "master"))
            proxy.cut()
            with pytest.raises(Unavailable):
                store.list_branches()


class Forgets(grpc.ServerInterceptor):
    """Has something happen to a commit before its file is looked at, and then shows neither, as pachd does."""

    def __init__(self, trouble):
        self._trouble = trouble

    def intercept_service(self, continuation, handler_call_details):
        if not handler_call_details.method.endswith("/InspectFile"):
            return continuation(handler_call_details)

        def run(_message, context):
            self._trouble()
            context.abort(grpc.StatusCode.UNKNOWN, failures.FORGOTTEN)

        return grpc.stream_unary_rpc_method_handler(run)


@pytest.mark.parametrize(
    ("method", "request_of", "error"),
    [
        (methods.FINISH_COMMIT, lambda commit: wire.FinishCommitRequest(commit=ref_message(commit)), CommitFinished),
        (
            methods.DROP_COMMIT_SET,
            lambda commit: wire.DropCommitSetRequest(commit_set=wire.CommitSet(id=commit.id)),
            CommitNotFound,
        ),
    ],
)
def test_a_write_that_a_commit_ends_before_says_how_it_ended(tmp_path, open_pfs, method, request_of, error):
    """pachd 2.11 takes it, and forgets what the commit showed."""
    branch = Branch(Repo("default", "images"), "master")
    with running(tmp_path, Forgets(lambda: pfs._calls.change(method, request_of(commit)))) as address:
        pfs = open_pfs(parse(address))
        pfs.create_branch(branch)
        started = pfs._calls.change(methods.START_COMMIT, wire.StartCommitRequest(branch=branch_message(branch)))
        commit = commit_of(started)
        with pytest.raises(error):
            put(pfs, commit, "a")


def test_where_nothing_listens_the_version_says_so(open_pfs):
    address = parse(f"grpc://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match=f"no pachd answers at {address}"):
        open_pfs(address, deadline=1.0).check_version()


def test_many_threads_get_over_it_together(far, filled, proxy):
    """Readers go on while connections break: each answer is right or a failure in words."""
    wrong, right = [], []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            try:
                right.append(get(far, filled, "a") == b"small" and names(far, filled) == ["a", "large"])
            except Unavailable:
                pass
            except BaseException as ex:
                wrong.append(ex)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        time.sleep(0.1)
        proxy.cut()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert right
    assert all(right)
