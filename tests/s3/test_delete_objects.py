"""POST /bucket?delete removes up to a thousand keys in one commit."""

from __future__ import annotations

import base64
import hashlib
from xml.sax.saxutils import escape

import pytest

from falcon_s3 import buckets


def delete(gateway, bucket, body, headers=None):
    body = body if isinstance(body, bytes) else body.encode()
    digest = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    return gateway.request("POST", f"/{bucket}?delete", body, digest if headers is None else headers)


def document(*keys, more=""):
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{objects}{more}</Delete>'


@pytest.fixture
def odd(pachd):
    """A key that does not look in XML or on the wire as it is."""
    return "é" if pachd is None else "e~"


@pytest.fixture
def filled(bucket, s3, odd):
    for key in ("a", "b/c", "c&d", odd, "e f"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    return bucket


def keys_of(s3, bucket):
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_a_client_deletes_many_in_one_commit(s3, filled, store, odd):
    before = store.inspect_branch(buckets.parse(filled)).head
    wanted = ["a", "c&d", odd, "none"]
    answer = s3.delete_objects(Bucket=filled, Delete={"Objects": [{"Key": key} for key in wanted]})
    assert [one["Key"] for one in answer["Deleted"]] == wanted
    assert "Errors" not in answer
    assert keys_of(s3, filled) == ["b/c", "e f"]
    head = store.inspect_branch(buckets.parse(filled)).head
    assert store.inspect_commit(head).parent == before


def test_a_quiet_client_hears_nothing(s3, filled, odd):
    answer = s3.delete_objects(Bucket=filled, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}], "Quiet": True})
    assert "Deleted" not in answer
    assert "Errors" not in answer
    assert keys_of(s3, filled) == ["b/c", "c&d", "e f", odd]


def test_nothing_there_is_no_commit_and_no_error(gateway, filled, unchanged):
    with unchanged(filled):
        answer = delete(gateway, filled, document("none", "a/"))
        assert (answer.status, answer.texts("Key")) == (200, ["none", "a/"])


def test_the_same_key_twice_is_one_deletion(gateway, s3, filled):
    answer = delete(gateway, filled, document("a", "a"))
    assert (answer.status, answer.texts("Code")) == (200, [])
    assert "a" not in keys_of(s3, filled)


def test_a_thousand_keys_are_taken_and_one_more_is_not(gateway, s3, filled, unchanged, odd):
    many = [f"k{number}" for number in range(999)]
    with unchanged(filled):
        delete(gateway, filled, document("a", odd, *many)).refused(400, "MalformedXML")
    answer = delete(gateway, filled, document("a", *many))
    assert (answer.status, len(answer.texts("Deleted"))) == (200, 1000)
    assert "a" not in keys_of(s3, filled)


