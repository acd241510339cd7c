"""What is refused, in pachd's codes and words: clients look for both.

python-pachyderm and pachd's own Go client match texts by regular expressions, some from end to end; the Python clients'
`..._exists` look for NOT_FOUND. Source: pachyderm, src/server/pfs/pfs.go.
"""

import re

import pytest

from falcon_s3.pfs.wire import pfs_pb2
from tests.pfsd.conftest import add, branch, delete, head, repo_message

MISSING = "0" * 12 + "4" + "0" * 19


def commit(repo, identity):
    return pfs_pb2.Commit(repo=repo, id=identity)


def file(at, path):
    return pfs_pb2.File(commit=at, path=path)


@pytest.fixture(scope="module")
def there(pfsd):
    """A repo with a finished commit, another with an open one, and one whose branch is made from the first."""
    done, opened, made = (pfsd.new_repo() for _ in range(3))
    pfsd.write(head(done), ("a", b"1"), ("d/b", b"2"))
    pfsd.call("StartCommit", pfs_pb2.StartCommitRequest(branch=branch(opened)))
    output = pfs_pb2.CreateBranchRequest(branch=branch(made), provenance=[branch(done)])
    pfsd.call("CreateBranch", output)
    pfsd.call("CreateProject", pfs_pb2.CreateProjectRequest(project={"name": "refusing"}))
    pfsd.call("CreateRepo", pfs_pb2.CreateRepoRequest(repo=repo_message("inside", "refusing")))
    return {"done": done, "open": opened, "made": made, "none": repo_message("none")}


