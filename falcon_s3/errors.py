"""S3's errors: the class name is the code that clients see, the attributes are the status and the message.

Raised low, by any module, without knowing the request; rendered once, in `app`. `of` tells which S3 error an
error of the store is. Codes and messages: S3 API reference, "Error responses".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from falcon_s3 import pfs

# What is wrong with a header of which nothing arrived.
LOST_TEXT = "is empty, or holds bytes beyond ASCII: leave it out, or encode them (RFC 8187, or RFC 2047 for metadata)."


class S3Error(Exception):
    """The request is refused. `fields` are more elements of the document, `headers` more of the answer."""

    status: ClassVar[int] = 400
    message: str = "The request is not valid."

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        if message is not None:
            self.message = message
        self.fields = fields or {}
        self.headers = headers or {}
        super().__init__(self.message)

    @property
    def code(self) -> str:
        return type(self).__name__


class AccessDenied(S3Error):
    status = 403
    message = "Access Denied"


class AccessForbidden(S3Error):
    status = 403
    message = (
        "CORSResponse: This CORS request is not allowed: the gateway was not started with this origin,"
        " or a header that is asked for is none."
    )


class AuthorizationHeaderMalformed(S3Error):
    message = "The authorization header you provided is invalid."


class AuthorizationQueryParametersError(S3Error):
    message = "The query parameters of the presigned request are not valid."


class BadDigest(S3Error):
    message = "The digest you specified did not match what we received."


class BadRequest(S3Error):
    message = "Bad Request"


class BucketAlreadyOwnedByYou(S3Error):
    status = 409
    message = "The bucket you tried to create already exists, and you own it."


class BucketNotEmpty(S3Error):
    status = 409
    message = "The bucket you tried to delete is not empty."


class EntityTooLarge(S3Error):
    message = "Your proposed upload exceeds the maximum allowed object size."


class EntityTooSmall(S3Error):
    message = "Your proposed upload is smaller than the minimum allowed object size."


class IllegalVersioningConfigurationException(S3Error):
    message = "The versioning configuration specified in the request is invalid."


class IncompleteBody(S3Error):
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header."


class InsufficientCapacity(S3Error):
    """S3's code where there are disks that can be full: on Outposts, and on FSx.

    The SDKs do not try again after 507, as they do after 500 and 503 (RFC 4918: not before the user says so), and do not
    take it for a request rate, as they do 503.
    """

    status = 507
    message = "Nothing was changed."


class InternalError(S3Error):
    status = 500
    message = "We encountered an internal error. Please try again."


class InvalidAccessKeyId(S3Error):
    status = 403
    message = "The AWS access key ID you provided does not exist in our records."


class InvalidAction(S3Error):
    """What STS and IAM say of an action that they do not know (IAM API reference, "Common errors")."""

    message = (
        "There is no service but S3 here: no users, roles or temporary credentials. Access keys are used as they are."
    )


class InvalidArgument(S3Error):
    message = "Invalid Argument"


class InvalidBucketName(S3Error):
    message = "The specified bucket is not valid."


class InvalidBucketState(S3Error):
    status = 409
    message = "The request is not valid for the current state of the bucket."


class InvalidDigest(S3Error):
    message = "The Content-MD5 you specified is not valid."


class InvalidFilePath(S3Error):
    message = "Invalid file path"


class InvalidPart(S3Error):
    message = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the"
        " specified entity tag may not match the part's entity tag."
    )


class InvalidPartOrder(S3Error):
    message = "The list of parts was not in ascending order. Parts must be ordered by part number."


class InvalidPolicyDocument(S3Error):
    message = "The content of the form does not meet the conditions specified in the policy document."


class InvalidRange(S3Error):
    status = 416
    message = "The requested range is not satisfiable"


class InvalidRedirectLocation(S3Error):
    message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."


class InvalidRequest(S3Error):
    message = "The request is not valid."


class InvalidStorageClass(S3Error):
    message = "The storage class you specified is not valid: there is only STANDARD."


class InvalidToken(S3Error):
    message = "The provided token is malformed or otherwise invalid."


class InvalidTag(S3Error):
    message = "The tag provided was not a valid tag."


class InvalidURI(S3Error):
    message = "Couldn't parse the specified URI."


class KeyTooLongError(S3Error):
    message = "Your key is too long."


class MalformedPOSTRequest(S3Error):
    message = "The body of your POST request is not well-formed multipart/form-data."


class MalformedXML(S3Error):
    message = "The XML you provided was not well-formed or did not validate against our published schema."


class MalformedTrailerError(S3Error):
    message = "The request contained trailing data that was not well-formed or not what x-amz-trailer announced."


class MaxPostPreDataLengthExceededError(S3Error):
    message = "Your POST request fields preceding the upload file were too large."


class MetadataTooLarge(S3Error):
    message = "Your metadata headers exceed the maximum allowed metadata size."


class MethodNotAllowed(S3Error):
    status = 405
    message = "The specified method is not allowed against this resource."


class MissingContentLength(S3Error):
    status = 411
    message = "You must provide the Content-Length HTTP header."


class MissingSecurityHeader(S3Error):
    message = "Your request was missing a required header."


class NoSuchBucket(S3Error):
    status = 404
    message = "The specified bucket does not exist"


class NoSuchBucketPolicy(S3Error):
    status = 404
    message = "The bucket policy does not exist"


class NoSuchCORSConfiguration(S3Error):
    status = 404
    message = "The CORS configuration does not exist"


class NoSuchKey(S3Error):
    status = 404
    message = "The specified key does not exist."


class NoSuchUpload(S3Error):
    status = 404
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or"
        " completed."
    )


class NoSuchLifecycleConfiguration(S3Error):
    status = 404
    message = "The lifecycle configuration does not exist"


class NoSuchPublicAccessBlockConfiguration(S3Error):
    status = 404
    message = "The public access block configuration was not found"


class NoSuchTagSet(S3Error):
    status = 404
    message = "The TagSet does not exist"


class NoSuchVersion(S3Error):
    status = 404
    message = "The specified version does not exist."


class NoSuchWebsiteConfiguration(S3Error):
    status = 404
    message = "The specified bucket does not have a website configuration"


class NotImplemented(S3Error):  # noqa: A001  the class name is S3's code
    status = 501
    message = "A header or query you provided implies functionality that is not implemented."


class ObjectLockConfigurationNotFoundError(S3Error):
    status = 404
    message = "Object Lock configuration does not exist for this bucket"


class PreconditionFailed(S3Error):
    status = 412
    message = "At least one of the pre-conditions you specified did not hold"


class ReplicationConfigurationNotFoundError(S3Error):
    status = 404
    message = "The replication configuration was not found"


class RequestTimeTooSkewed(S3Error):
    status = 403
    message = "The difference between the request time and the server's time is too large."


class ServerSideEncryptionConfigurationNotFoundError(S3Error):
    status = 404
    message = "The server side encryption configuration was not found"


class ServiceUnavailable(S3Error):
    status = 503
    message = "Please try again later."


class SignatureDoesNotMatch(S3Error):
    status = 403
    message = (
        "The request signature we calculated does not match the signature you provided."
        " Check your key and signing method."
    )


class WriteToOutputBranch(S3Error):
    """Pachyderm's own code: the branch is written by a pipeline."""

    message = "You cannot write to an output branch"


