"""Which threads of a worker interrupt others, by the kernel's own word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import read_answer
from tests.server.test_workers import until, workers

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="threads are scheduled so on Linux alone")

THREADS = """
import os, threading
from falcon_s3.server import scheduling

os.sched_setscheduler(0, getattr(os, "SCHED_%s"), os.sched_param(0))
manners = scheduling.wait_for_turns()

def tell(*steps):
    for step in steps:
        step()
    print(os.sched_getscheduler(0))

for steps in ([], [manners.interrupt], [manners.interrupt, manners.wait]):
    thread = threading.Thread(target=tell, args=steps)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize(
    ("policy", "policies"),
    [
        ("OTHER", [os.SCHED_BATCH, os.SCHED_OTHER, os.SCHED_BATCH]),
        ("BATCH", [os.SCHED_BATCH] * 3),
        ("IDLE", [os.SCHED_IDLE] * 3),
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


def test_no_thread_interrupts_while_it_sends_an_answer_in_pieces(start_gateway):
    """Each piece that the network takes would wake it; afterwards it interrupts again."""
    with start_gateway(engine="granian", workers=1, arguments=["--threads", "1"]) as gateway:
        assert gateway.request("PUT", "/master.r").status == 200
        assert gateway.request("PUT", "/master.r/large", os.urandom(16 << 20)).status == 200
        (worker,) = workers(gateway.process.pid)

        def interrupt():
            policies = [os.sched_getscheduler(int(each.name)) for each in Path(f"/proc/{worker}/task").iterdir()]
            return policies.count(os.SCHED_OTHER)

        assert gateway.request("GET", "/~/health").status == 200
        before = interrupt()
        with gateway.connect() as client:
            client.sendall(b"GET /master.r/large HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: interrupt() == before - 1)  # it waits until the client reads
            assert len(read_answer(client).body) == 16 << 20
        until(lambda: interrupt() == before)
