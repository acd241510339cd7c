"""wrk as the client: it takes less of the machine than one in Python. `apt-get install wrk`, or `brew install wrk`."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from client import STAMP_BYTES, Request

INSTALL = "wrk is not installed (apt-get install wrk, brew install wrk): the client is Python's"
TIMEOUT_SECONDS = 30
# Each body begins with a number of its own, so that no server stores it for free.
SCRIPT = """
local targets, at = {{}}, 0
for line in io.lines("{targets}") do targets[#targets + 1] = line end
local rest, count = nil, os.time() * 1000000
if {size} > 0 then rest = io.open("{body}", "rb"):read("*a") end
function request()
  at = at % #targets + 1
  local body = nil
  if rest then
    count = count + 1
    body = string.format("%0{stamp}d", count) .. rest
  end
  return wrk.format("{method}", targets[at], nil, body)
end
function done(summary, latency, requests)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("COUNTED %d %d %d %d %.0f %.0f", summary.requests, summary.duration, errors.status, lost,
    latency:percentile(50), latency:percentile(99)))
end
"""


class Counted(NamedTuple):
    """Of one run; times in milliseconds; `bad`: refused, `lost`: not answered."""

    requests: int
    seconds: float
    bad: int
    lost: int
    p50_ms: float
    p99_ms: float


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def version() -> str:
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+(\.\d+)+", said)
    return f"wrk {number[0] if number else ''}".strip()


def run(url: str, requests: Sequence[Request], body: bytes, connections: int, seconds: float) -> Counted:
    """Make the requests in turn, over and over. `body`: what PUTs send, but for its stamp."""
    with tempfile.TemporaryDirectory() as folder:
        targets, content, script = (Path(folder) / name for name in ("targets", "body", "script.lua"))
        method = requests[0].head.split(b" ", 1)[0].decode()
        targets.write_bytes(b"\n".join(each.head.split(b" ", 2)[1] for each in requests))
        content.write_bytes(body)
        script.write_text(
            SCRIPT.format(targets=targets, body=content, size=len(body), stamp=STAMP_BYTES, method=method)
        )
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}", f"--timeout={TIMEOUT_SECONDS}", "-s", script]
        done = subprocess.run([*map(str, command), url], capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("COUNTED ")), None)
    if line is None:
        raise SystemExit(f"wrk failed: {done.stdout}{done.stderr}")
    count, microseconds, bad, lost, p50, p99 = map(int, line.split()[1:])
    return Counted(count - bad, microseconds / 1e6, bad, lost, p50 / 1e3, p99 / 1e3)
