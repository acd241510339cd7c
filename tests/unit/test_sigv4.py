"""Signatures: AWS's published examples, what botocore signs, and every way of being refused."""

from __future__ import annotations

import hmac
import time
from datetime import datetime, timezone
from urllib.parse import quote, unquote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given
from hypothesis import strategies as st

from falcon_s3 import _speedups, errors, sigv4, sigv4_claim
from falcon_s3.signature import SignedRequest, _seconds
from falcon_s3.sigv4 import ChunkVerifier, verify

# The keys, the moment and the bucket of the examples (S3 API reference, "Signature Calculations ...").
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SCOPE = "20130524/us-east-1/s3/aws4_request"
TIMESTAMP = "20130524T000000Z"
MOMENT = 1369353600
HOST = "examplebucket.s3.amazonaws.com"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SIGNATURE = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
LINK_SIGNATURE = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

secret_of = {ACCESS_KEY: SECRET_KEY}.get


def authorization(signed, signature, *, access_key=ACCESS_KEY, scope=SCOPE, between=","):
    return (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}{between}SignedHeaders={signed}{between}Signature={signature}"
    )


def example(signature=SIGNATURE, signed="host;range;x-amz-content-sha256;x-amz-date", **changes):
    """The first published example, GET of ten bytes; `changes` replace headers (None: takes one away)."""
    headers = {
        "host": HOST,
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": TIMESTAMP,
        "authorization": authorization(signed, signature),
    }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    kept = {name: value for name, value in headers.items() if value is not None}
    return SignedRequest("GET", "/test.txt", "", kept)


def link(signature=LINK_SIGNATURE, **changes):
    """The published example of a presigned URL; `changes` replace parameters (None: takes one away)."""
    fields = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": quote(f"{ACCESS_KEY}/{SCOPE}", safe=""),
        "X-Amz-Date": TIMESTAMP,
        "X-Amz-Expires": "86400",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": signature,
    }
    fields |= {f"X-Amz-{name}": value for name, value in changes.items()}
    query = "&".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    return SignedRequest("GET", "/test.txt", query, {"host": HOST})


