"""Commands on the embedded store: repos, branches, commits and its health. They work while the gateway runs or not."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from falcon_s3 import buckets, pfs
from falcon_s3.cli.folder import folder_and_form, refuse_what_is_none
from falcon_s3.cli.table import moment, show
from falcon_s3.pfs import Branch, Commit, CommitInfo, Repo
from falcon_s3.pfs.embedded import EmbeddedPfs

# What to type next, by what could not be done.
NEXT: tuple[tuple[type[pfs.PfsError], str], ...] = (
    (pfs.CommitNotFound, "`falcon-s3 commit list REPO` shows those there are"),
    (pfs.NotFound, "`falcon-s3 branch list` shows those there are"),
    (pfs.CommitOpen, "`falcon-s3 commit finish REPO@BRANCH` finishes it"),
    (pfs.CommitFinished, "`falcon-s3 commit start REPO@BRANCH` starts another"),
)


def sentence_of(ex: pfs.PfsError) -> str:
    """What could not be done, and what helps."""
    advice = next((advice for kind, advice in NEXT if isinstance(ex, kind)), None)
    return f"{ex}: {advice}" if advice else str(ex)


def on_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --data and --json and the opened store; the store's errors become one line."""

    @folder_and_form
    @functools.wraps(command)
    def run(data: Path, **arguments: Any) -> None:
        refuse_what_is_none(data)
        try:
            store = EmbeddedPfs(data)
            try:
                command(store, **arguments)
            finally:
                store.close()
        except pfs.PfsError as ex:
            raise click.ClickException(sentence_of(ex)) from ex
        except OSError as ex:
            raise click.ClickException(f"{ex.filename or data}: {ex.strerror or ex}") from ex

    return run


class RepoName(click.ParamType):  # type: ignore[type-arg]
    """`repo` or `project/repo`."""

    name = "repo"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Repo:
        if isinstance(value, Repo):
            return value
        project, _, name = str(value).rpartition("/")
        repo = Repo(project or pfs.DEFAULT_PROJECT, name)
        try:
            pfs.check_branch(Branch(repo, pfs.DEFAULT_BRANCH))
        except pfs.InvalidName as ex:
            self.fail(str(ex), param, ctx)
        return repo


class RefName(click.ParamType):  # type: ignore[type-arg]
    """`repo@branch`, `project/repo@branch`, or with a commit id for the branch; `repo` alone if `repo_too`."""

    name = "repo@branch"

    def __init__(self, *, repo_too: bool = False, commit_too: bool = False):
        self._repo_too = repo_too
        self._commit_too = commit_too

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Repo | Branch | Commit:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        repo_name, at, name = value.partition("@")
        if not (at or self._repo_too):
            self.fail(f"{value} is no branch: write repo@branch, such as images@master", param, ctx)
        repo = RepoName().convert(repo_name, param, ctx)
        if not at:
            return repo
        if self._commit_too and pfs.is_commit_id(name):
            return Commit(repo, name)
        try:
            pfs.check_branch(Branch(repo, name))
        except pfs.InvalidName as ex:
            self.fail(str(ex), param, ctx)
        return Branch(repo, name)


BRANCH = RefName()


@click.group()
def repo() -> None:
    """Repos: what branches belong to."""


@repo.command("list")
@on_store
def repo_list(store: EmbeddedPfs, as_json: bool) -> None:
    """All repos, and how many branches each has."""
    rows = [(str(info.repo), moment(info.created_ms), info.branches) for info in store.list_repos()]
    show(as_json, ("repo", "created", "branches"), rows)


@click.group()
def branch() -> None:
    """Branches: each is a bucket."""


@branch.command("list")
@click.argument("repo", type=RepoName(), required=False)
@on_store
def branch_list(store: EmbeddedPfs, as_json: bool, repo: Repo | None) -> None:
    """All branches, or those of one REPO, with their buckets and heads."""
    infos = [info for info in store.list_branches() if repo in (None, info.branch.repo)]
    if repo is not None and not infos:
        raise pfs.RepoNotFound(repo)
    rows = [
        (
            str(info.branch),
            buckets.name_of(info.branch),
            info.head.id,
            "open" if info.head_open else "finished",
            moment(info.created_ms),
            [str(each) for each in info.provenance],
        )
        for info in infos
    ]
    show(as_json, ("branch", "bucket", "head", "state", "created", "provenance"), rows)


