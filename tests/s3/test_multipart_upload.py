"""Multipart uploads: parts that nobody sees become one object in one commit, and no byte is written twice."""

from __future__ import annotations

import base64
import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from falcon_s3 import buckets
from falcon_s3.digests import body_of
from falcon_s3.pfs import Branch, Repo
from tests.s3.etags import etag_of as object_etag

MIB = 1 << 20
FIVE = 5 * MIB
# Two parts that may be followed, and a last one.
PIECES = [b"a" * FIVE, bytes(range(256)) * (FIVE // 256) + b"!", b"the end"]
WHOLE = b"".join(PIECES)
MISSING = "0123456789ab4cdef0123456789abcde"


def etag_of(pieces):
    joined = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    return f'"{hashlib.md5(joined).hexdigest()}-{len(pieces)}"'


def quoted(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def crc(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def start(gateway, bucket, key="k", **headers):
    answer = gateway.request("POST", f"/{bucket}/{key}?uploads", None, dashed(headers))
    assert answer.status == 200, answer
    return answer.text("UploadId")


def dashed(headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


def put_part(gateway, bucket, upload, number, data, key="k", **headers):
    return gateway.request("PUT", f"/{bucket}/{key}?partNumber={number}&uploadId={upload}", data, dashed(headers))


def document(*pairs):
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in pairs)
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def complete(gateway, bucket, upload, *pairs, key="k", **headers):
    return gateway.request("POST", f"/{bucket}/{key}?uploadId={upload}", document(*pairs), dashed(headers))


def uploaded(gateway, bucket, pieces, key="k", **headers):
    """An upload whose parts are all there, and what completes it."""
    upload = start(gateway, bucket, key, **headers)
    for number, piece in enumerate(pieces, 1):
        assert put_part(gateway, bucket, upload, number, piece, key).status == 200
    return upload, [(number, quoted(piece)) for number, piece in enumerate(pieces, 1)]


def head_of(store, bucket):
    return store.inspect_branch(buckets.parse(bucket)).head


@pytest.fixture(scope="module")
def whole(gateway):
    """A bucket with the object `k` of PIECES."""
    bucket = gateway.new_bucket()
    upload, pairs = uploaded(gateway, bucket, PIECES)
    assert complete(gateway, bucket, upload, *pairs).status == 200
    return bucket


# --- from create to complete -----------------------------------------------------------------------------------------


@pytest.mark.needs("etags")
def test_parts_in_any_order_become_one_object_in_one_commit(gateway, bucket, store, unchanged):
    """Put again, a part is what was put last; before the end nothing of it shows."""
    before = head_of(store, bucket)
    with unchanged(bucket):
        upload = start(gateway, bucket)
        for number, piece in ((3, PIECES[2]), (1, b"x" * 100), (2, PIECES[1]), (1, PIECES[0])):
            answer = put_part(gateway, bucket, upload, number, piece)
            assert (answer.status, answer.body, answer.headers["ETag"]) == (200, b"", quoted(piece))
        gateway.request("GET", f"/{bucket}/k").refused(404, "NoSuchKey")
        assert gateway.request("GET", f"/{bucket}?versions").texts("Version") == []
    answer = complete(gateway, bucket, upload, *((n, quoted(piece)) for n, piece in enumerate(PIECES, 1)))
    head = head_of(store, bucket)
    assert (answer.status, answer.headers["x-amz-version-id"]) == (200, head.id)
    assert store.inspect_commit(head).parent == before
    assert (answer.text("Bucket"), answer.text("Key")) == (bucket, "k")
    assert answer.text("Location").endswith(f"/{bucket}/k")
    assert answer.text("ETag") == etag_of(PIECES)
    read = gateway.request("GET", f"/{bucket}/k")
    assert (read.body, read.headers["ETag"]) == (WHOLE, etag_of(PIECES))
    listed = gateway.request("GET", f"/{bucket}")
    assert (listed.texts("ETag"), listed.texts("Size")) == ([etag_of(PIECES)], [str(len(WHOLE))])


@pytest.mark.needs("paths")
def test_the_location_of_what_was_completed_is_a_url(gateway, bucket):
    upload, pairs = uploaded(gateway, bucket, [b"x"], "a/%C3%BC%20%23%3F%2B")
    location = complete(gateway, bucket, upload, *pairs, key="a/%C3%BC%20%23%3F%2B").text("Location")
    assert location.isascii()
    assert location.endswith(f"/{bucket}/a/%C3%BC%20%23%3F%2B")
    assert gateway.request("GET", "/" + location.split("/", 3)[3]).body == b"x"


@pytest.mark.needs("paths")
def test_a_client_uploads_a_large_file_by_itself(s3, bucket, tmp_path):
    from boto3.s3.transfer import TransferConfig

    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(WHOLE)
    config = TransferConfig(multipart_threshold=FIVE, multipart_chunksize=FIVE)
    s3.upload_file(
        str(source), bucket, "a/ü +&%", Config=config, ExtraArgs={"Metadata": {"a": "b"}, "ContentType": "text/x"}
    )
    s3.download_file(bucket, "a/ü +&%", str(target), Config=config)
    assert target.read_bytes() == WHOLE
    told = s3.head_object(Bucket=bucket, Key="a/ü +&%")
    assert (told["Metadata"], told["ContentType"]) == ({"a": "b"}, "text/x")
    assert told["ETag"].endswith('-3"')


@pytest.mark.needs("attributes")
def test_what_is_said_at_the_beginning_lands_on_the_object(gateway, s3, bucket):
    upload = start(
        gateway,
        bucket,
        Content_Type="text/x",
        Content_Encoding="gzip",
        Cache_Control="no-store",
        x_amz_meta_a="1",
        x_amz_tagging="t=u%20v&w=",
    )
    put_part(gateway, bucket, upload, 1, b"x", Content_Type="other", x_amz_meta_b="2")
    complete(gateway, bucket, upload, (1, quoted(b"x")), x_amz_meta_c="3")
    told = s3.head_object(Bucket=bucket, Key="k")
    assert (told["ContentType"], told["ContentEncoding"], told["CacheControl"]) == ("text/x", "gzip", "no-store")
    assert told["Metadata"] == {"a": "1"}
    tagged = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tagged == [{"Key": "t", "Value": "u v"}, {"Key": "w", "Value": ""}]


@pytest.mark.needs("etags")
def test_parts_that_are_not_named_are_not_in_the_object(gateway, bucket):
    upload, pairs = uploaded(gateway, bucket, PIECES)
    assert complete(gateway, bucket, upload, pairs[1], pairs[2]).text("ETag") == etag_of(PIECES[1:])
    assert gateway.request("GET", f"/{bucket}/k").body == PIECES[1] + PIECES[2]


def test_an_upload_may_replace_an_object_and_be_replaced(s3, gateway, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before", Metadata={"old": "1"})
    upload, pairs = uploaded(gateway, bucket, [b"after"])
    assert complete(gateway, bucket, upload, *pairs).status == 200
    read = s3.get_object(Bucket=bucket, Key="k")
    assert (read["Body"].read(), read["Metadata"]) == (b"after", {})
    s3.put_object(Bucket=bucket, Key="k", Body=b"later")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"later"


@pytest.mark.needs("etags")
def test_an_empty_part_alone_is_an_empty_object(gateway, bucket):
    upload, pairs = uploaded(gateway, bucket, [b""])
    assert complete(gateway, bucket, upload, *pairs).text("ETag") == etag_of([b""])
    for target in (f"/{bucket}/k", f"/{bucket}/k?partNumber=1"):
        read = gateway.request("GET", target)
        assert (read.status, read.body, read.headers["Content-Length"]) == (200, b"", "0")


# --- completing twice, at once, under conditions ---------------------------------------------------------------------


def test_completing_again_gives_the_same_answer(gateway, bucket, unchanged):
    """A client that lost the answer asks again; also when the object is another by then."""
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    first = complete(gateway, bucket, upload, *pairs)
    with unchanged(bucket):
        again = complete(gateway, bucket, upload, *pairs)
    assert (again.status, again.body) == (200, first.body)
    gateway.request("PUT", f"/{bucket}/k", b"other")
    with unchanged(bucket):
        assert complete(gateway, bucket, upload, *pairs).body == first.body
        assert complete(gateway, bucket, upload, *pairs, If_None_Match="*").body == first.body
    put_part(gateway, bucket, upload, 2, b"y").refused(404, "NoSuchUpload")


@pytest.mark.needs("completions")
@pytest.mark.parametrize(("method", "body"), [("PUT", b"other"), ("DELETE", None)])
def test_completing_again_in_an_open_commit_gives_the_same_answer(gateway, bucket, store, unchanged, method, body):
    """It was that of the object which the commit shows by then, or 404 where it shows none."""
    store.start_commit(buckets.parse(bucket))
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    first = complete(gateway, bucket, upload, *pairs)
    assert gateway.request(method, f"/{bucket}/k", body).status in (200, 204)
    with unchanged(bucket):
        again = complete(gateway, bucket, upload, *pairs)
        assert gateway.request("DELETE", f"/{bucket}/k?uploadId={upload}").status == 204
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["x-amz-version-id"] == first.headers["x-amz-version-id"]


@pytest.mark.needs("completions")
def test_completing_at_the_same_time_is_one_commit(gateway, bucket, store):
    for _ in range(5):
        before = head_of(store, bucket)
        upload, pairs = uploaded(gateway, bucket, [b"x"])
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: complete(gateway, bucket, upload, *pairs), range(6)))
        assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
        assert store.inspect_commit(head_of(store, bucket)).parent == before


@pytest.mark.needs("completions")
def test_of_an_abort_and_a_completion_at_once_one_holds(gateway, bucket):
    for number in range(8):
        key = f"k{number}"
        upload, pairs = uploaded(gateway, bucket, [b"x"], key)
        with ThreadPoolExecutor(2) as pool:
            done = pool.submit(complete, gateway, bucket, upload, *pairs, key=key)
            aborted = pool.submit(gateway.request, "DELETE", f"/{bucket}/{key}?uploadId={upload}")
            statuses = (done.result().status, aborted.result().status)
        assert statuses in ((200, 204), (404, 204))
        assert gateway.request("GET", f"/{bucket}/{key}").status == statuses[0]


def test_an_upload_is_aborted_where_it_began_when_its_client_says(gateway, s3, bucket):
    upload = start(gateway, bucket)
    [listed] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    place = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    with pytest.raises(ClientError) as refused:
        s3.abort_multipart_upload(**place, IfMatchInitiatedTime=listed["Initiated"] - timedelta(seconds=1))
    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    answer = gateway.request(
        "DELETE", f"/{bucket}/k?uploadId={upload}", None, {"x-amz-if-match-initiated-time": "soon"}
    )
    answer.refused(400, "InvalidArgument")
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == [upload]
    s3.abort_multipart_upload(**place, IfMatchInitiatedTime=listed["Initiated"])
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == []


@pytest.mark.needs("completions")
def test_an_abort_of_what_was_completed_changes_nothing_and_is_no_error(gateway, bucket, unchanged):
    """Programs abort behind every upload, whatever became of it; it may be a while later."""
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    first = complete(gateway, bucket, upload, *pairs)
    with unchanged(bucket):
        for _ in range(2):
            answer = gateway.request("DELETE", f"/{bucket}/k?uploadId={upload}")
            assert (answer.status, answer.body) == (204, b"")
        assert complete(gateway, bucket, upload, *pairs).body == first.body
        gateway.request("DELETE", f"/{bucket}/other?uploadId={upload}").refused(404, "NoSuchUpload")
    gateway.request("DELETE", f"/{bucket}/k")
    assert gateway.request("DELETE", f"/{bucket}/k?uploadId={upload}").status == 204


@pytest.mark.parametrize(
    ("there", "headers", "status", "code"),
    [
        (None, {"If_None_Match": "*"}, 200, None),
        (b"1", {"If_None_Match": "*"}, 412, "PreconditionFailed"),
        (b"1", {"If_Match": object_etag(b"1")}, 200, None),
        (b"1", {"If_Match": "*"}, 200, None),
        (b"1", {"If_Match": object_etag(b"2")}, 412, "PreconditionFailed"),
        (None, {"If_Match": object_etag(b"1")}, 404, "NoSuchKey"),
        (None, {"If_Match": "*", "If_None_Match": "*"}, 501, "NotImplemented"),
    ],
)
def test_a_completion_may_be_under_a_condition(gateway, bucket, unchanged, there, headers, status, code):
    """Where it does not hold the upload goes on, and can be completed without."""
    if there is not None:
        gateway.request("PUT", f"/{bucket}/k", there)
    upload, pairs = uploaded(gateway, bucket, [b"new"])
    if code is None:
        assert complete(gateway, bucket, upload, *pairs, **headers).status == status
        return
    with unchanged(bucket):
        complete(gateway, bucket, upload, *pairs, **headers).refused(status, code)
    assert complete(gateway, bucket, upload, *pairs).status == 200


@pytest.mark.parametrize("exists", [False, True])
def test_of_many_conditional_completions_exactly_one_succeeds(gateway, bucket, store, exists):
    """Different uploads to one key, over both workers: as locks and table formats use it."""
    if exists:
        gateway.request("PUT", f"/{bucket}/k", b"0")
    condition = {"If_Match": object_etag(b"0")} if exists else {"If_None_Match": "*"}
    bodies = [bytes([65 + number]) * 1000 for number in range(12)]
    ready = [uploaded(gateway, bucket, [body]) for body in bodies]
    before = head_of(store, bucket)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: complete(gateway, bucket, one[0], *one[1], **condition), ready))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 11
    (winner,) = [body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200]
    assert gateway.request("GET", f"/{bucket}/k").body == winner
    assert store.inspect_commit(head_of(store, bucket)).parent == before


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ([(2, quoted(b"x"))], "InvalidPart"),
        ([(1, quoted(b"y"))], "InvalidPart"),
        ([(1, quoted(b"x")), (3, quoted(b"x"))], "InvalidPart"),
        ([(99_999, quoted(b"x"))], "InvalidPart"),
        ([(2, quoted(b"z")), (1, quoted(b"x"))], "InvalidPartOrder"),
        ([(1, quoted(b"x")), (5, quoted(b"z")), (1, quoted(b"x"))], "InvalidPartOrder"),
        ([(1, quoted(b"x")), (1, quoted(b"old"))], "InvalidPart"),
        ([(1, quoted(b"x")), (5, quoted(b"z"))], "EntityTooSmall"),
        ([], "MalformedXML"),
        ([("a", quoted(b"x"))], "MalformedXML"),
        ([(0, quoted(b"x"))], "InvalidArgument"),
    ],
)
def test_a_completion_that_is_wrong_changes_nothing(gateway, bucket, unchanged, named, code):
    upload = start(gateway, bucket)
    put_part(gateway, bucket, upload, 1, b"x")
    put_part(gateway, bucket, upload, 5, b"z")
    with unchanged(bucket):
        complete(gateway, bucket, upload, *named).refused(400, code)
    assert gateway.request("GET", f"/{bucket}/k?uploadId={upload}").texts("PartNumber") == ["1", "5"]
    assert complete(gateway, bucket, upload, (5, quoted(b"z"))).status == 200


