"""Eight writers and eight readers over two workers: every byte read is what some writer wrote, whole."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import traceback

import pytest

from tests.s3.etags import etag_of

WRITERS = 8
READERS = 8
KEYS = 12
SIZES = [0, 1, 500, 20_000, 300_000, 1_048_576, 2_500_000]


def content(writer, number, key):
    """A body that says what it is and ends with the digest of all before."""
    size = SIZES[(writer + number) % len(SIZES)]
    seed = hashlib.sha256(f"{writer} {number} {key}".encode()).digest()
    data = f"{key}\n{writer}\n{number}\n".encode() + (seed * (size // len(seed) + 1))[:size]
    return data + hashlib.sha256(data).digest()


def check(key, answer):
    assert answer.status == 200, answer.status
    data, digest = answer.body[:-32], answer.body[-32:]
    assert hashlib.sha256(data).digest() == digest
    assert answer.headers["ETag"] == etag_of(answer.body)
    found, writer, number, _ = data.split(b"\n", 3)
    assert found.decode() == key
    return int(writer), int(number)


class Load:
    """Threads that write and read until the time is over, and what went wrong in them."""

    def __init__(self, gateway, bucket, seconds):
        self.gateway = gateway
        self.bucket = bucket
        self.end = time.monotonic() + seconds
        self.failures = []
        self.acknowledged = [0] * WRITERS
        self.reads = 0

    def run(self):
        threads = [threading.Thread(target=self.guarded, args=(self.write, index)) for index in range(WRITERS)]
        threads += [threading.Thread(target=self.guarded, args=(self.read, index)) for index in range(READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failures, self.failures[0]

    def guarded(self, work, index):
        try:
            number = 0
            while time.monotonic() < self.end and not self.failures:
                number += 1
                work(index, number)
        except BaseException:
            self.failures.append(traceback.format_exc())

    def write(self, writer, number):
        key = f"shared/{(writer * 5 + number) % KEYS}"
        answer = self.gateway.request("PUT", f"/{self.bucket}/{key}", content(writer, number, key))
        assert answer.status == 200, answer
        self.acknowledged[writer] = number
        own = f"own/{writer}"
        answer = self.gateway.request("PUT", f"/{self.bucket}/{own}", content(writer, number, own))
        assert answer.status == 200, answer
        # What was acknowledged is read at once, by whichever worker answers.
        assert check(own, self.gateway.request("GET", f"/{self.bucket}/{own}")) == (writer, number)

    def read(self, reader, number):
        key = f"shared/{(reader * 7 + number) % KEYS}"
        check(key, self.gateway.request("GET", f"/{self.bucket}/{key}"))
        listing = self.gateway.request("GET", f"/{self.bucket}?list-type=2&prefix=shared/")
        assert listing.texts("Key") == sorted(f"shared/{one}" for one in range(KEYS))
        self.reads += 1


def run_load(gateway, bucket, store, seconds):
    from falcon_s3 import buckets

    for one in range(KEYS):
        key = f"shared/{one}"
        assert gateway.request("PUT", f"/{bucket}/{key}", content(0, one, key)).status == 200
    before = store.inspect_branch(buckets.parse(bucket)).head
    load = Load(gateway, bucket, seconds)
    load.run()
    assert min(load.acknowledged) > 0
    assert load.reads > 0
    for writer, number in enumerate(load.acknowledged):
        own = f"own/{writer}"
        assert check(own, gateway.request("GET", f"/{bucket}/{own}")) == (writer, number)
    commits = [info.commit for info in store.list_commits(buckets.parse(bucket))]
    # Each write is one commit: two for every turn of a writer.
    assert commits.index(before) == 2 * sum(load.acknowledged)


@pytest.mark.needs("books")
def test_for_five_seconds(gateway, bucket, store):
    run_load(gateway, bucket, store, 5)


@pytest.mark.long
def test_for_a_minute(gateway, bucket, store):
    run_load(gateway, bucket, store, 60)


def test_a_reader_of_parts_never_mixes_versions(gateway, bucket):
    """If-Match on each part: either the part is of the version that was asked for, or 412."""
    versions = [os.urandom(700_000), os.urandom(900_000)]
    gateway.request("PUT", f"/{bucket}/k", versions[0])
    stop = threading.Event()

    def overwrite():
        number = 0
        while not stop.is_set():
            number += 1
            gateway.request("PUT", f"/{bucket}/k", versions[number % 2])

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        for _ in range(40):
            etag = gateway.request("HEAD", f"/{bucket}/k").headers["ETag"]
            (version,) = [one for one in versions if etag_of(one) == etag]
            answer = gateway.request("GET", f"/{bucket}/k", headers={"If-Match": etag, "Range": "bytes=300000-600000"})
            assert answer.status in (206, 412)
            if answer.status == 206:
                assert answer.body == version[300_000:600_001]
    finally:
        stop.set()
        writer.join()
