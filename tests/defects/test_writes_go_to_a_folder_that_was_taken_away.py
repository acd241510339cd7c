"""A data folder that is moved aside while it is served takes no more writes.

What was written went on into files that no path led to any more, was answered with 200, and was lost when the gateway
ended; `/~/ready` said that all was well. So it went where somebody put a backup in the folder's place under a running
gateway, or removed it.
"""

import os
import signal

from tests.conftest import Gateway
from tests.server.test_workers import answers, until, workers


def test_writes_go_to_a_folder_that_was_taken_away(start_gateway):
    with start_gateway(workers=1) as gateway:
        bucket = gateway.new_bucket()
        assert gateway.request("GET", "/~/ready").status == 200
        aside = gateway.data.rename(gateway.data.with_name("aside"))
        assert "start" in refused(gateway, "PUT", f"/{bucket}/k", b"x")
        assert "start" in refused(gateway, "GET", "/~/ready")
        aside.rename(gateway.data)
        assert gateway.request("PUT", f"/{bucket}/k", b"x").status == 200
        assert gateway.request("GET", "/~/ready").status == 200


def refused(gateway: Gateway, method: str, target: str, body: bytes | None = None) -> str:
    return gateway.request(method, target, body).refused(503, "ServiceUnavailable")


def test_a_worker_begins_no_store_where_one_was_taken_away(start_gateway):
    """Not even an empty folder becomes one, as the one where a disk was mounted: it would have no keys."""
    with start_gateway(workers=1) as gateway:
        bucket = gateway.new_bucket()
        aside = gateway.data.rename(gateway.data.with_name("aside"))
        gateway.data.mkdir()
        worker = max(workers(gateway.process.pid))
        os.kill(worker, signal.SIGKILL)
        until(lambda: "moved or removed" in gateway.log.read_text())
        assert not list(gateway.data.iterdir()) and "Traceback" not in gateway.log.read_text()
        gateway.data.rmdir()
        aside.rename(gateway.data)
        until(lambda: answers(gateway))
        assert gateway.request("PUT", f"/{bucket}/k", b"x").status == 200
