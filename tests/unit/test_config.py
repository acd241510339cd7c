"""What the operator chose: refused with a sentence where it cannot work, taken where it can."""

from pathlib import Path

import pytest

from falcon_s3.config import Config, ConfigError, cores, is_loopback, read_file, split_listen


@pytest.mark.parametrize(
    "listen, expected",
    [
        ("127.0.0.1:30600", ("127.0.0.1", 30600)),
        ("localhost:1", ("localhost", 1)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
        (":80", ("0.0.0.0", 80)),
        ("[::1]:30600", ("::1", 30600)),
        ("[::]:30600", ("::", 30600)),
    ],
)
def test_an_address_has_a_host_and_a_port(listen, expected):
    """HOST:PORT, IPv6 in brackets, every interface without a host."""
    assert split_listen(listen) == expected


@pytest.mark.parametrize(
    "listen", ["", "30600", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "a:0", "a:65536", "a:-1", "a:١"]
)
def test_a_bad_address_is_refused_with_an_example(listen):
    """The message shows a good one."""
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:30600"):
        Config(listen=listen).check()


@pytest.mark.parametrize(
    "host, expected",
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_loopback_is_this_machine_only(host, expected):
    """A name that could be anywhere is not loopback."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize("listen", ["0.0.0.0:30600", ":30600", "[::]:30600", "192.168.1.1:30600", "example.org:80"])
def test_without_a_key_only_this_machine_is_let_in(listen):
    """Listening elsewhere needs a key or an explicit word; the message names both."""
    with pytest.raises(ConfigError, match=r"FALCON_S3_ACCESS_KEY.*--anonymous"):
        Config(listen=listen).check_keys(stored=False)
    Config(listen=listen).check_keys(stored=True)
    Config(listen=listen, anonymous=True).check_keys(stored=False)
    Config(listen=listen, access_key="a", secret_key="b").check_keys(stored=False)


@pytest.mark.parametrize(
    "keys, missing", [({"access_key": "a"}, "SECRET"), ({"secret_key": "b"}, "ACCESS"), ({"access_key": "a", "secret_key": ""}, "SECRET")]
)  # fmt: skip
def test_half_a_key_is_refused(keys, missing):
    """Both or neither; the message names the one that is not there."""
    with pytest.raises(ConfigError, match=f"FALCON_S3_{missing}_KEY is not"):
        Config(**keys).check()


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"workers": 10**21}, "workers must be at most 10000"),
        ({"threads": 10_001}, "threads must be at most 10000"),
        ({"upload_days": 0}, "upload_days must be at least 1"),
        ({"upload_days": 1_000_001}, "upload_days must be at most 1000000"),
        ({"pachd_seconds": 1_000_001}, "pachd_seconds must be at most 1000000"),
        ({"durability": "none"}, "durability must be one of strict, relaxed, not none"),
        ({"engine": "gunicorn"}, "granian, meinheld"),
        ({"log_level": "loud"}, "debug, info, warning, error"),
        ({"pachd": "grpc://a", "access_key": "a", "secret_key": "b"}, "unset FALCON_S3_ACCESS_KEY"),
        ({"pachd_ca": Path("ca.pem")}, "--pachd"),
        *(
            ({"access_key": key, "secret_key": "b"}, "without spaces, slashes")
            for key in ("a/b", "a:b", "a,b", "a b", "é")
        ),
        *(({"access_key": "a", "secret_key": secret}, "end of a line") for secret in ("b\n", " b", "b\udcff")),
        ({"region": ""}, "us-east-1"),
        ({"region": "a/b"}, "us-east-1"),
    ],
)
def test_a_bad_setting_is_refused(setting, message):
    """The message says what would be good."""
    with pytest.raises(ConfigError, match=message):
        Config(**setting).check()


@pytest.mark.parametrize("domain", ["a:80", "http://a", "a/b", "*.a", "a..b", ".a", "a.", "a b", "é.example", "a,b:1"])
def test_a_bad_domain_is_refused_with_an_example(domain):
    """It is the end of a host name, and nothing else."""
    with pytest.raises(ConfigError, match=r"s3\.example\.org"):
        Config(domain=domain).check()


@pytest.mark.parametrize(
    "origin", ["example.org", "https://a/", "https://a/b", "https://", "**", "https://*.*.a", "https://a b", "é", "*,x"]
)
def test_a_bad_origin_is_refused_with_an_example(origin):
    """The message shows how one looks."""
    with pytest.raises(ConfigError, match=r"https://\*\.example\.org"):
        Config(cors_origin=origin).check()


def test_origins_are_separated_by_commas():
    """Each once, in lower case."""
    config = Config(cors_origin="https://A.example, http://b:8080,, https://a.example,*")
    config.check()
    assert config.cors_origins == ("https://a.example", "http://b:8080", "*")


@pytest.mark.parametrize("domain", ["localhost", "s3.example.org", "S3.Example.Org", "a,b, c", "1.2.3.4", "a_b-c.d"])
def test_a_good_domain_is_taken(domain):
    Config(domain=domain).check()


def test_defaults_work():
    """Without any choice there is a configuration that can be run."""
    Config().check()
    assert Config().workers == cores() >= 1
    assert (Config().url, Config().data, Config().threads) == ("http://127.0.0.1:30600", Path("falcon-s3-data"), 32)


@pytest.mark.parametrize(
    "listen, url", [("0.0.0.0:80", "http://127.0.0.1:80"), ("[::1]:80", "http://[::1]:80"), ("a.b:80", "http://a.b:80")]
)
def test_the_url_is_one_that_a_client_here_can_use(listen, url):
    """Every interface is no address to connect to."""
    assert Config(listen=listen).url == url


def test_the_secret_is_not_shown():
    """A logged configuration does not give the secret away."""
    assert "hidden" not in repr(Config(access_key="a", secret_key="hidden"))


def test_a_file_gives_settings(tmp_path):
    """TOML, named as Config's fields are; with the mark that editors on Windows put before it."""
    path = tmp_path / "falcon-s3.toml"
    path.write_text('\ufefflisten = "127.0.0.1:9"\nworkers = 3\nanonymous = true\ndata = "/srv/s3"\n')

    assert read_file(path) == {"listen": "127.0.0.1:9", "workers": 3, "anonymous": True, "data": "/srv/s3"}


@pytest.mark.parametrize(
    "text, message",
    [
        ("wrokers = 3", "there is no setting wrokers"),
        ("[serve]\nworkers = 3", "there is no setting serve"),
        ('workers = "3"', "workers must be a whole number"),
        ("workers = true", "workers must be a whole number"),
        ("anonymous = 1", "anonymous must be true or false"),
        ("listen = 30600", "listen must be text in quotes"),
        ("workers = ", "not valid TOML"),
        ('data = ""', "data is empty"),
        ('data = "a\\u0000b"', "data has a byte 0"),
    ],
)
def test_a_file_with_a_mistake_is_refused(tmp_path, text, message):
    """The message names the file and the setting."""
    path = tmp_path / "falcon-s3.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message) as refused:
        read_file(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    """Missing or not text."""
    path = tmp_path / "falcon-s3.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"falcon-s3\.toml"):
        read_file(path)
