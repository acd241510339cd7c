"""Files put together from parts, and copies: writes of the embedded store whose bytes are there already.

An upload belongs to a branch, not to its name: when the branch is deleted so are its uploads. Its parts are
contents like any other, named by rows of `part` and shown nowhere; finishing turns them into the pieces of one
content (see `pieces`) and writes nothing else again. A finished upload is remembered without its parts, and with the
file it became, so that the same request gets the same answer twice: an open commit may show another file by then.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence

import orjson

from falcon_s3.pfs import (
    Body,
    Check,
    Commit,
    FileInfo,
    FileNotFound,
    Part,
    PartNotFound,
    Ref,
    Upload,
    UploadNotFound,
    check_path,
    files,
    history,
    pieces,
    tree,
)
from falcon_s3.pfs.catalog import Catalog, Connection
from falcon_s3.pfs.contents import Contents, release
from falcon_s3.pfs.pieces import Piece
from falcon_s3.pfs.schema import now_ms

# How many uploads a listing reads at a time.
ROWS = 1000

UPLOAD = "SELECT id, path, started_ms, attributes FROM upload WHERE commit_id IS NULL AND place = ? AND "
PARTS = "SELECT number, size, etag, modified_ms, attributes FROM part WHERE upload = ?"


class Uploads:
    """What `EmbeddedPfs` does with parts and copies."""

    _catalog: Catalog
    _contents: Contents

    def copy_file(
        self,
        ref: Ref,
        path: str,
        source: FileInfo,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        check_path(path)

        def job(connection: Connection) -> FileInfo:
            write = files.begin_write(connection, ref, path, check)
            used = connection.execute(
                "UPDATE content SET uses = uses + 1, freed_ms = NULL WHERE id = ?", (source.content,)
            )
            if not used.rowcount:
                raise FileNotFound(source.path, source.commit)
            assert isinstance(source.content, int)  # a handle of this store
            return files.name(connection, write, path, source.content, source.size, source.etag, attributes)

        return self._catalog.write(job)

    def start_upload(self, ref: Ref, path: str, attributes: Mapping[str, str] | None = None) -> Upload:
        check_path(path)

        def job(connection: Connection) -> Upload:
            found = history.point(connection, ref)
            history.check_writable(found, ref)
            now = now_ms()
            upload = f"{now:012x}{secrets.token_hex(10)}"  # sorts by time
            connection.execute(
                "INSERT INTO upload (id, place, path, started_ms, attributes) VALUES (?, ?, ?, ?, ?)",
                (upload, place(found), path, now, files.encoded(attributes)),
            )
            return Upload(upload, path, now, attributes or {})

        return self._catalog.write(job)

    def inspect_upload(self, ref: Ref, path: str, upload: str) -> Upload:
        with self._catalog.read() as connection:
            return _inspect(connection, ref, path, upload)

    def list_uploads(
        self, ref: Ref, prefix: str = "", after: str = "", after_upload: str = "", delimiter: str = ""
    ) -> Iterator[Upload]:
        with self._catalog.read() as connection:
            where = place(history.point(connection, ref))
        folder = tree.folder_of(after, prefix, delimiter)
        if folder is not None:
            return self._list_uploads(where, prefix, tree.after_prefix(folder), "", delimiter)
        if after_upload and after >= prefix:
            return self._list_uploads(where, prefix, after, after_upload, delimiter)
        return self._list_uploads(where, prefix, max(prefix, after + "\0" if after else ""), "", delimiter)

    def _list_uploads(
        self, where: int, prefix: str, start: str | None, behind: str, delimiter: str
    ) -> Iterator[Upload]:
        stop = tree.after_prefix(prefix)
        while start is not None and (stop is None or start < stop):
            with self._catalog.read() as connection:
                rows = connection.execute(
                    UPLOAD + "path >= ? AND path < ? AND (path > ? OR id > ?) ORDER BY path, id LIMIT ?",
                    (where, start, tree.END if stop is None else stop, start, behind, ROWS),
                ).fetchall()
            skipped = ""
            for row in rows:
                upload = Upload(row[0], row[1], row[2], files.decoded(row[3]))
                start, behind = upload.path, upload.id
                if skipped and upload.path.startswith(skipped):
                    continue
                folder = tree.folder_of(upload.path, prefix, delimiter)
                skipped = folder or ""
                yield upload if folder is None else Upload("", folder, 0, {})
            if len(rows) < ROWS:
                return
            if skipped:
                start, behind = tree.after_prefix(skipped), ""

    def put_part(
        self,
        ref: Ref,
        path: str,
        upload: str,
        number: int,
        body: Body,
        attributes: Mapping[str, str] | None = None,
    ) -> Part:
        self.inspect_upload(ref, path, upload)
        staged = self._contents.stage(body)

        def job(connection: Connection) -> Part:
            _inspect(connection, ref, path, upload)  # it may have been finished or aborted meanwhile
            row = connection.execute(
                "SELECT content FROM part WHERE upload = ? AND number = ?", (upload, number)
            ).fetchone()
            content = self._contents.acquire(connection, staged)
            if row is not None:
                release(connection, row[0])
            part = Part(number, staged.size, staged.md5.hex(), now_ms(), attributes or {})
            connection.execute(
                "INSERT OR REPLACE INTO part (upload, number, content, size, etag, modified_ms, attributes)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (upload, number, content, *part[1:4], files.encoded(attributes)),
            )
            return part

        try:
            part = self._catalog.write(job)
        except BaseException:
            self._contents.discard(staged, failed=True)
            raise
        self._contents.discard(staged)
        return part

    def list_parts(self, ref: Ref, path: str, upload: str, after: int = 0) -> list[Part]:
        with self._catalog.read() as connection:
            _inspect(connection, ref, path, upload)
            rows = connection.execute(PARTS + " AND number > ? ORDER BY number", (upload, after)).fetchall()
            _inspect(connection, ref, path, upload)  # finished in between, it would seem to have no parts
        return [_part(row) for row in rows]

    def finish_upload(
        self,
        ref: Ref,
        path: str,
        upload: str,
        parts: Sequence[tuple[int, str]],
        etag: str,
        attributes: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> FileInfo:
        def job(connection: Connection) -> FileInfo:
            _inspect(connection, ref, path, upload)
            write = files.begin_write(connection, ref, path, check)
            wanted = _take_parts(connection, upload, parts)
            content = pieces.acquire(connection, wanted)
            size = sum(piece.size for piece in wanted)
            file = files.name(connection, write, path, content, size, etag, attributes)
            told = orjson.dumps((*file[2:5], dict(file.attributes), file.content)).decode()
            connection.execute(
                "UPDATE upload SET commit_id = ?, attributes = ? WHERE id = ?",
                (bytes.fromhex(file.commit.id), told, upload),
            )
            return file

        return self._catalog.write(job)

    def inspect_finished(self, ref: Ref, path: str, upload: str) -> FileInfo:
        with self._catalog.read() as connection:
            row = connection.execute(
                "SELECT commit_id, attributes FROM upload"
                " WHERE id = ? AND place = ? AND path = ? AND commit_id IS NOT NULL",
                (upload, place(history.point(connection, ref)), path),
            ).fetchone()
            if row is not None:
                commit = Commit(ref.repo, row[0].hex())
                told = orjson.loads(row[1] or "{}")
                if isinstance(told, list):
                    return FileInfo(commit, path, *told)
                # An older program finished it: what it was begun with is still there.
                view = files.view_of(connection, commit)
                file = files.find(connection, view, ref.repo, path)
                if file is not None and file.commit.id == row[0].hex():
                    return file
        raise UploadNotFound(upload)

    def abort_upload(self, ref: Ref, path: str, upload: str) -> None:
        def job(connection: Connection) -> None:
            _inspect(connection, ref, path, upload)
            drop(connection, upload)

        self._catalog.write(job)

    def parts_of(self, file: FileInfo) -> list[Part]:
        with self._catalog.read() as connection:
            rows = connection.execute(
                "SELECT position + 1, size, etag, modified_ms, attributes FROM piece WHERE content = ?"
                " ORDER BY position",
                (file.content,),
            ).fetchall()
        return [_part(row) for row in rows]


def _part(row: tuple[int, int, str, int, str | None]) -> Part:
    number, size, etag, modified_ms, attributes = row
    return Part(number, size, etag, modified_ms, files.decoded(attributes))


def place(found: history.Point) -> int:
    """Where an upload belongs: to a branch as long as it lives, or to a commit."""
    return found.branch_id or -found.number


def _inspect(connection: Connection, ref: Ref, path: str, upload: str) -> Upload:
    found = history.point(connection, ref)
    try:
        row = connection.execute(UPLOAD + "id = ? AND path = ?", (place(found), upload, path)).fetchone()
    except UnicodeEncodeError:
        row = None
    if row is None:
        raise UploadNotFound(upload)
    return Upload(row[0], row[1], row[2], files.decoded(row[3]))


def _take_parts(connection: Connection, upload: str, wanted: Sequence[tuple[int, str]]) -> list[Piece]:
    """The wanted parts as pieces, whose uses are the caller's; the others are let go. Raises PartNotFound."""
    rows = connection.execute(
        "SELECT number, content.id, digest, part.size, etag, modified_ms, attributes FROM part"
        " JOIN content ON content.id = part.content WHERE upload = ?",
        (upload,),
    ).fetchall()
    there = {row[0]: Piece._make(row[1:]) for row in rows}
    taken = []
    for number, etag in wanted:
        piece = there.pop(number, None)
        if piece is None or piece.etag != etag:
            raise PartNotFound(upload, number)
        taken.append(piece)
    for piece in there.values():
        release(connection, piece.content)
    connection.execute("DELETE FROM part WHERE upload = ?", (upload,))
    return taken