class XAmzContentSHA256Mismatch(S3Error):
    message = "The provided 'x-amz-content-sha256' header does not match what was computed."


# The first row that fits decides.
OF_THE_STORE: tuple[tuple[type[pfs.PfsError], type[S3Error]], ...] = (
    (pfs.FileNotFound, NoSuchKey),
    (pfs.UploadNotFound, NoSuchUpload),
    (pfs.PartNotFound, InvalidPart),
    (pfs.NotFound, NoSuchBucket),
    (pfs.InvalidName, InvalidBucketName),
    (pfs.InvalidPath, InvalidFilePath),
    (pfs.BranchExists, BucketAlreadyOwnedByYou),
    (pfs.BranchNotEmpty, BucketNotEmpty),
    (pfs.OutputBranch, WriteToOutputBranch),
    (pfs.CommitFinished, AccessDenied),
    (pfs.Denied, AccessDenied),
    (pfs.Unsupported, NotImplemented),
    (pfs.DiskFull, InsufficientCapacity),
    (pfs.Unavailable, ServiceUnavailable),
    (pfs.PfsError, InvalidRequest),
)


def of(ex: BaseException) -> S3Error:
    """The S3 error that a client is told of; InternalError for what nobody foresaw."""
    if isinstance(ex, S3Error):
        return ex
    for store_error, s3_error in OF_THE_STORE:
        if isinstance(ex, store_error):
            headers = {"Retry-After": "1"} if s3_error is ServiceUnavailable else None
            if isinstance(ex, pfs.FileRemoved):  # S3: the newest version is a delete marker
                headers = {"x-amz-delete-marker": "true", "x-amz-version-id": ex.commit.id}
            if isinstance(ex, pfs.Unavailable):  # what is wrong comes first, and S3's words do not tell
                text = str(ex).rstrip(".")
                return s3_error(f"{text[:1].upper()}{text[1:]}. {s3_error.message}", headers=headers)
            return s3_error(f"{s3_error.message.rstrip('.')}: {ex}", headers=headers)
    return InternalError()
