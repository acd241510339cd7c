"""Starting `child.py` some times over one folder, as workers of a gateway are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("child.py")


def start(mode: str, data: Path, *, under: Sequence[str] = (), **options: object) -> subprocess.Popen[str]:
    """A child that has opened the store and waits for a line on its standard input to begin.

    `under`: a command that runs it, as the last of its arguments.
    """
    return subprocess.Popen(
        [*under, sys.executable, str(PROGRAM), mode, str(data), json.dumps(options)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def begin(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n", "the child could not open the store"
    child.stdin.write("go\n")
    child.stdin.flush()


def run_all(
    mode: str, data: Path, processes: int, *, under: Sequence[str] = (), **options: object
) -> list[dict[str, Any]]:
    """Run as many children at once; gives what each reports."""
    children = [start(mode, data, under=under, slot=slot, **options) for slot in range(processes)]
    try:
        for child in children:
            begin(child)
        reports = [json.loads(child.communicate(timeout=300)[0]) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    return reports
