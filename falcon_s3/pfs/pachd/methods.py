"""The methods of pachd that are called, each with what its reply is."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs.pachd.calls import Method
from falcon_s3.pfs.wire import auth_pb2, transaction_pb2, version_pb2
from falcon_s3.pfs.wire import pfs_pb2 as wire

PFS = "/pfs_v2.API"

LIST_REPO = Method(f"{PFS}/ListRepo", wire.RepoInfo.FromString)
INSPECT_REPO = Method(f"{PFS}/InspectRepo", wire.RepoInfo.FromString)
CREATE_REPO = Method(f"{PFS}/CreateRepo", Empty.FromString)
DELETE_REPO = Method(f"{PFS}/DeleteRepo", wire.DeleteRepoResponse.FromString)
CREATE_PROJECT = Method(f"{PFS}/CreateProject", Empty.FromString)

INSPECT_BRANCH = Method(f"{PFS}/InspectBranch", wire.BranchInfo.FromString)
CREATE_BRANCH = Method(f"{PFS}/CreateBranch", Empty.FromString)
DELETE_BRANCH = Method(f"{PFS}/DeleteBranch", Empty.FromString)

BATCH_TRANSACTION = Method("/transaction_v2.API/BatchTransaction", transaction_pb2.TransactionInfo.FromString)

START_COMMIT = Method(f"{PFS}/StartCommit", wire.Commit.FromString)
FINISH_COMMIT = Method(f"{PFS}/FinishCommit", Empty.FromString)
INSPECT_COMMIT = Method(f"{PFS}/InspectCommit", wire.CommitInfo.FromString)
CLEAR_COMMIT = Method(f"{PFS}/ClearCommit", Empty.FromString)
DROP_COMMIT_SET = Method(f"{PFS}/DropCommitSet", Empty.FromString)

INSPECT_FILE = Method(f"{PFS}/InspectFile", wire.FileInfo.FromString)
LIST_FILE = Method(f"{PFS}/ListFile", wire.FileInfo.FromString)
WALK_FILE = Method(f"{PFS}/WalkFile", wire.FileInfo.FromString)
GET_FILE = Method(f"{PFS}/GetFile", bytes)  # framed by hand: framing.chunk
GET_FILE_TAR = Method(f"{PFS}/GetFileTAR", bytes)  # so is this
MODIFY_FILE = Method(f"{PFS}/ModifyFile", Empty.FromString)
CREATE_FILE_SET = Method(f"{PFS}/CreateFileSet", wire.CreateFileSetResponse.FromString)
GET_FILE_SET = Method(f"{PFS}/GetFileSet", wire.CreateFileSetResponse.FromString)
COMPOSE_FILE_SET = Method(f"{PFS}/ComposeFileSet", wire.CreateFileSetResponse.FromString)
ADD_FILE_SET = Method(f"{PFS}/AddFileSet", Empty.FromString)
RENEW_FILE_SET = Method(f"{PFS}/RenewFileSet", Empty.FromString)

WHO_AM_I = Method("/auth_v2.API/WhoAmI", auth_pb2.WhoAmIResponse.FromString)
AUTHORIZE = Method("/auth_v2.API/Authorize", auth_pb2.AuthorizeResponse.FromString)
GET_VERSION = Method("/versionpb_v2.API/GetVersion", version_pb2.Version.FromString)
GET_VERSION_1 = Method("/versionpb.API/GetVersion", version_pb2.Version.FromString)
