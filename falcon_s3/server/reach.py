"""Why an address cannot be reached: tried step by step, without gRPC, which says it in many words or in none."""

from __future__ import annotations

import socket
import ssl

from falcon_s3.pfs.pachd.address import Address

STEP_SECONDS = 5.0


def why_not(address: Address) -> str | None:
    """What is wrong, and what to do; None if host, port and TLS are as the address says."""
    try:
        connection = socket.create_connection((address.host, address.port), timeout=STEP_SECONDS)
    except socket.gaierror:
        return f"there is no host {address.host}: check the address given with --pachd"
    except OSError as ex:
        why = ex.strerror or "no answer"
        return f"nothing can be reached at {address} ({why}): check the address, and that pachd runs"
    with connection:
        return _why_not_tls(address, connection)


def _why_not_tls(address: Address, connection: socket.socket) -> str | None:
    trust = ssl.create_default_context(cadata=address.ca.decode("ascii", "replace") if address.ca else None)
    if not address.tls:  # whoever it is
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    trust.set_alpn_protocols(["h2"])
    plain = f"{address.host}:{address.port}"
    try:
        with trust.wrap_socket(connection, server_hostname=address.host):
            pass
    except ssl.SSLCertVerificationError as ex:
        return (
            f"the certificate of {address} is not trusted ({ex.verify_message}): give that of its authority with"
            " --pachd-ca FILE"
        )
    except OSError:
        return f"{address} does not speak TLS: say --pachd grpc://{plain}" if address.tls else None
    return None if address.tls else f"{address} speaks TLS: say --pachd grpcs://{plain}"
