"""`falcon-s3 serve` as it is typed: what it takes from where, what it prints, and how it refuses."""

import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from falcon_s3 import __version__, cli
from falcon_s3.config import Config
from falcon_s3.server import embedded
from tests.conftest import free_port

CLEAN = {name: None for name in os.environ if name.startswith(("FALCON_S3_", "PACH"))}
KEYS = {"FALCON_S3_ACCESS_KEY": "me", "FALCON_S3_SECRET_KEY": "hidden"}


@pytest.fixture
def served(monkeypatch):
    """Runs the command line up to where the gateway would start; gives its result and the Config it had then."""
    configs = []

    def start(config, ready):
        config.check()
        if not config.pachd:
            config.check_keys(stored=False)
        configs.append(config)
        ready(embedded.greeting(config))

    monkeypatch.setattr(cli, "run", start)

    def run(*arguments, **variables):
        configs.clear()
        result = CliRunner().invoke(cli.main, ["serve", *arguments], env=CLEAN | variables)
        return result, configs[0] if configs else None

    return run


SETTINGS = [
    ("listen", "127.0.0.1:9", "127.0.0.1:8", "127.0.0.1:7"),
    ("data", Path("from-flag"), Path("from-variable"), Path("from-file")),
    ("workers", 7, 6, 5),
    ("threads", 7, 6, 5),
    ("upload_days", 30, 14, 10),
    ("engine", "meinheld", "granian", "meinheld"),
    ("durability", "relaxed", "strict", "relaxed"),
    ("region", "eu-north-1", "eu-west-1", "eu-south-1"),
    ("log_level", "debug", "warning", "error"),
    ("cors_origin", "https://flag.example", "https://variable.example", "https://file.example"),
    ("domain", "flag.example", "variable.example", "file.example"),
]


@pytest.mark.parametrize("name, flag, variable, file", SETTINGS, ids=[row[0] for row in SETTINGS])
def test_a_flag_outweighs_a_variable_which_outweighs_the_file(served, tmp_path, name, flag, variable, file):
    """Each setting can be given in all three ways."""
    option = f"--{name.replace('_', '-')}"
    path = tmp_path / "c.toml"
    path.write_text(f"{name} = {file if isinstance(file, int) else repr(str(file))}\n")
    variables = {f"FALCON_S3_{name.upper()}": str(variable)}
    default = getattr(Config(), name)

    assert getattr(served()[1], name) == default
    assert getattr(served("--config", str(path))[1], name) == file
    assert getattr(served(FALCON_S3_CONFIG=str(path))[1], name) == file
    assert getattr(served("--config", str(path), **variables)[1], name) == variable
    assert getattr(served("--config", str(path), option, str(flag), **variables)[1], name) == flag


def test_anonymous_access_beyond_this_machine_must_be_said(served):
    """By flag or variable; without it nothing is started."""
    result, config = served("--listen", "0.0.0.0:30600")
    assert (config, result.exit_code) == (None, 1)
    assert "--anonymous" in result.output

    assert served("--listen", "0.0.0.0:30600", "--anonymous")[1].anonymous
    assert served("--listen", "0.0.0.0:30600", FALCON_S3_ANONYMOUS="1")[1].anonymous
    assert served("--listen", "0.0.0.0:30600", **KEYS)[1].access_key == "me"


def test_domains_can_be_several(served, tmp_path):
    """Flags are repeated; a variable and a line of the file are separated by commas; each counts once."""
    path = tmp_path / "c.toml"
    path.write_text('domain = "a.example, B.example"\n')

    assert served("--domain", "a.example", "--domain", "B.example")[1].domains == ("a.example", "b.example")
    assert served(FALCON_S3_DOMAIN="a.example,b.example")[1].domains == ("a.example", "b.example")
    assert served(FALCON_S3_DOMAIN="a.example, b.example, A.example")[1].domains == ("a.example", "b.example")
    assert served("--config", str(path))[1].domains == ("a.example", "b.example")
    assert served()[1].domains == ()


def test_the_key_comes_from_the_environment_or_the_file(served, tmp_path):
    """Never from a flag, which others on the machine could read."""
    path = tmp_path / "c.toml"
    path.write_text('access_key = "filed"\nsecret_key = "too"\n')

    assert replace(served(**KEYS)[1], data=Path()).secret_key == "hidden"
    assert served("--config", str(path))[1].access_key == "filed"
    assert served("--config", str(path), **KEYS)[1].access_key == "me"
    assert served("--access-key", "me")[0].exit_code == 2


