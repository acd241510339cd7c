"""Headers and queries, compiled and twin: against Falcon, urllib and botocore, which read and write them too."""

from __future__ import annotations

import importlib
import random
import string
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote

import falcon
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from falcon.testing import create_environ
from hypothesis import example, given, settings
from hypothesis import strategies as st

from falcon_s3 import _speedups

SIGNER = S3SigV4QueryAuth(Credentials("AKIDEXAMPLE", "secret"), "s3", "us-east-1")

# --- texts and queries -----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["~", "a+b c", "%", "%zz", "é", "😀", "\0"])
NAME = TEXT | st.sampled_from(
    ["X-Amz-Signature", "X-Amz-Date", "x-aMz-meta-a", "X-Amz", "prefix", "a", "a-", "a.", "a0"]
)
PAIRS = st.lists(st.tuples(NAME, TEXT), max_size=8)
# What comes as it is: pieces that are cut, escaped and repeated in every way.
PIECES = "& = % %2 %2F %2f %7e %FF %C3%BC %00 %zz + a b ~ / - X-Amz-Signature Signature X-Amz-Date= x-amz-a= ü prefix".split()
RAW = st.lists(st.sampled_from([*PIECES, " "]), max_size=30).map("".join)
# Longer than what the compiled module holds on its stack.
LONG = "&".join(f"{name}%2F%c3%bc={'ü ' * 50}" for name in random.Random(1).sample(range(10_000), 200))

# What is told of a query that says nothing of a signature, but for the query itself.
NOT_SIGNED = (None, "", None)
UNRESERVED = string.ascii_letters + string.digits + "-._~"


def written(pairs, safe=""):
    """A query as a client writes it."""
    return "&".join(f"{quote(name, safe=safe)}={quote(value, safe=safe)}" for name, value in pairs)


def signed_by_botocore(pairs):
    return SIGNER.canonical_query_string(SimpleNamespace(params=pairs, url="http://h/"))


# --- canonical form --------------------------------------------------------------------------------------------------


@given(PAIRS, st.sampled_from(["", "!*'()", "$,:;@", "/"]), st.randoms())
@settings(deadline=None)
def test_a_query_is_signed_as_botocore_signs_it(sign, pairs, safe, chance):
    """However it was written, and in whatever order its parameters came."""
    chance.shuffle(pairs)
    assert sign.canonical_query(written(pairs, safe)) == signed_by_botocore(pairs)


@given(PAIRS)
@settings(deadline=None)
def test_a_link_is_what_is_signed_without_its_signature_and_amazons_parameters(sign, pairs):
    (terms, signature, digest, query), others = sign.link_of(written(pairs))
    assert query == signed_by_botocore([pair for pair in pairs if pair[0] != "X-Amz-Signature"])
    found = {
        quote(name, safe=""): quote(value, safe="")
        for name, value in pairs
        if quote(name, safe="")[:6].lower() == "x-amz-"
    }
    date, wanted = found.pop("X-Amz-Date", None), found.pop("X-Amz-Signature", None)
    assert terms == (None if date is None and wanted is None else f"&&{date or ''}&&")
    assert (signature, digest) == (wanted or "", None)
    assert others == found


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("", ""),
        ("&&", ""),
        ("a", "a="),
        ("=", "="),
        ("=&a", "=&a="),
        ("b&a=", "a=&b="),
        ("a=b=c", "a=b%3Dc"),
        ("a=2&a=1&a", "a=&a=1&a=2"),
        ("a-=1&a=2", "a=2&a-=1"),  # `a` comes before `a-`, though `=` comes behind `-`
        ("ab=1&a=2", "a=2&ab=1"),
        ("p=a+b%20c", "p=a%20b%20c"),
        ("p=%2f%7e~%41", "p=%2F~~A"),
        ("p=%&q=%4&r=%4g", "p=%25&q=%254&r=%254g"),
        ("p=é", "p=%C3%A9"),
        ("p=\ufffd", "p=%EF%BF%BD"),
        ("p=\0", "p=%00"),
    ],
)
def test_the_canonical_form_of_a_query(sign, query, canonical):
    assert sign.canonical_query(query) == canonical
    assert sign.link_of(query) == ((*NOT_SIGNED, canonical), {})