@branch.command("create")
@click.argument("name", type=BRANCH, metavar="REPO@BRANCH")
@click.option("--head", metavar="COMMIT", help="The commit it begins at: an id, from `falcon-s3 commit list`.")
@click.option(
    "--provenance",
    type=BRANCH,
    multiple=True,
    metavar="REPO@BRANCH",
    help="Make it an output branch, made from this one; may be given more than once.",
)
@on_store
def branch_create(
    store: EmbeddedPfs, as_json: bool, name: Branch, head: str | None, provenance: tuple[Branch, ...]
) -> None:
    """Create a branch, empty or at any commit; its repo too if there is none.

    \b
      falcon-s3 branch create images@dev
      falcon-s3 branch create images@fix --head 3d7f1c0a9b2e4f5d8c6b7a8901234567
      falcon-s3 branch create edges@master --provenance images@master
    """  # noqa: D301  \b is what click keeps lines by
    if head is not None and not pfs.is_commit_id(head):
        raise click.BadParameter(f"{head} is not a commit id, as `falcon-s3 commit list {name.repo}` shows them")
    info = store.create_branch(name, Commit(name.repo, head) if head else None, provenance)
    show(as_json, ("branch", "bucket", "head"), [(str(info.branch), buckets.name_of(info.branch), info.head.id)])


@branch.command("delete")
@click.argument("name", type=BRANCH, metavar="REPO@BRANCH")
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_store
def branch_delete(store: EmbeddedPfs, as_json: bool, name: Branch, yes: bool) -> None:
    """Delete a branch, with files or without; the repo and all of its history go with its last branch."""
    info = store.inspect_branch(name)
    others = [each for each in store.list_branches() if each.branch.repo == name.repo and each.branch != name]
    if not others and not yes:
        click.confirm(
            f"{name} is the last branch of {name.repo}: delete the repo and its history?", abort=True, err=True
        )
    store.delete_branch(name)
    show(as_json, ("branch", "head"), [(str(name), info.head.id)])


@click.group()
def commit() -> None:
    """Commits: every write is one."""


COMMIT_COLUMNS = ("commit", "branch", "parent", "started", "finished", "message")


def commit_row(info: CommitInfo) -> tuple[object, ...]:
    parent = info.parent.id if info.parent else None
    return info.commit.id, info.branch, parent, moment(info.started_ms), moment(info.finished_ms), info.message


@commit.command("list")
@click.argument("where", type=RefName(repo_too=True), metavar="REPO[@BRANCH]")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@on_store
def commit_list(store: EmbeddedPfs, as_json: bool, where: Repo | Branch, limit: int | None) -> None:
    """The commits of a branch, or of a whole repo, newest first."""
    show(as_json, COMMIT_COLUMNS, map(commit_row, store.list_commits(where, limit)))


@commit.command("start")
@click.argument("name", type=BRANCH, metavar="REPO@BRANCH")
@click.option("--message", "-m", default="", help="What it is for.")
@on_store
def commit_start(store: EmbeddedPfs, as_json: bool, name: Branch, message: str) -> None:
    """Start a commit: writes to the branch join it until it is finished."""
    started = store.start_commit(name, message)
    show(as_json, COMMIT_COLUMNS, [commit_row(store.inspect_commit(started))])


@commit.command("finish")
@click.argument("name", type=RefName(commit_too=True), metavar="REPO@BRANCH_OR_COMMIT")
@click.option("--message", "-m", help="Replaces the message it was started with.")
@on_store
def commit_finish(store: EmbeddedPfs, as_json: bool, name: Branch | Commit, message: str | None) -> None:
    """Finish an open commit: nothing can change it any more."""
    show(as_json, COMMIT_COLUMNS, [commit_row(store.finish_commit(name, message))])


@click.command()
@click.option("--repair", is_flag=True, help="Remove bytes that nothing names, left by killed writers.")
@on_store
def fsck(store: EmbeddedPfs, as_json: bool, repair: bool) -> None:
    """Check the whole store: every table against the others, every content against its digest.

    Exits with 1 if something is damaged. Bytes that nothing names (orphans) are no damage.
    """
    with click.progressbar(
        length=100, label="checking", file=sys.stderr, hidden=as_json or not sys.stderr.isatty()
    ) as bar:

        def progress(_: str, done: int, total: int) -> None:
            bar.update(max(100 * done // max(total, 1) - bar.pos, 0))

        report = store.fsck(repair, progress)
    columns = ("versions", "contents", "bytes", "orphans", "problems")
    show(as_json, columns, [(report.versions, report.contents, report.bytes, report.orphans, len(report.problems))])
    for problem in report.problems:
        click.echo(problem, err=True)
    if report.problems:
        raise SystemExit(1)
