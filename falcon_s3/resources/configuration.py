"""The sub-resources of a bucket or object that configure it, answered as one that has none of them.

Tools ask for these before they do anything else, so what S3 says of a bucket without them is said here too. One
table for buckets and one for objects; what is in neither is refused by `routing`. Rule: nothing is accepted that
would change what a bucket or object is; what asks for no change is.

Source: S3 API reference, one page for each operation (GetBucketAcl, GetBucketPolicy, ...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import falcon

from falcon_s3 import body, body_headers, errors, xml, xml_reader
from falcon_s3.request import S3Request
from falcon_s3.resources import version
from falcon_s3.rights import check_grants

# No AccessControlPolicy, of at most 100 grants, and no VersioningConfiguration comes near this.
LARGEST_DOCUMENT = 64 << 10
# What GetBucketAcl and GetObjectAcl tell, as clients send it back.
ACL = xml_reader.AccessControl(xml.OWNER.id, frozenset({(xml.OWNER.id, "FULL_CONTROL")}))

# What a verb and a sub-resource are answered with: a document, the error that says there is none, or b"" for 204.
Answer = bytes | type[errors.S3Error]
NOTHING = b""

OF_BUCKETS: Mapping[tuple[str, str], Answer] = {
    ("GET", "accelerate"): xml.configuration("AccelerateConfiguration"),
    ("GET", "acl"): xml.access_control_policy(),
    ("GET", "cors"): errors.NoSuchCORSConfiguration,
    ("GET", "encryption"): errors.ServerSideEncryptionConfigurationNotFoundError,
    ("GET", "lifecycle"): errors.NoSuchLifecycleConfiguration,
    ("GET", "logging"): xml.configuration("BucketLoggingStatus"),
    ("GET", "notification"): xml.configuration("NotificationConfiguration"),
    ("GET", "object-lock"): errors.ObjectLockConfigurationNotFoundError,
    ("GET", "ownershipControls"): xml.configuration(
        "OwnershipControls", "Rule", "ObjectOwnership", text="BucketOwnerEnforced"
    ),
    ("GET", "policy"): errors.NoSuchBucketPolicy,
    ("GET", "policyStatus"): xml.configuration("PolicyStatus", "IsPublic", text="false"),
    ("GET", "publicAccessBlock"): errors.NoSuchPublicAccessBlockConfiguration,
    ("GET", "replication"): errors.ReplicationConfigurationNotFoundError,
    ("GET", "requestPayment"): xml.configuration("RequestPaymentConfiguration", "Payer", text="BucketOwner"),
    ("GET", "tagging"): errors.NoSuchTagSet,
    ("GET", "website"): errors.NoSuchWebsiteConfiguration,
    # Removing what is not there succeeds.
    ("DELETE", "cors"): NOTHING,
    ("DELETE", "encryption"): NOTHING,
    ("DELETE", "lifecycle"): NOTHING,
    ("DELETE", "policy"): NOTHING,
    ("DELETE", "publicAccessBlock"): NOTHING,
    ("DELETE", "replication"): NOTHING,
    ("DELETE", "tagging"): NOTHING,
    ("DELETE", "website"): NOTHING,
}
OF_OBJECTS: Mapping[tuple[str, str], Answer] = {
    ("GET", "acl"): xml.access_control_policy(),
}

Responder = Callable[[S3Request, falcon.Response], None]


class Configuration:
    """What is configured on buckets and objects, which is nothing."""

    def of_buckets(self) -> Iterator[tuple[str, str, Responder]]:
        """Everything answered of a bucket: verb, sub-resource and responder."""
        for (verb, sub), answer in OF_BUCKETS.items():
            yield verb, sub, partial(self._answer, self._find_bucket, answer)
        yield "PUT", "acl", partial(self._put_acl, self._find_bucket)
        yield "PUT", "versioning", self._put_versioning

    def of_objects(self) -> Iterator[tuple[str, str, Responder]]:
        """Everything answered of an object."""
        for (verb, sub), answer in OF_OBJECTS.items():
            yield verb, sub, partial(self._answer, version.asked_for, answer)
        yield "PUT", "acl", partial(self._put_acl, version.asked_for)

    def _find_bucket(self, req: S3Request) -> None:
        version.require_bucket(req.store, req.ref)

    def _answer(self, find: Callable[[S3Request], Any], answer: Answer, req: S3Request, resp: falcon.Response) -> None:
        find(req)
        if isinstance(answer, type):
            raise answer
        if answer == NOTHING:
            resp.status = 204
        else:
            resp.data = answer
            resp.content_type = xml.CONTENT_TYPE

    def _put_acl(self, find: Callable[[S3Request], Any], req: S3Request, resp: falcon.Response) -> None:
        """PutBucketAcl and PutObjectAcl (S3 API): only one that changes nothing."""
        headers = req.lower_headers
        find(req)
        check_grants(headers, req.place, req.everybody)
        if has_body(headers):
            if xml_reader.read_access_control(self._document(req)) != ACL:
                raise errors.NotImplemented(
                    "Access control lists are not implemented; only the one that is told is taken."
                )
        elif not headers.get("x-amz-acl"):
            raise errors.MissingSecurityHeader("Your request was missing a required header: x-amz-acl")

    def _put_versioning(self, req: S3Request, resp: falcon.Response) -> None:
        """PutBucketVersioning (S3 API): it is on, and stays so."""
        self._find_bucket(req)
        wanted = xml_reader.read_versioning(self._document(req))
        if wanted.mfa_delete == "Enabled":
            raise errors.NotImplemented("MFA delete is not implemented.")
        if wanted.status != "Enabled":
            raise errors.InvalidBucketState("Versioning is always on: every write is a commit. It cannot be suspended.")

    def _document(self, req: S3Request) -> bytes:
        expected = body_headers.expected_of(req.lower_headers)
        return body.read_small(req.open_body(), expected, LARGEST_DOCUMENT, req.chunk_verifier)


def has_body(headers: Mapping[str, str]) -> bool:
    """Whether the headers announce a body that is not empty."""
    length = headers.get("x-amz-decoded-content-length", headers.get("content-length", "0"))
    return length != "0" or ("transfer-encoding" in headers and "x-amz-decoded-content-length" not in headers)
