"""An object whose file was lost, as with the disk that it was on, is refused in S3's words, and what is there is served.

GET was answered with 500 and a traceback in the log, which did not say which object it was.
"""


def test_lost_file_is_an_internal_error(start_gateway):
    with start_gateway(workers=1) as gateway:
        bucket = gateway.new_bucket()
        kept = {"Content-Encoding": "gzip", "Cache-Control": "public", "x-amz-meta-a": "b"}
        assert gateway.request("PUT", f"/{bucket}/lost", bytes(100_000), kept).status == 200
        [file] = [file for file in (gateway.data / "contents").rglob("*") if file.is_file()]
        file.unlink()
        answer = gateway.request("GET", f"/{bucket}/lost")
        assert "No such file" in answer.refused(503, "ServiceUnavailable")
        # Of the object, these are not true of the error: no client could read it, and a proxy would keep it.
        assert [name for name in (*kept, "ETag", "Accept-Ranges") if name in answer.headers] == []
        log = gateway.log.read_text()
        assert "lost" in log and "Traceback" not in log
        assert gateway.request("PUT", f"/{bucket}/lost", bytes(100_000)).status == 200
        assert gateway.request("GET", f"/{bucket}/lost").body == bytes(100_000)
