"""The tutorial in python-pachyderm 7, run in an environment of its own: `python python_pachyderm_7.py PORT REPO S3_REPO`.

This is no test: test_python_pachyderm.py runs it. Everything is asserted here, where the client is.
"""

import io
import sys

import grpc
import python_pachyderm
from python_pachyderm.proto.v2.pfs import pfs_pb2


def main(port: int, repo: str, s3_repo: str) -> None:
    client = python_pachyderm.Client(host="127.0.0.1", port=port)
    tutorial(client, repo)
    beside_s3(client, s3_repo)


def beside_s3(client: python_pachyderm.Client, repo: str) -> None:
    """What S3 wrote is here, and what it writes into a commit that is open is part of it."""
    assert client.get_file((repo, "master"), "/from/s3").read() == b"over S3"
    with client.commit(repo, "master") as commit:
        client.put_file_bytes(commit, "/open", b"in an open commit")
        client.put_file_bytes(commit, "/from/s3", b" and back", append=True)
        print("a commit is open", flush=True)
        sys.stdin.readline()
        assert client.get_file(commit, "/live").read() == b"into the same commit"
    assert {info.file.path for info in client.list_file(commit, "/")} == {"/from/", "/live", "/open"}


def tutorial(client: python_pachyderm.Client, repo: str) -> None:
    assert client.get_remote_version().major == 2
    assert client.health_check().status == 1
    client.inspect_cluster()
    client.create_project("project-7", "of the older client")
    assert "project-7" in [info.project.name for info in client.list_project()]
    client.create_repo(repo, "by the older client")
    assert repo in [info.repo.name for info in client.list_repo()]

    with client.commit(repo, "master") as commit:
        client.put_file_bytes(commit, "/dir/a.txt", b"first")
        client.put_file_bytes(commit, "/empty", b"")
        client.put_file_bytes(commit, "/large", io.BytesIO(bytes(21 << 20)))
    client.wait_commit(commit.id)
    client.put_file_bytes((repo, "master"), "/dir/a.txt", b" and more", append=True)
    with client.modify_file_client((repo, "master")) as files:
        for number in range(20):
            files.put_file_from_bytes(f"/many/{number:02}", b"%d\n" % number)
        files.delete_file("/large")

    head = (repo, "master")
    assert client.get_file(head, "/dir/a.txt").read() == b"first and more"
    assert client.get_file(commit, "/dir/a.txt").read() == b"first"
    assert client.get_file(head, "/empty").read() == b""
    assert client.path_exists(head, "/dir/a.txt") and not client.path_exists(head, "/none")
    try:
        client.path_exists((repo, "none"), "/none")
    except ValueError as ex:
        assert "nonexistent commit" in str(ex), ex
    else:
        raise AssertionError("the client takes a branch that is not there for one that is")
    listed = [info.file.path for info in client.list_file(head, "/")]
    assert listed == ["/dir/", "/empty", "/many/"], listed
    assert len(list(client.walk_file(head, "/many"))) == 21
    assert [info.file.path for info in client.glob_file(head, "/*/a*")] == ["/dir/a.txt"]
    assert client.inspect_file(head, "/dir").file_type == pfs_pb2.DIR
    names = [entry.name for entry in client.get_file_tar(head, "/dir")]
    assert [name.strip("/") for name in names] == ["dir", "dir/a.txt"], names
    changed = [
        each.new_file.file.path for each in client.diff_file(head, "/dir/a.txt", (repo, "master^^"), "/dir/a.txt")
    ]
    assert changed == ["/dir/a.txt"], changed

    assert len(list(client.list_commit(repo))) == 3
    assert len(list(client.list_commit(repo, number=1))) == 1
    assert len(list(client.inspect_commit(commit.id))) == 1
    client.create_branch(repo, "old", head_commit=commit)
    assert client.get_file((repo, "old"), "/dir/a.txt").read() == b"first"
    assert {info.branch.name for info in client.list_branch(repo)} == {"master", "old"}
    client.delete_branch(repo, "old")
    client.drop_commit(client.inspect_branch(repo, "master").head.id)
    assert client.path_exists(head, "/large")
    assert list(client.fsck()) == []

    with client.transaction():
        client.create_repo(repo + "-2")
        client.create_branch(repo + "-2", "master")
    assert client.inspect_branch(repo + "-2", "master").branch.name == "master"
    client.delete_repo(repo + "-2")
    try:
        client.who_am_i()
    except (python_pachyderm.errors.AuthServiceNotActivated, grpc.RpcError):
        pass
    else:
        raise AssertionError("there are no users")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