@pytest.mark.parametrize("body", [None, b"", b"x", b"<Delete/>", b"<CompleteMultipartUpload>", b"\xff\xfe"])
def test_a_completion_that_is_no_document_changes_nothing(gateway, bucket, unchanged, body):
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    with unchanged(bucket):
        answer = gateway.request("POST", f"/{bucket}/k?uploadId={upload}", body)
        assert (answer.status, answer.code) in ((400, "MalformedXML"), (411, "MissingContentLength"))
    assert complete(gateway, bucket, upload, *pairs).status == 200


def test_a_document_that_is_too_large_is_refused(gateway, bucket):
    upload, _ = uploaded(gateway, bucket, [b"x"])
    head = f"POST /{bucket}/k?uploadId={upload} HTTP/1.1\r\nHost: x\r\nContent-Length: {9 * MIB}\r\n\r\n"
    gateway.send(head.encode(), "POST").refused(400, "EntityTooLarge")


@pytest.mark.parametrize("number", ["0", "10001", "-1", "a", "", "1.5", "0000000001" + "9" * 5000])
def test_a_number_that_no_part_has_is_refused_before_the_body(gateway, bucket, number):
    upload = start(gateway, bucket)
    head = f"PUT /{bucket}/k?partNumber={number}&uploadId={upload} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n"
    answer = gateway.send(f"{head}Expect: 100-continue\r\n\r\n".encode(), "PUT")
    answer.refused(400, "InvalidArgument")
    for method in ("GET", "HEAD"):
        gateway.request("PUT", f"/{bucket}/k", b"x")
        assert gateway.request(method, f"/{bucket}/k?partNumber={number}").status == 400


