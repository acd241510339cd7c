"""Work that takes longer than clients wait in silence is answered meanwhile, as S3 does."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tests.server.test_workers import until

# A gateway whose clients have less patience.
HASTY = "from falcon_s3.resources import slow_answer; slow_answer.QUIET_SECONDS = 0.3"
PROGRAM = ("-c", f"{HASTY}; from falcon_s3.cli import main; main()")
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@pytest.fixture(scope="module")
def gateway(start_gateway):
    with start_gateway(program=PROGRAM) as running:
        yield running


@pytest.fixture(scope="module")
def patient_gateway(start_gateway):
    """One whose clients wait as long as they do: for what is answered at once, however slow the machine is."""
    with start_gateway() as running:
        yield running


@pytest.fixture
def bucket(gateway):
    return gateway.new_bucket()


@contextlib.contextmanager
def nobody_writes(gateway):
    """Somebody else has the turn to write."""
    with (gateway.data / "write.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def uploaded(gateway, bucket, key="k"):
    """An upload of one part; what completes it."""
    upload = gateway.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = gateway.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"bytes")
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{part['ETag']}</ETag></Part></CompleteMultipartUpload>"
    )
    return f"/{bucket}/{key}?uploadId={upload}", document.encode()


def completing(gateway, target, document, headers=None, method="POST"):
    """The answer, and what came of it while nobody could write; the rest comes."""
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    with nobody_writes(gateway):
        connection.request(method, target, document, headers or {})
        answer = connection.getresponse()
        begun = answer.read(len(DECLARATION) + 2)
    return answer, begun


def test_white_space_comes_until_an_upload_is_completed(gateway, bucket):
    target, document = uploaded(gateway, bucket)
    answer, begun = completing(gateway, target, document)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/xml")
    assert begun == DECLARATION + b"  "
    root = ET.fromstring(begun + answer.read())
    assert root.tag.endswith("}CompleteMultipartUploadResult")
    assert root.findtext("{*}ETag").endswith('-1"')
    assert gateway.request("GET", f"/{bucket}/k").body == b"bytes"


def test_copies_that_read_the_bytes_are_answered_meanwhile_too(gateway, bucket):
    """A part from another object, and a copy that has a checksum which its source has not."""
    gateway.s3.put_object(Bucket=bucket, Key="source", Body=b"bytes", ChecksumAlgorithm="CRC32")
    upload = gateway.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    source = {"x-amz-copy-source": f"{bucket}/source"}
    for target, more, root in (
        (f"/{bucket}/k?partNumber=1&uploadId={upload}", {}, "CopyPartResult"),
        (f"/{bucket}/copy", {"x-amz-checksum-algorithm": "SHA256"}, "CopyObjectResult"),
    ):
        answer, begun = completing(gateway, target, None, source | more, "PUT")
        assert (answer.status, begun) == (200, DECLARATION + b"  ")
        assert ET.fromstring(begun + answer.read()).tag.endswith(f"}}{root}")
    assert [part["Size"] for part in gateway.s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"]] == [5]
    assert gateway.request("GET", f"/{bucket}/copy").body == b"bytes"


def test_what_fails_late_is_an_error_in_the_document(gateway, bucket):
    """And leaves the upload, which can be completed without the condition."""
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    target, document = uploaded(gateway, bucket)
    answer, begun = completing(gateway, target, document, {"If-None-Match": "*"})
    assert answer.status == 200
    root = ET.fromstring(begun + answer.read())
    assert (root.tag, root.findtext("Code")) == ("Error", "PreconditionFailed")
    assert root.findtext("RequestId") == answer.headers["x-amz-request-id"]
    assert gateway.request("GET", f"/{bucket}/k").body == b"before"
    assert gateway.request("POST", target, document).status == 200
    assert gateway.request("GET", f"/{bucket}/k").body == b"bytes"


def test_what_ends_soon_has_its_own_status_and_headers(patient_gateway):
    """Whether it fails or not."""
    bucket = patient_gateway.new_bucket()
    patient_gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    target, document = uploaded(patient_gateway, bucket)
    patient_gateway.request("POST", target, document, {"If-None-Match": "*"}).refused(412, "PreconditionFailed")
    done = patient_gateway.request("POST", target, document)
    assert done.status == 200
    assert done.headers["x-amz-version-id"]


def test_boto3_finds_either(gateway, bucket):
    """What went wrong too, after the status 200."""
    client = gateway.client(retries={"max_attempts": 0})
    asked = {"Bucket": bucket, "Key": "k"}
    asked["UploadId"] = client.create_multipart_upload(**asked)["UploadId"]
    part = client.upload_part(**asked, PartNumber=1, Body=b"bytes")
    asked["MultipartUpload"] = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.put_object(Bucket=bucket, Key="k", Body=b"before")

    def complete(**more):
        with ThreadPoolExecutor(1) as pool:
            with nobody_writes(gateway):
                completing = pool.submit(client.complete_multipart_upload, **asked, **more)
                time.sleep(1)
            return completing.result()

    with pytest.raises(ClientError) as caught:
        complete(IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"
    assert complete()["ETag"].endswith('-1"')
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bytes"


def test_work_goes_on_when_its_client_has_gone(gateway, bucket):
    target, document = uploaded(gateway, bucket)
    answer, _ = completing(gateway, target, document)
    answer.close()
    until(lambda: gateway.request("GET", f"/{bucket}/k").body == b"bytes")
