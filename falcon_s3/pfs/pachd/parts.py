"""Parts of an upload, in the open commit that keeps it: each two files, which one stream of changes brings together.

    /NNNNN/data     the bytes of part NNNNN
    /NNNNN/about    its size, MD5, time and attributes, as JSON, so that one archive tells of all parts

    put             ModifyFile
    list_parts      GetFileTAR

Who replaces a part deletes these two paths, whether they are there or not. To delete a folder, pachd would look through
all that was ever written to the commit, so that each part would take longer than the one before it. Of two who write the
same part at one time, the later has both files.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from falcon_s3.pfs import Body, Commit, FileNotFound, Part, PfsError, Unavailable
from falcon_s3.pfs.pachd import failures, framing, methods, names, writing
from falcon_s3.pfs.pachd.calls import Calls, Replies
from falcon_s3.pfs.pachd.stream import Stream
from falcon_s3.pfs.wire import pfs_pb2 as wire

DATA, ABOUT = "data", "about"
# pachd looks into each write of an open commit before it tells of any file. So it gets time for 10,000 parts, the most of
# an upload, as if it went through so many bytes (`Calls.patient`): about 20 ms for each.
LISTED_BYTES = 10_000 * 40_000


def folder(number: int) -> str:
    """Where the two files of a part are; in the order of numbers, as names are sorted."""
    return f"{number:05}"


def data_of(number: int) -> str:
    return f"{folder(number)}/{DATA}"


def put(calls: Calls, commit: Commit, number: int, body: Body, attributes: Mapping[str, str]) -> Part:
    """Write or replace a part. Raises CommitFinished, and what the body raises."""
    about = f"{folder(number)}/{ABOUT}"
    with Stream(calls, methods.MODIFY_FILE, commit) as stream:
        stream.send(writing.target(commit))
        content = writing.send_body(stream, data_of(number), body)
        etag, now = body.digests().md5.hex(), time.time_ns() // 1_000_000
        part = Part(number, content.size, etag, now, dict(attributes))
        stream.send(writing.delete(about))
        stream.send(writing.add(about, _told(part)))
        stream.finish()
    return part


def _told(part: Part) -> bytes:
    return json.dumps([part.size, part.etag, part.modified_ms, part.attributes], separators=(",", ":")).encode()


def list_parts(calls: Calls, commit: Commit, after: int = 0) -> list[Part]:
    """Those behind a number, of an open commit or of a file set that shows the same."""
    try:
        return [_part(*told) for told in _archived(calls, commit, after)]
    except FileNotFound:  # there are none
        return []


def _archived(calls: Calls, commit: Commit, after: int) -> Iterator[tuple[str, bytes]]:
    """The path and the content of each file that tells of a part. Raises FileNotFound where there is none."""
    request = wire.GetFileRequest(file=names.file_message(commit, f"*/{ABOUT}"))
    request.path_range.lower = f"/{folder(after + 1)}"
    with failures.about(commit, ABOUT):
        replies = calls.patient(LISTED_BYTES).replies(methods.GET_FILE_TAR, request)
        try:
            with tarfile.open(fileobj=io.BufferedReader(Archive(replies)), mode="r|") as archive:
                for entry in archive:
                    content = archive.extractfile(entry)
                    if content is not None:
                        yield entry.name, content.read()
        except (tarfile.TarError, DecodeError) as ex:
            raise Unavailable("pachd sent what is no archive of an upload's parts") from ex
        finally:
            replies.close()


class Archive(io.RawIOBase):
    """The bytes of a stream of replies, to be read by tarfile."""

    def __init__(self, replies: Replies):
        self._replies = replies
        self._message = b""
        self._at = 0  # how much of it was read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """How many bytes were put into it; 0: there are no more."""
        while self._at == len(self._message):
            reply = next(self._replies, None)
            if reply is None:
                return 0
            self._message, self._at = framing.chunk(reply), 0
        taken = self._message[self._at : self._at + len(buffer)]
        buffer[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)


def _part(path: str, told: bytes) -> Part:
    try:
        number = int(path.strip("/").removesuffix(f"/{ABOUT}"))
        size, etag, modified_ms, attributes = json.loads(told)
    except (ValueError, TypeError) as ex:
        raise PfsError(f"{path} of an upload is not as falcon-s3 keeps its parts") from ex
    return Part(number, size, etag, modified_ms, attributes)