def test_a_part_has_a_number(gateway, bucket):
    upload = start(gateway, bucket)
    gateway.request("PUT", f"/{bucket}/k?uploadId={upload}", b"x").refused(400, "InvalidArgument")
    gateway.request("PUT", f"/{bucket}/k?partNumber=1", b"x").refused(501, "NotImplemented")


CALLS = [
    ("PUT", "?partNumber=1&uploadId={}", b"x"),
    ("GET", "?uploadId={}", None),
    ("POST", "?uploadId={}", document((1, quoted(b"x")))),
    ("DELETE", "?uploadId={}", None),
]


@pytest.mark.parametrize(("method", "query", "body"), CALLS)
@pytest.mark.parametrize("upload", ["", "x", "0" * 32, "%00", "%C3%BC", "%ED%A0%80", "'--", "x" * 5000])
def test_an_upload_that_never_was_is_no_such_upload(gateway, bucket, unchanged, method, query, body, upload):
    with unchanged(bucket):
        answer = gateway.request(method, f"/{bucket}/k{query.format(upload)}", body)
        if upload == "%ED%A0%80":
            answer.refused(400, "InvalidURI")
        else:
            answer.refused(404, "NoSuchUpload")


@pytest.mark.parametrize(("method", "query", "body"), CALLS)
def test_an_upload_is_known_in_its_own_bucket_and_key_only(gateway, bucket, method, query, body):
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    other = gateway.new_bucket()
    for place in (f"{bucket}/other", f"{bucket}/k/", f"{other}/k"):
        gateway.request(method, f"/{place}{query.format(upload)}", body).refused(404, "NoSuchUpload")
    gateway.request(method, f"/no.such.bucket/k{query.format(upload)}", body).refused(404, "NoSuchBucket")
    gateway.request(method, f"/no.such.bucket.at.all/k{query.format(upload)}", body).refused(400, "InvalidBucketName")
    assert complete(gateway, bucket, upload, *pairs).status == 200


