"""`mc pipe` failed with BadDigest: it completes its upload with a composite checksum that has no number of parts.

S3 writes the number of parts behind a composite checksum, and takes the checksum back with it or without it.
"""

import base64
import zlib

import pytest
from botocore.exceptions import ClientError


def checksum(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


@pytest.fixture
def complete(s3, bucket):
    """Completes an upload of one part `a`, whose checksum the client says is this."""

    def completing(value):
        upload = {"Bucket": bucket, "Key": "k"}
        upload["UploadId"] = s3.create_multipart_upload(**upload, ChecksumAlgorithm="CRC32")["UploadId"]
        part = s3.upload_part(**upload, PartNumber=1, Body=b"a", ChecksumAlgorithm="CRC32")
        parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumCRC32=value)

    return completing


COMPOSITE = checksum(zlib.crc32(b"a").to_bytes(4, "big"))


@pytest.mark.parametrize("value", [COMPOSITE, f"{COMPOSITE}-1"])
def test_a_composite_checksum_is_taken_with_its_number_of_parts_or_without(complete, value):
    """Either way the answer has the number."""
    assert complete(value)["ChecksumCRC32"] == f"{COMPOSITE}-1"


@pytest.mark.parametrize("value", [f"{COMPOSITE}-2", checksum(b"a"), checksum(b"b"), f"{COMPOSITE}-"])
def test_another_checksum_is_refused(complete, value):
    """Another number of parts, and another checksum, are BadDigest."""
    with pytest.raises(ClientError, match="BadDigest"):
        complete(value)
