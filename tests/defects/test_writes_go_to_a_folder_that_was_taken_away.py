"""A data folder that is moved aside while it is served takes no more writes.

What was written went on into files that no path led to any more, was answered with 200, and was lost when the gateway
ended; `/~/ready` said that all was well. So it went where somebody put a backup in the folder's place under a running
gateway, or removed it.
"""

from tests.conftest import Gateway


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
