"""An object whose file was lost, as with the disk that it was on, is refused in S3's words, and what is there is served.

GET was answered with 500 and a traceback in the log, which did not say which object it was.
"""


def test_lost_file_is_an_internal_error(start_gateway):
    with start_gateway(workers=1) as gateway:
        bucket = gateway.new_bucket()
        assert gateway.request("PUT", f"/{bucket}/lost", bytes(100_000)).status == 200
        [file] = [file for file in (gateway.data / "contents").rglob("*") if file.is_file()]
        file.unlink()
        assert "No such file" in gateway.request("GET", f"/{bucket}/lost").refused(503, "ServiceUnavailable")
        log = gateway.log.read_text()
        assert "lost" in log and "Traceback" not in log
        assert gateway.request("PUT", f"/{bucket}/lost", bytes(100_000)).status == 200
        assert gateway.request("GET", f"/{bucket}/lost").body == bytes(100_000)
