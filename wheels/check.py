"""Check what is in the sdist and the wheels given as arguments, name by name; exit 1 and say what is wrong.

A wheel holds the package, its compiled modules and nothing else; an sdist holds what a build needs.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
# What pip needs to build the wheel anywhere, and what a reader of the sdist expects.
SDIST = {"pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "PKG-INFO"}


def sources() -> set[str]:
    """The package's files as they must appear in a wheel."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "falcon_s3").rglob("*")
        if path.suffix in {".py", ".pyi"} or path.name == "py.typed"
    }


def compiled() -> set[str]:
    """The modules that must be in a wheel as shared objects: one for each Cython source."""
    return {f"falcon_s3/{path.stem}" for path in (ROOT / "_speedups").glob("*.pyx")}


def wheel_problems(path: Path) -> list[str]:
    """What is missing from the wheel and what has no place in it."""
    with zipfile.ZipFile(path) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    package = {name for name in names if ".dist-info/" not in name}
    objects = {name.split(".", 1)[0]: name for name in package if name.endswith((".so", ".pyd"))}
    return [
        *(f"{path.name}: {name} is missing" for name in sorted(sources() - package)),
        *(f"{path.name}: {name} is not compiled" for name in sorted(compiled() - set(objects))),
        *(f"{path.name}: {name} does not belong there" for name in sorted(package - sources() - set(objects.values()))),
    ]


def sdist_problems(path: Path) -> list[str]:
    """What is missing from the sdist and what has no place in it."""
    with tarfile.open(path) as archive:
        names = {
            PurePosixPath(*PurePosixPath(member.name).parts[1:]).as_posix() for member in archive if member.isfile()
        }
    cython = {f"_speedups/{path.name}" for path in (ROOT / "_speedups").glob("*.p[yx][xd]")}
    built = {name for name in names if name.endswith((".so", ".pyd", ".pyc", ".c"))}
    return [
        *(f"{path.name}: {name} is missing" for name in sorted((SDIST | sources() | cython) - names)),
        *(f"{path.name}: {name} is made by the build" for name in sorted(built)),
    ]


def main(paths: list[str]) -> int:
    problems: list[str] = []
    for path in map(Path, paths):
        found = wheel_problems(path) if path.suffix == ".whl" else sdist_problems(path)
        problems += found
        if not found:
            print(f"{path.name}: {path.stat().st_size:,} bytes, holds what it should")
    print(*problems, sep="\n", file=sys.stderr, end="\n" if problems else "")
    return 1 if problems or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
