"""Which threads of a worker interrupt others, by the kernel's own word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.test_workers import workers

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="threads are scheduled so on Linux alone")

THREADS = """
import os, threading
from falcon_s3.server import scheduling

os.sched_setscheduler(0, getattr(os, "SCHED_%s"), os.sched_param(0))
begin = scheduling.wait_for_turns()

def tell(begin):
    begin()
    print(os.sched_getscheduler(0))

for each in (scheduling.leave, begin):
    thread = threading.Thread(target=tell, args=(each,))
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize(
    ("policy", "policies"),
    [
        ("OTHER", [os.SCHED_BATCH, os.SCHED_OTHER]),
        ("BATCH", [os.SCHED_BATCH, os.SCHED_BATCH]),
        ("IDLE", [os.SCHED_IDLE, os.SCHED_IDLE]),
    ]
    if hasattr(os, "SCHED_BATCH")
    else [],
)
def test_threads_that_begin_interrupt_and_others_do_not(policy, policies):
    """Unless somebody chose a policy for the whole process."""
    run = subprocess.run([sys.executable, "-c", THREADS % policy], capture_output=True, check=True)
    assert [int(line) for line in run.stdout.split()] == policies


def test_the_thread_that_speaks_with_the_network_interrupts_nobody(start_gateway):
    """And the one that runs Python does, as all threads of the gateway's first process."""
    with start_gateway(engine="granian", workers=1, arguments=["--threads", "1"]) as gateway:
        assert gateway.request("GET", "/~/health").status == 200
        (worker,) = workers(gateway.process.pid)
        found = {
            process: [os.sched_getscheduler(int(each.name)) for each in Path(f"/proc/{process}/task").iterdir()]
            for process in (worker, gateway.process.pid)
        }
        assert set(found[worker]) == {os.SCHED_BATCH, os.SCHED_OTHER}
        assert set(found[gateway.process.pid]) == {os.SCHED_OTHER}