PUT_HEADERS = {
    "date": "Fri, 24 May 2013 00:00:00 GMT",
    "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
}


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "signature"),
    [
        ("GET", "/test.txt", "", {"range": "bytes=0-9"}, SIGNATURE),
        ("PUT", "/test$file.text", "", PUT_HEADERS, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ("GET", "/", "lifecycle", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/", "lifecycle=", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/", "max-keys=2&prefix=J", {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("GET", "/", "prefix=J&max-keys=2", {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_the_published_examples_verify(method, path, query, headers, signature):
    headers = {"host": HOST, "x-amz-content-sha256": EMPTY, "x-amz-date": TIMESTAMP} | headers
    headers["authorization"] = authorization(";".join(sorted(headers)), signature)
    identity = verify(SignedRequest(method, path, query, headers), secret_of, MOMENT)
    assert identity.access_key == ACCESS_KEY
    assert identity.chunks is None


def test_the_published_link_verifies_until_it_expires():
    assert verify(link(), secret_of, MOMENT).access_key == ACCESS_KEY
    assert verify(link(), secret_of, MOMENT + 86_400).access_key == ACCESS_KEY
    with pytest.raises(errors.AccessDenied, match="Request has expired") as caught:
        verify(link(), secret_of, MOMENT + 86_401)
    assert caught.value.fields == {
        "X-Amz-Expires": "86400",
        "Expires": "2013-05-25T00:00:00Z",
        "ServerTime": "2013-05-25T00:00:01Z",
    }


DATA = [b"a" * 65_536, b"a" * 1024, b""]
SIGNED_CHUNKS = {
    "content-encoding": "aws-chunked",
    "host": "s3.amazonaws.com",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "x-amz-date": TIMESTAMP,
    "x-amz-decoded-content-length": "66560",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
}
CHUNK_EXAMPLES = [
    (
        SIGNED_CHUNKS | {"content-length": "66824"},
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        None,
    ),
    (
        SIGNED_CHUNKS
        | {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "x-amz-trailer": "x-amz-checksum-crc32c",
        },
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
    ),
]
TRAILERS = {"x-amz-checksum-crc32c": "sOO8/Q=="}


def chunk_verifier(headers, seed) -> ChunkVerifier:
    signed = headers | {"authorization": authorization(";".join(sorted(headers)), seed)}
    identity = verify(SignedRequest("PUT", "/examplebucket/chunkObject.txt", "", signed), secret_of, MOMENT)
    assert identity.chunks is not None
    return identity.chunks


def sha256(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("headers", "seed", "signatures", "trailing"), CHUNK_EXAMPLES)
def test_the_published_uploads_in_chunks_verify(headers, seed, signatures, trailing):
    verifier = chunk_verifier(headers, seed)
    for data, signature in zip(DATA, signatures, strict=True):
        verifier.verify_chunk(sha256(data), signature)
    if trailing is not None:
        verifier.verify_trailers(TRAILERS, trailing)


@pytest.mark.parametrize(("headers", "seed", "signatures", "trailing"), CHUNK_EXAMPLES)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_chunk_is_refused_when_it_or_one_before_it_differs(headers, seed, signatures, trailing, at):
    verifier = chunk_verifier(headers, seed)
    for data, signature in list(zip(DATA, signatures, strict=True))[:at]:
        verifier.verify_chunk(sha256(data), signature)
    for data, signature in [(DATA[at] + b"b", signatures[at]), (DATA[at], signatures[at - 1]), (DATA[at], "")]:
        with pytest.raises(errors.SignatureDoesNotMatch):
            verifier.verify_chunk(sha256(data), signature)
    if at:
        with pytest.raises(errors.SignatureDoesNotMatch):
            chunk_verifier(headers, seed).verify_chunk(sha256(DATA[at]), signatures[at])


@pytest.mark.parametrize("trailers", [{}, {"x-amz-checksum-crc32c": "sOO8/g=="}, TRAILERS | {"x-amz-meta-a": "b"}])
def test_trailers_that_differ_are_refused(trailers):
    headers, seed, signatures, trailing = CHUNK_EXAMPLES[1]
    verifier = chunk_verifier(headers, seed)
    for data, signature in zip(DATA, signatures, strict=True):
        verifier.verify_chunk(sha256(data), signature)
    with pytest.raises(errors.SignatureDoesNotMatch):
        verifier.verify_trailers(trailers, trailing)


# --- every way of being refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "error", "text"),
    [
        (example(authorization=None), errors.InvalidRequest, "not supported"),
        (example(authorization=""), errors.InvalidRequest, "not supported"),
        (example(authorization="AWS AKID:signature="), errors.InvalidRequest, "not supported"),
        (example(authorization="AWS4-ECDSA-P256-SHA256 Credential=x"), errors.InvalidRequest, "not supported"),
        (example(authorization="AWS4-HMAC-SHA256"), errors.AuthorizationHeaderMalformed, "authorization header"),
        (
            example(authorization="AWS4-HMAC-SHA256 x,=,y=,,"),
            errors.AuthorizationHeaderMalformed,
            "authorization header",
        ),
        (example(signature=""), errors.AuthorizationHeaderMalformed, "authorization header"),
        (example(signed=""), errors.AuthorizationHeaderMalformed, "authorization header"),
        (
            example(authorization=authorization("host", "0", access_key="")),
            errors.AuthorizationHeaderMalformed,
            "authorization header",
        ),
        (
            example(authorization=authorization("host", "0", scope="")),
            errors.AuthorizationHeaderMalformed,
            "authorization header",
        ),
        (example(x_amz_content_sha256=None), errors.InvalidRequest, "x-amz-content-sha256"),
        (example(x_amz_date=None), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date="Fri, 24 May 2013 00:00:00 GMT"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date="00000524T000000Z"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date="20130230T000000Z"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date="20130524T240000Z"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date=TIMESTAMP + "0"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(x_amz_date="٢٠١٣٠٥٢٤T٠٠٠٠٠٠Z"), errors.AccessDenied, "valid Date or x-amz-date"),
        (example(signed="range;x-amz-content-sha256;x-amz-date"), errors.AccessDenied, "not signed"),
        (example(signed="host;range;x-amz-content-sha256"), errors.AccessDenied, "not signed"),
        (example(signed="host;range;x-amz-date"), errors.AccessDenied, "not signed"),
        (example(x_amz_meta_late="1"), errors.AccessDenied, "not signed"),
        (example(host=None, signed="x-amz-content-sha256;x-amz-date"), errors.AccessDenied, "not signed"),
        (example(signature=SIGNATURE.upper()), errors.SignatureDoesNotMatch, "does not match"),
        (example(signature="é" * 64), errors.SignatureDoesNotMatch, "does not match"),
    ],
)
def test_a_header_that_does_not_sign_is_refused(request_, error, text):
    with pytest.raises(error, match=text) as caught:
        verify(request_, secret_of, MOMENT)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("request_", "error", "text"),
    [
        (link(Algorithm="AWS4-HMAC-SHA1"), errors.AuthorizationQueryParametersError, "X-Amz-Algorithm"),
        (link(Algorithm=None), errors.AuthorizationQueryParametersError, "X-Amz-Algorithm"),
        (link(Credential=None), errors.AuthorizationQueryParametersError, "requires"),
        (link(Credential=ACCESS_KEY), errors.AuthorizationQueryParametersError, "mal-formed; expecting"),
        (link(Credential=quote(f"{ACCESS_KEY}%2Fa", safe="")), errors.AuthorizationQueryParametersError, "mal-formed"),
        (link(Date=None), errors.AuthorizationQueryParametersError, "requires"),
        (link(Date="yesterday"), errors.AuthorizationQueryParametersError, "requires"),
        (link(Date="00000101T000000Z"), errors.AuthorizationQueryParametersError, "requires"),
        (link(SignedHeaders=""), errors.AuthorizationQueryParametersError, "requires"),
        (link(Signature=None), errors.AuthorizationQueryParametersError, "requires"),
        (link(Expires=None), errors.AuthorizationQueryParametersError, "X-Amz-Expires"),
        (link(Expires="604801"), errors.AuthorizationQueryParametersError, "X-Amz-Expires"),
        (link(Expires="-1"), errors.AccessDenied, "Request has expired"),
        (link(Expires="--1"), errors.AuthorizationQueryParametersError, "X-Amz-Expires"),
        (link(Expires="1\n"), errors.AuthorizationQueryParametersError, "X-Amz-Expires"),
        (link(Expires="9" * 5000), errors.AuthorizationQueryParametersError, "X-Amz-Expires"),
        (link(Expires="²"), errors.AuthorizationQueryParametersError, "X-Amz-Expires"),
        (link(SignedHeaders="date"), errors.AccessDenied, "not signed"),
        (link(Expires="604800"), errors.SignatureDoesNotMatch, "does not match"),
        (link(SignedHeaders="host%3Brange"), errors.SignatureDoesNotMatch, "does not match"),
        (link(signature="%FF"), errors.SignatureDoesNotMatch, "does not match"),
        (link()._replace(method="DELETE"), errors.SignatureDoesNotMatch, "does not match"),
        (link()._replace(headers={"host": "elsewhere"}), errors.SignatureDoesNotMatch, "does not match"),
    ],
)
def test_a_link_that_does_not_sign_is_refused(request_, error, text):
    with pytest.raises(error, match=text) as caught:
        verify(request_, secret_of, MOMENT)
    assert type(caught.value) is error


def signed_by_hand(path, *, written=None, date=None):
    """A request whose path is signed as it is written, with this Date in place of x-amz-date if there is one."""
    moment = {"date": date} if date else {"x-amz-date": TIMESTAMP}
    headers = {"host": HOST, "x-amz-content-sha256": EMPTY} | moment
    names = sorted(headers)
    lines = ["GET", written or path, "", *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), EMPTY]
    text = f"AWS4-HMAC-SHA256\n{TIMESTAMP}\n{SCOPE}\n{sha256(chr(10).join(lines).encode())}"
    signature = hmac.new(sigv4.signing_key(SECRET_KEY, SCOPE), text.encode(), "sha256").hexdigest()
    return SignedRequest("GET", path, "", headers | {"authorization": authorization(";".join(names), signature)})


@pytest.mark.parametrize(
    ("path", "written", "verifies"),
    [
        ("/b/a!(c)", "/b/a!(c)", True),
        ("/b/a!(c)", "/b/a%21%28c%29", True),
        ("/b/a/c", "/b/a%2Fc", True),
        ("/b/a/c", "/b/a%2fc", True),
        ("/b/é", "/b/%c3%a9", True),
        ("/b/a+c", "/b/a+c", True),
        ("/b/a c", "/b/a+c", False),
        ("/b/a%2Fc", "/b/a%2Fc", False),
        ("/b/a%2Fc", "/b/a%252Fc", True),
        ("/b/a/c", "/b%2Fa/c", False),
        ("/b/a//c", "/b/a/c", False),
    ],
)
def test_a_path_may_be_signed_as_it_was_sent(path, written, verifies):
    request = signed_by_hand(path, written=written)
    if verifies:
        assert verify(request, secret_of, MOMENT).access_key == ACCESS_KEY
    else:
        with pytest.raises(errors.SignatureDoesNotMatch):
            verify(request, secret_of, MOMENT)


@pytest.mark.parametrize("date", ["Fri, 24 May 2013 00:00:00 GMT", "Fri, 24 May 2013 02:00:00 +0200", TIMESTAMP])
def test_a_date_may_stand_for_the_date_of_amazon(date):
    assert verify(signed_by_hand("/", date=date), secret_of, MOMENT).access_key == ACCESS_KEY
    with pytest.raises(errors.RequestTimeTooSkewed):
        verify(signed_by_hand("/", date=date), secret_of, MOMENT + 901)


def test_a_link_carries_headers_in_its_query_but_no_checksum():
    """What makers of links put there is signed with it; the SDK for JavaScript adds the checksum of an empty body."""
    query = [
        ("x-amz-meta-a", "b c+d"),
        ("X-Amz-Tagging", "a=b"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("x-id", "PutObject"),
    ]
    identity = verify(linked_by_botocore("PUT", "/b/k", query), OWN_SECRET_OF, time.time())
    assert identity.headers == {"x-amz-meta-a": "b c+d", "x-amz-tagging": "a=b"}
    assert verify(linked_by_botocore("PUT", "/b/k", []), OWN_SECRET_OF, time.time()).headers == {}


def test_a_link_needs_the_headers_of_amazon_signed_as_well():
    request = linked_by_botocore("PUT", "/b/k", [])
    late = request._replace(headers=request.headers | {"x-amz-meta-a": "1", "x-amz-acl": "public-read"})
    with pytest.raises(errors.AccessDenied, match="not signed") as caught:
        verify(late, OWN_SECRET_OF, time.time())
    assert caught.value.fields == {"HeadersNotSigned": "x-amz-meta-a, x-amz-acl"}


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("20130525/us-east-1/s3/aws4_request", "form"),
        ("20130524/us-east-1/iam/aws4_request", "form"),
        ("20130524/us-east-1/s3/aws5_request", "form"),
        ("20130524/s3/aws4_request", "form"),
        ("20130524/a/b/s3/aws4_request", "form"),
        ("20130524/eu-west-1/s3/aws4_request", "expecting 'us-east-1'"),
        (f"20130524/{'x' * 600}/s3/aws4_request", "expecting"),
    ],
)
def test_a_scope_that_is_not_ours_is_refused(scope, text):
    header = example(authorization=authorization("host;range;x-amz-content-sha256;x-amz-date", "0", scope=scope))
    with pytest.raises(errors.AuthorizationHeaderMalformed, match=text) as caught:
        verify(header, secret_of, MOMENT, "us-east-1")
    assert caught.value.fields == {"Region": "us-east-1"}
    with pytest.raises(errors.AuthorizationQueryParametersError, match=text):
        verify(link(Credential=f"{ACCESS_KEY}/{scope}"), secret_of, MOMENT, "us-east-1")


def test_the_region_matters_only_where_one_is_asked_for():
    assert verify(example(), secret_of, MOMENT, "us-east-1").access_key == ACCESS_KEY
    assert verify(example(), secret_of, MOMENT, None).access_key == ACCESS_KEY
    with pytest.raises(errors.AuthorizationHeaderMalformed):
        verify(example(), secret_of, MOMENT, "eu-west-1")


@pytest.mark.parametrize("seconds", [-901, 901, -(10**9), 10**9])
def test_a_clock_more_than_a_quarter_of_an_hour_wrong_is_refused(seconds):
    with pytest.raises(errors.RequestTimeTooSkewed):
        verify(example(), secret_of, MOMENT + seconds)


@pytest.mark.parametrize("seconds", [-900, -0.5, 0, 899.9])
def test_a_clock_that_is_nearly_right_is_taken(seconds):
    assert verify(example(), secret_of, MOMENT + seconds).access_key == ACCESS_KEY


def test_a_link_from_the_future_is_not_yet_valid():
    with pytest.raises(errors.AccessDenied, match="not yet valid"):
        verify(link(), secret_of, MOMENT - 901)


def test_an_unknown_key_is_named():
    with pytest.raises(errors.InvalidAccessKeyId) as caught:
        verify(example(), {}.get, MOMENT)
    assert caught.value.fields == {"AWSAccessKeyId": ACCESS_KEY}


def test_another_secret_does_not_match_and_tells_what_was_signed():
    """The fields are what people find out with why their client's signature differs."""
    with pytest.raises(errors.SignatureDoesNotMatch) as caught:
        verify(example(), lambda _: "other", MOMENT)
    assert caught.value.fields["CanonicalRequest"].startswith("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\n")
    assert caught.value.fields["StringToSign"].startswith(f"AWS4-HMAC-SHA256\n{TIMESTAMP}\n{SCOPE}\n")
    assert caught.value.fields["AWSAccessKeyId"] == ACCESS_KEY
    assert caught.value.fields["SignatureProvided"] in example().headers["authorization"]
    for name in ("StringToSign", "CanonicalRequest"):
        assert bytes.fromhex(caught.value.fields[f"{name}Bytes"]) == caught.value.fields[name].encode()
    assert "other" not in str(caught.value.fields)


@pytest.mark.parametrize("between", [",", ", ", " ,  "])
def test_the_parts_of_the_header_may_be_spaced(between):
    signed = "host;range;x-amz-content-sha256;x-amz-date"
    assert verify(example(authorization=authorization(signed, SIGNATURE, between=between)), secret_of, MOMENT)


def test_the_parts_of_the_header_may_come_in_any_order():
    signed = "host;range;x-amz-content-sha256;x-amz-date"
    header = f"AWS4-HMAC-SHA256 Signature={SIGNATURE}, SignedHeaders={signed}, Credential={ACCESS_KEY}/{SCOPE}"
    assert verify(example(authorization=header), secret_of, MOMENT).access_key == ACCESS_KEY


def test_what_is_kept_between_requests_is_short():
    """Clients choose these texts, so a worker must not remember long ones."""
    names = ";".join(f"x-amz-meta-{number}" for number in range(1000))
    kept = (sigv4_claim._credential, sigv4_claim._terms, _seconds)
    verify(link(), secret_of, MOMENT)
    with pytest.raises(errors.S3Error):
        verify(example(signature="0"), secret_of, MOMENT)
    before = [each.cache_info().currsize for each in kept]
    for request in (
        example(signed=f"{names};host"),
        example(x_amz_date="2" * 10_000),
        link(SignedHeaders=f"{names};host"),
        link(Expires="0" * 10_000),
        link(Credential=f"{ACCESS_KEY}/{SCOPE}{'x' * 10_000}"),
        link(Date="2" * 10_000),
    ):
        with pytest.raises(errors.S3Error):
            verify(request, secret_of, MOMENT)
    assert [each.cache_info().currsize for each in kept] == before


@given(st.binary(max_size=200), st.text(max_size=200))
def test_a_mac_is_what_the_standard_library_says(key, text):
    try:
        wanted = hmac.new(key, text.encode(), "sha256").hexdigest()
    except UnicodeEncodeError:  # no text that arrives has surrogates
        return
    mac = sigv4.Mac(key)
    assert [mac.sign(text), mac.sign("another"), mac.sign(text)][::2] == [wanted, wanted]


def test_a_request_with_more_names_than_are_kept_verifies():
    headers = {f"x-amz-meta-{number:04}": str(number) for number in range(200)}
    assert verify(signed_by_botocore("GET", "/b/k", "", headers), OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"


# --- what botocore signs ---------------------------------------------------------------------------------------------

OWN = Credentials("AKIDOWN", "secret/with+signs=")
OWN_SECRET_OF = {"AKIDOWN": "secret/with+signs="}.get
ORIGIN = "http://gateway.test:9000"


def wire_query(pairs):
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)


def signed_by_botocore(method, path, query, headers=None):
    """The request as it arrives: botocore signs the path as it is sent, we get it decoded."""
    url = ORIGIN + quote(path, safe="/-_.~") + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers=dict(headers or {}), data=b"")
    S3SigV4Auth(OWN, "s3", "us-east-1").add_auth(request)
    arrived = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest(method, path, query, {"host": "gateway.test:9000", "user-agent": "test"} | arrived)


def linked_by_botocore(method, path, pairs, seconds=60):
    url = ORIGIN + quote(path, safe="/-_.~") + (f"?{wire_query(pairs)}" if pairs else "")
    request = AWSRequest(method, url)
    S3SigV4QueryAuth(OWN, "s3", "us-east-1", expires=seconds).add_auth(request)
    parts = urlsplit(request.url)
    assert unquote(parts.path) == path
    return SignedRequest(method, path, parts.query, {"host": "gateway.test:9000"})


METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
# Parts that normalising or decoding twice would change.
TRICKY = st.sampled_from(
    ["//", "..", ".", "+", " ", "%", "%2F", "%20", "/../", "~", "é", "😀", "\\", "?", "#", "&=", ""]
)
PATHS = st.lists(TRICKY | TEXT, max_size=6).map(lambda parts: "/bucket/" + "".join(parts))
WORDS = TEXT | TRICKY
# Names are not those that say who signed.
PAIRS = st.lists(st.tuples(WORDS, WORDS), max_size=5)
HEADERS = st.dictionaries(
    st.from_regex(r"x-amz-meta-[a-z0-9-]{1,8}", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    max_size=3,
)


@given(METHODS, PATHS, PAIRS, HEADERS)
def test_what_botocore_signs_verifies(method, path, pairs, headers):
    request = signed_by_botocore(method, path, wire_query(pairs), headers)
    assert verify(request, OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"


@given(METHODS, PATHS, st.dictionaries(WORDS, WORDS, max_size=4))
def test_what_botocore_presigns_verifies(method, path, fields):
    request = linked_by_botocore(method, path, [(name, value) for name, value in fields.items() if name])
    assert verify(request, OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"


@given(PAIRS, st.randoms(use_true_random=False))
def test_a_query_may_be_written_in_any_way_that_means_the_same(pairs, random):
    """Clients write `+`, lower-case hexadecimal digits and needless escapes; the order is theirs too."""
    request = signed_by_botocore("GET", "/bucket", wire_query(pairs))

    def written(text):
        return "".join(
            random.choice(["+", "%20"]) if byte == 32 else random.choice([f"%{byte:02x}", f"%{byte:02X}"])
            for byte in text.encode()
        )

    parts = [f"{written(name)}={written(value)}" for name, value in pairs]
    random.shuffle(parts)
    other = request._replace(query=random.choice(["&", "&&"]).join(parts))
    assert verify(other, OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"


def changed(draw, text):
    """The text with one character replaced by another."""
    at = draw(st.integers(0, len(text) - 1))
    other = draw(st.characters(codec="utf-8", exclude_characters="\0"))
    assume(other != text[at])
    return text[:at] + other + text[at + 1 :]


@given(PATHS, PAIRS, st.data())
def test_a_changed_path_does_not_verify(path, pairs, data):
    request = signed_by_botocore("GET", path, wire_query(pairs))
    other = request._replace(path=changed(data.draw, path))
    with pytest.raises(errors.SignatureDoesNotMatch):
        verify(other, OWN_SECRET_OF, time.time())


@given(PAIRS.filter(lambda pairs: any(name or value for name, value in pairs)), st.data())
def test_a_changed_query_does_not_verify(pairs, data):
    request = signed_by_botocore("GET", "/bucket", wire_query(pairs))
    at = data.draw(st.sampled_from([at for at, pair in enumerate(pairs) if pair[0] + pair[1]]))
    name, value = pairs[at]
    if name and (not value or data.draw(st.booleans())):
        name = changed(data.draw, name)
    else:
        value = changed(data.draw, value)
    others = [*pairs[:at], (name, value), *pairs[at + 1 :]]
    assume(sorted(others) != sorted(pairs))
    for query in (wire_query(others), wire_query(pairs[:at] + pairs[at + 1 :]), wire_query([*pairs, ("", "")])):
        with pytest.raises(errors.SignatureDoesNotMatch):
            verify(request._replace(query=query), OWN_SECRET_OF, time.time())


@given(st.data())
def test_a_changed_method_header_or_signature_does_not_verify(data):
    request = signed_by_botocore("GET", "/bucket/key", "a=b", {"x-amz-meta-a": "one two"})
    assert verify(request, OWN_SECRET_OF, time.time())
    name = data.draw(st.sampled_from(["method", "host", "x-amz-meta-a", "x-amz-date", "signature"]))
    if name == "method":
        other = request._replace(method=changed(data.draw, "GET"))
    elif name == "signature":
        head, signature = request.headers["authorization"].rsplit("=", 1)
        # Spaces around it and a comma are not part of it.
        other_signature = changed(data.draw, signature)
        assume("," not in other_signature and not any(character.isspace() for character in other_signature))
        other = request._replace(headers=request.headers | {"authorization": f"{head}={other_signature}"})
    else:
        value = changed(data.draw, request.headers[name])
        # Spaces at the ends are not signed, and several in a row count as one.
        assume(" ".join(value.split()) != " ".join(request.headers[name].split()))
        other = request._replace(headers=request.headers | {name: value})
    with pytest.raises(errors.S3Error) as caught:
        verify(other, OWN_SECRET_OF, time.time())
    assert caught.value.status in (400, 403)


@given(PATHS, st.data())
def test_a_changed_link_does_not_verify(path, data):
    request = linked_by_botocore("GET", path, [("versionId", "1"), ("response-content-type", "a/b c+d")])
    parts = request.query.split("&")
    at = data.draw(st.integers(0, len(parts) - 1))
    name, _, value = parts[at].partition("=")
    value = quote(changed(data.draw, unquote(value)), safe="")
    other = request._replace(query="&".join([*parts[:at], f"{name}={value}", *parts[at + 1 :]]))
    with pytest.raises(errors.S3Error) as caught:
        verify(other, OWN_SECRET_OF, time.time())
    assert caught.value.status in (400, 403)
    with pytest.raises(errors.SignatureDoesNotMatch):
        verify(request._replace(path=changed(data.draw, path)), OWN_SECRET_OF, time.time())


@pytest.mark.parametrize(
    ("query", "presigned"),
    [
        ("", False),
        ("prefix=a&list-type=2", False),
        ("prefix=X-Amz-Signature=1", False),
        ("prefix=a%26X-Amz-Signature=1", False),
        ("X-Amz-Signature=1", True),
        ("a=b&X-Amz-Signature=1", True),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", True),
    ],
)
def test_only_a_parameter_makes_a_link(query, presigned):
    assert sigv4.is_presigned(query) is presigned


@pytest.mark.parametrize(
    ("method", "named", "header", "taken"),
    [
        ("PUT", None, None, True),
        ("PUT", "UNSIGNED-PAYLOAD", None, True),
        ("PUT", EMPTY, EMPTY, True),
        ("PUT", EMPTY, None, False),
        ("PUT", EMPTY, "0" * 64, False),
        ("PUT", EMPTY, "UNSIGNED-PAYLOAD", False),
        ("POST", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", None, False),
        ("GET", EMPTY, None, True),
    ],
)
def test_a_link_that_names_a_digest_needs_the_header_that_is_checked(method, named, header, taken):
    """The body is compared with the header: a digest that stood in the link alone would bind nobody."""
    date = datetime.now(timezone.utc)
    timestamp = date.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date:%Y%m%d}/us-east-1/s3/aws4_request"
    fields = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"AKIDOWN/{scope}"),
        ("X-Amz-Date", timestamp),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if named is not None:
        fields.append(("X-Amz-Content-Sha256", named))
    headers = {"host": "h"} | ({} if header is None else {"x-amz-content-sha256": header})
    payload = named or header or "UNSIGNED-PAYLOAD"
    signer = S3SigV4Auth(OWN, "s3", "us-east-1")
    pairs = "&".join(sorted(f"{name}={quote(value, safe='')}" for name, value in fields))
    canonical = f"{method}\n/b/k\n{pairs}\nhost:h\n\nhost\n{payload}"
    request = AWSRequest(method, ORIGIN)
    request.context["timestamp"] = timestamp
    signature = signer.signature(f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode())}", request)
    arrived = SignedRequest(method, "/b/k", f"{pairs}&X-Amz-Signature={signature}", headers)
    if taken:
        assert verify(arrived, OWN_SECRET_OF, time.time()).access_key == "AKIDOWN"
    else:
        with pytest.raises(errors.AuthorizationQueryParametersError, match="X-Amz-Content-Sha256"):
            verify(arrived, OWN_SECRET_OF, time.time())


@pytest.mark.parametrize(
    ("name", "arrived", "value"),
    [
        ("expect", None, "100-continue"),
        ("x-amz-meta-a", "a    b", "a b"),
        ("x-amz-meta-a", "  a  ", "a"),
        ("x-amz-meta-a", "", ""),
        ("x-absent", None, ""),
    ],
)
def test_header_values_are_signed_trimmed_and_single_spaced(name, arrived, value):
    headers = {} if arrived is None else {name: arrived}
    canonical = _speedups.canonical_request("GET", "/", "", headers, name, "p")
    assert canonical == f"GET\n/\n\n{name}:{value}\n\n{name}\np".encode()
