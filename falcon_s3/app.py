"""create_app: the one place where the parts are put together, and the one where errors become answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import falcon

from falcon_s3 import errors, xml
from falcon_s3.admission import Gatekeeper
from falcon_s3.answers import PLACE, Answers, Application
from falcon_s3.auth import Authentication
from falcon_s3.cors import Origins
from falcon_s3.deferral import Starts
from falcon_s3.job import Job
from falcon_s3.pfs import Pfs
from falcon_s3.pfs.kept import Kept
from falcon_s3.plain_puts import PlainPuts
from falcon_s3.request import REQUEST_ID, S3Request, is_host
from falcon_s3.resources.bucket import REGION, Bucket
from falcon_s3.resources.configuration import Configuration
from falcon_s3.resources.copy import Copy
from falcon_s3.resources.deletion import Deletion
from falcon_s3.resources.description import Description
from falcon_s3.resources.form import Form
from falcon_s3.resources.job import JobBuckets
from falcon_s3.resources.listing import Listing
from falcon_s3.resources.object import Object
from falcon_s3.resources.service import Service
from falcon_s3.resources.uploads import Uploads
from falcon_s3.resources.versions import Versions
from falcon_s3.rights import Right
from falcon_s3.routing import BUCKET, COPY, OBJECT, OWN, SERVICE, Responder, S3Router, split_path

FIRST_REGION = xml.FIRST_REGION
NO_ORIGINS = Origins(())
CONTINUE = "100-continue"
HTTP_1_1 = "HTTP/1.1"
CHUNKED = "chunked"
# A body up to here that nobody wanted is read, to keep the connection.
DROPPED_BYTES = 1 << 20
# A length that is worth comparing with it.
_LENGTH = re.compile("[0-9]{1,8}")

Operation = tuple[str, str, str]
# The rights that an operation asks for, any one of which lets it begin, where the verb does not tell: nothing at all
# for what asks by itself (`Rights.check_change`, before the body), and both for what asks again for each object it
# removes, or version.
NEEDED: Mapping[Operation, tuple[Right, ...]] = {
    (BUCKET, "POST", ""): (),
    (BUCKET, "POST", "delete"): (Right.WRITE, Right.PURGE),
    (OBJECT, "DELETE", ""): (Right.WRITE, Right.PURGE),
}


class Envelope:
    """Middleware: what every request and every answer has, and what becomes of a body that nobody read."""

    def __init__(self, pfs: Pfs):
        self._pfs = pfs

    def process_request(self, req: S3Request, resp: falcon.Response) -> None:
        """Raises BadRequest for a request without one good Host, as RFC 9112 section 3.2 wants; only HTTP/1.0 has none.

        NotImplemented for a body that is encoded more than for the way (section 6.1): the code would be stored.
        """
        req.store = self._pfs
        resp.set_header(REQUEST_ID, req.request_id)
        host = req.env.get("HTTP_HOST", "")
        if not is_host(host) and (host or req.env["SERVER_PROTOCOL"] == HTTP_1_1):
            raise errors.BadRequest("The request must have one Host header, which names a host and perhaps a port.")
        if req.lower_headers.get("transfer-encoding", CHUNKED).lower() != CHUNKED:
            raise errors.NotImplemented("The only Transfer-Encoding that is taken is chunked.")

    def process_response(self, req: S3Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        """Leave the connection as the next request needs it: a body that nobody read would be taken for one.

        What is small, or on its way already, is read and dropped; else the connection ends with the answer, and a
        client that waits for 100 Continue need not send its body at all. An empty body is not asked for (RFC 9110
        section 10.1.1); botocore 1.43, which waits for that, would misread the next answer of the connection. Any
        other expectation is left aside, as that section allows and S3 does.
        """
        headers = req.lower_headers
        expecting = headers.get("expect", "").lower() == CONTINUE
        length = headers.get("content-length", "0")
        if length == "0" and "transfer-encoding" not in headers:
            if expecting:
                resp.set_header("Connection", "close")
            return
        if succeeded and req.is_reading:
            return
        if (expecting and not req.is_reading) or not _LENGTH.fullmatch(length) or int(length) > DROPPED_BYTES:
            resp.set_header("Connection", "close")
            return
        read, left = req.open_body(), DROPPED_BYTES + 1
        while left and (dropped := read(left)):
            left -= len(dropped)
        if not left:  # chunked, and nobody knows how long
            resp.set_header("Connection", "close")


class Preflight:
    """Middleware: a browser that asks whether it may send a request is answered before anybody asks who it is."""

    def __init__(self, origins: Origins):
        self._origins = origins

    def process_request(self, req: S3Request, resp: falcon.Response) -> None:
        if req.method == "OPTIONS":
            resp.set_headers(self._origins.preflight(req.lower_headers))
            resp.complete = True


class CrossOrigin:
    """Middleware, where there are origins: what browsers are told with every answer."""

    def __init__(self, origins: Origins):
        self._origins = origins

    def process_response(self, req: S3Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        resp.set_headers(self._origins.answer(req.lower_headers.get("origin"), resp.headers))


def operations(
    region: str,
    gatekeeper: Gatekeeper | None = None,
    check: Callable[[], None] | None = None,
    starts: Starts | None = None,
    origins: Origins = NO_ORIGINS,
) -> dict[Operation, Responder]:
    """Everything that is answered; all else in S3 is refused by `routing`. What each needs `needed` tells."""
    service, bucket, listing = Service(region, check), Bucket(region), Listing()
    thing, deletion, versions = Object(starts), Deletion(), Versions()
    uploads, copy, description = Uploads(), Copy(), Description()
    configuration = Configuration()
    form = Form(gatekeeper, region, origins)
    return {
        **{(BUCKET, verb, sub): responder for verb, sub, responder in configuration.of_buckets()},
        **{(OBJECT, verb, sub): responder for verb, sub, responder in configuration.of_objects()},
        (SERVICE, "GET", ""): service.list_buckets,
        (SERVICE, "HEAD", ""): service.list_buckets,
        (BUCKET, "GET", ""): listing.list_objects,
        (BUCKET, "HEAD", ""): bucket.head,
        (BUCKET, "PUT", ""): bucket.create,
        (BUCKET, "DELETE", ""): bucket.delete,
        (BUCKET, "GET", "location"): bucket.location,
        (BUCKET, "GET", "versioning"): bucket.versioning,
        (BUCKET, "GET", "versions"): versions.list_object_versions,
        (BUCKET, "POST", ""): form.upload,
        (BUCKET, "POST", "delete"): deletion.delete_objects,
        (OBJECT, "GET", ""): thing.get,
        (OBJECT, "HEAD", ""): thing.head,
        (OBJECT, "PUT", ""): thing.put,
        (OBJECT, "DELETE", ""): thing.delete,
        (OBJECT, "GET", "partNumber"): thing.get,
        (OBJECT, "HEAD", "partNumber"): thing.head,
        (OBJECT, "PUT", COPY): copy.copy_object,
        (OBJECT, "GET", "attributes"): description.get_attributes,
        (OBJECT, "GET", "tagging"): description.get_tagging,
        (OBJECT, "PUT", "tagging"): description.put_tagging,
        (OBJECT, "DELETE", "tagging"): description.delete_tagging,
        (BUCKET, "GET", "uploads"): uploads.list_uploads,
        (OBJECT, "POST", "uploads"): uploads.create,
        (OBJECT, "PUT", "uploadId"): uploads.put_part,
        (OBJECT, "PUT", f"uploadId{COPY}"): uploads.copy_part,
        (OBJECT, "GET", "uploadId"): uploads.list_parts,
        (OBJECT, "POST", "uploadId"): uploads.complete,
        (OBJECT, "DELETE", "uploadId"): uploads.abort,
        (OWN, "GET", "health"): service.health,
        (OWN, "HEAD", "health"): service.health,
        (OWN, "GET", "ready"): service.ready,
        (OWN, "HEAD", "ready"): service.ready,
    }


def operations_of_job(job: Job, table: Mapping[Operation, Responder]) -> dict[Operation, Responder]:
    """What is answered of a gateway's operations where only the buckets of a job are shown."""
    limits = JobBuckets(job)
    inside = {each: limits.within(each[1], answer) for each, answer in table.items() if each[0] in (BUCKET, OBJECT)}
    for versions in ((BUCKET, "GET", "versions"), (BUCKET, "PUT", "versioning")):
        del inside[versions]
    return {
        **{each: answer for each, answer in table.items() if each[0] == OWN},
        **inside,
        (SERVICE, "GET", ""): limits.list_buckets,
        (SERVICE, "HEAD", ""): limits.list_buckets,
        (BUCKET, "PUT", ""): limits.create,
        (BUCKET, "DELETE", ""): limits.delete,
        (BUCKET, "GET", "versioning"): limits.versioning,
    }