@pytest.mark.parametrize("byte", range(256))
def test_an_escape_is_kept_for_all_but_unreserved_characters(sign, byte):
    wanted = chr(byte) if chr(byte) in UNRESERVED else f"%{byte:02X}"
    for text in (f"%{byte:02X}", f"%{byte:02x}"):
        assert sign.canonical_query(f"{text}={text}") == f"{wanted}={wanted}"


@given(RAW)
@settings(deadline=None)
def test_a_canonical_query_is_its_own_canonical_form(sign, query):
    once = sign.canonical_query(query)
    assert sign.canonical_query(once) == once


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("X-Amz-Algorithm=1", ("1&&&&", "", None)),
        ("X-Amz-Credential=a%2Fb+c", ("&a%2Fb+c&&&", "", None)),
        ("X-Amz-Date=1&X-Amz-Date=2&a=b", ("&&2&&", "", None)),
        ("X-Amz-Expires=-1", ("&&&-1&", "", None)),
        ("X-Amz-SignedHeaders=host%3Ba", ("&&&&host%3Ba", "", None)),
        ("X-Amz-Signature=1&X-Amz-Signature", ("&&&&", "", None)),
        ("X-Amz-Signature&X-Amz-Signature=é", ("&&&&", "é", None)),
        ("X-Amz-Content-Sha256", ("&&&&", "", "")),
        ("X-Amz-Content-Sha256=é&X-Amz-Date=ü", ("&&ü&&", "", "é")),
    ],
)
def test_what_signs_a_link_is_told_as_it_is_written(sign, query, told):
    link, others = sign.link_of(query)
    assert others == {}
    assert link[:3] == told


@pytest.mark.parametrize(
    ("query", "others"),
    [
        ("x-amz-=1&X-AMZ-A", {"x-amz-": "1", "X-AMZ-A": ""}),
        ("x-am=1&X-Amz=2&xx-amz-a=3&%78-amz-a=4", {}),
        ("x-amz-date=1&X-Amz-Dates=2&X-Amz-Expire=3", {"x-amz-date": "1", "X-Amz-Dates": "2", "X-Amz-Expire": "3"}),
        ("X-Amz-Signaturf=1&X-Amz-Content-Sha257=2", {"X-Amz-Signaturf": "1", "X-Amz-Content-Sha257": "2"}),
        ("x-amz-meta-a=1&x-amz-meta-a=2", {"x-amz-meta-a": "2"}),
        ("x-amz-ü=ü", {"x-amz-ü": "ü"}),
    ],
)
def test_what_else_is_amazons_is_told_as_it_is_written(sign, query, others):
    link, found = sign.link_of(query)
    assert (link[:3], found) == (NOT_SIGNED, others)


def test_only_the_signature_itself_is_left_out(sign):
    query = "X-Amz-Signature=1&X-Amz-Signature&X-Amz-Signature2=2&x-amz-signature=3&%58-Amz-Signature=4"
    assert sign.link_of(query)[0][3] == "X-Amz-Signature=4&X-Amz-Signature2=2&x-amz-signature=3"


# --- what is asked, what is hashed ------------------------------------------------------------------------------------


