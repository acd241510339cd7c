"""Run ceph/s3-tests against gateways on fresh data folders, and compare with `expected_failures.txt`.

    python tests/conformance/run.py --checkout PATH [--python PYTHON] [-- pytest arguments]

Strict both ways: a test that fails and is not listed, and one that is listed and passes, both fail the run. With
arguments for pytest, such as `-- -k copy`, only the tests that ran are compared.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]  # for conftest, which starts and ends the gateways of all tests

import conftest  # noqa: E402
import recorder  # noqa: E402
import scope  # noqa: E402

EXPECTED = HERE / "expected_failures.txt"
MODULES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")
# No bucket of a test is made of more than a few megabytes; what takes longer hangs.
SECONDS_PER_TEST = 60
# Another region than the default one, so that its name is sent and answered.
REGION = "eu-west-1"
# The suite finds its buckets again by this prefix, and the gateway lists `repo` as what it is: `master.repo`.
BUCKETS = "master.t"
# The owner that every bucket and object has.
OWNER = {"display_name": "pachyderm", "user_id": "0" * 32}
ACCOUNTS = ("s3 main", "s3 alt", "s3 tenant", "iam", "iam root", "iam alt root")


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it ends the gateway too
    rows = []
    for kind in scope.GATEWAYS:
        with tempfile.TemporaryDirectory(prefix="conformance-") as name:
            rows += run_against(kind, arguments, Path(name))
    if arguments.results:
        arguments.results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return judge(rows, whole=not arguments.pytest)


def run_against(kind: str, arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Run the tests for one kind of gateway; gives a row for each, as of `recorder`."""
    keys = kind != scope.OPEN
    log = arguments.logs / f"{kind}.log" if arguments.logs else folder / "log"
    with conftest.running_gateway(folder / "data", log, keys=keys, arguments=["--region", REGION]) as gateway:
        if kind == scope.READABLE:
            allow_reading(gateway)
        settings = folder / "s3tests.conf"
        write_settings(settings, gateway)
        return run_suite(kind, arguments, settings, folder / "results")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkout", type=Path, required=True, help="a checkout of ceph/s3-tests")
    parser.add_argument("--python", default=sys.executable, help="the Python that has the suite's requirements")
    parser.add_argument("--results", type=Path, help="write what became of each test here, as lines of JSON")
    parser.add_argument("--logs", type=Path, help="keep the gateways' logs in this folder")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    arguments = parser.parse_args()
    arguments.checkout = arguments.checkout.resolve()
    if os.sep in arguments.python:  # the suite runs in its own folder; a link into a virtual environment stays one
        arguments.python = os.path.abspath(arguments.python)
    if not (arguments.checkout / MODULES[0]).is_file():
        parser.error(f"{arguments.checkout} is no checkout of ceph/s3-tests: it has no {MODULES[0]}")
    return arguments


def allow_reading(gateway: conftest.Gateway) -> None:
    """Let everybody read the suite's buckets: an access control list is only taken where it says what is so anyway."""
    command = [sys.executable, "-m", "falcon_s3", "key", "anonymous", "--data", str(gateway.data)]
    subprocess.run([*command, "--read", f"{BUCKETS}*"], check=True, stdout=sys.stderr)


def write_settings(path: Path, gateway: conftest.Gateway) -> None:
    """The suite's configuration. All sections must be there, also those of what is never asked for."""
    settings = configparser.RawConfigParser()
    settings["DEFAULT"] = {"host": "127.0.0.1", "port": str(gateway.port), "is_secure": "False", "ssl_verify": "False"}
    settings["fixtures"] = {"bucket prefix": f"{BUCKETS}{{random}}-"}
    for name in ACCOUNTS:
        word = name.replace(" ", "")
        settings[name] = OWNER | {
            "access_key": gateway.access_key,
            "secret_key": gateway.secret_key,
            "email": f"{word}@example.com",
        }
    settings["s3 main"]["api_name"] = REGION
    settings["s3 tenant"]["tenant"] = "tenant"
    with path.open("w", encoding="utf-8") as file:
        settings.write(file)


def run_suite(kind: str, arguments: argparse.Namespace, settings: Path, results: Path) -> list[dict[str, Any]]:
    """Run the suite in its own process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "S3TEST_CONF": str(settings),
        # botocore would try deliberate errors again, and wait between.
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_RETRY_MODE": "standard",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        recorder.GATEWAY: kind,
        recorder.RESULTS: str(results),
    }
    command = [
        arguments.python,
        "-m",
        "pytest",
        *MODULES,
        "-p",
        "recorder",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=short",
    ]
    command += [f"--timeout={SECONDS_PER_TEST}", *arguments.pytest]
    # What the suite prints goes to standard error: standard output is for the counts.
    subprocess.run(command, cwd=arguments.checkout, env=environment, stdout=sys.stderr, check=False)
    return [json.loads(line) for line in results.read_text().splitlines()]


def judge(rows: list[dict[str, Any]], whole: bool) -> int:
    """Print what is not as expected, and the counts; gives the exit status."""
    expected = read_expected(EXPECTED.read_text())
    outcomes = {row["id"]: row for row in rows}
    unexpected = {name: row for name, row in outcomes.items() if row["outcome"] == "failed" and name not in expected}
    for name, row in unexpected.items():
        print(f"FAILED, and not in {EXPECTED.name}: {name}\n    {row['why']}")
    healed = [name for name in expected if outcomes.get(name, {}).get("outcome") == "passed"]
    for name in healed:
        print(f"PASSED, but is in {EXPECTED.name}: {name}")
    unknown = [name for name in expected if name not in outcomes] if whole else []
    for name in unknown:
        print(f"NOT RUN, but is in {EXPECTED.name}: {name}")
    print_counts(outcomes)
    return 1 if unexpected or healed or unknown or not outcomes else 0


def read_expected(text: str) -> dict[str, str]:
    """The reasons by node id; raises ValueError for a line without a reason."""
    reasons = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, reason = line.split(maxsplit=1)
            reasons[name] = reason
    return reasons


def print_counts(outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    """How many tests there are, and how many passed. The cases of one parametrised function count as one test."""
    functions: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    for name, row in outcomes.items():
        function = name.partition("[")[0]
        functions.setdefault(function, []).append(row["outcome"])
        groups[function] = scope.group_of(name, row["marks"]) or "in scope"
    total = Counter(groups.values())
    passed = Counter(groups[name] for name, cases in functions.items() if set(cases) == {"passed"})
    for group, count in total.most_common():
        print(f"{passed[group]:4} of {count:4}  {group}")
    print(f"{passed.total():4} of {total.total():4}  all tests")


if __name__ == "__main__":
    sys.exit(main())
