"""The commands on the embedded store, beside the store's own answers and beside a gateway that runs."""

import json
import os
import re

import pytest
from click.testing import CliRunner

from falcon_s3 import cli
from falcon_s3.digests import body_of
from falcon_s3.pfs import Branch, BranchNotFound, Commit, Repo
from falcon_s3.pfs.embedded import EmbeddedPfs

IMAGES = Repo("default", "images")
MASTER = Branch(IMAGES, "master")
CLEAN = {name: None for name in os.environ if name.startswith("FALCON_S3_")}


@pytest.fixture
def store(tmp_path):
    opened = EmbeddedPfs(tmp_path / "data")
    opened.create_branch(MASTER)
    yield opened
    opened.close()


@pytest.fixture
def typed(tmp_path):
    """Runs a command on the store's folder; gives the result."""

    def run(*arguments, data=tmp_path / "data", text=None, **variables):
        environment = CLEAN | {"FALCON_S3_DATA": str(data)} | variables
        return CliRunner().invoke(cli.main, arguments, env=environment, input=text)

    return run


@pytest.fixture
def table(typed):
    """Runs a command with --json, and without; gives the rows, after both said the same."""

    def run(*arguments):
        result = typed(*arguments, "--json")
        assert result.exit_code == 0, result.output
        rows = json.loads(result.stdout)
        lines = typed(*arguments).stdout.splitlines()
        assert len(lines) == 1 + len(rows)
        for line, row in zip(lines[1:], rows, strict=True):
            assert all(
                str(value) in line for value in row.values() if isinstance(value, int | str) and "T" not in str(value)
            )
        return rows

    return run


def put(store, path, data, branch=MASTER):
    return store.put_file(branch, path, body_of([data]))


def test_repos_are_listed(store, table):
    """With the project only outside `default`."""
    store.create_branch(Branch(IMAGES, "dev"))
    store.create_branch(Branch(Repo("research", "cats"), "master"))

    assert [(row["repo"], row["branches"]) for row in table("repo", "list")] == [("images", 2), ("research/cats", 1)]


def test_branches_are_listed(store, table):
    """All, or those of one repo, with the name of the bucket."""
    store.create_branch(Branch(Repo("research", "cats"), "dev"), provenance=[MASTER])
    rows = table("branch", "list")

    assert [(row["branch"], row["bucket"], row["provenance"]) for row in rows] == [
        ("images@master", "master.images", []),
        ("research/cats@dev", "dev.cats.research", ["images@master"]),
    ]
    assert rows[0]["head"] == store.inspect_branch(MASTER).head.id
    assert table("branch", "list", "research/cats") == rows[1:]


def test_a_branch_is_created_at_a_commit(store, typed):
    """It shows what the commit shows, and the later files are not there."""
    file = put(store, "a", b"1")
    put(store, "b", b"2")
    result = typed("branch", "create", "images@fix", "--head", file.commit.id)

    assert result.exit_code == 0, result.output
    assert [entry.path for entry in store.list_files(Branch(IMAGES, "fix"))] == ["a"]


def test_an_output_branch_is_created(store, typed):
    """From one or more branches; it then refuses writes."""
    result = typed("branch", "create", "research/edges@out", "--provenance", "images@master", "--json")

    assert result.exit_code == 0, result.output
    assert store.inspect_branch(Branch(Repo("research", "edges"), "out")).provenance == (MASTER,)
    assert json.loads(result.stdout)[0]["bucket"] == "out.edges.research"


def test_a_branch_is_deleted(store, typed):
    store.create_branch(Branch(IMAGES, "dev"))

    assert typed("branch", "delete", "images@dev").exit_code == 0
    with pytest.raises(BranchNotFound):
        store.inspect_branch(Branch(IMAGES, "dev"))


@pytest.mark.parametrize(
    "text, arguments, gone", [("n\n", [], False), ("y\n", [], True), ("", [], False), ("", ["--yes"], True)]
)
def test_the_last_branch_is_deleted_only_when_asked_twice(store, typed, text, arguments, gone):
    """The repo's history goes with it."""
    typed("branch", "delete", "images@master", *arguments, text=text)

    assert (store.list_repos() == []) is gone


