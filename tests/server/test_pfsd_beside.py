"""`serve --grpc`: pfsd beside the workers, looked after and ended with them."""

import contextlib
import importlib.util
import os
import signal
import time
from pathlib import Path

import pytest

grpc = pytest.importorskip("grpc", reason="pfsd needs the extra `pachd`")

import falcon_s3  # noqa: E402
from falcon_s3.pfs.wire import pfs_pb2  # noqa: E402
from tests.pfsd.conftest import add, branch, head, repo_message, running_both, wait_until_ready  # noqa: E402

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="processes are found and looked at through Linux's /proc"
)
LARGE = 16 << 20
ROOT = Path(falcon_s3.__file__).parent.parent
ENGINES = ["granian", *(["meinheld"] if importlib.util.find_spec("meinheld") else [])]


def pfsd_process(gateway):
    """The process id of pfsd, whose parent the gateway started; None while there is none."""
    for keeper in children(gateway.process.pid):
        for number in children(keeper):
            with contextlib.suppress(OSError):
                if b"\0pfsd\0" in Path(f"/proc/{number}/cmdline").read_bytes():
                    return number
    return None


def children(process):
    found = []
    with contextlib.suppress(OSError):  # threads and processes end while they are looked at
        for each in list(Path(f"/proc/{process}/task").glob("*/children")):
            with contextlib.suppress(OSError):
                found += [int(number) for number in each.read_text().split()]
    return found


def is_there(process):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


@pytest.mark.parametrize("on", ENGINES)
def test_one_folder_both_ways(start_gateway, on):
    """What is written over S3 is read over gRPC, and the other way round; pfsd is replaced when it dies."""
    with running_both(start_gateway, on) as (gateway, pfsd):
        assert f"pfsd on grpc://127.0.0.1:{pfsd.port}" in gateway.log.read_text()
        gateway.s3.create_bucket(Bucket="master.images")
        gateway.s3.put_object(Bucket="master.images", Key="a", Body=b"over S3")
        images = repo_message("images")
        assert pfsd.read(head(images), "a") == b"over S3"
        pfsd.write(head(images), ("b", b"over gRPC"))
        assert gateway.s3.get_object(Bucket="master.images", Key="b")["Body"].read() == b"over gRPC"
        victim = pfsd_process(gateway)
        os.kill(victim, signal.SIGKILL)
        until(lambda: pfsd_process(gateway) not in (None, victim))
        wait_until_ready(pfsd)
        request = pfs_pb2.InspectBranchRequest(branch=branch(images))
        until(lambda: answers(pfsd, request))
        assert "pfsd has died; it is replaced" in gateway.log.read_text()
        successor = pfsd_process(gateway)
    assert not is_there(successor)
    assert "Traceback" not in gateway.log.read_text()


def test_pfsd_finds_its_modules_where_the_gateway_does(start_gateway, tmp_path, monkeypatch):
    """And not in the current folder: `falcon-s3 serve` typed in a checkout would run that, and a `grp.py` there anything."""
    (tmp_path / "grpc.py").write_text("raise SystemExit('not this one')\n")
    monkeypatch.chdir(tmp_path)
    program = ("-c", f"import sys; sys.path[0] = {str(ROOT)!r}; from falcon_s3.cli import main; main()")
    with running_both(start_gateway, program=program) as (gateway, _pfsd):
        assert "not this one" not in gateway.log.read_text()


def test_pfsd_is_as_durable_as_the_gateway_beside_it(start_gateway):
    """What is said to `serve` is said to both."""
    for durability in ("relaxed", "strict"):
        with running_both(start_gateway, arguments=["--durability", durability]) as (gateway, _):
            told = Path(f"/proc/{pfsd_process(gateway)}/cmdline").read_bytes().split(b"\0")
            assert told[told.index(b"--durability") + 1].decode() == durability


def answers(pfsd, request):
    with contextlib.suppress(grpc.RpcError):
        return pfsd.call("InspectBranch", request).branch.name == "master"
    return False


@pytest.mark.parametrize("on", ENGINES)
def test_running_calls_end_before_the_gateway_does(start_gateway, on):
    """A stream that is being sent when SIGTERM comes is a commit in the end, and then nothing is left."""
    with running_both(start_gateway, on) as (gateway, pfsd):
        repo = pfsd.new_repo()

        def messages():
            yield pfs_pb2.ModifyFileRequest(set_commit=head(repo))
            # More than is sent to a server that does not read: when it has gone, the call runs.
            yield add("large", bytes(LARGE))
            os.kill(gateway.process.pid, signal.SIGTERM)
            time.sleep(1)
            yield add("a", b"whole")

        process = pfsd_process(gateway)
        pfsd.call("ModifyFile", messages())
        gateway.process.wait(40)
        assert not is_there(process)
        assert "replaced" not in gateway.log.read_text()
        with running_both(start_gateway, on, data=gateway.data) as (_, again):
            assert again.read(head(repo), "a") == b"whole"
            assert again.read(head(repo), "large") == bytes(LARGE)


def test_pfsd_ends_when_the_gateway_is_killed(start_gateway):
    """It would hold the address, and serve on unseen."""
    with running_both(start_gateway) as (gateway, _):
        process = pfsd_process(gateway)
        gateway.process.kill()
        gateway.process.wait()
        until(lambda: not is_there(process))
