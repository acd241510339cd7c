"""Files of a commit in order: a walk, or the contents of one folder, page by page and no further than is taken.

PFS orders paths by their bytes, with folders carrying a slash: the order of keys. A listing goes on behind a marker,
which need not be the path of anything. pachd compares markers by their bytes, but leaves out what equals the marker
but for a slash at its end (isPaginationMarker); so a marker ends with a character that no path has.
"""

from __future__ import annotations

from collections.abc import Iterator

from falcon_s3.pfs import CommitNotFound, Entry, FileNotFound, Ref
from falcon_s3.pfs.pachd import failures, methods, names, paths, reading
from falcon_s3.pfs.pachd.calls import Calls, Method, Replies
from falcon_s3.pfs.wire import pfs_pb2 as wire

# Paths have the characters from space to tilde: these come before and behind all that can follow a path.
BEFORE_ALL, BEHIND_ALL = "\x01", "\x7f"
# What is asked for at a time: more than a page of S3 has, with its folders, the rest of which is not sent.
PAGE_ENTRIES = 2000
# So many paths below one entry are read over before pachd is asked to go on behind them.
BELOW_ENTRIES = 500


class Listing:
    """Where a listing is: which commit, which folder, behind which path."""

    def __init__(self, calls: Calls, ref: Ref, prefix: str, after: str, folded: bool):
        self._calls = calls
        self._ref = ref
        self._prefix = prefix
        self.folder = prefix[: prefix.rfind("/") + 1]
        self._folded = folded
        self._marker = self._start(after)
        self._page: Replies | None = None
        self._pinned = False
        self._count = 0

    def _start(self, after: str) -> str:
        """The marker of the first page."""
        if not after or after < self._prefix:
            rest = self._prefix[len(self.folder) :]
            if not rest or not paths.is_path(rest):
                return ""
            # Behind everything that is less than the prefix, and before the prefix itself.
            return self.folder + rest[:-1] + chr(ord(rest[-1]) - 1) + BEHIND_ALL
        inside, slash, _ = after[len(self.folder) :].partition("/")
        if self._folded and slash:  # behind a folder, or something in it: all of the folder is left out
            return self.folder + inside + "/" + BEHIND_ALL
        return "/".join(_until_odd(after)) + BEFORE_ALL

    def open(self) -> Listing:
        """Ask for the first page. Raises BranchNotFound, CommitNotFound."""
        self._page = self._ask()
        return self

    def _ask(self) -> Replies | None:
        """The page behind the marker; None if there is nothing behind it."""
        method: Method = methods.LIST_FILE if self._folded else methods.WALK_FILE
        make = wire.ListFileRequest if self._folded else wire.WalkFileRequest
        request = make(file=names.file_message(self._ref, self.folder), number=PAGE_ENTRIES)
        if self._marker:
            request.paginationMarker.CopyFrom(names.file_message(self._ref, self._marker))
        self._count = 0
        try:
            with failures.about(self._ref, self.folder):
                return self._calls.replies(method, request)
        except FileNotFound:  # a walk of what is not there, or behind whose marker nothing is
            return None
        except CommitNotFound as ex:
            if not self._pinned:
                raise
            raise reading.gone(ex.commit) from None

    def entries(self) -> Iterator[Entry]:
        """All behind the marker, folders included, whatever they begin with."""
        while self._page is not None:
            with failures.about(self._ref, self.folder):
                info = next(self._page, None)
            if info is not None:
                if not self._pinned:  # later pages are of the commit that the first is of
                    self._ref, self._pinned = names.commit_of(info.file.commit), True
                self._count += 1
                found = names.entry(info)
                self._marker = found.path
                yield found
            elif self._count < PAGE_ENTRIES:
                return
            else:
                self._page = self._ask()

    def skip(self, folder: str) -> None:
        """Go on behind all of a folder's files."""
        if self._page is not None:
            self._page.close()
        self._marker = folder + BEHIND_ALL
        self._page = self._ask()


def list_files(calls: Calls, ref: Ref, prefix: str, after: str, delimiter: str) -> Iterator[Entry]:
    """As `Pfs.list_files` has it. Raises BranchNotFound or CommitNotFound at the call."""
    names.check_ref(ref)
    after = after.encode("utf-8", "replace").decode()
    if not _can_be(prefix) or (after >= prefix and not after.startswith(prefix)):
        reading.check_exists(calls, ref)
        return iter(())
    folded = delimiter == "/"
    listing = Listing(calls, ref, prefix, after, folded).open()
    if folded or not delimiter:
        return _matching(listing, prefix, after, folded)
    return _folding(listing, prefix, after, delimiter)


def _matching(listing: Listing, prefix: str, after: str, folded: bool) -> Iterator[Entry]:
    for found in listing.entries():
        if found.path.startswith(prefix):
            if (folded or not found.is_folder) and found.path > after and found.path != listing.folder:
                yield found
        elif found.path > prefix:
            return


def _folding(listing: Listing, prefix: str, after: str, delimiter: str) -> Iterator[Entry]:
    """One entry for all paths that have the delimiter behind the prefix, found by leaving out what is below it."""
    last, below = "", 0
    for found in listing.entries():
        if not found.path.startswith(prefix):
            if found.path > prefix:
                return
            continue
        if found.is_folder:
            continue
        at = found.path.find(delimiter, len(prefix))
        shown = found if at < 0 else Entry(found.path[: at + len(delimiter)], -1, "", 0)
        if shown.path > after and shown.path != last:
            last, below = shown.path, 0
            yield shown
        elif shown.is_folder:
            below += 1
            if below == BELOW_ENTRIES:
                listing.skip(shown.path)


def _can_be(prefix: str) -> bool:
    """Whether a path can begin so, for all that PFS keeps."""
    *folders, _ = prefix.split("/")
    try:
        prefix.encode()
    except UnicodeEncodeError:
        return False
    return all(folder not in {"", ".", ".."} for folder in folders)


def _until_odd(path: str) -> Iterator[str]:
    """The elements before the first that no path has: what comes behind them comes behind the path's beginning."""
    for element in path.split("/"):
        if element in {"", ".", ".."}:
            return
        yield element
