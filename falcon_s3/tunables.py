"""Tunables: how the C library copies memory in this process, which it settles when a program starts.

glibc copies more than 2 KiB with `rep movsb`. On processors of AMD that is many times slower than its loop at times: some
downloads of large objects spent half of their processor time in it, and others of the same nearly none. From 2.39 on
glibc does not copy so there (its bug 30994). Before, the program is begun anew, as the same process, with a variable
that says the same.

Source: glibc manual, "Tunables" and "Hardware Capability Tunables".
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE = "GLIBC_TUNABLES"
TUNABLE = "glibc.cpu.x86_rep_movsb_threshold"
# So long a copy never is.
NEVER_BYTES = 1 << 40
MENDED = (2, 39)
AMD = "AuthenticAMD"
# The commands that serve: no others copy much.
SERVING = ("serve", "pfsd")


def begin_anew(arguments: Sequence[str]) -> None:
    """Begin this program anew if it serves, and its C library copies slowly; `arguments` are those it was given.

    Returns where that is not so, or cannot be done.
    """
    if sys.platform != "linux" or not any(each in SERVING for each in arguments[:1]):
        return
    with contextlib.suppress(OSError, ValueError):
        setting = wanted(os.environ, os.confstr("CS_GNU_LIBC_VERSION") or "", Path("/proc/cpuinfo").read_text())
        if setting is not None:
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {VARIABLE: setting})  # noqa: S606  no shell


def wanted(environment: Mapping[str, str], library: str, processors: str) -> str | None:
    """What the variable must be; None: it may stay as it is. `library` is a name and a version, as `glibc 2.36`.

    What the environment says of this already stays, and so does what it says of other tunables.
    """
    name, _, version = library.partition(" ")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    given = environment.get(VARIABLE, "")
    if name != "glibc" or numbers >= MENDED or AMD not in processors or TUNABLE in given:
        return None
    return ":".join([*filter(None, [given]), f"{TUNABLE}={NEVER_BYTES}"])
