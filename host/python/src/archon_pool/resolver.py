"""Addresses of hosts."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time

from .clock import Clock, SilentError
from .connection_config import HostPort


def resolve(host: HostPort, until: float, clock: Clock) -> list[str]:
    """The addresses of a host, none for a Unix socket. Raises `OSError` when the name is not known.

    They are asked for in a thread: the system's resolver knows no time limit.
    """
    if host.address is not None:
        return [host.address]
    if host.host.startswith(("/", "@")):
        return []
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host.host, host.port, type=socket.SOCK_STREAM)
            found.put([str(info[4][0]) for info in infos])
        except (OSError, UnicodeError) as error:
            found.put(error if isinstance(error, OSError) else OSError(0, "it is no name of a host"))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = found.get(timeout=max(0.0, min(until, clock.end) - time.monotonic()))
    except queue.Empty:
        clock.check()
        raise SilentError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def is_local(address: str) -> bool:
    """Checks that an address is of the loopback network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
