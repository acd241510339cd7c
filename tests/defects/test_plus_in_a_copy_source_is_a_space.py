"""A key with a space could not be copied by s5cmd: NoSuchKey, for a key with `+` where the space was.

The header x-amz-copy-source is decoded as a query is, not as a path: a space may come as `+`, and a plus is `%2B`.
"""

import pytest


@pytest.mark.parametrize(
    "source, copied",
    [("a+b/c+d", b"space"), ("a%20b/c%20d", b"space"), ("a%2Bb/c%2Bd", b"plus"), ("a%252Bb", b"percent")],
)
def test_a_plus_in_a_copy_source_is_a_space(gateway, s3, bucket, source, copied):
    """The object copied is the one whose key the header encodes."""
    for key, content in {"a b/c d": b"space", "a+b/c+d": b"plus", "a%2Bb": b"percent"}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=content)

    answer = gateway.request("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"/{bucket}/{source}"})

    assert answer.status == 200
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == copied
