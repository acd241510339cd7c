"""The sub-resources that configure a bucket or object are answered as S3 answers for one that has none of them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

OWNER = {"ID": "0" * 32, "DisplayName": "pachyderm"}
GRANT = {"Grantee": OWNER | {"Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}

# Sub-resource, boto3's call, and what it gives besides the metadata of the answer.
ANSWERED = [
    ("accelerate", "get_bucket_accelerate_configuration", {}),
    ("acl", "get_bucket_acl", {"Owner": OWNER, "Grants": [GRANT]}),
    ("logging", "get_bucket_logging", {}),
    ("notification", "get_bucket_notification_configuration", {}),
    (
        "ownershipControls",
        "get_bucket_ownership_controls",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
    ),
    ("policyStatus", "get_bucket_policy_status", {"PolicyStatus": {"IsPublic": False}}),
    ("requestPayment", "get_bucket_request_payment", {"Payer": "BucketOwner"}),
]
# Sub-resource, boto3's call, and S3's code for a bucket without it; all are 404.
ABSENT = [
    ("cors", "get_bucket_cors", "NoSuchCORSConfiguration"),
    ("encryption", "get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("lifecycle", "get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
    ("object-lock", "get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ("policy", "get_bucket_policy", "NoSuchBucketPolicy"),
    ("publicAccessBlock", "get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ("replication", "get_bucket_replication", "ReplicationConfigurationNotFoundError"),
    ("tagging", "get_bucket_tagging", "NoSuchTagSet"),
    ("website", "get_bucket_website", "NoSuchWebsiteConfiguration"),
]
REMOVABLE = ["cors", "encryption", "lifecycle", "policy", "publicAccessBlock", "replication", "tagging", "website"]
NAMES = [name for name, _, _ in ANSWERED + ABSENT]


@pytest.fixture(scope="module")
def filled(gateway):
    bucket = gateway.new_bucket()
    gateway.s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    return bucket


def versioning(content):
    return f'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</VersioningConfiguration>'.encode()


@pytest.mark.parametrize(("name", "call", "answer"), ANSWERED)
def test_what_every_bucket_has_is_answered(s3, gateway, filled, name, call, answer):
    given = getattr(s3, call)(Bucket=filled)
    given.pop("ResponseMetadata")
    assert given == answer
    document = gateway.request("GET", f"/{filled}?{name}")
    assert (document.status, document.headers["Content-Type"]) == (200, "application/xml")


@pytest.mark.parametrize(("name", "call", "code"), ABSENT)
def test_what_no_bucket_has_is_not_found(s3, gateway, filled, name, call, code):
    with pytest.raises(ClientError) as caught:
        getattr(s3, call)(Bucket=filled)
    assert caught.value.response["Error"]["Code"] == code
    gateway.request("GET", f"/{filled}?{name}=").refused(404, code)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bucket", ["none", "dev.none", "0" * 12 + "4" + "0" * 19 + ".images"])
def test_a_bucket_that_is_not_there_has_none(gateway, bucket, name):
    gateway.request("GET", f"/{bucket}?{name}").refused(404, "NoSuchBucket")


@pytest.mark.parametrize("name", REMOVABLE)
def test_removing_a_configuration_that_is_not_there_succeeds_and_the_bucket_stays(gateway, filled, unchanged, name):
    with unchanged(filled):
        answer = gateway.request("DELETE", f"/{filled}?{name}")
        assert (answer.status, answer.body) == (204, b"")
    gateway.request("DELETE", f"/none?{name}").refused(404, "NoSuchBucket")


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(REMOVABLE)))
def test_what_cannot_be_removed_is_refused(gateway, filled, unchanged, name):
    with unchanged(filled):
        gateway.request("DELETE", f"/{filled}?{name}").refused(501, "NotImplemented")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"acl"}))
def test_no_configuration_is_taken(gateway, filled, unchanged, name):
    with unchanged(filled):
        gateway.request("PUT", f"/{filled}?{name}", b"<X/>").refused(501, "NotImplemented")


def test_an_empty_bucket_stays_when_its_configurations_are_removed(gateway, bucket):
    for name in NAMES:
        gateway.request("DELETE", f"/{bucket}?{name}")
    assert gateway.request("HEAD", f"/{bucket}").status == 200


def test_the_bucket_of_a_commit_is_answered_too(gateway, s3, filled):
    commit = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    assert s3.get_bucket_acl(Bucket=f"{commit}.{filled}")["Grants"] == [GRANT]
    gateway.request("GET", f"/{commit}.{filled}?policy").refused(404, "NoSuchBucketPolicy")


def test_an_object_belongs_to_the_owner(s3, gateway, filled):
    given = s3.get_object_acl(Bucket=filled, Key="k")
    assert (given["Owner"], given["Grants"]) == (OWNER, [GRANT])
    version = s3.head_object(Bucket=filled, Key="k")["VersionId"]
    assert s3.get_object_acl(Bucket=filled, Key="k", VersionId=version)["Grants"] == [GRANT]
    gateway.request("GET", f"/{filled}/none?acl").refused(404, "NoSuchKey")
    gateway.request("GET", "/none/k?acl").refused(404, "NoSuchBucket")
    gateway.request("GET", f"/{filled}/k?acl&versionId={'0' * 12}4{'0' * 19}").refused(404, "NoSuchVersion")


@pytest.mark.parametrize("canned", ["private", "public-read", "public-read-write", "authenticated-read"])
def test_an_acl_that_changes_nothing_is_taken(s3, gateway, filled, unchanged, canned):
    """Without a key everybody may do everything."""
    with unchanged(filled):
        s3.put_bucket_acl(Bucket=filled, ACL=canned)
        s3.put_object_acl(Bucket=filled, Key="k", ACL=canned)
    gateway.request("PUT", "/none?acl", b"", {"x-amz-acl": "private"}).refused(404, "NoSuchBucket")
    gateway.request("PUT", f"/{filled}/none?acl", b"", {"x-amz-acl": "private"}).refused(404, "NoSuchKey")


@pytest.mark.parametrize("target", ["/{}?acl", "/{}/k?acl"])
def test_the_acl_that_was_told_is_taken(gateway, filled, unchanged, target):
    """boto 2 and libs3 send back as a document what they were told, to give a copy the same rights."""
    told = gateway.request("GET", target.format(filled)).body
    with unchanged(filled):
        assert gateway.request("PUT", target.format(filled), told).status == 200


ID = "0" * 32
GRANTED = "<Grant><Grantee>{}</Grantee><Permission>{}</Permission></Grant>"
EVERYBODY = "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>"
OURS = GRANTED.format(f"<ID>{ID}</ID>", "FULL_CONTROL")


@pytest.mark.parametrize("target", ["/{}?acl", "/{}/k?acl"])
@pytest.mark.parametrize(
    ("owner", "grants"),
    [
        (ID, ""),
        (ID, GRANTED.format(f"<ID>{ID}</ID>", "READ")),
        (ID, GRANTED.format("<ID>1</ID>", "FULL_CONTROL")),
        (ID, GRANTED.format(EVERYBODY, "FULL_CONTROL")),
        (ID, OURS + GRANTED.format(EVERYBODY, "READ")),
        ("1", OURS),
    ],
)
def test_an_acl_that_grants_otherwise_is_refused(gateway, filled, unchanged, target, owner, grants):
    told = f"<Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList>"
    with unchanged(filled):
        answer = gateway.request(
            "PUT", target.format(filled), f"<AccessControlPolicy>{told}</AccessControlPolicy>".encode()
        )
        answer.refused(501, "NotImplemented")


@pytest.mark.parametrize(
    "body",
    [
        b"no document",
        b"<AccessControlPolicy><Other/></AccessControlPolicy>",
        b"<AccessControlPolicy><AccessControlList><Grant/></AccessControlList></AccessControlPolicy>",
        b"<AccessControlPolicy><AccessControlList><Other/></AccessControlList></AccessControlPolicy>",
    ],
)
def test_an_acl_that_is_no_document_of_s3_is_refused(gateway, filled, unchanged, body):
    with unchanged(filled):
        gateway.request("PUT", f"/{filled}?acl", body).refused(400, "MalformedXML")


@pytest.mark.parametrize("target", ["/{}?acl", "/{}/k?acl"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-amz-acl": "log-delivery-write"}, b""),
        ({"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}, b""),
        ({"x-amz-acl": "private", "x-amz-grant-read": "id=1"}, b""),
        ({}, b"<AccessControlPolicy/>"),
        ({"x-amz-acl": "private"}, b"<AccessControlPolicy/>"),
    ],
)
def test_every_other_acl_is_refused(gateway, filled, unchanged, target, headers, body):
    with unchanged(filled):
        gateway.request("PUT", target.format(filled), body, headers).refused(501, "NotImplemented")


@pytest.mark.parametrize("headers", [{}, {"x-amz-acl": ""}])
def test_an_acl_must_be_said(gateway, filled, headers):
    gateway.request("PUT", f"/{filled}?acl", b"", headers).refused(400, "MissingSecurityHeader")


@pytest.mark.parametrize("canned", ["public-ready", "Private", "public-read, private"])
@pytest.mark.parametrize("target", ["/{}?acl", "/{}/k?acl", "/{}/new", "/{}-new"])
def test_an_acl_that_is_none_is_refused(gateway, filled, unchanged, target, canned):
    with unchanged(filled):
        gateway.request("PUT", target.format(filled), b"", {"x-amz-acl": canned}).refused(400, "InvalidArgument")


def test_versioning_can_be_enabled_where_it_always_is(s3, filled, unchanged):
    with unchanged(filled):
        s3.put_bucket_versioning(Bucket=filled, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_versioning(Bucket=filled, VersioningConfiguration={"Status": "Enabled", "MFADelete": "Disabled"})
    assert s3.get_bucket_versioning(Bucket=filled)["Status"] == "Enabled"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ("<Status>Suspended</Status>", 409, "InvalidBucketState"),
        ("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", 501, "NotImplemented"),
        ("<Status>Suspended</Status><MfaDelete>Enabled</MfaDelete>", 501, "NotImplemented"),
        ("", 400, "IllegalVersioningConfigurationException"),
        ("<Status>on</Status>", 400, "MalformedXML"),
        ("<Other/>", 400, "MalformedXML"),
    ],
)
def test_versioning_cannot_be_changed(gateway, s3, filled, unchanged, content, status, code):
    with unchanged(filled):
        gateway.request("PUT", f"/{filled}?versioning", versioning(content)).refused(status, code)
    assert s3.get_bucket_versioning(Bucket=filled)["Status"] == "Enabled"


def test_a_versioning_document_is_refused_unread_when_it_is_too_large_or_the_bucket_is_not_there(gateway, filled):
    gateway.request("PUT", f"/{filled}?versioning", b"<" * 70_000).refused(400, "EntityTooLarge")
    gateway.request("PUT", "/none?versioning", versioning("<Status>Enabled</Status>")).refused(404, "NoSuchBucket")