@pytest.mark.parametrize(
    "arguments, variables, pachd",
    [
        ([], {}, ""),
        (["--pachd", "grpc://flag"], {"FALCON_S3_PACHD": "variable", "PACHD_ADDRESS": "pachctl"}, "grpc://flag"),
        ([], {"FALCON_S3_PACHD": "variable", "PACHD_ADDRESS": "pachctl"}, "variable"),
        ([], {"PACHD_ADDRESS": "pachctl", "PACH_CONFIG": "/c.json"}, "pachctl"),
        ([], {"PACH_CONFIG": "/c.json"}, "config"),
        (["--data", "d"], {"PACHD_ADDRESS": "pachctl", "PACH_CONFIG": "/c.json"}, ""),
        ([], {"FALCON_S3_DATA": "d", "PACHD_ADDRESS": "pachctl"}, ""),
    ],
)
def test_pachd_is_named_by_our_settings_or_else_by_those_of_pachctl(served, arguments, variables, pachd):
    """The variables of pachctl count where nothing else says what is served: --data says so too."""
    assert served(*arguments, **variables)[1].pachd == pachd


def test_pachd_can_be_named_in_the_file(served, tmp_path):
    """With its certificates; and the file outweighs the variables of pachctl."""
    path = tmp_path / "c.toml"
    path.write_text('pachd = "grpcs://filed"\npachd_ca = "ca.pem"\n')
    config = served("--config", str(path), PACHD_ADDRESS="pachctl")[1]

    assert (config.pachd, config.pachd_ca) == ("grpcs://filed", Path("ca.pem"))
    assert served("--config", str(path), "--pachd", "grpcs://flag", "--pachd-ca", "x.pem")[1].pachd_ca == Path("x.pem")


def test_a_folder_and_pachd_at_once_are_refused(served):
    """It would not be clear where things are kept."""
    for arguments, variables in (
        (["--data", "d", "--pachd", "grpc://a"], {}),
        (["--pachd", "grpc://a"], {"FALCON_S3_DATA": "d"}),
        (["--data", "d"], {"FALCON_S3_PACHD": "grpc://a"}),
    ):
        result, config = served(*arguments, **variables)
        assert (config, result.exit_code) == (None, 1)
        assert "leave out --data" in result.output


def test_half_a_key_is_refused(served):
    result, config = served(FALCON_S3_ACCESS_KEY="me")

    assert (config, result.exit_code) == (None, 1)
    assert "FALCON_S3_SECRET_KEY is not" in result.output


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_it_says_what_to_type_next(served, keys):
    """An `aws` line with the address; the secret is never printed."""
    result, _ = served("--listen", "127.0.0.1:9000", **keys)

    assert "aws --endpoint-url http://127.0.0.1:9000 s3 mb s3://master.images" in result.output
    assert ("AWS_ACCESS_KEY_ID=any" in result.output) == (not keys)
    assert "hidden" not in result.output


def test_a_mistake_in_the_file_is_one_line(served, tmp_path):
    (tmp_path / "c.toml").write_text("wrokers = 3\n")
    result, config = served("--config", str(tmp_path / "c.toml"))

    assert (config, result.exit_code, len(result.output.splitlines())) == (None, 1, 1)
    assert "wrokers" in result.output


def test_a_misspelt_variable_is_told(served):
    """With the name that was meant; what Kubernetes sets for a service of our name is left alone."""
    result, config = served(
        FALCON_S3_DURABILTY="relaxed",
        FALCON_S3_PACHD_TOKENS="x",
        FALCON_S3_PORT="tcp://10.0.0.1:30600",
        FALCON_S3_PURE="",
    )

    assert config is not None
    warnings = [line for line in result.output.splitlines() if line.startswith("Warning")]
    assert warnings == [
        "Warning: FALCON_S3_DURABILTY is not read: did you mean FALCON_S3_DURABILITY?",
        "Warning: FALCON_S3_PACHD_TOKENS is not read: did you mean FALCON_S3_PACHD_TOKEN?",
    ]


def test_help_names_every_variable():
    """Whoever reads the help need not guess what can be set in the environment."""
    text = CliRunner().invoke(cli.main, ["serve", "--help"], terminal_width=200).output
    options = [each for each in cli.main.commands["serve"].params if isinstance(each, click.Option)]

    assert all(
        f"FALCON_S3_{option.name.upper()}" in text for option in options if option.name not in ("help", "config_file")
    )
    assert all(name in text for name in (*KEYS, "FALCON_S3_CONFIG", "FALCON_S3_KEYS_SECRET", "FALCON_S3_PACHD_TOKEN"))
    assert "\n    falcon-s3 serve\n" in text  # the examples keep their lines