def asked(sign, query="", path="/p", method="GET", **headers):
    """Of a request; headers are known but for `other`."""
    env = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "h", "wsgi.input": None}
    env |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return sign.asked_of(env, {"host", "range", "date", "content-type"}, ("host", "range"), {"a", "b"})


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ("a=1&X-Amz-Date=2&b", "a=1&b"),
        ("X-Amz-Signature=2&X-Amz-Signature", ""),
        ("a=%2F+&a=2", "a=%2F+&a=2"),
        ("X-Amz-Content-Sha256=1&b=X-Amz-Date", "b=X-Amz-Date"),
        ("a=1&c=2", None),
        ("a=1&", None),
        ("&a=1", None),
        ("a=1&&b", None),
        ("&", None),
        ("=", None),
        ("a=1&%61=2", None),
        ("A=1", None),
        ("x-amz-date=1", None),
        ("X-Amz-Meta-A=1", None),
        ("X-Amz-Dates=1", None),
        ("é=1", None),
        ("a=é", None),
        ("a=1&=a", None),
    ],
)
def test_the_question_is_without_what_signs_it(sign, query, plain):
    """And there is none if anything else is in it, however little."""
    found = asked(sign, query, host="h", date="d")
    if plain is None:
        assert found is None
    else:
        assert found == (("GET", "/p", plain, "h", None), {"host": "h", "date": "d"}, sign.link_of(query)[0])


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "X-Amz-Date", "X-Amz-Signature"]), TEXT), max_size=6))
@settings(deadline=None)
def test_any_question_holds_its_parameters(sign, pairs):
    question, _, link = asked(sign, written(pairs))
    assert parse_qsl(question[2], keep_blank_values=True) == [pair for pair in pairs if pair[0] in ("a", "b")]
    assert link[3] == signed_by_botocore([pair for pair in pairs if pair[0] != "X-Amz-Signature"])


@pytest.mark.parametrize(
    ("env", "headers"),
    [
        ({}, {}),
        ({"HTTP_HOST": "h", "HTTP_RANGE": ""}, {"host": "h", "range": ""}),
        ({"CONTENT_TYPE": "t", "CONTENT_LENGTH": ""}, {"content-type": "t"}),
        ({"CONTENT_LENGTH": "0"}, None),
        ({"HTTP_HOST": "h", "HTTP_OTHER": ""}, None),
        ({"HTTP_É": ""}, None),
        ({"HTTP_": ""}, None),
    ],
)
def test_a_header_that_is_not_known_may_ask_for_anything(sign, env, headers):
    plain = {"REQUEST_METHOD": "HEAD", "PATH_INFO": "/ü", "QUERY_STRING": ""}
    found = sign.asked_of(plain | env, {"host", "range", "content-type"}, ("range", "host"), ())
    if headers is None:
        assert found is None
    else:
        question = ("HEAD", "/ü", "", headers.get("range"), headers.get("host"))
        assert found == (question, headers, (None, "", None, ""))


@pytest.mark.parametrize("wrong", [None, b"a=b", 1])
def test_an_environment_without_texts_is_a_type_error(sign, wrong):
    with pytest.raises((TypeError, AttributeError)):
        asked(sign, wrong)
    with pytest.raises((TypeError, AttributeError)):
        sign.headers_of({wrong: "a"})


@given(
    TEXT,
    st.dictionaries(st.sampled_from(["range", "x-amz-meta-a", "x-amz-date"]), st.text(" abé", max_size=9)),
    st.sampled_from(["GET", "PUT"]),
)
@settings(deadline=None)
def test_a_request_is_hashed_as_botocore_hashes_it(sign, path, headers, method):
    headers |= {"host": "h", "x-amz-content-sha256": "p"}
    request = AWSRequest(method, f"http://h/{quote(path)}", headers=headers)
    signer = S3SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "s3", "us-east-1")
    wanted = signer.canonical_request(request)
    assert sign.canonical_request(method, f"/{path}", "", headers, ";".join(sorted(headers)), "p") == wanted.encode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (" \t a   b  c\x1c\v", "a b c"),
        ("\xa0é  ü\x85", "é ü"),
        (" ", ""),
        ("", ""),
        ("a" * 5000 + "  ü", "a" * 5000 + " ü"),
        (None, ""),
    ],
)
def test_a_header_is_hashed_with_one_space_for_many(sign, value, written):
    headers = {"a": "1", "host": "h"} | ({} if value is None else {"b": value})
    signed = sign.canonical_request("GET", "/" + "ü" * 3000, "q=" + "q" * 3000, headers, "a;b;expect;host", "p" * 3000)
    path, query, payload = f"/{'%C3%BC' * 3000}", "q=" + "q" * 3000, "p" * 3000
    wanted = f"GET\n{path}\n{query}\na:1\nb:{written}\nexpect:100-continue\nhost:h\n\na;b;expect;host\n{payload}"
    assert signed == wanted.encode()


