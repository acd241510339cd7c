"""What a gateway in front of a pachd with users does by itself: with a token of its own, and without one."""

import contextlib
import time
import uuid

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from falcon_s3 import errors
from falcon_s3.config import Config
from falcon_s3.pfs import Branch, Repo, UploadNotFound
from falcon_s3.pfs.pachd import PachdPfs, branches, methods, names
from falcon_s3.pfs.pachd.address import parse
from falcon_s3.pfs.wire import pfs_pb2 as wire
from falcon_s3.server import expiry
from falcon_s3.server import pachd as server
from tests.pachd.test_gateway_start import refused
from tests.pachd.users import Users, running
from tests.pfs.bodies import Bytes, get, put

WRITER, OWN, READER = "token-of-the-writer", "token-of-the-gateway", "token-of-a-reader"
NAMES = {WRITER: "robot:writer", OWN: "robot:gateway", READER: "robot:reader"}


@pytest.fixture(scope="module")
def users():
    return Users(NAMES, {"robot:reader"})


@pytest.fixture(scope="module")
def where(users, tmp_path_factory):
    with running(tmp_path_factory.mktemp("pachd") / "data", users) as found:
        yield found


@pytest.fixture
def upload(where):
    """An upload that nobody completes; gives what tells whether it is there, with its part."""
    with contextlib.closing(PachdPfs(parse(where))) as store:
        view = store.as_user(WRITER)
        branch = Branch(Repo("default", f"t{uuid.uuid4().hex[:8]}"), "master")
        view.create_branch(branch)
        identity = view.start_upload(branch, "a").id
        part = view.put_part(branch, "a", identity, 1, Bytes(b"x"))

        def is_there():
            try:
                return view.list_parts(branch, "a", identity) == [part]
            except UploadNotFound:
                return False

        yield is_there
        view.delete_branch(branch)


@pytest.fixture
def open_backend(where, monkeypatch):
    """Opens a gateway's backend, which looks for uploads at once, and takes each for an old one."""
    monkeypatch.setattr(expiry, "BETWEEN_SECONDS", 0.05)
    monkeypatch.setattr(server, "DAY_MS", 0)
    with contextlib.ExitStack() as stack:

        def open_one(token):
            backend = server.opened(Config(pachd=where, pachd_token=token))
            stack.callback(backend.close)
            return backend

        yield open_one


def wait_for(happened):
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_gateway_with_a_token_discards_uploads_and_uses_it_for_nothing_else(users, upload, open_backend):
    users.called.clear()
    backend = open_backend(OWN)
    wait_for(lambda: ("DropCommitSet", OWN) in users.called)  # the last of all
    used = {method for method, token in users.called if token == OWN}
    assert used == {"ListRepo", "InspectCommit", "Authorize", "ClearCommit", "DeleteBranch", "DropCommitSet"}
    assert not upload()
    with pytest.raises(errors.AccessDenied):
        backend.gatekeeper.admit("")


def test_a_gateway_without_a_token_leaves_them_to_their_users(users, upload, open_backend):
    users.called.clear()
    open_backend(None)
    wait_for(lambda: ("ListRepo", "") in users.called)
    assert upload()


def test_a_token_that_may_not_discard_them_is_complained_of(upload, open_backend, caplog):
    open_backend(READER)
    wait_for(lambda: "robot:reader is not authorized" in caplog.text)
    assert upload()


def test_a_token_that_pachd_does_not_know_is_refused_at_the_start(where):
    assert "FALCON_S3_PACHD_TOKEN" in refused("--pachd", where, FALCON_S3_PACHD_TOKEN="unknown")
    assert "FALCON_S3_PACHD_TOKEN" in refused(FALCON_S3_PACHD_TOKEN=OWN)


@pytest.mark.parametrize("content", [b"", b"x"])
def test_what_an_interrupted_deletion_left_goes_after_a_day(pfs, branch, monkeypatch, content):
    """Only if it shows no files: its hidden name is the last that leads to them."""

    def left():
        request = wire.InspectRepoRequest(repo=names.repo_message(branch.repo))
        found = pfs._calls.read(methods.INSPECT_REPO, request).branches
        return [each.name for each in found if each.name.startswith(branches.ASIDE)]

    if content:
        put(pfs, branch, "a", content)
    monkeypatch.setattr(branches, "_is_empty", is_interrupted := Interrupted(branches._is_empty))
    with pytest.raises(KeyboardInterrupt):
        pfs.delete_branch(branch, if_empty=True)
    is_interrupted.over = True
    pfs.expire_uploads()
    assert len(left()) == 1
    monkeypatch.setattr(branches, "ASIDE_SECONDS", 0)
    pfs.expire_uploads()
    assert len(left()) == len(content)


def test_files_that_an_interrupted_deletion_left_outlive_the_last_bucket_of_the_repo(pfs, branch, monkeypatch):
    """Their hidden name is the last that leads to them; without any the repo goes with its last bucket."""
    beside = Branch(branch.repo, "beside")
    pfs.create_branch(beside)
    commit = put(pfs, branch, "a", b"x").commit
    monkeypatch.setattr(branches, "_is_empty", is_interrupted := Interrupted(branches._is_empty))
    with pytest.raises(KeyboardInterrupt):
        pfs.delete_branch(branch, if_empty=True)
    is_interrupted.over = True
    pfs.delete_branch(beside, if_empty=True)
    assert get(pfs, commit, "a") == b"x"


class Interrupted:
    """Finds a branch empty, and the second time does not come to it."""

    def __init__(self, real):
        self.real = real
        self.over = False
        self.asked = 0

    def __call__(self, calls, head):
        if self.over:
            return self.real(calls, head)
        self.asked += 1
        if self.asked == 2:
            raise KeyboardInterrupt
        return True
