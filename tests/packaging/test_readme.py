"""The README is true: every command and option is in it, and what it shows is run and compared.

Blocks marked `console` are run as they stand, line by line from first to last, in one empty folder against one gateway;
then `python` blocks as programs. Numbers, dates and commit ids may differ from what the README shows, nothing else; a
commit id typed is the one shown before. A line `...` stands for any lines. Blocks marked `sh` are not run: they install,
or start what is running already.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from falcon_s3 import cli

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
ADDRESS = "127.0.0.1:30600"
COMMIT = "[0-9a-f]{32}"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CONSOLE = [text for language, text in BLOCKS if language == "console"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
TYPED = [line for language, text in BLOCKS if language in {"console", "sh"} for line in text.splitlines()]


def commands(command=cli.main, path=("falcon-s3",)):
    """Every command of the command line as (words, command), groups left out."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(commands())


def options(name):
    return [
        option
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name):
    """A command that the README does not name does not exist for its reader."""
    assert f"`{name}" in README


@pytest.mark.parametrize("option", options("falcon-s3 serve"))
def test_every_option_of_serve_is_in_the_readme(option):
    """Each option has its row in the table."""
    assert re.search(rf"^\| `{option}\b", README, re.MULTILINE)


def test_every_environment_variable_exists():
    """The README names no FALCON_S3_* variable that nothing reads."""
    named = set(re.findall(r"\bFALCON_S3_[A-Z_]+\b", README))
    sources = "".join(path.read_text() for path in [*(ROOT / "falcon_s3").rglob("*.py"), ROOT / "setup.py"])
    known = {f"FALCON_S3_{option[2:].upper().replace('-', '_')}" for option in options("falcon-s3 serve")}

    assert [name for name in sorted(named - known) if name not in sources] == []


@pytest.mark.parametrize("line", [line for line in TYPED if "falcon-s3 " in line])
def test_every_typed_command_exists(line):
    """What a code block types is a command with these options."""
    words = re.search(r"falcon-s3 (.*)", line)[1].split("#")[0].split("|")[0]
    name = next((name for name in COMMANDS if f"falcon-s3 {words} ".startswith(f"{name} ")), None)

    assert name is not None or words.startswith("--"), line
    if name is not None:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", words)) <= {*options(name), "--help"}, line


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", "\n".join(TYPED)))))
def test_every_make_target_exists(target):
    """`make X` in a code block is a target of the Makefile."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:|#)([^)#]+)", README))))
def test_every_link_leads_to_a_file(link):
    """Relative links name files of the repository."""
    assert (ROOT / link).exists()


@pytest.fixture(scope="module")
def place(tmp_path_factory, start_gateway):
    """An empty folder where a gateway on an empty store runs, as after `make run`; gives folder and gateway."""
    folder = tmp_path_factory.mktemp("readme")
    with start_gateway(folder / "falcon-s3-data") as gateway:
        yield folder, gateway


def run(command, folder, gateway):
    """Output and error output of a line typed into a shell, the address put back as the README has it."""
    environment = {name: value for name, value in os.environ.items() if not re.match("AWS_|FALCON_S3_(?!PURE)", name)}
    environment |= {"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TZ": "UTC"}
    done = subprocess.run(
        ["bash", "-c", command.replace(ADDRESS, f"127.0.0.1:{gateway.port}")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line.rpartition("\r")[2].strip() for line in done.stdout.split("\n")]  # what a progress line leaves
    return "".join(f"{line}\n" for line in lines if line).replace(f"127.0.0.1:{gateway.port}", ADDRESS)


# What may differ: commit ids, numbers, names of days, and how much space is between words.
VARYING = {COMMIT: COMMIT, "[0-9]+": "[0-9]+", r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b": r"\w{3}", r"\s+": r"\s+"}


def pattern(line):
    """A regular expression for the line as it may be another time."""
    parts = re.split(f"({'|'.join(VARYING)})", line.strip())
    return "".join(
        next((varied for fixed, varied in VARYING.items() if re.fullmatch(fixed, part)), re.escape(part))
        for part in parts
    )


def matches(shown, output):
    """Whether the output is what is shown, line by line; `...` stands for any lines."""
    parts = ["(?:.*\n)*?" if line == "..." else f"{pattern(line)}\n" for line in shown]
    return re.fullmatch("".join(parts), output)


def steps(block):
    """The block as (command, lines shown) pairs; a command goes on in lines beginning with `> `."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> "):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        elif line.strip():
            found[-1][1].append(line)
    return found


def test_console_blocks_show_what_happens(place):
    """Every line typed in the README gives what the README shows."""
    exports, commits = [], {}
    assert CONSOLE
    for block in CONSOLE:
        for typed, shown in steps(block):
            if typed.startswith("export "):
                exports.append(typed)
                continue
            command = re.sub(COMMIT, lambda found: commits[found[0]], typed)
            output = run("\n".join([*exports, command]), *place)

            assert matches(shown, output), f"$ {command}\n{output}--- the README shows ---\n" + "\n".join(shown)
            commits |= zip(re.findall(COMMIT, "\n".join(shown)), re.findall(COMMIT, output))


@pytest.mark.parametrize("program", PYTHON, ids=lambda program: program.split()[1])
def test_python_blocks_run(place, program):
    """Each Python program of the README runs and prints what its comments say."""
    for name in re.findall(r"^(?:import|from) (\w+)", program, re.MULTILINE):
        pytest.importorskip(name, reason=f"{name} is one of the extra `clients`")
    folder, gateway = place
    (folder / "program.py").write_text(program.replace(ADDRESS, f"127.0.0.1:{gateway.port}"))
    output = run("python program.py", folder, gateway)
    expected = re.findall(r"^print\(.*\)  # (.*)$", program, re.MULTILINE)

    assert expected
    assert matches(expected, output), output
