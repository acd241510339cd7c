"""Who may do what to which bucket: patterns on full names, and what a refusal says."""

import pytest

from falcon_s3.errors import AccessDenied
from falcon_s3.pfs import InvalidName
from falcon_s3.rights import ALL, InvalidPattern, Right, Rights, pattern_of

COMMIT = "0" * 12 + "4" + "0" * 3 + "8" + "0" * 15
READ, WRITE, PURGE = Right.READ, Right.WRITE, Right.PURGE


@pytest.mark.parametrize(
    "pattern, bucket, expected",
    [
        ("*", "images", True),
        ("*", "dev.images.research", True),
        ("master.images", "master.images", True),
        ("master.images", "images", True),
        ("master.images", "dev.images", False),
        ("master.images", "master.images2", False),
        ("master.images", "master.images.research", False),
        ("master.images", "master.images.default", True),
        ("master.images", "master.IMAGES", False),
        ("master.Images", "master.Images", True),
        ("images", "images", False),  # a pattern is of the full name; the command line writes it so
        ("*.images", "dev.images", True),
        ("*.images", "dev.images.research", False),
        ("*.research", "dev.images.research", True),
        ("master.img-*", "img-1", True),
        ("master.img-*", "img", False),
        ("master.img-?", "img-12", False),
        ("master.img-[0-9]", "img-7", True),
        ("master.img-[!0-9]", "img-7", False),
        ("master.images", f"{COMMIT}.images", True),
        ("master.images", f"{COMMIT}.master.images", True),
        ("master.images", f"{COMMIT}.dev.images", False),
        ("dev.images.research", f"{COMMIT}.dev.images.research", True),
        (f"{COMMIT}.*", f"{COMMIT}.images", False),
    ],
)
@pytest.mark.parametrize("right", Right)
def test_a_pattern_is_of_the_full_name_of_a_bucket(pattern, bucket, expected, right):
    """In whatever form the bucket is named; a commit's bucket is its branch's."""
    assert Rights(**{right.name.lower(): (pattern,)}).allows(bucket, right) is expected


@pytest.mark.parametrize(
    "rights, allowed",
    [
        (Rights(), []),
        (Rights(read=("*",)), [READ]),
        (Rights(write=("*",)), [READ, WRITE]),
        (Rights(purge=("*",)), [PURGE]),
        (Rights(read=("dev.*",), write=("*.images",)), [READ, WRITE]),
        (Rights(read=("dev.*", "*.images")), [READ]),
        (Rights(read=("*.images",), write=("dev.*",), purge=("x",)), [READ]),
        (ALL, [READ, WRITE, PURGE]),
    ],
)
def test_to_write_is_to_read_and_to_purge_is_neither(rights, allowed):
    """Any one of the patterns is enough."""
    assert [right for right in Right if rights.allows("images", right)] == allowed


@pytest.mark.parametrize(
    "rights, asked, message",
    [
        (Rights(holder="K1"), [READ], "The access key K1 may not read master.images."),
        (Rights(read=("*",), holder="K1"), [WRITE], "The access key K1 may not write to master.images."),
        (Rights(read=("*",), holder="K1"), [WRITE, PURGE], "The access key K1 may not write to master.images."),
        (
            Rights(write=("*",), holder="K1"),
            [PURGE],
            "The access key K1 may not permanently delete versions in master.images.",
        ),
        (Rights(), [READ], "Whoever does not sign the request may not read master.images."),
    ],
)
def test_a_refusal_names_the_holder_the_action_and_the_bucket(rights, asked, message):
    """The bucket in full, so that it can be copied into a pattern."""
    with pytest.raises(AccessDenied) as caught:
        rights.check(f"{COMMIT}.images", *asked)
    assert caught.value.message.endswith(message)


def test_one_right_of_several_is_enough():
    Rights(purge=("*",)).check("images", WRITE, PURGE)
    Rights(write=("*",)).check("images", WRITE, PURGE)
    ALL.check("images", READ)


@pytest.mark.parametrize("bucket", ["", "a.b.c.d", "a b", "é", "*", "x" * 300])
def test_a_name_that_no_bucket_has_is_told(bucket):
    with pytest.raises(InvalidName):
        Rights(read=("a*",)).check(bucket, READ)


@pytest.mark.parametrize(
    "text, pattern",
    [
        ("*", "*"),
        ("images", "master.images"),
        ("master.images", "master.images"),
        ("dev.images.default", "dev.images"),
        ("dev.images.research", "dev.images.research"),
        ("*.images", "*.images"),
        ("img*", "img*"),
        ("master.[a-c]?", "master.[a-c]?"),
        ("[!a].x_-", "[!a].x_-"),
    ],
)
def test_a_pattern_without_wildcards_is_kept_in_full(text, pattern):
    assert pattern_of(text) == pattern


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "a,b", "é*", "a/b", "a\n", "*\n", "a.b.c.d", f"{COMMIT}.images", "*" * 256]
)
def test_what_can_be_no_bucket_is_no_pattern(text):
    with pytest.raises(InvalidPattern):
        pattern_of(text)


def test_a_pattern_of_many_stars_takes_no_time():
    """It is matched without going back: a name as long as any against stars that never fit."""
    assert not Rights(read=("*a" * 127,)).allows("b" * 120 + ".images", READ)
