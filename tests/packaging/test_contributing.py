"""The map in CONTRIBUTING is whole: every module is in it, and nothing that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAP = re.search(r"^## The map\n\n```text\n(.*?)^```$", CONTRIBUTING, re.MULTILINE | re.DOTALL)[1]
NAMED = set(re.findall(r"\w+", MAP))
# The messages in pfs/wire are generated, and named by their folder.
MODULES = [path for path in sorted((ROOT / "falcon_s3").rglob("*.py")) if path.parent.name != "wire"]


@pytest.mark.parametrize("module", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_every_module_is_in_the_map(module):
    """By its name, with .py or without."""
    assert module.stem in NAMED


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\w+\.py\b", MAP))))
def test_every_file_of_the_map_exists(name):
    """Anywhere in the package."""
    assert list((ROOT / "falcon_s3").rglob(name))


def test_every_folder_of_tests_is_described():
    """The table names them all, and no other."""
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("*/*.py")}
    assert set(re.findall(r"`(tests/\w+)`[,|\s]", CONTRIBUTING)) == folders
