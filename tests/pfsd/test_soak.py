"""A soak: two gateways in front of one pfsd and two clients of Pachyderm on it, all at work on one branch."""

import hashlib
import itertools
import random
import threading
import time
import traceback

import pytest

sdk = pytest.importorskip("pachyderm_sdk", reason="pachyderm-sdk is not installed")
from pachyderm_sdk import Client  # noqa: E402
from pachyderm_sdk.api import pfs  # noqa: E402

from falcon_s3.pfs.wire import pfs_pb2  # noqa: E402
from tests.pfsd.conftest import repo_message, running_pfsd  # noqa: E402

REPO, BUCKET = "soak", "master.soak"
BRANCH = pfs.Branch.from_uri(f"{REPO}@master")
HEAD = pfs.Commit.from_uri(f"{REPO}@master")
# Of each client, so that overwriting and deleting happen all the time.
KEYS = 30
SIZES = [0, 7, 4096, 20_000, 300_000, 1 << 21]
WEIGHTS = [1, 4, 8, 4, 2, 1]


def content_of(key, number, choose):
    """Bytes that say what they are, with their digest: half a file, or two mixed, would not be taken for whole."""
    size = choose.choices(SIZES, WEIGHTS)[0]
    body = f"{key} {number} ".encode() + choose.randbytes(256) * (size // 256 + 1)
    return hashlib.sha256(body).digest() + body


def is_whole(content):
    return hashlib.sha256(content[32:]).digest() == content[:32]


class S3:
    """A gateway, by boto3."""

    def __init__(self, gateway):
        self.s3 = gateway.client(access_key="any", secret_key="any")

    def write(self, files, deleted):
        for key, content in files.items():
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        if deleted:
            answer = self.s3.delete_objects(
                Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in deleted], "Quiet": True}
            )
            assert "Errors" not in answer, answer

    def read(self, key):
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def listed(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=prefix, PaginationConfig={"PageSize": 7}
        )
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", ())}


class Streams:
    """pachyderm-sdk: each write is a stream to the branch, and so a commit, or part of one that is open."""

    def __init__(self, pfsd):
        self.client = Client(host="127.0.0.1", port=pfsd.port)

    def write(self, files, deleted):
        messages = [pfs.ModifyFileRequest(set_commit=HEAD)]
        for key in [*files, *deleted]:
            messages.append(pfs.ModifyFileRequest(delete_file=pfs.DeleteFile(path="/" + key)))
            if key in files:
                messages.append(pfs.ModifyFileRequest(add_file=pfs.AddFile(path="/" + key, raw=files[key])))
        self.client.pfs.modify_file(iter(messages))

    def read(self, key):
        with self.client.pfs.pfs_file(pfs.File(commit=HEAD, path="/" + key)) as file:
            return file.read()

    def listed(self, prefix):
        """One moment of the branch, as a page of S3 is."""
        commit = self.client.pfs.inspect_branch(branch=BRANCH).head
        if not self.client.pfs.path_exists(pfs.File(commit=commit, path="/" + prefix)):
            return {}
        infos = self.client.pfs.walk_file(file=pfs.File(commit=commit, path="/" + prefix))
        return {info.file.path[1:]: info.size_bytes for info in infos if not info.file.path.endswith("/")}


class Commits(Streams):
    """pachyderm-sdk: each write is a commit that is open for a while, which the writes of others join."""

    def write(self, files, deleted):
        with self.client.pfs.commit(branch=BRANCH) as commit:
            for key, content in files.items():
                commit.put_file_from_bytes(path="/" + key, data=content)
            for key in deleted:
                commit.delete_file(path="/" + key)


class Worker(threading.Thread):
    """Writes, overwrites, deletes, lists and reads keys of its own, and reads those of others, until the end."""

    def __init__(self, name, client, others, end):
        super().__init__(name=name)
        self.client = client
        self.others = others
        self.end = end
        self.choose = random.Random(name)
        self.files = {}  # what was acknowledged
        self.steps = 0
        self.problem = None

    def run(self):
        try:
            while time.monotonic() < self.end:
                self.step()
                self.steps += 1
        except BaseException:
            self.problem = traceback.format_exc()

    def step(self):
        keys = [f"{self.name}/d{number % 3}/{number:02}" for number in self.choose.sample(range(KEYS), 3)]
        if self.choose.random() < 0.6:
            written = {key: content_of(key, self.steps, self.choose) for key in keys[:2]}
            deleted = [key for key in keys[2:] if key in self.files]
            self.client.write(written, deleted)
            self.files |= written
            for key in deleted:
                del self.files[key]
        for key in keys:
            if key in self.files:
                assert self.client.read(key) == self.files[key], f"{key} is not what was written"
        if self.choose.random() < 0.3:
            expected = {key: len(content) for key, content in self.files.items()}
            assert self.client.listed(self.name + "/") == expected
        self.read_another()

    def read_another(self):
        """Whatever it is, it is whole."""
        other = self.choose.choice(self.others)
        listed = self.client.listed(other + "/d1/")
        if listed:
            key = self.choose.choice(sorted(listed))
            try:
                content = self.client.read(key)
            except Exception as ex:
                assert "NoSuchKey" in str(ex) or "PFSFile" in str(ex), ex
                return
            assert is_whole(content) and content[32:].startswith(key.encode() + b" "), f"{key} is not whole"


@pytest.mark.parametrize(
    "seconds", [pytest.param(10, id="short"), pytest.param(120, id="two-minutes", marks=pytest.mark.long)]
)
def test_what_is_acknowledged_is_there(tmp_path, start_gateway, seconds):
    """Each client finds its own writes at once, all find them at the end, through every door, and the store is whole."""
    with running_pfsd(tmp_path / "data", tmp_path / "log") as pfsd:
        pfsd.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo_message(REPO)))
        branch = pfs_pb2.Branch(repo=repo_message(REPO), name="master")
        pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch))
        address = f"grpc://127.0.0.1:{pfsd.port}"
        with start_gateway(pachd=address, workers=1) as one, start_gateway(pachd=address, workers=1) as two:
            clients = {"one": S3(one), "two": S3(two), "streams": Streams(pfsd), "commits": Commits(pfsd)}
            end = time.monotonic() + seconds
            workers = [Worker(name, each, [*clients.keys() - {name}], end) for name, each in clients.items()]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            assert [worker.problem for worker in workers if worker.problem] == []
            assert all(worker.steps for worker in workers)
            print({worker.name: worker.steps for worker in workers}, len(pfsd.commits(repo_message(REPO))), "commits")
            for client, worker in itertools.product(clients.values(), workers):
                expected = {key: len(content) for key, content in worker.files.items()}
                assert client.listed(worker.name + "/") == expected
                for key, content in worker.files.items():
                    assert client.read(key) == content
            assert pfsd.call("Fsck", pfs_pb2.FsckRequest()) == []
        for gateway in (one, two):
            assert "Traceback" not in gateway.log.read_text()
    assert "Traceback" not in pfsd.log.read_text()
