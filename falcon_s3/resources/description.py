"""`/bucket/key?attributes` and `?tagging`: what is told of an object beside its bytes."""

from __future__ import annotations

import falcon

from falcon_s3 import attributes, body, body_headers, checksums, errors, multipart, pfs, tags, xml
from falcon_s3.conditions import http_date
from falcon_s3.pfs import FileInfo, Pfs
from falcon_s3.request import S3Request
from falcon_s3.resources import version

LARGEST_DOCUMENT = 64 << 10
ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
MOST_PARTS = 1000


class Description:
    """The attributes and tags of a version."""

    def get_attributes(self, req: S3Request, resp: falcon.Response) -> None:
        """GetObjectAttributes (S3 API): those that x-amz-object-attributes names."""
        named = req.lower_headers.get("x-amz-object-attributes", "").strip()
        if not named:
            raise errors.InvalidRequest(
                "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
            )
        wanted = {name.strip() for name in named.split(",")}
        if not wanted <= set(ATTRIBUTES):
            raise errors.InvalidArgument(
                f"Invalid attribute name specified: there are {', '.join(ATTRIBUTES)}.",
                fields={"ArgumentName": "x-amz-object-attributes", "ArgumentValue": named},
            )
        behind = multipart.marker(req.lower_headers, "x-amz-part-number-marker")
        most = min(multipart.marker(req.lower_headers, "x-amz-max-parts") or MOST_PARTS, MOST_PARTS)
        file = version.asked_for(req)
        attributes.refuse_key(req.lower_headers)
        # Of how many parts a checksum is put together S3 tells behind it everywhere but here.
        bare = {name: value.partition("-")[0] for name, value in checksums.kept(file.attributes).items()}
        checksum = multipart.checksum_elements(bare)
        told = {
            "ETag": xml.element("ETag", file.etag),
            "Checksum": f"<Checksum>{checksum}</Checksum>" if checksum else "",
            "ObjectParts": self._parts(req.store, file, behind, most) if "ObjectParts" in wanted else "",
            "StorageClass": "<StorageClass>STANDARD</StorageClass>",
            "ObjectSize": xml.element("ObjectSize", str(file.size)),
        }
        resp.set_header("Last-Modified", http_date(file.modified_ms // 1000))
        resp.set_header("x-amz-version-id", file.commit.id)
        resp.data = xml.document(
            "GetObjectAttributesResponse", "".join(text for name, text in told.items() if name in wanted)
        )
        resp.content_type = xml.CONTENT_TYPE

    def _parts(self, store: Pfs, file: FileInfo, behind: int, most: int) -> str:
        parts = store.parts_of(file)
        if not parts:
            return ""
        page = multipart.page_of(parts, behind, most)
        rows = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><Size>{part.size}</Size>"
            f"{multipart.checksum_elements(part.attributes)}</Part>"
            for part in page.parts
        )
        about = page.elements(always_next=True)
        return f"<ObjectParts><PartsCount>{len(parts)}</PartsCount>{about}{rows}</ObjectParts>"

    def get_tagging(self, req: S3Request, resp: falcon.Response) -> None:
        """GetObjectTagging (S3 API)."""
        file = self._tagged(req)
        resp.set_header("x-amz-version-id", file.commit.id)
        resp.data = tags.tagging(tags.of_attributes(file.attributes))
        resp.content_type = xml.CONTENT_TYPE

    def put_tagging(self, req: S3Request, resp: falcon.Response) -> None:
        """PutObjectTagging (S3 API): the tags of a version are replaced; no commit is made."""
        expected = body_headers.expected_of(req.lower_headers)
        file = self._writable(req)
        document = body.read_small(req.open_body(), expected, LARGEST_DOCUMENT, req.chunk_verifier)
        self._set_tags(req, resp, file, tags.read_tagging(document))

    def delete_tagging(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteObjectTagging (S3 API)."""
        self._set_tags(req, resp, self._writable(req), {})
        resp.status = 204

    def _writable(self, req: S3Request) -> FileInfo:
        """The version asked for, where a write could go: not through the bucket of a finished commit."""
        req.store.check_write(req.ref, req.key)
        return self._tagged(req)

    def _tagged(self, req: S3Request) -> FileInfo:
        """The version asked for; where the newest is a delete marker, S3 says so here, and not that there is no object."""
        try:
            return version.asked_for(req)
        except pfs.FileRemoved as ex:
            raise version.only_deletable(ex, req.method) from ex

    def _set_tags(self, req: S3Request, resp: falcon.Response, file: FileInfo, given: tags.Tags) -> None:
        """Of a version in the history of the bucket: whoever may write to one branch may not to all of its repo."""
        for left in reversed(range(version.TRIES)):
            kept = {name: value for name, value in file.attributes.items() if name != tags.ATTRIBUTE}
            if given:
                kept[tags.ATTRIBUTE] = tags.header_of(given)
            try:
                req.store.set_attributes(req.ref, file, kept)
                break
            except pfs.Changed:
                if not left:
                    raise
                file = self._tagged(req)
            except pfs.FileNotFound:
                if "versionId" in req.query:
                    raise version.missing(req.key, req.query["versionId"]) from None
                raise
        resp.set_header("x-amz-version-id", file.commit.id)
