"""Writes under a condition: an open commit beside the branch is the lock, whoever else writes, and whoever dies."""

import queue
import threading
import time
from types import SimpleNamespace

import grpc
import pytest

from falcon_s3.pfs import Branch, BranchNotEmpty, BranchNotFound, CommitNotFound, InvalidName, Unavailable
from falcon_s3.pfs.pachd import lock, methods, names
from falcon_s3.pfs.pachd.calls import Method
from falcon_s3.pfs.wire import pfs_pb2 as wire
from tests.pachd.wiretap import Lost
from tests.pfs.bodies import Bytes, Wrong, get, put
from tests.pfs.bodies import names as listed


def must_be_missing(found):
    if found is not None:
        raise Wrong


def start(pfs, branch, description=""):
    """Open a commit, as anybody may."""
    request = wire.StartCommitRequest(branch=names.branch_message(branch), description=description)
    return names.commit_of(pfs._calls.change(methods.START_COMMIT, request))


def is_open(pfs, commit):
    return pfs.inspect_commit(commit).finished_ms is None


def test_of_writers_through_many_gateways_one_is_first(open_pfs, branch):
    """Each thread has a store of its own, as each gateway has."""
    stores = [open_pfs() for _ in range(6)]
    for number in range(5):
        path, outcome = f"race{number}", []
        barrier = threading.Barrier(len(stores))

        def race(store, name, path=path, outcome=outcome, barrier=barrier):
            barrier.wait()
            try:
                put(store, branch, path, name, None, must_be_missing)
                outcome.append(name)
            except Wrong:
                outcome.append(None)

        threads = [
            threading.Thread(target=race, args=(store, b"%d" % position * 1000))
            for position, store in enumerate(stores)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [winner] = [name for name in outcome if name is not None]
        assert len(outcome) == len(stores)
        assert get(stores[0], branch, path) == winner
    assert not is_open(stores[0], stores[0].inspect_branch(branch).head)


def test_plain_writers_beside_conditional_ones_lose_nothing(open_pfs, branch):
    """Nor do these open the branch: each write is a commit of its own, and all that was acknowledged is there."""
    plain, conditional = open_pfs(), open_pfs()
    failures = []

    def write(store, name, check):
        try:
            for number in range(25):
                put(store, branch, f"{name}{number}", name.encode(), None, check)
        except BaseException as ex:
            failures.append(ex)

    jobs = [(plain, "a", None), (plain, "b", None), (conditional, "c", must_be_missing), (plain, "d", must_be_missing)]
    threads = [threading.Thread(target=write, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert listed(plain, branch) == sorted(f"{name}{number}" for name in "abcd" for number in range(25))
    request = wire.ListCommitRequest(repo=names.repo_message(branch.repo))
    list_commit = Method(f"{methods.PFS}/ListCommit", wire.CommitInfo.FromString)
    commits = list(plain._calls.replies(list_commit, request))
    assert len([info for info in commits if info.details.size_bytes]) == 100


def test_a_refused_write_makes_no_commit_and_holds_no_lock(pfs, branch):
    put(pfs, branch, "a", b"1")
    before = pfs.inspect_branch(branch)
    with pytest.raises(Wrong):
        put(pfs, branch, "a", b"2", None, must_be_missing)
    with pytest.raises(Wrong):
        pfs.delete_files(branch, ["a"], must_be_missing)
    assert pfs.inspect_branch(branch) == before


def test_a_write_that_is_refused_under_the_lock_gives_it_back(open_pfs, pfs, branch):
    """What was seen before the lock has changed by then."""
    other = open_pfs()
    real = pfs._calls.change

    def change(method, request):
        if method is methods.START_COMMIT:
            put(other, branch, "a", b"quicker")
        return real(method, request)

    pfs._calls.change = change
    with pytest.raises(Wrong):
        put(pfs, branch, "a", b"slower", None, must_be_missing)
    assert get(pfs, branch, "a") == b"quicker"
    assert not is_open(pfs, pfs.inspect_branch(branch).head)


def test_a_head_that_somebody_else_opened_is_joined(pfs, branch):
    commit = start(pfs, branch)
    assert put(pfs, branch, "a", b"1", None, must_be_missing).commit == commit
    with pytest.raises(Wrong):
        put(pfs, branch, "a", b"2", None, must_be_missing)
    assert pfs.delete_files(branch, ["a"], lambda found: None) == commit
    assert is_open(pfs, commit)
    assert pfs.inspect_branch(branch).head == commit


def hold(pfs, branch):
    """Take the lock and die."""
    return start(pfs, lock.branch_of(branch), lock.DESCRIPTION)


def test_a_lock_whose_owner_died_is_taken_over(pfs, branch, monkeypatch):
    monkeypatch.setattr(lock, "HELD_SECONDS", 1.5)
    held = hold(pfs, branch)
    put(pfs, branch, "a", b"1", None, must_be_missing)
    assert listed(pfs, branch) == ["a"]
    with pytest.raises(CommitNotFound):
        pfs.inspect_commit(held)


@pytest.mark.parametrize("ahead", [-200, 200])
def test_a_clock_that_is_wrong_takes_no_lock_from_its_owner_and_leaves_none_without(pfs, branch, monkeypatch, ahead):
    """When it was taken is told by the clock of pachd."""
    clock = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr(lock, "time", clock)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    held = hold(pfs, branch)
    with pytest.raises(Unavailable, match="all the time"):
        put(pfs, branch, "a", b"1", None, must_be_missing)
    assert is_open(pfs, held)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 20.0)
    monkeypatch.setattr(lock, "HELD_SECONDS", 0.5)
    put(pfs, branch, "a", b"1", None, must_be_missing)


def test_a_lock_is_given_back_though_the_connection_broke_meanwhile(far, pfs, branch, proxy, monkeypatch):
    """Nobody else would know for minutes that it has no owner."""
    real = lock.drop

    def drop(calls, commit):
        proxy.refuse()
        proxy.cut()
        threading.Timer(0.5, proxy.accept).start()
        real(calls, commit)

    monkeypatch.setattr(lock, "drop", drop)
    put(far, branch, "a", b"1", None, must_be_missing)
    monkeypatch.setattr(lock, "drop", real)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    put(pfs, branch, "b", b"1", None, must_be_missing)
    assert listed(pfs, branch) == ["a", "b"]


def lose_answer(pfs, lost):
    """Let the answer to the next call of that method be lost, though pachd has done what was asked for."""
    real_change, real_send = pfs._calls.change, pfs._calls.send

    def change(method, request):
        reply = real_change(method, request)
        if method is lost:
            pfs._calls.change = real_change
            raise Lost
        return reply

    def send(method, messages):
        call = real_send(method, messages)
        if method is lost:
            pfs._calls.send = real_send
            real_result = call.result

            def result(timeout):
                real_result(timeout)
                raise Lost

            call.result = result
        return call

    pfs._calls.change, pfs._calls.send = change, send


def test_a_lock_of_which_nobody_was_told_holds_nobody_off(pfs, open_pfs, branch, monkeypatch):
    """It has no owner, which the store that asked for it knows."""
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    lose_answer(pfs, methods.START_COMMIT)
    with pytest.raises(Unavailable):
        put(pfs, branch, "a", b"1", None, must_be_missing)
    put(open_pfs(), branch, "a", b"2", None, must_be_missing)
    assert get(pfs, branch, "a") == b"2"


def test_a_lock_of_which_nobody_was_told_goes_once_pachd_is_back(pfs, far, branch, proxy, monkeypatch):
    """It could not be looked for when it was lost."""
    monkeypatch.setattr(lock, "WAIT_SECONDS", 2.0)
    real = far._calls.change

    def change(method, request):
        reply = real(method, request)
        if method is methods.START_COMMIT:
            far._calls.change = real
            proxy.refuse()
            proxy.cut()
            raise Lost
        return reply

    far._calls.change = change
    with pytest.raises(Unavailable):
        put(far, branch, "a", b"1", None, must_be_missing)
    proxy.accept()
    put(far, branch, "a", b"2", None, must_be_missing)
    assert get(pfs, branch, "a") == b"2"


def test_a_lock_that_could_not_be_given_back_holds_off_nobody_here(pfs, open_pfs, branch, monkeypatch):
    def refused(calls, commit):
        raise Unavailable("pachd did not answer (ABORTED)")

    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    with monkeypatch.context() as while_it_is_so:
        while_it_is_so.setattr(lock, "drop", refused)
        put(pfs, branch, "a", b"1", None, must_be_missing)
    put(open_pfs(), branch, "b", b"1", None, must_be_missing)
    assert listed(pfs, branch) == ["a", "b"]


@pytest.mark.parametrize("what", ["put", "copy", "delete"])
def test_a_write_whose_answer_is_lost_succeeds_once_it_shows(pfs, open_pfs, branch, what, monkeypatch):
    """Who asked again would hear that the condition does not hold; and it needs the lock no more."""
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    put(pfs, branch, "there", b"1")
    source = pfs.inspect_file(branch, "there")
    lose_answer(pfs, methods.MODIFY_FILE)
    if what == "put":
        assert put(pfs, branch, "a", b"2", None, must_be_missing).size == 1
    elif what == "copy":
        assert pfs.copy_file(branch, "a", source, None, must_be_missing).etag == source.etag
    else:
        assert pfs.delete_files(branch, ["there"], lambda found: None) is not None
    assert listed(pfs, branch) == {"put": ["a", "there"], "copy": ["a", "there"], "delete": []}[what]
    put(open_pfs(), branch, "b", b"3", None, must_be_missing)


def test_a_lock_is_nobody_elses_business(pfs, branch):
    """It is no bucket and hinders no plain write; it goes with its branch."""
    hidden = lock.branch_of(branch)
    hold(pfs, branch)
    assert [each.branch for each in pfs.list_branches() if each.branch.repo == branch.repo] == [branch]
    with pytest.raises(BranchNotFound):
        pfs.inspect_file(hidden, "a")
    with pytest.raises(InvalidName):
        pfs.create_branch(hidden)
    put(pfs, branch, "a", b"1")
    assert not is_open(pfs, pfs.inspect_branch(branch).head)
    other = pfs.create_branch(Branch(branch.repo, "other")).branch
    pfs.delete_branch(branch)
    request = wire.InspectRepoRequest(repo=names.repo_message(branch.repo))
    left = pfs._calls.read(methods.INSPECT_REPO, request).branches
    assert [each.name for each in left] == [other.name]


def test_who_waits_for_the_lock_is_refused_as_soon_as_it_has_lost(open_pfs, pfs, branch):
    """Not only when it is its turn."""
    real = pfs._calls.change

    def change(method, request):
        if method is methods.START_COMMIT:
            put(other, branch, "a", b"quicker")
        return real(method, request)

    other = open_pfs()
    hold(pfs, branch)
    pfs._calls.change = change
    with pytest.raises(Wrong):
        put(pfs, branch, "a", b"slower", None, must_be_missing)
    assert get(pfs, branch, "a") == b"quicker"


def test_an_owner_that_was_slow_writes_nothing(pfs, branch, monkeypatch):
    """Another may have the lock by then."""
    monkeypatch.setattr(lock, "OWNED_SECONDS", -1.0)
    with pytest.raises(Unavailable, match="took too long"):
        put(pfs, branch, "a", b"1", None, must_be_missing)
    assert listed(pfs, branch) == []


def test_a_lock_that_is_held_for_long_is_a_failure_in_words(pfs, branch, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    hold(pfs, branch)
    with pytest.raises(Unavailable, match="all the time"):
        pfs.put_file(branch, "a", Bytes(b"1"), None, must_be_missing)


def test_those_who_wait_for_long_are_few(pfs, branch, monkeypatch):
    """A lock whose owner died takes no more than their threads; the others are told to come again."""
    monkeypatch.setattr(lock, "MOMENT_SECONDS", 0.2)
    pfs._channel.waiters = threading.BoundedSemaphore(1)
    held, refused = hold(pfs, branch), queue.SimpleQueue()

    def write(number):
        try:
            put(pfs, branch, f"a{number}", b"1", None, must_be_missing)
        except Unavailable as ex:
            refused.put(str(ex))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert "many wait" in refused.get(timeout=30)
    assert refused.empty()
    lock.drop(pfs._calls, held)
    for thread in threads:
        thread.join()
    assert len(listed(pfs, branch)) == 1


def before_deletion(pfs, doing):
    """Let something happen between the look at a branch and its deletion."""
    real = pfs._calls.change

    def change(method, request):
        if method is methods.BATCH_TRANSACTION:
            pfs._calls.change = real
            doing()
        return real(method, request)

    pfs._calls.change = change


def branches_of(pfs, repo):
    """All of them, hidden ones included."""
    found = pfs._calls.read(methods.INSPECT_REPO, wire.InspectRepoRequest(repo=names.repo_message(repo)))
    return {each.name for each in found.branches}


def test_a_file_that_comes_while_its_bucket_is_deleted_keeps_the_bucket(open_pfs, pfs, branch):
    """The look that found nothing is older than the file; the deletion is taken back."""
    other = open_pfs()
    before_deletion(pfs, lambda: put(other, branch, "a", b"1"))
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(branch, if_empty=True)
    assert get(other, branch, "a") == b"1"
    assert branches_of(pfs, branch.repo) == {branch.name}


def test_a_file_that_comes_to_an_open_commit_keeps_the_bucket(open_pfs, pfs, branch):
    """The head is the same as before, and not empty any more."""
    other = open_pfs()
    commit = start(pfs, branch)
    before_deletion(pfs, lambda: put(other, branch, "a", b"1"))
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(branch, if_empty=True)
    assert pfs.inspect_branch(branch).head == commit
    assert get(other, branch, "a") == b"1"


def test_a_write_to_another_bucket_does_not_keep_an_empty_one(open_pfs, pfs, branch):
    """Nor does the empty one come back with the other's files."""
    other, beside = open_pfs(), Branch(branch.repo, "beside")
    pfs.create_branch(beside)
    before_deletion(pfs, lambda: put(other, beside, "a", b"1"))
    pfs.delete_branch(branch, if_empty=True)
    with pytest.raises(BranchNotFound):
        pfs.inspect_branch(branch)
    assert branches_of(pfs, branch.repo) == {beside.name}
    assert get(other, beside, "a") == b"1"


def test_a_write_of_which_nobody_knows_keeps_the_lock(pfs, open_pfs, branch, monkeypatch):
    """It may yet come to its end in pachd, and must not come between another's check and write."""
    real = pfs._calls.send

    def send(method, messages):
        if method is not methods.MODIFY_FILE:
            return real(method, messages)
        call = real(methods.CREATE_FILE_SET, messages)  # where it writes nothing
        monkeypatch.setattr(call, "result", lost)
        return call

    def lost(timeout):
        raise grpc.FutureTimeoutError

    monkeypatch.setattr(pfs._calls, "send", send)
    with pytest.raises(Unavailable):
        put(pfs, branch, "a", b"1", None, must_be_missing)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    with pytest.raises(Unavailable, match="all the time"):
        put(open_pfs(), branch, "b", b"1", None, must_be_missing)
    monkeypatch.setattr(lock, "HELD_SECONDS", 0.0)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 20.0)
    assert put(open_pfs(), branch, "b", b"1", None, must_be_missing).size == 1


def test_a_deletion_whose_answer_is_lost_goes_on(pfs, open_pfs, branch):
    """Else the bucket would be gone, and its repo stay behind with a branch that nobody sees."""
    lose_answer(pfs, methods.BATCH_TRANSACTION)
    pfs.delete_branch(branch, if_empty=True)
    with pytest.raises(grpc.RpcError, match=r"repo .* not found"):
        branches_of(pfs, branch.repo)


def test_a_file_that_comes_while_the_answer_to_a_deletion_is_lost_keeps_the_bucket(open_pfs, pfs, branch):
    other = open_pfs()
    lose_answer(pfs, methods.BATCH_TRANSACTION)
    before_deletion(pfs, lambda: put(other, branch, "a", b"1"))
    with pytest.raises(BranchNotEmpty):
        pfs.delete_branch(branch, if_empty=True)
    assert get(other, branch, "a") == b"1"
    assert branches_of(pfs, branch.repo) == {branch.name}
