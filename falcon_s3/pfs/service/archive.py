"""Files and folders as a tar stream (POSIX.1-2001), made as it is read."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator

from falcon_s3.pfs import FileInfo
from falcon_s3.pfs.folders import Item


def archive(
    entries: Iterable[tuple[Item, FileInfo | None]], open_file: Callable[[FileInfo], Iterator[bytes]]
) -> Iterator[bytes]:
    """The stream in chunks; an entry without a file is a folder. Names are absolute, modes and times are 0."""
    for item, file in entries:
        header = tarfile.TarInfo(item.path)
        header.mode = 0
        header.type = tarfile.DIRTYPE if file is None else tarfile.REGTYPE
        header.size = 0 if file is None else file.size
        yield header.tobuf(tarfile.PAX_FORMAT)
        if file is not None:
            yield from open_file(file)
            if file.size % tarfile.BLOCKSIZE:  # Go clients take an empty message for the end
                yield bytes(-file.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
