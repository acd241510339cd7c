"""What the suite's tests are about: which are about what PFS can mean, and which gateway each needs.

Those about something else are in groups, known by the names of the tests or by the suite's own pytest marks; the first
group that fits counts. Imported by the runner, and by the suite's own Python, which has nothing of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Group(NamedTuple):
    """Tests of something that the store has no word for. `names` and `marks` are searched for."""

    title: str
    names: str
    marks: str = r"(?!)"


OUT_OF_SCOPE = (
    Group("bucket logging", r"bucket_logging"),
    Group("life cycle and restore", r"^test_(lifecycle|restore_|read_through)", r"^(lifecycle|cloud)"),
    Group("server-side encryption", r"_sse_|encrypt|_enc(_|$)", r"^(encryption|sse_s3)$"),
    Group("object lock", r"object_lock"),
    Group("bucket policy", r"bucket_?(v2)?_policy|with_policy|policy_status|public_(block|policy)", r"^bucket_policy$"),
    Group("public access block", r"block_public|ignore_public_acls|undefined_public"),
    Group(
        "access control lists",
        r"^(?!.*cors).*_acls?(_|$)|test_access_bucket|(objects_anonymous|anon_put_write_access)$",
    ),
    Group("object ownership", r"ownership", r"^object_ownership$"),
    Group("other servers' own", r"test_account_usage|head_bucket_usage|torrent"),
)


def group_of(node_id: str, marks: Iterable[str]) -> str | None:
    """The title of the group that this test belongs to; None if it is about what PFS can mean."""
    name = node_id.partition("::")[2].partition("[")[0]
    for group in OUT_OF_SCOPE:
        if re.search(group.names, name) or any(re.search(group.marks, mark) for mark in marks):
            return group.title
    return None


# Who may do what is not said by requests here, but by how the gateway was started: so there are three of them.
PRIVATE = "private"  # with a key that every request must be signed with
READABLE = "readable"  # with a key, and everybody may read: for tests that grant public-read
OPEN = "open"  # without a key everybody may do everything: for tests that grant public-read-write
GATEWAYS = (PRIVATE, READABLE, OPEN)

_NEEDS = (
    (
        READABLE,
        (
            r"test_object_raw_get|test_object_raw_authenticated|test_cors_"
            r"|objects_anonymous$|test_list_buckets_anonymous|publicread_|acl_default|_public_?read$"
        ),
    ),
    (
        OPEN,
        (
            r"test_object_delete_key_bucket_gone|test_post_object_anonymous|test_post_object_authenticated_no_content_type|test_post_object_set_"
            r"|test_post_object_success_redirect|test_post_object_tags_anonymous|test_expected_bucket_owner"
            r"|test_object_anon_put_write_access|publicreadwrite|test_list_multipart_upload_owner"
        ),
    ),
)


def gateway_for(node_id: str) -> str:
    """Which of GATEWAYS a test is run against."""
    name = node_id.rpartition("::")[2].partition("[")[0]
    return next((gateway for gateway, names in _NEEDS if re.search(names, name)), PRIVATE)