def test_commits_are_listed_newest_first(store, table):
    """Of a branch or a repo, as many as asked for."""
    ids = [put(store, f"k{number}", b"x").commit.id for number in range(4)]
    rows = table("commit", "list", "images@master")

    assert [row["commit"] for row in rows][:4] == ids[::-1]
    assert table("commit", "list", "images") == rows
    assert table("commit", "list", "images", "--limit", "2") == rows[:2]
    assert rows[0]["parent"] == ids[2]


def test_a_commit_is_started_and_finished(store, typed):
    """What is written between belongs to it."""
    started = json.loads(typed("commit", "start", "images@master", "-m", "a load", "--json").stdout)[0]
    put(store, "a", b"1")
    put(store, "b", b"2")

    assert store.inspect_branch(MASTER).head == Commit(IMAGES, started["commit"])
    assert typed("commit", "start", "images@master").exit_code == 1
    assert typed("commit", "finish", f"images@{started['commit']}").exit_code == 0
    info = store.inspect_commit(Commit(IMAGES, started["commit"]))
    assert (info.message, info.finished_ms is None) == ("a load", False)
    assert typed("commit", "finish", "images@master").exit_code == 1


def test_a_whole_store_passes_fsck(store, typed):
    put(store, "a", b"x" * 300_000)
    result = typed("fsck", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)[0]["problems"] == 0


def test_what_fsck_cannot_remove_is_one_line(store, typed, tmp_path):
    (tmp_path / "data" / "contents" / "aa" / "a folder").mkdir()
    result = typed("fsck", "--repair")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"Error: {tmp_path}/data/contents/aa/a folder: Is a directory"


def test_a_damaged_store_does_not(store, typed, tmp_path):
    """Exit code 1, and a line that says what is damaged."""
    put(store, "a", b"x" * 3_000_000)
    (content,) = [path for path in (tmp_path / "data" / "contents").rglob("*") if path.is_file()]
    content.chmod(0o600)
    content.write_bytes(b"y" * 3_000_000)
    result = typed("fsck")

    assert result.exit_code == 1
    assert "damaged" in result.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["branch", "list", "a.b"], "name"),
        (["branch", "list", "nope"], "repo nope not found: `falcon-s3 branch list` shows"),
        (["branch", "create", "images"], "repo@branch"),
        (["branch", "create", "dev.images"], "repo@branch"),
        (["branch", "create", "images@master"], "already exists"),
        (["branch", "create", "images@x", "--head", "abc"], "not a commit id"),
        (["branch", "create", "images@x", "--head", "0" * 12 + "4" + "0" * 19], "not found: `falcon-s3 commit list"),
        (["branch", "create", "images@x", "--provenance", "cats@master"], "not found.*: `falcon-s3 branch list"),
        (["branch", "delete", "images@nope"], "not found.*: `falcon-s3 branch list"),
        (["commit", "list", "nope"], "not found"),
        (["commit", "list", "images@nope"], "not found"),
        (["commit", "list", "images", "--limit", "0"], "limit"),
        (["commit", "start", "images@nope"], "not found"),
        (["commit", "finish", "images@master"], "already finished: `falcon-s3 commit start"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_and_changes_nothing(store, typed, arguments, message):
    """An exit code and a sentence, no traceback."""
    before = store.list_branches()
    result = typed(*arguments)

    assert result.exit_code in (1, 2)
    assert re.search(message, result.stderr, re.IGNORECASE)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert store.list_branches() == before


def test_a_folder_without_a_store_is_not_made_one(typed, tmp_path):
    """A mistyped folder is told, and stays as it is."""
    result = typed("repo", "list", data=tmp_path / "nowhere")

    assert result.exit_code == 1
    assert "--data" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_what_is_made_beside_a_running_gateway_is_a_bucket_at_once(start_gateway, typed):
    """And what clients write is seen here."""
    with start_gateway(workers=1) as gateway:
        bucket = gateway.new_bucket()
        repo = bucket.partition(".")[2]
        gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"v")

        assert (
            typed("branch", "create", f"{repo}@dev", "--provenance", f"{repo}@master", data=gateway.data).exit_code == 0
        )
        assert gateway.request("HEAD", f"/dev.{repo}").status == 200
        refused = gateway.request("PUT", f"/dev.{repo}/k", b"v").refused(400, "WriteToOutputBranch")
        assert "cannot start a commit on an output branch" in refused
        assert len(json.loads(typed("commit", "list", repo, "--json", data=gateway.data).stdout)) == 3
        assert typed("fsck", data=gateway.data).exit_code == 0