@pytest.mark.parametrize(("method", "query", "body"), CALLS)
def test_an_aborted_upload_is_no_more(gateway, bucket, store, unchanged, method, query, body):
    with unchanged(bucket):
        upload, _ = uploaded(gateway, bucket, [b"x"])
        answer = gateway.request("DELETE", f"/{bucket}/k?uploadId={upload}")
        assert (answer.status, answer.body) == (204, b"")
        gateway.request(method, f"/{bucket}/k{query.format(upload)}", body).refused(404, "NoSuchUpload")
        assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == []


@pytest.mark.parametrize("place", ["no.such/k", f"{MISSING}.no.such/k"])
def test_no_upload_begins_in_a_bucket_that_is_not_there(gateway, place):
    gateway.request("POST", f"/{place}?uploads").refused(404, "NoSuchBucket")
    gateway.request("GET", f"/{place.partition('/')[0]}?uploads").refused(404, "NoSuchBucket")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-amz-server-side-encryption": "AES256"}, 501, "NotImplemented"),
        ({"x-amz-object-lock-event-hold": "ON"}, 501, "NotImplemented"),
        ({"x-amz-storage-class": "GLACIER"}, 400, "InvalidStorageClass"),
        ({"x-amz-acl": "log-delivery-write"}, 501, "NotImplemented"),
        ({"x-amz-tagging": "a=%FF"}, 400, "InvalidArgument"),
        ({"x-amz-tagging": "aws:a=b"}, 400, "InvalidTag"),
        ({"x-amz-meta-a": "v" * 2100}, 400, "MetadataTooLarge"),
        ({"x-amz-checksum-algorithm": "MD4"}, 400, "InvalidRequest"),
        ({"x-amz-checksum-type": "COMPOSITE"}, 400, "InvalidRequest"),
        ({"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"}, 400, "InvalidRequest"),
    ],
)
def test_what_an_object_cannot_have_no_upload_begins_with(gateway, bucket, headers, status, code):
    gateway.request("POST", f"/{bucket}/k?uploads", None, headers).refused(status, code)
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == []


def test_a_key_of_a_client_is_refused_with_each_part(gateway, bucket):
    """Parts that a client wants encrypted with its key are not kept in the clear."""
    upload = start(gateway, bucket)
    name = "x-amz-server-side-encryption-customer-algorithm"
    put_part(gateway, bucket, upload, 1, b"x", **{name: "AES256"}).refused(501, "NotImplemented")
    assert gateway.request("GET", f"/{bucket}/k?uploadId={upload}").texts("PartNumber") == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content_MD5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, "BadDigest"),
        ({"x_amz_content_sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
        ({"x_amz_checksum_md4": "AAAA"}, "InvalidRequest"),
    ],
)
def test_a_part_that_is_not_what_was_sent_is_not_kept(gateway, bucket, headers, code):
    upload = start(gateway, bucket)
    put_part(gateway, bucket, upload, 1, b"old")
    put_part(gateway, bucket, upload, 1, b"new", **headers).refused(400, code)
    assert gateway.request("GET", f"/{bucket}/k?uploadId={upload}").texts("ETag") == [quoted(b"old")]