@given(
    st.text(max_size=9), st.dictionaries(st.text("ab;", max_size=3), st.text(max_size=9)), st.text("ab;", max_size=9)
)
@settings(deadline=None)
def test_both_twins_hash_the_same(path, headers, signed):
    """Or both say that it is no text."""
    answers = []
    for module in (compiled(), importlib.import_module("falcon_s3._sign_py")):
        try:
            answers.append(module.canonical_request("GET", path, path, headers, signed, path))
        except UnicodeError:
            answers.append("no text")
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("path", "written"), [("/a/~._-Z9//", "/a/~._-Z9//"), ("/ü /%2F+*", "/%C3%BC%20/%252F%2B%2A"), ("/\0", "/%00")]
)
def test_a_path_is_escaped_once_and_keeps_its_slashes(sign, path, written):
    assert sign.canonical_request("GET", path, "", {}, "host", "").decode().split("\n")[1] == written


@pytest.mark.parametrize("wrong", [None, b"a", 1])
def test_a_request_of_anything_but_texts_is_a_type_error(sign, wrong):
    for place in (1, 4):
        arguments = ["GET", "/", "", {}, "host", "p"]
        arguments[place] = wrong
        with pytest.raises((TypeError, AttributeError)):
            sign.canonical_request(*arguments)


# --- claims ----------------------------------------------------------------------------------------------------------

VERSION_4, VERSION_2, SESSION = 1, 2, 4


@pytest.mark.parametrize(
    ("query", "claims"),
    [
        ("", 0),
        ("X-Amz-Signature=1", VERSION_4),
        ("a=b&X-Amz-Algorithm=", VERSION_4),
        ("AWSAccessKeyId=a&Expires=1&Signature=b", VERSION_2),
        ("a&&Signature=", VERSION_2),
        ("AWSAccessKeyId=a&X-Amz-Signature=b", VERSION_2 | VERSION_4),
        ("X-Amz-Security-Token=a", SESSION),
        ("ü=&x-AMZ-security-tokeN=&Signature=\udcff", SESSION | VERSION_2),
        # A name inside a value, without a value, cut short, longer, or in another case does not count.
        ("prefix=X-Amz-Signature=1", 0),
        ("prefix=a%26Signature=1", 0),
        ("X-Amz-Signature&Signature&AWSAccessKeyId&x-amz-security-token", 0),
        ("X-Amz-Signatur=1&ignature=1&AWSAccessKeyI=1&x-amz-security-toke=1", 0),
        ("X-Amz-Signature2=1&aSignature=1&AWSAccessKeyIds=1&x-amz-security-tokens=1", 0),
        ("x-amz-signature=1&X-AMZ-ALGORITHM=1&signature=1&awsaccesskeyid=1", 0),
        ("%58-Amz-Signature=1&x-amz-security-to\u212aen=1&x\x0damz-security-token=1", 0),
    ],
)
def test_a_query_claims_what_its_names_say(sign, query, claims):
    assert sign.claims_of(query) == claims


@given(PAIRS, st.sampled_from(["X-Amz-Algorithm", "Signature", "AWSAccessKeyId", "X-AMZ-Security-token"]))
@settings(deadline=None)
def test_what_is_added_to_a_query_is_claimed_besides(sign, pairs, name):
    before = sign.claims_of(written(pairs))
    added = sign.claims_of(f"{name}=")
    assert added
    assert before == (VERSION_4 if "X-Amz-Signature" in dict(pairs) else 0)
    assert sign.claims_of(written([*pairs, (name, "a")])) == before | added


# --- parameters ------------------------------------------------------------------------------------------------------


@given(PAIRS)
@settings(deadline=None)
def test_the_parameters_are_those_of_urllib(sign, pairs):
    query = written(pairs)
    assert sign.parse_query(query) == dict(parse_qsl(query, keep_blank_values=True, errors="strict"))


