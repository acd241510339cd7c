"""Bucket names: every reading of the grammar, every refusal, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_s3 import buckets
from falcon_s3.pfs import Branch, Commit, InvalidName, Repo, is_commit_id

COMMIT = "0123456789ab4cdef0123456789abcde"
IMAGES = Repo("default", "images")
RESEARCH = Repo("research", "images")


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("images", Branch(IMAGES, "master")),
        ("master.images", Branch(IMAGES, "master")),
        ("dev.images", Branch(IMAGES, "dev")),
        ("dev.images.default", Branch(IMAGES, "dev")),
        ("dev.images.research", Branch(RESEARCH, "dev")),
        ("Dev_1.-images-", Branch(Repo("default", "-images-"), "Dev_1")),
        (f"{COMMIT}.images", Commit(IMAGES, COMMIT)),
        (f"{COMMIT}.dev.images", Commit(IMAGES, COMMIT)),
        (f"{COMMIT}.dev.images.research", Commit(RESEARCH, COMMIT)),
        # Not a commit id: another UUID version, too short.
        (f"{COMMIT.replace('4cdef', '5cdef', 1)}.images", Branch(IMAGES, COMMIT.replace("4cdef", "5cdef", 1))),
        (f"{COMMIT[:-1]}.images", Branch(IMAGES, COMMIT[:-1])),
        # Only the first part can be a commit.
        (f"dev.{COMMIT}", Branch(Repo("default", COMMIT), "dev")),
        ("a" * 255, Branch(Repo("default", "a" * 255), "master")),
    ],
)
def test_a_name_has_one_reading(name: str, ref: Branch | Commit) -> None:
    assert buckets.parse(name) == ref


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".images",
        "dev.",
        "dev..research",
        "a.b.c.d",
        COMMIT,  # a commit of no repo
        f"{COMMIT}.",
        f"{COMMIT}.{COMMIT}.images",  # a branch never looks like a commit
        f"{COMMIT.upper()}.images",  # nor does it in capital letters, which pachd takes for the same id
        f"{COMMIT}.a.b.c.d",
        "dev.images.-research",
        "dev.images._research",
        "dev.images." + "p" * 52,
        "im ages",
        "im/ages",
        "imagés",
        "images\n",
        "images\0",
        "~",
        "٣.images",  # a digit, but not one of PFS
        "a" * 256,
        "a" * 200 + "." + "b" * 200,
    ],
)
def test_a_name_that_pfs_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        buckets.parse(name)


NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,60}", fullmatch=True)
BRANCHES = st.builds(
    Branch,
    st.builds(Repo, st.just("default") | st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,50}", fullmatch=True), NAMES),
    NAMES.filter(lambda name: not is_commit_id(name.lower())),
)


@given(BRANCHES)
def test_the_name_of_a_branch_reads_back_as_that_branch(branch: Branch) -> None:
    assert buckets.parse(buckets.name_of(branch)) == branch


@given(BRANCHES)
def test_a_commit_before_the_name_of_a_branch_reads_as_a_commit_of_its_repo(branch: Branch) -> None:
    assert buckets.parse(f"{COMMIT}.{buckets.name_of(branch)}") == Commit(branch.repo, COMMIT)


@given(st.text(max_size=80) | st.from_regex(r"[a-z.4-]{0,80}", fullmatch=True))
def test_any_other_text_is_read_or_refused_and_never_fails_otherwise(name: str) -> None:
    try:
        ref = buckets.parse(name)
    except InvalidName:
        return
    assert isinstance(ref, Commit) or buckets.parse(buckets.name_of(ref)) == ref


@pytest.mark.parametrize(
    ("branch", "name"),
    [(Branch(IMAGES, "master"), "master.images"), (Branch(RESEARCH, "dev"), "dev.images.research")],
)
def test_the_project_shows_only_outside_the_default_one(branch: Branch, name: str) -> None:
    assert buckets.name_of(branch) == name