def drop(connection: Connection, upload: str) -> int:
    """Inside a job: the upload and its parts are no more; gives how many parts these were."""
    parts = connection.execute("SELECT content FROM part WHERE upload = ?", (upload,)).fetchall()
    for (content,) in parts:
        release(connection, content)
    connection.execute("DELETE FROM part WHERE upload = ?", (upload,))
    connection.execute("DELETE FROM upload WHERE id = ?", (upload,))
    return len(parts)


def stale(connection: Connection, before_ms: int) -> list[str]:
    """The uploads that began before, or whose branch or commit is gone. Reads all there are: not for a job."""
    rows = connection.execute(
        "SELECT id FROM upload WHERE started_ms < ?"
        " OR (place > 0 AND NOT EXISTS (SELECT 1 FROM branch WHERE branch.id = upload.place))"
        ' OR (place < 0 AND NOT EXISTS (SELECT 1 FROM "commit" WHERE "commit".number = -upload.place))',
        (before_ms,),
    ).fetchall()
    return [upload for (upload,) in rows]


def drop_some(connection: Connection, uploads: Sequence[str], most: int) -> int:
    """Inside a job: drop the first of the uploads, one at least, until they had so many parts; gives how many."""
    parts = 0
    for dropped, upload in enumerate(uploads):
        if parts >= most:
            return dropped
        parts += 1 + drop(connection, upload)
    return len(uploads)
