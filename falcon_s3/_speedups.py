"""Takes the compiled modules if they are there, and says so; FALCON_S3_PURE=1 takes their readable twins.

Type checkers read the twins, so that there is one set of signatures.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from falcon_s3._body_py import BodyEnd, ChunkEnd

compiled = False

if TYPE_CHECKING or os.environ.get("FALCON_S3_PURE") == "1":
    from falcon_s3._body_py import ChunkDecoder
    from falcon_s3._listing_py import contents_xml, escape, folded, unpacked, url_encoded
    from falcon_s3._md5_py import Md5
    from falcon_s3._sign_py import (
        asked_of,
        canonical_query,
        canonical_request,
        claims_of,
        headers_of,
        link_of,
        parse_query,
    )
    from falcon_s3._wire_py import add_file, added_file, bytes_value, value_of
else:
    try:
        from falcon_s3._body_c import ChunkDecoder
        from falcon_s3._listing_c import contents_xml, escape, folded, unpacked, url_encoded
        from falcon_s3._md5_c import Md5
        from falcon_s3._sign_c import (
            asked_of,
            canonical_query,
            canonical_request,
            claims_of,
            headers_of,
            link_of,
            parse_query,
        )
        from falcon_s3._wire_c import add_file, added_file, bytes_value, value_of
    except ImportError:  # built on purpose without them
        from falcon_s3._body_py import ChunkDecoder
        from falcon_s3._listing_py import contents_xml, escape, folded, unpacked, url_encoded
        from falcon_s3._md5_py import Md5
        from falcon_s3._sign_py import (
            asked_of,
            canonical_query,
            canonical_request,
            claims_of,
            headers_of,
            link_of,
            parse_query,
        )
        from falcon_s3._wire_py import add_file, added_file, bytes_value, value_of
    else:
        compiled = True

__all__ = [
    "BodyEnd",
    "ChunkDecoder",
    "ChunkEnd",
    "Md5",
    "add_file",
    "added_file",
    "asked_of",
    "bytes_value",
    "canonical_query",
    "canonical_request",
    "claims_of",
    "compiled",
    "contents_xml",
    "escape",
    "folded",
    "headers_of",
    "link_of",
    "parse_query",
    "unpacked",
    "url_encoded",
    "value_of",
]