@given(RAW)
@example(LONG.encode().decode("latin-1"))
@settings(deadline=None)
def test_a_raw_query_is_read_as_urllib_reads_it_or_is_not_utf8(sign, query):
    """A server hands on bytes as Latin-1."""
    raw = query if not query.isascii() else query.encode().decode("latin-1")
    try:
        wanted = parse_qsl(raw.encode("latin-1").decode(), keep_blank_values=True, errors="strict")
    except UnicodeError:
        with pytest.raises(UnicodeError):
            sign.parse_query(raw)
    else:
        assert sign.parse_query(raw) == dict(wanted)


@pytest.mark.parametrize("query", ["a=%FF", "%C3=1", "a=\xff", "a=%ED%A0%80", "a=b&c=%80"])
def test_what_is_not_utf8_is_told(sign, query):
    with pytest.raises(UnicodeError):
        sign.parse_query(query)


# --- headers ---------------------------------------------------------------------------------------------------------

TOKEN = st.text(string.ascii_letters + string.digits + "-!#", min_size=1, max_size=80)


@given(st.dictionaries(TOKEN, st.text(st.characters(max_codepoint=255))))
@settings(deadline=None)
def test_the_headers_are_those_that_falcon_finds(sign, headers):
    env = create_environ("/", http_version="1.1")
    env |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    assert sign.headers_of(env) == falcon.Request(env).headers_lower


@pytest.mark.parametrize(
    ("env", "headers"),
    [
        ({}, {}),
        ({"HTTP": "1", "HTTP_": "2", "XHTTP_A": "3", "http_a": "4", "": "5"}, {"": "2"}),
        ({"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "0"}, {"content-type": "a/b", "content-length": "0"}),
        ({"CONTENT_TYPE": "", "CONTENT_LENGTH": ""}, {}),
        ({"HTTP_X_AMZ_DATE": "1", "wsgi.input": None}, {"x-amz-date": "1"}),
        ({"HTTP_É": "1", "É": "2", "\udcff": "3"}, {"é": "1"}),  # a server's own environment is among it
    ],
)
def test_the_headers_of_an_environment(sign, env, headers):
    assert sign.headers_of(env) == headers


# --- twins -----------------------------------------------------------------------------------------------------------


def compiled():
    return (
        pytest.importorskip("falcon_s3._sign_c") if _speedups.compiled else pytest.skip("there is no compiled module")
    )


@given(RAW | TEXT | st.just(LONG))
@settings(deadline=None)
def test_both_twins_say_the_same(query):
    """Of what no client should send, too: surrogates, and texts that are no Latin-1."""
    for name in ("canonical_query", "claims_of", "link_of", "parse_query", "asked_of"):
        more = () if name != "asked_of" else ((), (), {"prefix", "a", "", "b", "ü", "%zz"})
        asking = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": query} if more else query
        answers = []
        for module in (compiled(), importlib.import_module("falcon_s3._sign_py")):
            try:
                answers.append(getattr(module, name)(asking, *more))
            except UnicodeError:
                answers.append("no text")
        assert answers[0] == answers[1], name


@pytest.mark.parametrize("name", ["canonical_query", "claims_of", "link_of", "parse_query", "headers_of"])
@pytest.mark.parametrize("wrong", [None, b"a=b", 1, ["a"]])
def test_what_is_no_text_is_a_type_error(sign, name, wrong):
    with pytest.raises((TypeError, AttributeError)):
        getattr(sign, name)(wrong)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1000, 20_000])
def test_any_number_of_parameters_is_sorted(sign, count):
    names = [f"n{number:05}" for number in range(count)]
    shuffled = random.Random(count).sample(names, count)
    canonical = "&".join(f"{name}=" for name in names)
    assert sign.canonical_query("&".join(shuffled)) == canonical
    assert sign.canonical_query(canonical) == canonical
    assert list(sign.parse_query("&".join(shuffled))) == shuffled


def test_long_texts_are_read_as_short_ones(sign):
    for length in (1023, 1024, 1025, 100_000):
        text = "ü+" * length
        assert sign.parse_query(text.encode().decode("latin-1")) == {text.replace("+", " "): ""}
        assert sign.canonical_query(text) == "%C3%BC%20" * length + "="
