"""Globs of pfs_v2.API, each against paths that it takes and paths that it does not."""

import pytest

from falcon_s3.pfs import InvalidPath
from falcon_s3.pfs.glob import Glob

TABLE = [
    ("/*", ["/a", "/.a", "/a/"], ["/", "/a/b"]),
    ("a?c", ["/abc"], ["/ac", "/a/c", "/abcd"]),
    ("/a/*", ["/a/b", "/a/b/"], ["/a", "/b/a", "/a/b/c"]),
    ("/**", ["/a", "/a/b", "/a/b/c/"], ["/"]),
    ("/a**c", ["/ac", "/a/b/c"], ["/ab"]),
    ("/", ["/"], ["/a"]),
    ("[a-c]", ["/a", "/c"], ["/d", "/ab"]),
    ("[!a-c]", ["/d"], ["/a", "//"]),
    ("[^a]", ["/b"], ["/a"]),
    ("[]a]", ["/]", "/a"], ["/b"]),
    ("[a-]", ["/a", "/-"], ["/b"]),
    ("{a,b*}/c", ["/a/c", "/bx/c"], ["/c", "/c/c"]),
    ("{a/b,c}", ["/a/b", "/c"], ["/a", "/a/c"]),
    ("{,a}b", ["/b", "/ab"], ["/a"]),
    ("@(a|b)c", ["/ac", "/bc"], ["/c", "/abc"]),
    ("?(a)c", ["/c", "/ac"], ["/aac"]),
    ("*(a|b)c", ["/c", "/abbac"], ["/adc"]),
    ("+(a)c", ["/ac", "/aac"], ["/c"]),
    ("!(a)", ["/b", "/ab", "/aa"], ["/a", "/b/c"]),
    ("!(*.txt)", ["/a.png", "/a"], ["/a.txt"]),
    ("@(a|+(b{c,d}))", ["/a", "/bcbd"], ["/b", "/abc"]),
    ("\\*\\[", ["/*["], ["/a["]),
    ("(a)|b", ["/(a)|b"], ["/a"]),
    ("ä*", ["/äö"], ["/a"]),
    ("a\\", ["/a\\"], ["/a"]),
]


@pytest.mark.parametrize("pattern, taken, left", TABLE, ids=[row[0] for row in TABLE])
def test_globs(pattern, taken, left):
    """With the slash at the beginning or without."""
    for spelling in (pattern, "/" + pattern.removeprefix("/")):
        glob = Glob(spelling)
        assert [path for path in taken + left if glob.matches(path)] == taken


@pytest.mark.parametrize("pattern", ["[a", "[", "{a,b", "@(a|b", "!(", "*(" * 30 + ")" * 30, "x" * 5000])
def test_broken_globs_are_refused(pattern):
    """With a message that says what is missing."""
    with pytest.raises(InvalidPath, match="invalid"):
        Glob(pattern)


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "+(+(+(a)))b", "*(*a|a*|*)b", "{*,**}" * 20 + "b"])
def test_no_glob_takes_long(pattern):
    """Each of these would take years if all ways to match were tried one by one."""
    assert not Glob(pattern).matches("/" + "a" * 300)