def test_a_part_of_more_than_five_gibibytes_is_refused_before_it_is_sent(gateway, bucket):
    upload = start(gateway, bucket)
    head = f"PUT /{bucket}/k?partNumber=1&uploadId={upload} HTTP/1.1\r\nHost: x\r\nContent-Length: {5 * 2**30 + 1}\r\n"
    gateway.send(f"{head}Expect: 100-continue\r\n\r\n".encode(), "PUT").refused(400, "EntityTooLarge")


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_small_parts_are_too_small(gateway, bucket, store, unchanged, count):
    """S3's limit is told of the first that is; the document with all of them is read."""
    ref = buckets.parse(bucket)
    upload = start(gateway, bucket)
    with unchanged(bucket):
        for number in range(1, count + 1):
            store.put_part(ref, "k", upload, number, body_of([b"x"]))
        answer = complete(gateway, bucket, upload, *((number, quoted(b"x")) for number in range(1, count + 1)))
        answer.refused(400, "EntityTooSmall")
    assert (answer.text("PartNumber"), answer.text("ProposedSize")) == ("1", "1")


@pytest.mark.needs("books")
@pytest.mark.parametrize("count", [30, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_as_many_parts_as_there_may_be_become_one_object(gateway, s3, bucket, store, count):
    """Equal parts are stored once, and none of them is read to complete the whole."""
    ref, zeros = buckets.parse(bucket), bytes(FIVE)
    upload = start(gateway, bucket, x_amz_checksum_algorithm="CRC32", x_amz_checksum_type="FULL_OBJECT")
    kept = {"x-amz-checksum-crc32": crc(zeros)}
    before = store.fsck().bytes
    etag = hashlib.md5(zeros)
    whole = hashlib.md5(etag.digest() * count).hexdigest()
    for number in range(1, count + 1):  # beside the gateway: through it would only take longer
        store.put_part(ref, "k", upload, number, body_of([zeros[:MIB]] * 5), kept)
    answer = complete(gateway, bucket, upload, *((number, etag.hexdigest()) for number in range(1, count + 1)))
    assert (answer.status, answer.text("ETag")) == (200, f'"{whole}-{count}"')
    assert store.fsck().bytes - before <= FIVE
    value = 0
    for _ in range(count):
        value = zlib.crc32(zeros, value)
    assert answer.text("ChecksumCRC32") == base64.b64encode(value.to_bytes(4, "big")).decode()
    told = s3.head_object(Bucket=bucket, Key="k", PartNumber=count)
    assert (told["PartsCount"], told["ContentLength"]) == (count, FIVE)
    assert told["ContentRange"] == f"bytes {(count - 1) * FIVE}-{count * FIVE - 1}/{count * FIVE}"
    read = gateway.request("GET", f"/{bucket}/k", None, {"Range": "bytes=-10"})
    assert (read.status, read.body) == (206, bytes(10))


# --- lists -----------------------------------------------------------------------------------------------------------


def test_parts_are_listed_in_pages(gateway, s3, bucket):
    upload = start(gateway, bucket)
    numbers = [1, 2, 7, 100, 10_000]
    for number in reversed(numbers):
        put_part(gateway, bucket, upload, number, b"x" * number)
    for size in (1, 2, 5, 1000):
        pages = s3.get_paginator("list_parts").paginate(
            Bucket=bucket, Key="k", UploadId=upload, PaginationConfig={"PageSize": size}
        )
        found = [part for page in pages for part in page.get("Parts", [])]
        assert [part["PartNumber"] for part in found] == numbers
        assert [part["Size"] for part in found] == numbers
        assert [part["ETag"] for part in found] == [quoted(b"x" * number) for number in numbers]
    page = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, PartNumberMarker=2, MaxParts=2)
    assert (page["PartNumberMarker"], page["NextPartNumberMarker"], page["MaxParts"]) == (2, 100, 2)
    assert (page["IsTruncated"], page["UploadId"], page["Bucket"], page["Key"]) == (True, upload, bucket, "k")
    assert page["StorageClass"] == "STANDARD"
    nothing = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=0)
    assert ("Parts" in nothing, nothing["IsTruncated"]) == (False, False)


@pytest.mark.parametrize("query", ["max-parts=1000", "max-parts=1&part-number-marker=1", "part-number-marker=2"])
def test_the_last_page_of_parts_names_none_behind_it(gateway, bucket, query):
    """The AWS SDK for JavaScript goes on for as long as a page says where: it would never end."""
    upload = start(gateway, bucket)
    for number in (1, 2):
        put_part(gateway, bucket, upload, number, b"x")
    page = gateway.request("GET", f"/{bucket}/k?uploadId={upload}&{query}")
    assert (page.status, page.text("IsTruncated"), page.text("NextPartNumberMarker")) == (200, "false", None)
    page = gateway.request("GET", f"/{bucket}/k?uploadId={upload}&max-parts=1")
    assert (page.text("IsTruncated"), page.text("NextPartNumberMarker")) == ("true", "1")


@pytest.mark.parametrize("query", ["max-parts=-1", "max-parts=a", "part-number-marker=a", "part-number-marker=-1"])
def test_a_page_of_parts_that_cannot_be_is_refused(gateway, bucket, query):
    upload = start(gateway, bucket)
    gateway.request("GET", f"/{bucket}/k?uploadId={upload}&{query}").refused(400, "InvalidArgument")


