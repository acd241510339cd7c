"""Transactions: several changes at once, or none."""

from falcon_s3.pfs.wire import pfs_pb2
from falcon_s3.pfs.wire import transaction_pb2 as wire
from tests.pfsd.conftest import branch, head, repo_message

SERVICE = "transaction_v2.API"


def begin(pfsd):
    return pfsd.call("StartTransaction", service=SERVICE).id


def finish(pfsd, identity):
    request = wire.FinishTransactionRequest(transaction=wire.Transaction(id=identity))
    return pfsd.call("FinishTransaction", request, service=SERVICE)


def test_nothing_happens_before_it_is_finished(pfsd):
    """Then all of it does, and its commits have its id: they are one commit set."""
    identity = begin(pfsd)
    repos = [repo_message(f"{name}-{identity}") for name in "ab"]
    for repo in repos:
        pfsd.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo), transaction=identity)
        request = pfs_pb2.StartCommitRequest(branch=branch(repo))
        commit = pfsd.call("StartCommit", request, transaction=identity)
        assert commit.id == identity
    pfsd.call("FinishCommit", pfs_pb2.FinishCommitRequest(commit=commit), transaction=identity)
    for repo in repos:
        pfsd.refused("NOT_FOUND", "InspectRepo", pfs_pb2.InspectRepoRequest(repo=repo))
    info = finish(pfsd, identity)
    assert len(info.requests) == len(info.responses) == 5
    assert [response.commit.id for response in info.responses] == ["", identity, "", identity, ""]
    found = pfsd.call("InspectCommitSet", pfs_pb2.InspectCommitSetRequest(commit_set=pfs_pb2.CommitSet(id=identity)))
    assert [info.commit.repo.name for info in found] == [repo.name for repo in repos]
    assert [info.HasField("finished") for info in found] == [False, True]
    pfsd.refused("NOT_FOUND", "FinishTransaction", wire.FinishTransactionRequest(), service=SERVICE)


def test_what_cannot_be_is_refused_at_once_and_not_kept(pfsd, repo):
    """The rest of the transaction goes on."""
    identity = begin(pfsd)
    request = pfs_pb2.CreateRepoRequest(repo=repo)
    pfsd.refused("ALREADY_EXISTS", "CreateRepo", request, transaction=identity)
    pfsd.call("CreateBranch", pfs_pb2.CreateBranchRequest(branch=branch(repo)), transaction=identity)
    assert len(finish(pfsd, identity).requests) == 1
    pfsd.call("InspectBranch", pfs_pb2.InspectBranchRequest(branch=branch(repo)))


def test_what_happened_in_between_is_found_at_the_end(pfsd):
    """And then nothing is done."""
    identity = begin(pfsd)
    first, second = repo_message(f"a-{identity}"), repo_message(f"b-{identity}")
    for repo in (first, second):
        pfsd.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo), transaction=identity)
    pfsd.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=second))
    request = wire.FinishTransactionRequest(transaction=wire.Transaction(id=identity))
    pfsd.refused("ALREADY_EXISTS", "FinishTransaction", request, service=SERVICE)
    pfsd.refused("NOT_FOUND", "InspectRepo", pfs_pb2.InspectRepoRequest(repo=first))


def test_it_can_be_looked_at_and_given_up(pfsd, repo):
    """An empty id in a call means none, as the Python client sends it."""
    identity = begin(pfsd)
    pfsd.call("DeleteRepo", pfs_pb2.DeleteRepoRequest(repo=repo), transaction=identity)
    pfsd.write(head(repo), ("a", b"1"))
    request = wire.InspectTransactionRequest(transaction=wire.Transaction(id=identity))
    assert len(pfsd.call("InspectTransaction", request, service=SERVICE).requests) == 1
    listed = pfsd.call("ListTransaction", wire.ListTransactionRequest(), service=SERVICE)
    assert identity in [info.transaction.id for info in listed.transaction_info]
    request = wire.DeleteTransactionRequest(transaction=wire.Transaction(id=identity))
    pfsd.call("DeleteTransaction", request, service=SERVICE)
    pfsd.refused("NOT_FOUND", "DeleteTransaction", request, service=SERVICE)
    request = pfs_pb2.CreateBranchRequest(branch=branch(repo, "b"))
    pfsd.refused("NOT_FOUND", "CreateBranch", request, transaction=identity)
    pfsd.call("CreateBranch", request, transaction="")
    assert pfsd.read(head(repo), "a") == b"1"


def test_a_batch_is_a_transaction_in_one_call(pfsd):
    """All or nothing too; a request that says nothing is refused."""
    repo = repo_message("batched")
    create = wire.TransactionRequest(create_repo=pfs_pb2.CreateRepoRequest(repo=repo))
    start = wire.TransactionRequest(start_commit=pfs_pb2.StartCommitRequest(branch=branch(repo)))
    request = wire.BatchTransactionRequest(requests=[create, start, start])
    pfsd.refused("UNKNOWN", "BatchTransaction", request, service=SERVICE)
    pfsd.refused("NOT_FOUND", "InspectRepo", pfs_pb2.InspectRepoRequest(repo=repo))
    info = pfsd.call("BatchTransaction", wire.BatchTransactionRequest(requests=[create, start]), service=SERVICE)
    assert info.responses[1].commit.id == info.transaction.id == pfsd.commits(repo)[0]
    empty = wire.BatchTransactionRequest(requests=[wire.TransactionRequest()])
    assert "must say what to do" in pfsd.refused("UNKNOWN", "BatchTransaction", empty, service=SERVICE)