def needed(operation: Operation) -> tuple[Right, ...]:
    """Any one of these rights to its bucket lets an operation begin; without a bucket there is none to ask for."""
    shape, verb, _ = operation
    if shape in (SERVICE, OWN):
        return ()
    return NEEDED.get(operation, (Right.READ,) if verb in ("GET", "HEAD") else (Right.WRITE,))


def authorised(responder: Responder, rights: tuple[Right, ...], origins: Origins = NO_ORIGINS) -> Responder:
    """The responder for those who have one of the rights: AccessDenied for others, before a body is read.

    Where all have them, AccessForbidden for pages of other sites than `origins`.
    """
    if not rights:
        return responder

    def read(req: S3Request, resp: falcon.Response) -> None:
        req.rights.check(req.place, *rights)
        req.env[PLACE] = req.place
        responder(req, resp)

    def change(req: S3Request, resp: falcon.Response) -> None:
        if req.everybody.is_unlimited(Right.WRITE):
            origins.check_change(req.lower_headers)
        req.rights.check_change(req.store, req.place, *rights)
        responder(req, resp)

    return read if Right.READ in rights else change


def create_app(
    pfs: Pfs,
    gatekeeper: Gatekeeper | None = None,
    region: str = FIRST_REGION,
    domains: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    job: Job | None = None,
    check: Callable[[], None] | None = None,
    kept: Kept | None = None,
    starts: Starts | None = None,
) -> Application:
    """The gateway over a store. Without a gatekeeper everybody may do everything.

    `domains` are those whose subdomains are buckets, in lower case; `origins` are patterns of `cors`. With a `job`
    only its buckets are shown. `check` raises while the store cannot answer, which `/~/ready` tells. With a
    `kept`, the store's own, answers are kept too. `starts` is the store where it can start writes.
    """
    allowed = Origins(origins)
    middleware: list[Any] = [Envelope(pfs), Preflight(allowed)]
    if allowed:
        middleware.append(CrossOrigin(allowed))
    authentication = None if gatekeeper is None else Authentication(gatekeeper, region, domains)
    if authentication is not None:
        middleware.append(authentication)
    answered = operations(region, gatekeeper, check, starts, allowed)
    if job is not None:
        answered = operations_of_job(job, answered)
    table = {each: authorised(answer, needed(each), allowed) for each, answer in answered.items()}
    router: Any = S3Router(
        table, domains, None if job is None else job.places
    )  # Falcon's types know its own router only
    app = falcon.App(media_type=xml.CONTENT_TYPE, request_type=S3Request, router=router, middleware=middleware)

    def refuse(req: S3Request, resp: falcon.Response, ex: Exception, params: dict[str, object]) -> None:
        render(req, resp, ex, params)
        if req.method == "HEAD" and resp.status_code == 403 and names_bucket(req, domains):
            resp.set_header(REGION, region)

    app.add_error_handler(Exception, refuse)
    if kept is None:
        return app
    # Where a bucket has other names, or an answer more headers, no PUT is plain.
    puts = None if starts is None or job or domains or allowed else PlainPuts(starts, authentication)
    return Answers(app, kept, authentication, puts)