@pytest.fixture(scope="module")
def many(gateway):
    """A bucket with uploads to keys, some of them twice, as (key, upload) in order."""
    bucket = gateway.new_bucket()
    found = [(key, start(gateway, bucket, key)) for key in ("b", "a", "a", "c/1", "c/2", "c/2", "d/x/y", "e%20+%C3%BC")]
    return bucket, sorted((key.replace("%20+%C3%BC", " +ü"), upload) for key, upload in found)


@pytest.mark.needs("paths")
def test_uploads_are_listed_by_key_and_age_in_pages(s3, many):
    bucket, expected = many
    for size in (1, 2, 3, 1000):
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        found = [(one["Key"], one["UploadId"]) for page in pages for one in page.get("Uploads", [])]
        assert found == expected


@pytest.mark.needs("paths")
def test_uploads_are_listed_from_any_place_on(s3, many):
    bucket, expected = many
    for position, (key, upload) in enumerate(expected):
        page = s3.list_multipart_uploads(Bucket=bucket, KeyMarker=key, UploadIdMarker=upload)
        assert [(one["Key"], one["UploadId"]) for one in page.get("Uploads", [])] == expected[position + 1 :]
        page = s3.list_multipart_uploads(Bucket=bucket, KeyMarker=key)
        assert [(one["Key"], one["UploadId"]) for one in page.get("Uploads", [])] == [x for x in expected if x[0] > key]
    page = s3.list_multipart_uploads(Bucket=bucket, UploadIdMarker=expected[3][1])
    assert len(page["Uploads"]) == len(expected)


@pytest.mark.needs("paths")
@pytest.mark.parametrize(
    ("prefix", "delimiter", "keys", "folders"),
    [
        ("", "/", ["a", "a", "b", "e +ü"], ["c/", "d/"]),
        ("c/", "/", ["c/1", "c/2", "c/2"], []),
        ("c", "", ["c/1", "c/2", "c/2"], []),
        ("d/", "/", [], ["d/x/"]),
        ("", " ", ["a", "a", "b", "c/1", "c/2", "c/2", "d/x/y"], ["e "]),
        ("z", "/", [], []),
        ("e +", "", ["e +ü"], []),
    ],
)
def test_uploads_are_listed_below_a_prefix_and_in_folders(s3, many, prefix, delimiter, keys, folders):
    bucket, _ = many
    for size in (1, 2, 1000):
        found, seen, options = [], [], {}
        for _ in range(20):
            page = s3.list_multipart_uploads(
                Bucket=bucket, Prefix=prefix, Delimiter=delimiter, MaxUploads=size, **options
            )
            found += [one["Key"] for one in page.get("Uploads", [])]
            seen += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            assert page["MaxUploads"] == size
            if not page["IsTruncated"]:
                break
            options = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        assert (found, seen) == (keys, folders)


@pytest.mark.needs("paths")
def test_a_list_of_uploads_names_its_last_one_on_the_last_page_too(gateway, s3, many):
    """As S3 does; behind it there is nothing, and nothing is named."""
    bucket, expected = many
    page = s3.list_multipart_uploads(Bucket=bucket)
    assert (page["NextKeyMarker"], page["NextUploadIdMarker"], page["IsTruncated"]) == (*expected[-1], False)
    assert "Prefix" not in page
    for options in ({"KeyMarker": expected[-1][0]}, {"Prefix": "c", "Delimiter": "/"}, {"Prefix": "none"}):
        page = s3.list_multipart_uploads(Bucket=bucket, **options)
        assert (page["NextKeyMarker"], page["NextUploadIdMarker"], page["IsTruncated"]) == ("", "", False)


@pytest.mark.needs("paths")
def test_a_list_of_uploads_says_what_was_asked(gateway, many):
    bucket, _ = many
    answer = gateway.request("GET", f"/{bucket}?uploads&prefix=e%20&encoding-type=url&key-marker=e&max-uploads=7")
    assert answer.texts("Prefix") == ["e%20"]
    assert (answer.text("KeyMarker"), answer.text("MaxUploads"), answer.text("EncodingType")) == ("e", "7", "url")
    assert answer.texts("Key") == ["e%20%2B%C3%BC"]
    assert (answer.text("Bucket"), answer.text("IsTruncated")) == (bucket, "false")
    nothing = gateway.request("GET", f"/{bucket}?uploads&max-uploads=0")
    assert (nothing.texts("Key"), nothing.text("IsTruncated")) == ([], "false")


@pytest.mark.parametrize("query", ["max-uploads=-1", "max-uploads=a", "max-uploads=99999999999", "encoding-type=x"])
def test_a_list_of_uploads_that_cannot_be_is_refused(gateway, bucket, query):
    gateway.request("GET", f"/{bucket}?uploads&{query}").refused(400, "InvalidArgument")


def test_an_upload_that_ended_is_listed_no_more(gateway, bucket):
    one, pairs = uploaded(gateway, bucket, [b"x"])
    two, _ = uploaded(gateway, bucket, [b"x"])
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == [one, two]
    complete(gateway, bucket, one, *pairs)
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == [two]
    gateway.request("DELETE", f"/{bucket}/k?uploadId={two}")
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == []


# --- reading ---------------------------------------------------------------------------------------------------------

EDGES = [0, 1, FIVE - 1, FIVE, FIVE + 1, 2 * FIVE, 2 * FIVE + 1, 2 * FIVE + 2, len(WHOLE) - 1]


