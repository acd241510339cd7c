"""A pytest plugin for the suite's own process: chooses the tests for one gateway, and writes what became of each.

One JSON object a line.
Loaded with `-p recorder` by the interpreter that runs the suite, which need not have falcon-s3 installed.
"""

import json
import os

import pytest
import scope

GATEWAY = "CONFORMANCE_GATEWAY"
RESULTS = "CONFORMANCE_RESULTS"
# These make buckets that S3 does not allow and PFS does, and that the suite does not remove: other tests count buckets.
LAST = ("test_bucket_create_naming_bad_", "test_bucket_create_naming_dns_")
# Of the reason why a test failed, as much as says it.
REASON_LENGTH = 400


class Recorder:
    def __init__(self, results):
        self._results = results
        self._failed = {}  # the first phase that failed, by node id: set-up, the test itself, or cleaning up
        self._skipped = set()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        if report.failed and report.nodeid not in self._failed:
            self._failed[report.nodeid] = f"{report.when}: {first_line(report)}"
        if report.skipped:
            self._skipped.add(report.nodeid)
        if report.when == "teardown":
            self._write(report)

    def _write(self, report):
        why = self._failed.get(report.nodeid, "")
        outcome = "failed" if why else "skipped" if report.nodeid in self._skipped else "passed"
        row = {"id": short_id(report.nodeid), "outcome": outcome, "why": why, "marks": marks_of(report)}
        print(json.dumps(row), file=self._results, flush=True)


def pytest_configure(config):
    results = open(os.environ[RESULTS], "a", encoding="utf-8")  # noqa: SIM115  closed below
    config.add_cleanup(results.close)
    config.pluginmanager.register(Recorder(results))


def pytest_collection_modifyitems(config, items):
    chosen = os.environ[GATEWAY]
    others = [item for item in items if scope.gateway_for(item.nodeid) != chosen]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if scope.gateway_for(item.nodeid) == chosen]
    items.sort(key=lambda item: item.name.startswith(LAST))


def short_id(node_id):
    """The node id without the folders: `test_s3.py::test_bucket_list_empty`."""
    return node_id.rpartition("/")[2] if "[" not in node_id else node_id.partition("functional/")[2] or node_id


def marks_of(report):
    return sorted(name for name in report.keywords if report.keywords[name] and not name.startswith("test_"))


def first_line(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return " ".join(text.split())[:REASON_LENGTH]
