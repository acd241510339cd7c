"""`/bucket?versions`: every version of every object, the removed ones too."""

from __future__ import annotations

from itertools import islice

import falcon

from falcon_s3 import errors, pfs, xml
from falcon_s3.request import S3Request
from falcon_s3.resources.listing import MAX_KEYS, limit, url_encode


class Versions:
    """What the commits of a branch did to its files."""

    def list_object_versions(self, req: S3Request, resp: falcon.Response) -> None:
        """ListObjectVersions (S3 API): by key, the newest version first; delete markers where a commit removed one."""
        query = req.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        key_marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
        if version_marker and not key_marker:
            raise errors.InvalidArgument(
                "A version-id marker cannot be specified without a key marker.",
                fields={"ArgumentName": "version-id-marker", "ArgumentValue": version_marker},
            )
        encoded, most = url_encode(query), limit(query, "max-keys", MAX_KEYS)
        try:
            listed = req.store.list_versions(req.ref, prefix, key_marker, version_marker, delimiter)
        except pfs.CommitNotFound as ex:
            if ex.commit.id != version_marker:
                raise
            raise errors.InvalidArgument(
                "Invalid version id specified",
                fields={"ArgumentName": "version-id-marker", "ArgumentValue": version_marker},
            ) from ex
        versions = list(islice(listed, most + 1)) if most else []
        truncated = len(versions) > most
        del versions[most:]
        page = xml.VersionsPage(
            req.bucket,
            prefix,
            delimiter,
            key_marker,
            version_marker,
            most,
            versions[-1].path if truncated else None,
            (versions[-1].commit or None) if truncated else None,
            encoded,
        )
        resp.data = xml.list_versions_result(page, versions)
        resp.content_type = xml.CONTENT_TYPE
