"""Config: what the operator chose, from the command line, the environment, a TOML file, or by default.

`cli` collects the values, in this order of weight: flag, FALCON_S3_* variable, file, default. This module says
what they are, reads the file, and refuses what cannot work with a sentence that says what to do instead.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from falcon_s3 import cors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENGINES = ("granian", "meinheld")
DURABILITIES = ("strict", "relaxed")
LOG_LEVELS = ("debug", "info", "warning", "error")

# Letters, digits and hyphens between dots (RFC 1123 section 2.1), and the underscores that some networks have.
DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)

# A part of what is signed, between slashes; clients find it in what the gateway answers.
REGION = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
# ASCII without spaces, and without what stands between it and other parts of a signature.
ACCESS_KEY = re.compile(r"[!-+.0-9;-~-]+", re.ASCII)

# As good as for ever. Of times that no 64 bits hold in milliseconds, or nanoseconds, SQLite would take none, and gRPC would
# take each for one that is over.
LONGEST = 1_000_000
# More workers, or threads in each, serve nobody; the machine would start them until it has no memory left.
MOST = 10_000

# What a setting of this type is in the file, in words.
WORDS: dict[type, str] = {str: "text in quotes", int: "a whole number", bool: "true or false"}


class ConfigError(Exception):
    """The gateway cannot be run like this; the message says why and what to do."""


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Config:
    """Everything `serve` needs; plain values, so that every worker can be given them."""

    listen: str = "127.0.0.1:30600"  # HOST:PORT
    data: Path = Path("falcon-s3-data")
    workers: int = field(default_factory=cores)
    threads: int = 32  # in each worker
    engine: str = "granian"
    region: str = "us-east-1"
    domain: str = ""  # those whose subdomains are buckets, separated by commas
    cors_origin: str = ""  # those whose pages may use the gateway, separated by commas
    pachd: str = ""  # an address, or "config"; "": the embedded store, in `data`
    pachd_ca: Path | None = None  # a file with the certificates that sign pachd's
    pachd_seconds: int = 30  # how long pachd may keep a request waiting
    pachd_token: str | None = field(default=None, repr=False)  # with which uploads that nobody completes are discarded
    job: Path | None = None  # the file of a job, whose buckets alone are shown
    grpc: str = ""  # HOST:PORT where the folder is served over gRPC too; "": nowhere
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    keys_secret: str | None = field(default=None, repr=False)  # what the stored access keys are encrypted with
    anonymous: bool = False  # listen beyond loopback without a key
    log_level: str = "info"
    durability: str = "strict"  # or "relaxed": acknowledged before it is synced
    upload_days: int = 7  # multipart uploads that nobody completes are discarded after so many

    @property
    def domains(self) -> tuple[str, ...]:
        """Each domain once, in lower case."""
        return separated(self.domain)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Each pattern of origins once, in lower case."""
        return separated(self.cors_origin)

    @property
    def host(self) -> str:
        return split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        return split_listen(self.listen)[1]

    @property
    def url(self) -> str:
        """Where a client on this machine finds the gateway."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def opens_without_keys(self) -> bool:
        """Whether everybody may do everything as long as there is no access key; else nobody may do anything."""
        return self.anonymous or is_loopback(self.host)

    def check(self) -> None:
        """Raise ConfigError for what cannot work, whatever is stored."""
        split_listen(self.listen)
        for name in ("workers", "threads", "upload_days", "pachd_seconds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, most in (("workers", MOST), ("threads", MOST), ("upload_days", LONGEST), ("pachd_seconds", LONGEST)):
            if getattr(self, name) > most:
                raise ConfigError(f"{name} must be at most {most}, not {getattr(self, name)}")
        if self.engine not in ENGINES:
            raise ConfigError(f"engine must be one of {', '.join(ENGINES)}, not {self.engine}")
        if self.durability not in DURABILITIES:
            raise ConfigError(f"durability must be one of {', '.join(DURABILITIES)}, not {self.durability}")
        if self.log_level not in LOG_LEVELS:
            raise ConfigError(f"log_level must be one of {', '.join(LOG_LEVELS)}, not {self.log_level}")
        if not REGION.fullmatch(self.region):
            raise ConfigError(f"region must be letters, digits, hyphens, such as us-east-1, not {self.region!r}")
        for domain in self.domains:
            if not DOMAIN.fullmatch(domain):
                raise ConfigError(f"domain must be a host name such as s3.example.org, without a port, not {domain}")
        for origin in self.cors_origins:
            if not cors.is_pattern(origin):
                raise ConfigError(
                    "cors_origin must be * or an origin such as https://app.example.org or https://*.example.org,"
                    f" without a path, not {origin}"
                )
        if bool(self.access_key) != bool(self.secret_key):
            there, missing = ("ACCESS", "SECRET") if self.access_key else ("SECRET", "ACCESS")
            raise ConfigError(f"FALCON_S3_{there}_KEY is set and FALCON_S3_{missing}_KEY is not: set both, or neither")
        if self.access_key and not ACCESS_KEY.fullmatch(self.access_key):
            raise ConfigError("the access key must be ASCII without spaces, slashes, colons and commas")
        if self.secret_key and not is_secret(self.secret_key):
            raise ConfigError(
                "the secret key must be printable text without spaces around it: perhaps the end of a line came with it"
            )
        if self.pachd and self.access_key:
            raise ConfigError(
                "in front of pachd the access keys are Pachyderm's tokens: unset FALCON_S3_ACCESS_KEY and"
                " FALCON_S3_SECRET_KEY"
            )
        if self.grpc and self.pachd:
            raise ConfigError("--grpc serves the store in a folder, and --pachd has none: leave out one of them")
        if self.pachd_ca is not None and not self.pachd:
            raise ConfigError("pachd_ca is about the pachd that --pachd names, and none is named")
        if self.pachd_token and not self.pachd:
            raise ConfigError("FALCON_S3_PACHD_TOKEN is of the pachd that --pachd names, and none is named")

    def check_keys(self, *, stored: bool) -> None:
        """Raise ConfigError for what would be unsafe on the embedded store; `stored`: whether it has access keys."""
        if not (self.access_key or stored or self.opens_without_keys):
            raise ConfigError(
                f"without an access key everybody who reaches {self.listen} could read, write and delete everything:"
                " make one with `falcon-s3 key create`, or set FALCON_S3_ACCESS_KEY and FALCON_S3_SECRET_KEY,"
                " or listen on 127.0.0.1, or say --anonymous if that is what you want"
            )


def is_secret(text: str) -> bool:
    """Whether somebody may sign with it: bytes that are no UTF-8 nobody can, and no client has the end of a line in it."""
    return text.isprintable() and text == text.strip()


def separated(text: str) -> tuple[str, ...]:
    """The parts between commas, each once, in lower case."""
    names = (name.strip().lower() for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def split_listen(listen: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT or :PORT as host and port."""
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ConfigError(
            f"listen must be HOST:PORT with a port from 1 to 65535, such as 127.0.0.1:30600, not {listen}"
        )
    return host.strip("[]") or "0.0.0.0", int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_file(path: Path) -> dict[str, Any]:
    """The settings in a TOML file; its names are those of Config's fields. Raises ConfigError."""
    try:
        settings = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as ex:
        raise ConfigError(f"the configuration file {path} cannot be read: {ex.strerror}") from ex
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as ex:
        raise ConfigError(f"the configuration file {path} is not valid TOML: {ex}") from ex
    known = {each.name: each.type for each in fields(Config)}
    for name, value in settings.items():
        if name not in known:
            raise ConfigError(f"{path}: there is no setting {name}; there are {', '.join(sorted(known))}")
        wanted: type = {"int": int, "bool": bool}.get(str(known[name]), str)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{path}: {name} must be {WORDS[wanted]}, not {value!r}")
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{path}: {name} has a byte 0 in it")
        if not value and "Path" in str(known[name]):
            raise ConfigError(f'{path}: {name} is empty; the current folder is "."')
    return settings
