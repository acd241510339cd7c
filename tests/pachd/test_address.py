"""An address of a pachd is read as Pachyderm's own tools read it."""

import pytest

from falcon_s3.pfs import InvalidPath
from falcon_s3.pfs.pachd import paths
from falcon_s3.pfs.pachd.address import Address, parse

PEM = b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("pachd", Address("pachd", 30650, False, None), "grpc://pachd:30650"),
        ("pachd:80", Address("pachd", 80, False, None), "grpc://pachd:80"),
        ("grpc://10.0.0.1:1650", Address("10.0.0.1", 1650, False, None), "grpc://10.0.0.1:1650"),
        (" http://pachd/ ", Address("pachd", 30650, False, None), "grpc://pachd:30650"),
        ("grpcs://pachd.example:443", Address("pachd.example", 443, True, None), "grpcs://pachd.example:443"),
        ("HTTPS://pachd", Address("pachd", 30650, True, None), "grpcs://pachd:30650"),
        ("grpc://[::1]:1650", Address("::1", 1650, False, None), "grpc://[::1]:1650"),
    ],
)
def test_addresses_are_read(text, address, written):
    assert parse(text) == address
    assert str(address) == written
    assert parse(written) == address


@pytest.mark.parametrize(
    "text",
    ["", "grpc://", "unix:/x", "ftp://pachd", "grpc://pachd:0", "grpc://pachd:99999", "pachd:x", "grpc://u@pachd",
     "grpc://pachd/path", "grpc://pachd?x=1", "grpc://pachd#x", "grpc://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="is no address of a pachd: "):
        parse(text)


def test_a_ca_file_is_read_and_needs_tls(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(PEM)
    assert parse("grpcs://pachd", file).ca == PEM
    with pytest.raises(ValueError, match="write grpcs://pachd:1"):
        parse("grpc://pachd:1", file)
    with pytest.raises(ValueError, match="cannot read the CA file"):
        parse("grpcs://pachd", tmp_path / "none")
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no certificate"):
        parse("grpcs://pachd", file)


@pytest.mark.parametrize("path", ["a", "a/b", "a b", "~", "#%&=:;,$'\"\\|<>", "...", ".a", "a" * 1024])
def test_paths_of_the_rule_are_taken(path):
    paths.check(path)


@pytest.mark.parametrize(
    ("path", "named"),
    [("a*b", "*"), ("a?", "?"), ("[", "["), ("]", "]"), ("{", "{"), ("}", "}"), ("!", "!"), ("(", "("), (")", ")"),
     ("a@b", "@"), ("+", "+"), ("^", "^"), ("ü", r"\xfc"), ("a\tb", r"\t"), ("a/./b", "."), ("..", ".."), ("/a", "/"),
     ("a/", "/"), ("a//b", "/"), ("", "0 bytes"), ("a" * 1025, "1025 bytes")],
)  # fmt: skip
def test_paths_beside_the_rule_are_refused_by_what_they_have(path, named):
    with pytest.raises(InvalidPath) as caught:
        paths.check(path)
    assert named in str(caught.value)
