"""Tunables: where the C library copies slowly a program that serves is begun anew, with what keeps it from that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from falcon_s3.tunables import NEVER_BYTES, TUNABLE, VARIABLE, wanted

SLOW, QUICK = "vendor_id\t: AuthenticAMD\nflags\t: erms fsrm\n", "vendor_id\t: GenuineIntel\nflags\t: erms fsrm\n"
SETTING = f"{TUNABLE}={NEVER_BYTES}"


@pytest.mark.parametrize(
    ("given", "library", "processors", "setting"),
    [
        (None, "glibc 2.36", SLOW, SETTING),
        (None, "glibc 2.38.9000", SLOW, SETTING),
        ("", "glibc 2.31", SLOW, SETTING),
        ("glibc.malloc.check=3", "glibc 2.36", SLOW, f"glibc.malloc.check=3:{SETTING}"),
        (f"{TUNABLE}=2048", "glibc 2.36", SLOW, None),
        (SETTING, "glibc 2.36", SLOW, None),
        (None, "glibc 2.39", SLOW, None),
        (None, "glibc 3.0", SLOW, None),
        (None, "glibc 2.36", QUICK, None),
        (None, "", SLOW, None),
        (None, "musl 1.2", SLOW, None),
    ],
)
def test_what_the_variable_must_be(given, library, processors, setting):
    assert wanted({} if given is None else {VARIABLE: given}, library, processors) == setting


PROGRAM = """
import os, sys
from falcon_s3 import tunables
tunables.wanted = lambda environment, *_: None if "again" in environment.get("{0}", "") else "again=1"
tunables.begin_anew(sys.argv[1:])
print(os.getpid(), os.environ.get("{0}"), *sys.argv[1:], sep="|")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no glibc")
@pytest.mark.parametrize(
    ("arguments", "found"),
    [(["serve", "--data", "a b"], "again=1"), (["pfsd"], "again=1"), (["fsck", "serve"], "None"), ([], "None")],
)
def test_a_program_that_serves_is_begun_anew_as_the_same_process(arguments, found):
    command = [sys.executable, "-c", PROGRAM.format(VARIABLE), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        told, _ = process.communicate(timeout=60)
    assert told.strip() == "|".join([str(process.pid), found, *arguments])
