"""`POST /bucket?delete`: many objects removed in one commit, and versions taken out of history."""

from __future__ import annotations

from collections.abc import Sequence

import falcon

from falcon_s3 import body, body_headers, conditions, errors, pfs, xml, xml_reader
from falcon_s3.pfs import Pfs, Ref
from falcon_s3.request import S3Request
from falcon_s3.resources.version import is_name, log_removal
from falcon_s3.rights import Right
from falcon_s3.xml import Deleted, Failure
from falcon_s3.xml_reader import ObjectIdentifier

LARGEST_DOCUMENT = 2 << 20
# Why no version can be taken out of a bucket: no reason to say nothing of the objects that are deleted beside them.
KEPT_VERSIONS = (pfs.CommitFinished, pfs.OutputBranch, pfs.Unsupported)


class Deletion:
    """The objects that one request names."""

    def delete_objects(self, req: S3Request, resp: falcon.Response) -> None:
        """DeleteObjects (S3 API): at most 1,000 keys; one commit. What cannot be deleted is told by key.

        An object with a condition of its own is a commit of its own, for the condition decides only about it.
        """
        ref = req.ref
        expected = body_headers.expected_of(req.lower_headers)
        document = body.read_small(req.open_body(), expected, LARGEST_DOCUMENT, req.chunk_verifier)
        wanted = xml_reader.read_delete(document)
        plain: list[ObjectIdentifier] = []
        versions: list[ObjectIdentifier] = []
        deleted: list[Deleted] = []
        failures: list[Failure] = []
        for each in wanted.objects:
            try:
                right = Right.WRITE if each.version_id is None else Right.PURGE
                req.rights.check_change(req.store, req.place, right)
                check_key(each.key)
                if each.version_id is not None and not is_name(each.version_id):
                    raise errors.NoSuchVersion
                check = conditions.delete_check(each.etag, each.size, each.modified)
                if check is not None and each.version_id is None:
                    deleted += self._delete_files(req.store, ref, [each], check)
                elif check is not None:
                    deleted += self._delete_versions(req, ref, [each], check)
                else:
                    (plain if each.version_id is None else versions).append(each)
            except (errors.S3Error, pfs.InvalidPath, pfs.Unsupported) as ex:
                error = errors.of(ex)
                failures.append(Failure(each.key, error.code, error.message, each.version_id))
        deleted += self._delete_files(req.store, ref, plain)
        try:
            deleted += self._delete_versions(req, ref, versions)
        except errors.S3Error as error:
            failures += [Failure(each.key, error.code, error.message, each.version_id) for each in versions]
        resp.data = xml.delete_result([] if wanted.quiet else deleted, failures)
        resp.content_type = xml.CONTENT_TYPE

    def _delete_files(
        self, store: Pfs, ref: Ref, objects: Sequence[ObjectIdentifier], check: pfs.Check | None = None
    ) -> list[Deleted]:
        gone: set[str] = set()
        keys = list(dict.fromkeys(each.key for each in objects))
        commit = store.delete_files(ref, keys, check, gone)
        return [Deleted(key, None, commit.id if commit is not None and key in gone else None) for key in keys]

    def _delete_versions(
        self, req: S3Request, ref: Ref, objects: Sequence[ObjectIdentifier], check: pfs.Check | None = None
    ) -> list[Deleted]:
        if not objects:
            return []
        try:
            removed = req.store.delete_versions(ref, [(each.key, each.version_id or "") for each in objects], check)
        except KEPT_VERSIONS as ex:
            raise errors.of(ex) from ex
        log_removal(req, [one for one in removed if one is not None])
        return [
            Deleted(each.key, each.version_id, each.version_id if one is not None and one.is_removal else None)
            for each, one in zip(objects, removed, strict=True)
        ]


def check_key(key: str) -> None:
    """Raise KeyTooLongError or pfs.InvalidPath for a key that no object has."""
    if len(key.encode(errors="replace")) > pfs.PATH_BYTES:
        raise errors.KeyTooLongError
    pfs.check_path(key)
