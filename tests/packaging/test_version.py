"""The version stands in one place, and the changelog knows it."""

import importlib.metadata
import re
from pathlib import Path

import falcon_s3

ROOT = Path(__file__).resolve().parent.parent.parent


def test_version_stands_in_one_place():
    """Only falcon_s3/__init__.py and the changelog write the version; everything else asks."""
    number = re.compile(rf"(?<![\d.]){re.escape(falcon_s3.__version__)}(?![\d.])")
    files = [*ROOT.glob("*.toml"), *ROOT.glob("*.py"), *(ROOT / "falcon_s3").rglob("*.py"), ROOT / "Makefile"]

    assert [path.relative_to(ROOT).as_posix() for path in files if number.search(path.read_text())] == [
        "falcon_s3/__init__.py"
    ]


def test_installed_version_is_this_one():
    """What pip reports is what the package says."""
    assert importlib.metadata.version("falcon-s3") == falcon_s3.__version__


def test_changelog_has_the_version():
    """The newest section of the changelog is this version, with a date or marked as unreleased."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", changelog, re.MULTILINE)

    assert falcon_s3.__version__ == next(version for version, _ in sections if version != "Unreleased")
    assert all(date for version, date in sections if version != "Unreleased")


def test_changelog_sections_are_the_known_ones():
    """Keep a Changelog knows six kinds of change."""
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"} >= set(
        re.findall(r"^### (.+)$", changelog, re.MULTILINE)
    )