@pytest.mark.needs("markers")
def test_each_object_tells_its_delete_marker(s3, filled):
    """One that was not there has none, for no commit touched it."""
    answer = s3.delete_objects(Bucket=filled, Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    there, none = answer["Deleted"]
    marker = there["DeleteMarkerVersionId"]
    assert there["DeleteMarker"] is True
    assert "DeleteMarker" not in none
    [row] = s3.list_object_versions(Bucket=filled)["DeleteMarkers"]
    assert (row["Key"], row["VersionId"]) == ("a", marker)


@pytest.mark.needs("versions")
def test_versions_and_objects_are_deleted_together(s3, filled, odd):
    """A version of one object for good, another object by a commit, a version that is not there by nothing."""
    version = s3.put_object(Bucket=filled, Key="a", Body=b"2")["VersionId"]
    wanted = [{"Key": "a", "VersionId": version}, {"Key": "c&d"}, {"Key": odd, "VersionId": version}]
    answer = s3.delete_objects(Bucket=filled, Delete={"Objects": wanted})
    assert sorted(one["Key"] for one in answer["Deleted"]) == ["a", "c&d", odd]
    assert s3.get_object(Bucket=filled, Key="a")["Body"].read() == b"1"
    assert keys_of(s3, filled) == ["a", "b/c", "e f", odd]


@pytest.mark.needs("versions")
@pytest.mark.parametrize("condition", ["", "<Size>1</Size>"])
def test_a_version_that_stays_is_told_beside_what_was_deleted(gateway, s3, filled, store, condition):
    """An open commit takes deletions and loses no versions: the deletion was done, and the answer was that of none."""
    version = s3.head_object(Bucket=filled, Key="a")["VersionId"]
    commit = store.start_commit(buckets.parse(filled))
    more = f"<Object><Key>a</Key><VersionId>{version}</VersionId>{condition}</Object>"
    answer = delete(gateway, f"{commit.id}.{filled}", document("c&d", more=more))
    assert (answer.status, answer.texts("Key"), answer.texts("Code")) == (200, ["c&d", "a"], ["AccessDenied"])
    assert "loses no versions" in answer.texts("Message")[0]
    assert "c&d" not in keys_of(s3, filled)
    assert s3.head_object(Bucket=filled, Key="a")["VersionId"] == version


@pytest.mark.parametrize("version", ["", "x"])
def test_what_names_no_version_is_an_error_of_its_own(gateway, s3, filled, version):
    """And is not told to be deleted, while the object stays."""
    document = (
        f"<Delete><Object><Key>a</Key><VersionId>{version}</VersionId></Object><Object><Key>b</Key></Object></Delete>"
    )
    answer = gateway.request("POST", f"/{filled}?delete", document.encode())
    assert answer.status == 200
    assert answer.texts("Key") == ["b", "a"]
    assert (answer.texts("Code"), answer.texts("VersionId")) == (["NoSuchVersion"], [version])
    assert s3.head_object(Bucket=filled, Key="a")


@pytest.mark.needs("versions")
def test_a_delete_marker_that_is_deleted_says_so(s3, filled):
    marker = s3.delete_object(Bucket=filled, Key="a")["VersionId"]
    answer = s3.delete_objects(Bucket=filled, Delete={"Objects": [{"Key": "a", "VersionId": marker}]})
    [one] = answer["Deleted"]
    assert (one["VersionId"], one["DeleteMarker"], one["DeleteMarkerVersionId"]) == (marker, True, marker)
    assert "a" in keys_of(s3, filled)


@pytest.mark.parametrize("condition", ["<ETag>0</ETag>", "<Size>2</Size>", "<LastModifiedTime>{}</LastModifiedTime>"])
def test_a_condition_decides_for_its_object_alone(gateway, s3, filled, condition, odd):
    other = "2015-01-01T00:00:00Z"
    more = f"<Object><Key>a</Key>{condition.format(other)}</Object>"
    answer = delete(gateway, filled, document(odd, more=more))
    assert (answer.status, answer.texts("Code")) == (200, ["PreconditionFailed"])
    assert "a" in keys_of(s3, filled)
    assert odd not in keys_of(s3, filled)


@pytest.mark.parametrize(
    "condition", ["<ETag>{etag}</ETag>", "<Size>1</Size>", "<LastModifiedTime>{time}</LastModifiedTime>"]
)
def test_a_condition_that_holds_deletes(gateway, s3, filled, condition):
    head = s3.head_object(Bucket=filled, Key="a")
    values = {"etag": escape(head["ETag"]), "time": head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")}
    answer = delete(gateway, filled, document(more=f"<Object><Key>a</Key>{condition.format(**values)}</Object>"))
    assert (answer.status, answer.texts("Code")) == (200, [])
    assert "a" not in keys_of(s3, filled)


@pytest.mark.parametrize("headers", [{}, {"x-amz-checksum-crc32": None}, {"x-amz-content-sha256": None}])
def test_any_digest_or_none_is_taken(gateway, s3, filled, headers):
    import zlib

    body = document("a").encode()
    values = {
        "x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode(),
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    answer = delete(gateway, filled, body, {name: values[name] for name in headers})
    assert answer.status == 200
    assert "a" not in keys_of(s3, filled)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-MD5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"Content-MD5": "x"}, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
        ({"x-amz-content-sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
    ],
)
def test_a_wrong_digest_deletes_nothing(gateway, filled, unchanged, headers, code):
    with unchanged(filled):
        delete(gateway, filled, document("a"), headers).refused(400, code)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not XML",
        "<Delete/>",
        "<Delete><Object/></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>",
        "<Other><Object><Key>a</Key></Object></Other>",
        "<Delete><Object><Key>a&#0;</Key></Object></Delete>",
        '<!DOCTYPE d [<!ENTITY a "a">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        "<Delete>" + "<a>" * 100_000,
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
        b"\0",
    ],
)
def test_a_body_that_is_no_deletion_deletes_nothing(gateway, filled, unchanged, body):
    with unchanged(filled):
        delete(gateway, filled, body).refused(400, "MalformedXML")


def test_a_body_over_two_mebibytes_is_refused(gateway, filled, unchanged):
    with unchanged(filled):
        answer = delete(gateway, filled, document("a", more=" " * (2 << 20)))
        assert answer.status == 400
        assert answer.code in ("MalformedXML", "EntityTooLarge", "MaxMessageLengthExceeded")


def test_a_key_that_is_too_long_is_an_error_of_its_own(gateway, s3, filled):
    answer = delete(gateway, filled, document("a", "k" * 1025))
    assert answer.status == 400 or (answer.texts("Code") == ["KeyTooLongError"] and "a" not in keys_of(s3, filled))


def test_a_bucket_that_is_not_there_is_not_found(gateway):
    delete(gateway, "none", document("a")).refused(404, "NoSuchBucket")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_the_word_delete_alone_deletes_nothing(gateway, filled, unchanged, method):
    with unchanged(filled):
        answer = gateway.request(method, f"/{filled}?delete", b"" if method == "PUT" else None)
        assert answer.status in (405, 501)
