"""Listening: the address as Granian takes it, and a short send buffer towards clients of this machine.

What a socket takes is copied, and copied again when the client reads it. The kernel lets the buffer grow to megabytes,
more than a core's cache holds, which is right for clients that are far away; with a short one a client on the same
machine finds in the cache what it reads. Of a GET of 64 MiB two workers give 40.5 a second without and 45.6 with it, and
threads that wait for their turns (`scheduling`). (`benchmarks/peers.py --only "get 64 MiB"`, three times in turn.)
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from granian.net import SocketSpec  # type: ignore[attr-defined]  # its own servers import it from there

from falcon_s3.config import is_loopback

# Of one connection, in bytes; the kernel adds as many for its own needs (socket(7), SO_SNDBUF). No more than it lets
# everybody have unless told otherwise (net.core.wmem_max): 384 KiB were no faster.
SEND_BYTES = 208 << 10


def address_of(host: str) -> str:
    """The IP address of a host that may have been given by its name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found: Any = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)[0][4]
    return str(found[0])


def is_near(address: str) -> bool:
    """Whether all who connect to an IP address are on this machine, where sockets inherit from the one that listens."""
    return sys.platform == "linux" and is_loopback(address)


def shorten(sockets: Any) -> Any:
    """With a short send buffer what Granian gives to a worker to listen on. Called in the worker.

    On Linux that is ((spec, None), None), from which each worker makes a socket of its own. Anything else stays as it is.
    """
    match sockets:
        case ((SocketSpec() as spec, None), shared):
            holder = spec.build()
            with socket.socket(fileno=os.dup(holder.get_fd())) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # accepted ones inherit it
            return (None, holder), shared
    return sockets