def typed(*arguments, **variables):
    """The command in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not re.match("PACH|FALCON_S3_(?!PURE)", name)}
    return subprocess.run(
        [sys.executable, "-m", "falcon_s3", *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_version_is_told():
    assert typed("--version").stdout.strip().endswith(__version__)


def refused(done):
    """Assert that it ended with one line of error, which is given."""
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert [*errors, done.stderr, done.stdout] == [errors[0], f"{errors[0]}\n", ""], done
    return errors[0]


@pytest.mark.parametrize("command", ["serve", "pfsd"])
def test_an_address_that_is_being_given_up_is_waited_for(tmp_path, command):
    """As that of a gateway that was killed, whose workers see it soon; and that it is waited for is said."""
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", free_port())) as old, log.open("wb") as output:
        arguments = ["--listen", f"127.0.0.1:{old.getsockname()[1]}", "--data", str(tmp_path / "data")]
        process = subprocess.Popen([sys.executable, "-m", "falcon_s3", command, *arguments], stderr=output)
        try:
            told(log, process, "is in use: waiting")
            old.close()
            told(log, process, f"on {'http' if command == 'serve' else 'grpc'}://127.0.0.1:")
        finally:
            process.terminate()
            process.wait(30)


def told(log, process, text):
    """Wait until the process says so."""
    end = time.monotonic() + 30
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def test_an_address_that_stays_in_use_is_one_line(tmp_path):
    """Behind the one that says that it was waited for."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = typed("serve", "--listen", f"127.0.0.1:{port}", "--data", str(tmp_path / "data"))
    waiting, _, done.stderr = done.stderr.partition("\n")
    assert "is in use: waiting" in waiting
    error = refused(done)

    assert "in use" in error
    assert "--listen" in error


@pytest.mark.parametrize(
    "listen, advice",
    [
        ("nonsense", "such as 127.0.0.1:30600"),
        ("127.0.0.1:99999", "such as 127.0.0.1:30600"),
        ("no-such-host.invalid:30600", "an address of this machine with --listen"),
        ("203.0.113.1:30600", "an address of this machine with --listen"),
    ],
)
def test_a_bad_address_is_one_line(tmp_path, listen, advice):
    """Malformed, unknown, or no address of this machine."""
    assert advice in refused(typed("serve", "--anonymous", "--listen", listen, "--data", str(tmp_path / "data")))


@pytest.mark.parametrize("data, reason", [("file", "it is a file"), ("file/below", "Not a directory")])
def test_a_folder_that_cannot_be_used_is_one_line(tmp_path, data, reason):
    (tmp_path / "file").write_text("")
    error = refused(typed("serve", "--listen", f"127.0.0.1:{free_port()}", "--data", str(tmp_path / data)))

    assert f"{tmp_path / data} cannot be used: {reason}" in error
    assert "--data" in error


@pytest.mark.parametrize("command", ["serve --data", "serve --job", "serve --config", "pfsd --data", "fsck --data"])
def test_a_path_without_a_name_is_not_the_current_folder(tmp_path, monkeypatch, command):
    """As of `--data "$DATA"` where there is no such variable: the store was made wherever that was typed."""
    monkeypatch.chdir(tmp_path)
    name, option = command.split()
    listen = [] if name == "fsck" else ["--listen", "nonsense"]
    result = CliRunner().invoke(cli.main, [name, *listen, option, ""], env=CLEAN)

    assert result.exit_code == 2
    assert "it is empty" in result.stderr


def test_a_catalog_that_is_none_is_one_line(tmp_path):
    """`serve`, and the commands on the folder."""
    (tmp_path / "catalog.sqlite3").write_text("something else\n" * 100)
    for command in (["serve", "--listen", f"127.0.0.1:{free_port()}"], ["branch", "list"], ["fsck"]):
        assert "not a database" in refused(typed(*command, "--data", str(tmp_path)))


def test_an_engine_that_is_not_installed_says_how(tmp_path):
    """The exact line to type."""
    (tmp_path / "meinheld.py").write_text("raise ImportError\n")
    error = refused(
        typed(
            "serve", "--engine", "meinheld", "--listen", f"127.0.0.1:{free_port()}", "--data", str(tmp_path / "data"),
            PYTHONPATH=f"{tmp_path}:{Path(cli.__file__).parent.parent.parent}",
        )
    )  # fmt: skip

    assert "MEINHELD_NOGREEN=1 pip install" in error


# Control-C while the command is loaded, which takes a second or two where nothing of it is in memory.
INTERRUPTED = """
import sys

class Loads:
    def find_spec(self, name, path, target=None):
        if name == "falcon_s3.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Loads())
from falcon_s3.__main__ import main
main()
"""


def test_an_interrupt_at_the_beginning_is_one_line():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Aborted!\n")
