"""What a gateway in front of a pachd with users does by itself: with a token of its own, and without one."""

import contextlib
import time
import uuid

import pytest

pytest.importorskip("grpc", reason="pachd needs the extra `pachd`")

from falcon_s3 import errors
from falcon_s3.config import Config
from falcon_s3.pfs import Branch, Repo, UploadNotFound
from falcon_s3.pfs.pachd import PachdPfs
from falcon_s3.pfs.pachd.address import parse
from falcon_s3.server import expiry
from falcon_s3.server import pachd as server
from tests.pachd.test_gateway_start import refused
from tests.pachd.users import Users, running

WRITER, OWN, READER = "token-of-the-writer", "token-of-the-gateway", "token-of-a-reader"
NAMES = {WRITER: "robot:writer", OWN: "robot:gateway", READER: "robot:reader"}


@pytest.fixture(scope="module")
def users():
    return Users(NAMES, {"robot:reader"})


@pytest.fixture(scope="module")
def address(users, tmp_path_factory):
    with running(tmp_path_factory.mktemp("pachd") / "data", users) as where:
        yield where


@pytest.fixture
def upload(address):
    """An upload that nobody completes; gives what tells whether it is there."""
    with contextlib.closing(PachdPfs(parse(address))) as store:
        view = store.as_user(WRITER)
        branch = Branch(Repo("default", f"t{uuid.uuid4().hex[:8]}"), "master")
        view.create_branch(branch)
        identity = view.start_upload(branch, "a").id

        def is_there():
            try:
                return bool(view.inspect_upload(branch, "a", identity))
            except UploadNotFound:
                return False

        yield is_there
        view.delete_branch(branch)


@pytest.fixture
def open_backend(address, monkeypatch):
    """Opens a gateway's backend, which looks for uploads at once, and takes each for an old one."""
    monkeypatch.setattr(expiry, "BETWEEN_SECONDS", 0.05)
    monkeypatch.setattr(server, "DAY_MS", 0)
    with contextlib.ExitStack() as stack:

        def open_one(token):
            backend = server.opened(Config(pachd=address, pachd_token=token))
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
    wait_for(lambda: not upload())
    used = {method for method, token in users.called if token == OWN}
    assert used == {"ListRepo", "InspectCommit", "ClearCommit", "DeleteBranch", "DropCommitSet"}
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


def test_a_token_that_pachd_does_not_know_is_refused_at_the_start(address):
    assert "FALCON_S3_PACHD_TOKEN" in refused("--pachd", address, FALCON_S3_PACHD_TOKEN="unknown")
    assert "FALCON_S3_PACHD_TOKEN" in refused(FALCON_S3_PACHD_TOKEN=OWN)
