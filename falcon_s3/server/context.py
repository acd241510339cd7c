"""pachctl's configuration file: where the pachd of its active context is.

The file is the JSON of a protobuf message, with its names as they are written there; what is not needed here is left
aside. Source: Pachyderm, `src/internal/config/config.proto`, and the order in which `config.go` looks for it.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from falcon_s3.pfs.pachd.address import Address, parse

# What stands for the active context where an address is asked for.
CONFIG = "config"
# Pachyderm's own port, where a context names none.
LOCAL = "grpc://127.0.0.1"


def active_address(ca_file: Path | None = None, environment: Mapping[str, str] = os.environ) -> Address:
    """The address of the active context; `ca_file`, if given, counts in place of the certificates in the file.

    Raises OSError, and ValueError with a sentence.
    """
    path = config_path(environment)
    name, context = active_context(path, environment)
    text = context.get("pachd_address") or LOCAL
    if not context.get("pachd_address") and (port := (context.get("port_forwarders") or {}).get("pachd")):
        text = f"{LOCAL}:{port}"
    try:
        address = parse(str(text), ca_file)
        if ca_file is None and context.get("server_cas"):
            if not address.tls:
                raise ValueError(f"there are certificates (server_cas) for {address}, which is without TLS")
            address = address._replace(ca=base64.b64decode(context["server_cas"], validate=True))
    except (ValueError, TypeError, binascii.Error) as ex:
        raise ValueError(f"the context {name} in {path} cannot be used: {ex}") from ex
    return address


def config_path(environment: Mapping[str, str]) -> Path:
    """Where pachctl looks for its file. Raises ValueError if it is nowhere."""
    if environment.get("PACH_CONFIG"):
        return Path(environment["PACH_CONFIG"])
    places = (Path("/pachctl/config.json"), Path.home() / ".pachyderm" / "config.json")
    for path in places:
        if path.exists():
            return path
    raise ValueError(f"pachctl has no configuration here: there is no {places[1]}, and PACH_CONFIG is not set")


def active_context(path: Path, environment: Mapping[str, str]) -> tuple[str, Mapping[str, Any]]:
    """The name and the fields of the active context, which PACH_CONTEXT names, or the file. Raises ValueError."""
    try:
        known = json.loads(path.read_text())["v2"]
        name = environment.get("PACH_CONTEXT") or known.get("active_context", "")
        contexts = known.get("contexts", {})
        found = contexts.get(name)
    except (ValueError, TypeError, KeyError, AttributeError) as ex:
        raise ValueError(f"{path} is no configuration of pachctl 2") from ex
    if not isinstance(found, dict):
        raise ValueError(  # noqa: TRY004
            f"{path} has no context {name!r}: set one with `pachctl config set active-context`, of"
            f" {', '.join(sorted(contexts)) or 'none yet'}"
        )
    return name, found