@pytest.mark.parametrize("first", EDGES)
def test_ranges_go_across_the_borders_of_parts(gateway, whole, first):
    for last in (each for each in EDGES if each >= first):
        read = gateway.request("GET", f"/{whole}/k", None, {"Range": f"bytes={first}-{last}"})
        assert read.status == 206
        assert read.headers["Content-Range"] == f"bytes {first}-{last}/{len(WHOLE)}"
        assert read.body == WHOLE[first : last + 1]
    read = gateway.request("GET", f"/{whole}/k", None, {"Range": f"bytes=-{first + 1}"})
    assert read.body == WHOLE[-first - 1 :]


@pytest.mark.needs("parts")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_is_read_by_its_number(gateway, whole, number):
    begin = sum(len(piece) for piece in PIECES[: number - 1])
    piece = PIECES[number - 1]
    for method in ("GET", "HEAD"):
        read = gateway.request(method, f"/{whole}/k?partNumber={number}")
        assert (read.status, read.body) == (206, piece if method == "GET" else b"")
        assert read.headers["Content-Length"] == str(len(piece))
        assert read.headers["Content-Range"] == f"bytes {begin}-{begin + len(piece) - 1}/{len(WHOLE)}"
        assert (read.headers["ETag"], read.headers["x-amz-mp-parts-count"]) == (etag_of(PIECES), "3")


def test_a_part_that_is_not_there_is_refused(gateway, whole):
    gateway.request("GET", f"/{whole}/k?partNumber=4").refused(400, "InvalidPart")
    answer = gateway.request("GET", f"/{whole}/k?partNumber=1", None, {"Range": "bytes=0-1"})
    answer.refused(400, "InvalidRequest")
    assert gateway.request("HEAD", f"/{whole}/k?partNumber=4").status == 400


def test_an_object_in_one_piece_is_its_first_part(gateway, bucket):
    gateway.request("PUT", f"/{bucket}/k", b"abc")
    read = gateway.request("GET", f"/{bucket}/k?partNumber=1")
    assert (read.status, read.body, read.headers["Content-Range"]) == (206, b"abc", "bytes 0-2/3")
    assert read.headers["x-amz-mp-parts-count"] is None
    gateway.request("GET", f"/{bucket}/k?partNumber=2").refused(400, "InvalidPart")


@pytest.mark.needs("parts")
def test_a_last_part_of_no_bytes_is_read_as_none(gateway, bucket):
    """And not as all of the object."""
    upload, pairs = uploaded(gateway, bucket, [PIECES[0], b""])
    complete(gateway, bucket, upload, *pairs)
    for method in ("GET", "HEAD"):
        read = gateway.request(method, f"/{bucket}/k?partNumber=2")
        assert (read.status, read.body, read.headers["Content-Length"]) == (206, b"", "0")
        assert (read.headers["Content-Range"], read.headers["x-amz-mp-parts-count"]) == (None, "2")
    assert gateway.request("GET", f"/{bucket}/k").body == PIECES[0]


@pytest.mark.needs("parts")
def test_a_part_of_an_old_version_is_read(gateway, bucket):
    upload, pairs = uploaded(gateway, bucket, PIECES)
    version = complete(gateway, bucket, upload, *pairs).headers["x-amz-version-id"]
    gateway.request("PUT", f"/{bucket}/k", b"new")
    assert gateway.request("GET", f"/{bucket}/k?partNumber=3&versionId={version}").body == PIECES[2]
    gateway.request("DELETE", f"/{bucket}/k")
    gateway.request("GET", f"/{bucket}/k?partNumber=1").refused(404, "NoSuchKey")
    assert gateway.request("GET", f"/{version}.{bucket}/k?partNumber=3").body == PIECES[2]


# --- checksums -------------------------------------------------------------------------------------------------------

PARTS_CRC = crc(b"".join(zlib.crc32(piece).to_bytes(4, "big") for piece in PIECES)) + "-3"


@pytest.mark.needs("attributes")
@pytest.mark.parametrize(("kind", "value"), [(None, PARTS_CRC), ("COMPOSITE", PARTS_CRC), ("FULL_OBJECT", crc(WHOLE))])
def test_the_whole_has_a_checksum_of_the_type_that_was_asked_for(gateway, bucket, unchanged, kind, value):
    given = {"x-amz-checksum-algorithm": "CRC32"} | ({"x-amz-checksum-type": kind} if kind else {})
    answer = gateway.request("POST", f"/{bucket}/k?uploads", None, given)
    kind = kind or "COMPOSITE"
    told = (answer.headers["x-amz-checksum-algorithm"], answer.headers["x-amz-checksum-type"])
    assert told == ("CRC32", kind)
    upload = answer.text("UploadId")
    for number, piece in enumerate(PIECES, 1):  # a checksum is computed whether the client sends it or not
        headers = {"x_amz_checksum_crc32": crc(piece)} if number == 2 else {}
        answer = put_part(gateway, bucket, upload, number, piece, **headers)
        assert answer.headers["x-amz-checksum-crc32"] == crc(piece)
    listed = gateway.request("GET", f"/{bucket}/k?uploadId={upload}")
    assert listed.texts("ChecksumCRC32") == [crc(piece) for piece in PIECES]
    assert (listed.text("ChecksumAlgorithm"), listed.text("ChecksumType")) == ("CRC32", kind)
    shown = gateway.request("GET", f"/{bucket}?uploads")
    assert (shown.text("ChecksumAlgorithm"), shown.text("ChecksumType")) == ("CRC32", kind)
    pairs = [(number, quoted(piece)) for number, piece in enumerate(PIECES, 1)]
    with unchanged(bucket):
        complete(gateway, bucket, upload, *pairs, x_amz_checksum_crc32="AAAAAA==").refused(400, "BadDigest")
        complete(gateway, bucket, upload, *pairs, x_amz_mp_object_size="1").refused(400, "InvalidRequest")
        other = "COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT"
        complete(gateway, bucket, upload, *pairs, x_amz_checksum_type=other).refused(400, "InvalidRequest")
    size = str(len(WHOLE))
    answer = complete(gateway, bucket, upload, *pairs, x_amz_checksum_crc32=value, x_amz_mp_object_size=size)
    assert (answer.text("ChecksumCRC32"), answer.text("ChecksumType")) == (value, kind)
    for method in ("GET", "HEAD"):
        read = gateway.request(method, f"/{bucket}/k", None, {"x-amz-checksum-mode": "ENABLED"})
        assert (read.headers["x-amz-checksum-crc32"], read.headers["x-amz-checksum-type"]) == (value, kind)
        part = gateway.request(method, f"/{bucket}/k?partNumber=2", None, {"x-amz-checksum-mode": "ENABLED"})
        assert part.headers["x-amz-checksum-crc32"] == crc(PIECES[1])