REFUSALS = [
    # What is not there
    ("InspectRepo", lambda t: {"repo": t["none"]}, "NOT_FOUND", r"repo default/none not found"),
    ("ListBranch", lambda t: {"repo": t["none"]}, "NOT_FOUND", r"repo default/none not found"),
    ("StartCommit", lambda t: {"branch": branch(t["none"])}, "NOT_FOUND", r"repo default/none not found"),
    ("CreateBranch", lambda t: {"branch": branch(t["none"])}, "NOT_FOUND", r"repo default/none not found"),
    ("InspectBranch", lambda t: {"branch": branch(t["done"], "b")}, "NOT_FOUND", r'branch "b" not found in repo [^ ]+'),
    ("DeleteBranch", lambda t: {"branch": branch(t["done"], "b")}, "NOT_FOUND", r'branch "b" not found in repo [^ ]+'),
    ("InspectCommit", lambda t: {"commit": head(t["done"], "b")}, "NOT_FOUND", r"branch .+ not found in repo .+"),
    ("InspectCommit", lambda t: {"commit": commit(t["done"], MISSING)}, "NOT_FOUND", r"commit [^ ]+@0{12}40{19} not found"),
    ("FinishCommit", lambda t: {"commit": commit(t["done"], MISSING)}, "NOT_FOUND", r"commit [^ ]+ not found"),
    ("InspectCommit", lambda t: {"commit": commit(t["done"], "master^5")}, "NOT_FOUND", r"commit [^ ]+ not found"),
    (
        "StartCommit",
        lambda t: {"branch": branch(t["done"]), "parent": commit(t["done"], MISSING)},
        "NOT_FOUND",
        r"parent commit [^ ]+ not found",
    ),
    ("InspectCommitSet", lambda t: {"commit_set": {"id": MISSING}}, "NOT_FOUND", r"no commits found for commitset 0+40+"),
    ("SquashCommitSet", lambda t: {"commit_set": {"id": MISSING}}, "NOT_FOUND", r"no commits found for commitset 0+40+"),
    ("DropCommitSet", lambda t: {"commit_set": {"id": MISSING}}, "NOT_FOUND", r"no commits found for commitset 0+40+"),
    ("InspectFile", lambda t: {"file": file(head(t["done"]), "/x")}, "NOT_FOUND", r"file /x not found in repo .+ at commit .+"),
    ("GetFile", lambda t: {"file": file(head(t["done"]), "x/y")}, "NOT_FOUND", r"file x/y not found in repo .+ at commit .+"),
    ("GetFile", lambda t: {"file": file(head(t["done"]), "/x*")}, "NOT_FOUND", r"file /x\* not found in repo .+ at commit .+"),
    ("GetFileTAR", lambda t: {"file": file(head(t["done"]), "/x")}, "NOT_FOUND", r"file /x not found in repo .+ at commit .+"),
    ("InspectFile", lambda t: {"file": file(head(t["open"]), "/")}, "NOT_FOUND", r"file / not found in repo .+ at commit .+"),
    (
        "WalkFile",
        lambda t: {"file": file(head(t["done"]), "/x")},
        "NOT_FOUND",
        r"commit/[0-9a-f]{32} does not contain item: \(/x\)",
    ),
    ("InspectProject", lambda t: {"project": {"name": "p"}}, "NOT_FOUND", r'project "p" not found'),
    ("DeleteProject", lambda t: {"project": {"name": "p"}}, "NOT_FOUND", r'project "p" not found'),
    ("CreateRepo", lambda t: {"repo": repo_message("r", "p")}, "NOT_FOUND", r'.*project "p" not found'),
    # What is there already, or in the way
    ("CreateRepo", lambda t: {"repo": t["done"]}, "ALREADY_EXISTS", r"repo default/[^ ]+ already exists"),
    ("CreateProject", lambda t: {"project": {"name": "refusing"}}, "ALREADY_EXISTS", r"project refusing already exists"),
    (
        "DeleteProject",
        lambda t: {"project": {"name": "refusing"}},
        "FAILED_PRECONDITION",
        r"cannot delete project refusing: repo refusing/inside still exists",
    ),
    ("FinishCommit", lambda t: {"commit": head(t["done"])}, "UNKNOWN", r"commit [^ ]+ has already finished"),
    ("StartCommit", lambda t: {"branch": branch(t["open"])}, "UNKNOWN", r"parent commit [^ ]+ has not been finished"),
    (
        "StartCommit",
        lambda t: {"branch": branch(t["made"])},
        "UNKNOWN",
        r"cannot start a commit on an output branch: default/[^ ]+@master",
    ),
    ("FindCommits", lambda t: {"start": head(t["open"]), "file_path": "/a"}, "UNAVAILABLE", r"commit [^ ]+ not finished"),
    (
        "SquashCommit",
        lambda t: {"commit": head(t["done"])},
        "UNKNOWN",
        r"cannot squash a commit that has no children as that would cause data loss, .+",
    ),
    # What cannot be
    ("CreateRepo", lambda t: {}, "UNKNOWN", r"repo cannot be nil"),
    ("StartCommit", lambda t: {"branch": pfs_pb2.Branch(repo=t["done"])}, "UNKNOWN", r"branch must be specified"),
    ("InspectCommit", lambda t: {"commit": pfs_pb2.Commit(id=MISSING)}, "UNKNOWN", r"commit must have a repo"),
    (
        "CreateRepo",
        lambda t: {"repo": repo_message("a.b")},
        "UNKNOWN",
        r"name \(a\.b\) invalid: only alphanumeric characters, underscores, and dashes are allowed",
    ),
    (
        "CreateBranch",
        lambda t: {"branch": branch(t["done"], "a/b")},
        "UNKNOWN",
        r"name \(a/b\) invalid: only alphanumeric characters, underscores, and dashes are allowed",
    ),
    (
        "GetFile",
        lambda t: {"file": file(head(t["done"]), "/d")},
        "UNKNOWN",
        r"cannot get directory or non-regular file\. Use GetFileTAR instead",
    ),
    (
        "GetFile",
        lambda t: {"file": file(head(t["done"]), "/**")},
        "UNKNOWN",
        r"matched multiple files\. Use GetFileTAR instead",
    ),
    *(
        (
            method,
            lambda t, options=options: {"file": file(head(t["done"]), "/"), **options},
            "UNKNOWN",
            re.escape(text),
        )
        for method in ("ListFile", "WalkFile")
        for options, text in (
            ({"reverse": True}, "number must be > 0 when reverse is true"),
            ({"number": 100_001}, "cannot return more than 100000 files at a time"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "method, request_of, code, text", REFUSALS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_refusals_have_the_codes_and_words_of_pachd(pfsd, there, method, request_of, code, text):
    """The whole text, where a client matches the whole."""
    request = getattr(pfs_pb2, f"{method.removesuffix('TAR')}Request")(**request_of(there))
    told = pfsd.refused(code, method, request)
    assert re.fullmatch(text, told), told


@pytest.mark.parametrize(
    "target, change, code, text",
    [
        (lambda t: head(t["none"]), add("a", b""), "NOT_FOUND", r"repo default/none not found"),
        (lambda t: head(t["made"]), add("a", b""), "UNKNOWN", r"cannot start a commit on an output branch: .+@master"),
        (lambda t: commit(t["done"], "master^"), add("a", b""), "NOT_FOUND", r"commit [^ ]+ not found"),
        (lambda t: commit(t["done"], ".1"), add("a", b""), "UNKNOWN", r"branch must be specified"),
        (lambda t: commit(t["done"], "master.1"), add("a", b""), "UNKNOWN", r"commit [^ ]+ has already finished"),
        (lambda t: head(t["done"]), add("a?b", b""), "UNKNOWN", r"path \(a\?b\) invalid: globbing character \(\?\) not allowed in path"),
        (lambda t: head(t["done"]), delete("a/../b"), "UNKNOWN", r"path \(a/\.\./b\) invalid: relative file paths are not allowed"),
        (lambda t: head(t["done"]), delete("ü"), "UNKNOWN", r"path \(ü\) invalid: only printable ASCII characters allowed"),
    ],
)  # fmt: skip
def test_writes_are_refused_in_the_words_of_pachd(pfsd, there, target, change, code, text):
    """And nothing is written."""
    before = pfsd.commits(there["done"])
    told = pfsd.refused(code, "ModifyFile", [pfs_pb2.ModifyFileRequest(set_commit=target(there)), change])
    assert re.fullmatch(text, told), told
    assert pfsd.commits(there["done"]) == before


def test_what_is_no_error(pfsd, there):
    """A repo that is not there can be deleted, an empty or missing folder listed, and the root of nothing walked."""
    assert not pfsd.call("DeleteRepo", pfs_pb2.DeleteRepoRequest(repo=there["none"])).deleted
    assert pfsd.list(head(there["done"]), "/none") == []
    assert pfsd.list(head(there["open"]), "/", method="WalkFile") == []
    assert pfsd.read(head(there["done"]), "a", offset=100) == b""