def names_bucket(req: S3Request, domains: tuple[str, ...]) -> bool:
    """Whether a refused request is about a bucket, though it may have been refused before anybody looked.

    HeadBucket tells the region "regardless of the permissions on the bucket" (S3 API), so that who cannot sign for it
    yet can find out. It tells nothing else: a 403 comes before a look at whether there is such a bucket, and all of
    them are in one region.
    """
    if not req.bucket:
        with suppress(errors.S3Error):
            split_path(req, domains)
    return bool(req.bucket) and not req.key


def render(req: S3Request, resp: falcon.Response, ex: Exception, params: dict[str, object]) -> None:
    """Any error as S3 has it: status, headers and, but for HEAD, the document."""
    error = req.told_of(ex)
    resp.status = error.status
    resp.stream = None
    # What was said of an object by then is not true of the document: with its Content-Encoding no client could read that,
    # and with its Cache-Control a proxy would keep it.
    for name in resp.headers.keys() - {REQUEST_ID}:
        resp.delete_header(name)
    for name, value in error.headers.items():
        resp.set_header(name, value)
    resp.content_type = xml.CONTENT_TYPE
    if isinstance(error, errors.InvalidAction):
        resp.data = xml.action_error_document(error, req.request_id)
    else:
        resp.data = xml.error_document(error, req.path, req.request_id)