@pytest.mark.needs("attributes")
def test_a_part_named_with_another_checksum_is_an_invalid_part(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA256")
    value = base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    assert part["ChecksumSHA256"] == value
    named = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": base64.b64encode(bytes(32)).decode()}
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": [named]})
    named["ChecksumSHA256"] = value
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": [named]})
    expected = base64.b64encode(hashlib.sha256(hashlib.sha256(b"x").digest()).digest()).decode() + "-1"
    assert (done["ChecksumSHA256"], done["ChecksumType"]) == (expected, "COMPOSITE")


def test_a_part_with_a_checksum_of_another_algorithm_is_refused(gateway, bucket):
    upload = start(gateway, bucket, x_amz_checksum_algorithm="SHA1")
    answer = put_part(gateway, bucket, upload, 1, b"x", x_amz_checksum_crc32=crc(b"x"))
    assert "sha1" in answer.refused(400, "InvalidRequest")
    assert gateway.request("GET", f"/{bucket}/k?uploadId={upload}").texts("PartNumber") == []


@pytest.mark.needs("attributes")
def test_parts_that_all_have_a_crc_give_the_whole_one(gateway, bucket):
    """Though the upload named no algorithm."""
    upload = start(gateway, bucket)
    for number, piece in enumerate(PIECES, 1):
        put_part(gateway, bucket, upload, number, piece, x_amz_checksum_crc32=crc(piece))
    pairs = [(number, quoted(piece)) for number, piece in enumerate(PIECES, 1)]
    answer = complete(gateway, bucket, upload, *pairs, x_amz_checksum_crc32=crc(WHOLE))
    assert (answer.text("ChecksumCRC32"), answer.text("ChecksumType")) == (crc(WHOLE), "FULL_OBJECT")


def test_a_checksum_that_cannot_be_compared_is_refused(gateway, bucket, unchanged):
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    with unchanged(bucket):
        complete(gateway, bucket, upload, *pairs, x_amz_checksum_crc32=crc(b"x")).refused(400, "InvalidRequest")
        complete(gateway, bucket, upload, *pairs, x_amz_mp_object_size="2").refused(400, "InvalidRequest")
    assert complete(gateway, bucket, upload, *pairs, x_amz_mp_object_size="1").status == 200


# --- where uploads go ------------------------------------------------------------------------------------------------


def test_uploads_into_an_open_commit_join_it(gateway, bucket, store):
    commit = store.start_commit(buckets.parse(bucket))
    name = f"{commit.id}.{bucket}"
    for place, key in ((name, "a"), (bucket, "b")):
        upload, pairs = uploaded(gateway, place, [key.encode()], key)
        answer = complete(gateway, place, upload, *pairs, key=key)
        assert (answer.status, answer.headers["x-amz-version-id"]) == (200, commit.id)
        assert complete(gateway, place, upload, *pairs, key=key).body == answer.body
    late, pairs = uploaded(gateway, name, [b"late"], "c")
    store.finish_commit(commit)
    assert gateway.request("GET", f"/{bucket}").texts("Key") == ["a", "b"]
    complete(gateway, name, late, *pairs, key="c").refused(403, "AccessDenied")
    gateway.request("POST", f"/{name}/d?uploads").refused(403, "AccessDenied")
    assert gateway.request("GET", f"/{bucket}").texts("Key") == ["a", "b"]


def test_no_upload_begins_in_an_output_branch(gateway, bucket, store, unchanged):
    branch = Branch(Repo("default", bucket.partition(".")[2] + "-out"), "master")
    store.create_branch(branch, provenance=[buckets.parse(bucket)])
    output = buckets.name_of(branch)
    with unchanged(output):
        gateway.request("POST", f"/{output}/k?uploads").refused(400, "WriteToOutputBranch")
    assert gateway.request("GET", f"/{output}?uploads").texts("UploadId") == []


def test_a_new_bucket_has_no_uploads_of_one_before(gateway, bucket):
    upload, pairs = uploaded(gateway, bucket, [b"x"])
    assert gateway.request("DELETE", f"/{bucket}").status == 204
    complete(gateway, bucket, upload, *pairs).refused(404, "NoSuchBucket")
    gateway.request("PUT", f"/{bucket}")
    complete(gateway, bucket, upload, *pairs).refused(404, "NoSuchUpload")
    assert gateway.request("GET", f"/{bucket}?uploads").texts("UploadId") == []
