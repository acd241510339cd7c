"""Projects and repos over gRPC."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.empty_pb2 import Empty

from falcon_s3.pfs import Branch, BranchNotFound, history, repos
from falcon_s3.pfs.catalog import Connection
from falcon_s3.pfs.extended import ExtendedPfs
from falcon_s3.pfs.repos import DescribedRepo, ProjectInfo
from falcon_s3.pfs.service.calls import Context, Handler, streaming, unary
from falcon_s3.pfs.service.names import (
    USER,
    Unclear,
    branch_message,
    project_of,
    repo_message,
    repo_of,
    timestamp,
)
from falcon_s3.pfs.service.pickers import project_picked
from falcon_s3.pfs.wire import pfs_pb2 as wire

# What may be part of a transaction: it is given a connection, and the id for its commits.


def create_repo(connection: Connection, request: wire.CreateRepoRequest, _identity: bytes | None) -> Empty:
    repos.create_repo(connection, repo_of(request.repo), request.description, request.update)
    return Empty()


def delete_repo(
    connection: Connection, request: wire.DeleteRepoRequest, _identity: bytes | None
) -> wire.DeleteRepoResponse:
    return wire.DeleteRepoResponse(deleted=repos.delete_repo(connection, repo_of(request.repo), request.force))


class Repos:
    def __init__(self, store: ExtendedPfs):
        self._store = store

    def methods(self) -> dict[str, Handler]:
        return {
            "CreateProject": unary(wire.CreateProjectRequest, self.create_project),
            "InspectProject": unary(wire.InspectProjectRequest, self.inspect_project),
            "InspectProjectV2": unary(wire.InspectProjectV2Request, self.inspect_project_v2),
            "ListProject": streaming(wire.ListProjectRequest, self.list_projects),
            "DeleteProject": unary(wire.DeleteProjectRequest, self.delete_project),
            "InspectRepo": unary(wire.InspectRepoRequest, self.inspect_repo),
            "ListRepo": streaming(wire.ListRepoRequest, self.list_repos),
            "ReposSummary": unary(wire.ReposSummaryRequest, self.summary),
            "DeleteRepos": unary(wire.DeleteReposRequest, self.delete_repos),
            "DeleteAll": unary(Empty, self.delete_all),
        }

    def create_project(self, request: wire.CreateProjectRequest, _context: Context) -> Empty:
        if not request.project.name:
            raise Unclear("project must be specified")
        self._store.change(
            lambda connection: repos.create_project(
                connection, request.project.name, request.description, request.update
            )
        )
        return Empty()

    def inspect_project(self, request: wire.InspectProjectRequest, _context: Context) -> wire.ProjectInfo:
        name = project_of(request.project)
        return _project_info(self._store.look(lambda connection: repos.inspect_project(connection, name)))

    def inspect_project_v2(
        self, request: wire.InspectProjectV2Request, context: Context
    ) -> wire.InspectProjectV2Response:
        info = self.inspect_project(wire.InspectProjectRequest(project=request.project), context)
        return wire.InspectProjectV2Response(info=info, defaults_json="{}")

    def list_projects(self, _request: wire.ListProjectRequest, _context: Context) -> Iterator[wire.ProjectInfo]:
        yield from map(_project_info, self._store.look(repos.list_projects))

    def delete_project(self, request: wire.DeleteProjectRequest, _context: Context) -> Empty:
        if not request.project.name:
            raise Unclear("project must be specified")
        self._store.change(lambda connection: repos.delete_project(connection, request.project.name, request.force))
        self._store.tidy()
        return Empty()

    def inspect_repo(self, request: wire.InspectRepoRequest, _context: Context) -> wire.RepoInfo:
        repo = repo_of(request.repo)

        def job(connection: Connection) -> wire.RepoInfo:
            return self._repo_info(connection, repos.inspect_repo(connection, repo))

        return self._store.look(job)

    def list_repos(self, request: wire.ListRepoRequest, _context: Context) -> Iterator[wire.RepoInfo]:
        """All repos are of the type "user"; the others belong to pipelines."""
        if request.type not in {"", USER}:
            return
        projects = [project_of(each) for each in request.projects]
        found = self._store.look(lambda connection: repos.list_repos(connection, projects))
        size = request.page.page_size
        if size > 0:
            first = size * max(0, request.page.page_index)
            found = found[first : first + size]
        for info in found:
            yield self._store.look(lambda connection, info=info: self._repo_info(connection, info))  # type: ignore[misc]

    def summary(self, request: wire.ReposSummaryRequest, _context: Context) -> wire.ReposSummaryResponse:
        """How many repos a project has and their size; of all projects if none is named. Raises NotFound."""
        names = [project_picked(each) for each in request.projects]

        def job(connection: Connection) -> wire.ReposSummaryResponse:
            wanted = names or [info.name for info in repos.list_projects(connection)]
            return wire.ReposSummaryResponse(summaries=[self._summary(connection, name) for name in wanted])

        return self._store.look(job)

    def _summary(self, connection: Connection, name: str) -> wire.ReposSummary:
        repos.inspect_project(connection, name)
        infos = [self._repo_info(connection, info) for info in repos.list_repos(connection, [name])]
        size = sum(info.size_bytes_upper_bound for info in infos)
        return wire.ReposSummary(project=wire.Project(name=name), user_repo_count=len(infos), size_bytes=size)

    def delete_repos(self, request: wire.DeleteReposRequest, _context: Context) -> wire.DeleteReposResponse:
        projects = [project_of(each) for each in request.projects]

        def job(connection: Connection) -> list[DescribedRepo]:
            if not projects and not request.all:
                return []
            wanted = repos.list_repos(connection, None if request.all else projects)
            for info in wanted:
                repos.delete_repo(connection, info.repo, force=True)
            return wanted

        deleted = self._store.change(job)
        self._store.tidy()
        return wire.DeleteReposResponse(repos=[repo_message(info.repo) for info in deleted])

    def delete_all(self, _request: Empty, _context: Context) -> Empty:
        def job(connection: Connection) -> None:
            for info in repos.list_projects(connection):
                repos.delete_project(connection, info.name, force=True)

        self._store.change(job)
        self._store.tidy()
        return Empty()

    def _repo_info(self, connection: Connection, info: DescribedRepo) -> wire.RepoInfo:
        """The size of a repo is that of its branch master, as pachd has it."""
        try:
            size = self._store.size(history.point(connection, Branch(info.repo, "master")))
        except BranchNotFound:
            size = 0
        return wire.RepoInfo(
            repo=repo_message(info.repo),
            created=timestamp(info.created_ms),
            size_bytes_upper_bound=size,
            description=info.description,
            branches=[branch_message(Branch(info.repo, name)) for name in info.branches],
            details=wire.RepoInfo.Details(size_bytes=size),
        )


def _project_info(info: ProjectInfo) -> wire.ProjectInfo:
    return wire.ProjectInfo(
        project=wire.Project(name=info.name),
        description=info.description,
        created_at=timestamp(info.created_ms or None),
    )
