"""DNS resolution of hosts."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time

from .clock import Clock, SilentError
from .connection_config import HostPort

_LONGEST_WAIT_S = 86_400.0
_MOST_AT_ONCE = 64
_UNDER_WAY = threading.BoundedSemaphore(_MOST_AT_ONCE)
"""Limits pending look-ups of the process: abandoned ones continue until the system's resolver ends them. Each call has
its own limit too.
"""


def resolve(host: HostPort, until: float, clock: Clock) -> list[str]:
    """Returns the addresses of a host, none for a Unix socket. Raises `OSError` for an unknown name.

    Look-ups run in a thread, because the system's resolver has no time limit.
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
        finally:
            _UNDER_WAY.release()
            clock.look_ups.release()

    if not clock.look_ups.acquire(timeout=_left_s(until, clock)):
        clock.check()
        raise SilentError
    if not _UNDER_WAY.acquire(blocking=False):
        clock.look_ups.release()
        raise OSError(0, f"{_MOST_AT_ONCE} look-ups of names are under way already")
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = found.get(timeout=_left_s(until, clock))
    except queue.Empty:
        clock.check()
        raise SilentError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _left_s(until: float, clock: Clock) -> float:
    return min(max(0.0, min(until, clock.end) - time.monotonic()), _LONGEST_WAIT_S)


def is_local(address: str) -> bool:
    """Returns true for an address of the loopback network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
