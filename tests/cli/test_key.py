"""The commands on access keys, as they are typed."""

import json
import os
import re

import pytest
from click.testing import CliRunner

from falcon_s3 import cli
from falcon_s3.keys import KeyStore
from falcon_s3.rights import ALL, Rights
from tests.conftest import free_port

CLEAN = {name: None for name in os.environ if name.startswith("FALCON_S3_")}


@pytest.fixture
def typed(tmp_path):
    """Runs a command on a folder that is not there at first; gives the result."""

    def run(*arguments, data=tmp_path / "data", **variables):
        environment = CLEAN | {"FALCON_S3_DATA": str(data)} | variables
        return CliRunner().invoke(cli.main, ["key", *arguments], env=environment)

    return run


@pytest.fixture
def rows(typed):
    """Runs a command with --json; gives its rows."""

    def run(*arguments):
        result = typed(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.mark.parametrize(
    "arguments, rights",
    [
        ([], ([], ["*"], [])),
        (["--admin"], (["*"], ["*"], ["*"])),
        (["--read", "*"], (["*"], [], [])),
        (["--read", "images"], (["master.images"], [], [])),
        (["--write", "dev.*", "--write", "fix.*", "--write", "dev.*"], ([], ["dev.*", "fix.*"], [])),
        (["--purge", "*"], ([], [], ["*"])),
        (["--read", "a.a", "--write", "b.b", "--purge", "c.c"], (["a.a"], ["b.b"], ["c.c"])),
    ],
)
def test_a_key_is_created_with_rights(typed, rows, tmp_path, arguments, rights):
    """Without a pattern it reads and writes everything and purges nothing; with one, it may just that."""
    [made] = rows("create", "--name", "me", *arguments)

    assert (made["read"], made["write"], made["purge"]) == rights
    [listed] = rows("list")
    assert (listed["key"], listed["name"], listed["state"]) == (made["key"], "me", "enabled")
    assert (listed["read"], listed["write"], listed["purge"]) == rights
    store = KeyStore(tmp_path / "data")
    assert store.load().secrets == {made["key"]: made["secret"]}
    assert store.load().rights[made["key"]] == Rights(*map(tuple, rights), made["key"])
    store.close()


def test_a_secret_is_shown_once(typed):
    """When it is made, in the table; no other command prints it."""
    made = typed("create", "--read", "images", "--purge", "dev.*")
    access_key, secret = made.stdout.splitlines()[1].split()[:2]

    assert re.fullmatch("KEY +SECRET +NAME +READ +WRITE +PURGE", made.stdout.splitlines()[0])
    assert made.stdout.splitlines()[1].split() == [access_key, secret, "-", "master.images", "-", "dev.*"]
    for command in (["list"], ["disable", access_key], ["enable", access_key], ["anonymous"], ["delete", access_key]):
        for form in ([], ["--json"]):
            output = typed(*command, *form).output
            assert secret not in output
            if form or command != ["delete", access_key]:
                continue
            assert access_key in output
            access_key, _ = typed("create").stdout.splitlines()[1].split()[:2]
            command[-1] = access_key


def test_keys_are_listed_disabled_enabled_and_deleted(typed, rows):
    first, second = (rows("create", "--name", name)[0]["key"] for name in ("one", "two"))

    assert [row["state"] for row in rows("disable", first)] == ["disabled"]
    assert [(row["key"], row["state"]) for row in rows("list")] == [(first, "disabled"), (second, "enabled")]
    assert "disabled" in typed("list").stdout
    assert [row["state"] for row in rows("enable", first)] == ["enabled"]
    assert [row["key"] for row in rows("delete", first)] == [first]
    assert [row["key"] for row in rows("list")] == [second]


def test_the_end_of_the_last_key_is_told(typed, rows):
    """Since then everybody may do everything on a gateway of this machine."""
    first, second = (rows("create")[0]["key"] for _ in range(2))

    assert typed("delete", first).stderr == ""
    assert "everybody" in typed("delete", second).stderr


def test_what_anybody_may_read_is_shown_and_set(typed, rows):
    rows("create")
    assert rows("anonymous") == []
    assert rows("anonymous", "--read", "images", "--read", "*.public") == [
        {"read": "*.public"},
        {"read": "master.images"},
    ]
    assert rows("anonymous", "--read", "dev.*") == rows("anonymous") == [{"read": "dev.*"}]
    assert rows("anonymous", "--none") == rows("anonymous") == []


def test_anonymous_reading_without_keys_is_told_to_mean_nothing(typed, rows):
    access_key = rows("create")[0]["key"]
    assert typed("anonymous", "--read", "*").stderr == ""
    typed("delete", access_key)
    assert "everybody" in typed("anonymous", "--read", "*").stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["create", "--read", "a b"], "pattern"),
        (["create", "--write", ""], "pattern"),
        (["create", "--purge", "a.b.c.d"], "invalid"),
        (["create", "--admin", "--read", "*"], "--admin"),
        (["create", "--name", "a\nb"], "printable"),
        (["create", "--name", "x" * 101], "100"),
        (["create", "stray"], "unexpected"),
        (["disable"], "KEY"),
        (["disable", "NOBODY"], "no access key NOBODY"),
        (["enable", "NOBODY"], "no access key NOBODY"),
        (["delete", "NOBODY"], "no access key NOBODY"),
        (["anonymous", "--none", "--read", "*"], "--none"),
        (["anonymous", "--read", "é"], "pattern"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_and_changes_nothing(typed, rows, arguments, message):
    rows("create")
    before = rows("list"), rows("anonymous")
    result = typed(*arguments)

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert isinstance(result.exception, SystemExit)
    assert (rows("list"), rows("anonymous")) == before


@pytest.mark.parametrize("command", [["list"], ["disable", "K"], ["enable", "K"], ["delete", "K"], ["anonymous"]])
def test_a_folder_without_a_store_is_not_made_one(typed, tmp_path, command):
    """A mistyped folder is told, and stays as it is; only the first key makes one."""
    result = typed(*command, data=tmp_path / "nowhere")

    assert result.exit_code == 1
    assert "--data" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_cannot_be_used_is_one_line(typed, tmp_path):
    (tmp_path / "file").write_text("")
    result = typed("create", data=tmp_path / "file" / "below")

    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert str(tmp_path / "file") in result.output


def test_secrets_can_be_encrypted_with_the_operators_own(typed, tmp_path):
    """Then every command needs it that makes a key."""
    mine = {"FALCON_S3_KEYS_SECRET": "A" * 43 + "="}

    assert typed("create", **mine).exit_code == 0
    assert typed("create", **mine).exit_code == 0
    assert not (tmp_path / "data" / "keys.secret").exists()
    assert "FALCON_S3_KEYS_SECRET" in typed("create").stderr
    assert "base64" in typed("create", FALCON_S3_KEYS_SECRET="nonsense").stderr
    assert "nonsense" not in typed("create", FALCON_S3_KEYS_SECRET="nonsense").output
    assert len(typed("list").stdout.splitlines()) == 3


def test_serve_listens_elsewhere_with_a_stored_key(monkeypatch, tmp_path):
    """As with one in the environment; and says how requests are to be signed."""
    from falcon_s3.server import embedded

    started = []

    def start(config, ready):
        greeting = embedded.check(config)
        started.append(config)
        ready(greeting)

    def serve():
        arguments = ["serve", "--listen", "0.0.0.0:30600", "--data", str(tmp_path)]
        return CliRunner().invoke(cli.main, arguments, env=CLEAN)

    monkeypatch.setattr(cli, "run", start)
    refused = serve()
    assert (refused.exit_code, started) == (1, [])
    assert "falcon-s3 key create" in refused.output
    store = KeyStore(tmp_path)
    assert serve().exit_code == 1
    _, secret = store.create("", ALL)
    done = serve()
    assert (done.exit_code, len(started)) == (0, 1)
    assert "falcon-s3 key list" in done.output
    assert "AWS_ACCESS_KEY_ID=any" not in done.output
    assert secret not in done.output
    assert not started[0].opens_without_keys
    store.close()


def test_serve_does_not_start_on_secrets_it_cannot_decrypt(tmp_path):
    """It would let nobody in; and a database that is none is told before anything is served."""
    made = CliRunner().invoke(cli.main, ["key", "create", "--data", str(tmp_path)], env=CLEAN)
    assert made.exit_code == 0

    def serve(**variables):
        arguments = ["serve", "--listen", f"127.0.0.1:{free_port()}", "--data", str(tmp_path)]
        return CliRunner().invoke(cli.main, arguments, env=CLEAN | variables)

    refused = serve(FALCON_S3_KEYS_SECRET="A" * 43 + "=")
    assert (refused.exit_code, len(refused.output.splitlines())) == (1, 1)
    assert "FALCON_S3_KEYS_SECRET" in refused.output
    (tmp_path / "keys.secret").unlink()
    assert "keys.secret" in serve().output
    (tmp_path / "keys.sqlite3").write_bytes(b"no database" * 1000)
    refused = serve()
    assert (refused.exit_code, len(refused.output.splitlines())) == (1, 1)
    assert "keys.sqlite3" in refused.output
