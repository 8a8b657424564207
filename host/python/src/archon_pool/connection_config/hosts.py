"""Hosts, addresses and ports, as lists of the same length."""

from __future__ import annotations

import ipaddress
import re

from ..faults import FaultError
from .origin import Origin
from .parts import Parts
from .target import HostPort, invalid

_PORT = 5432
"""Default port."""

_MOST_HOSTS = 16
"""Maximum number of hosts: each may need a query to an unresponsive name server."""

SOCKETS = ("/var/run/postgresql", "/tmp")  # noqa: S108 - where PostgreSQL's own builds listen
"""Default socket folders: those of Debian and of PostgreSQL's own builds."""


def hosts(parts: Parts, origin: Origin) -> list[HostPort]:
    """Returns all hosts in the order of attempts, at least one, without passwords."""
    names = parts.read("host", lambda _, text: _listed(text)) or []
    addresses = parts.read("hostaddr", lambda _, text: list(map(_address, _listed(text)))) or []
    if not names:
        names = [""] * len(addresses)
    if addresses and len(addresses) != len(names):
        raise _unmatched(len(names), _counted(len(addresses), "address", "es"), "give one hostaddr for each host")
    # Without any host, the first existing socket is used.
    anywhere = not names
    ports = parts.read("port", lambda _, text: list(map(_port, _listed(text)))) or [_PORT]
    if len(ports) not in (1, 1 if anywhere else len(names)):
        raise _unmatched(len(names), _counted(len(ports), "port"), "give one port, or one for each host")
    if anywhere:
        return [HostPort(_socket(origin, folder), ports[0]) for folder in SOCKETS]
    found = []
    for place, name in enumerate(names):
        address = addresses[place] if addresses else None
        host = _checked(name, origin) if name else address or _socket(origin, SOCKETS[0])
        found.append(HostPort(host, ports[0] if len(ports) == 1 else ports[place], address))
    return found


def _socket(origin: Origin, folder: str) -> str:
    """Returns the operator's own socket; a request must name its host."""
    if origin.ambient is None:
        raise invalid("the connection has no host")
    return folder


def _checked(host: str, origin: Origin) -> str:
    """Checks a host before it reaches DNS or logs. A request cannot name a socket: the server would see this process's
    user as the peer.
    """
    if origin.is_request and host.startswith(("/", "@")):
        raise invalid("a request's URL may not name a Unix socket: give a host name")
    if "@" in host:
        raise invalid("the host holds an '@': give user and password apart from it")
    if any(letter.isspace() or not letter.isprintable() for letter in host):
        raise invalid("the host holds white space or a control character")
    if any(letter in _without_zone(host) for letter in "&;=%\"'`"):
        raise invalid(
            "the host holds one of & ; = % or a quote: parameters begin with '?' in a URL, and with a blank in "
            "key=value text"
        )
    return host


def _without_zone(host: str) -> str:
    """Removes the zone of an IPv6 address, as in `fe80::1%eth0`."""
    address, _, zone = host.partition("%")
    if re.fullmatch("[A-Za-z0-9._-]+", zone) is None:
        return host
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        return host


def check_count(hosts: int) -> None:
    """Refuses a list with too many hosts."""
    if hosts > _MOST_HOSTS:
        raise invalid(f"at most {_MOST_HOSTS} hosts may be named")


def _unmatched(hosts: int, others: str, hint: str) -> FaultError:
    return invalid(f"the connection has {_counted(hosts, 'host')} and {others}: {hint}")


def _counted(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{'' if count == 1 else plural}"


def _listed(text: str) -> list[str]:
    check_count(text.count(",") + 1)
    return [each.strip() for each in text.split(",")]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise invalid("hostaddr must be an IP address, or one for each host") from None


def _port(text: str) -> int:
    if not text:
        return _PORT
    digits = text.lstrip("+0") if text.isascii() else ""
    port = int(digits) if digits.isdigit() and len(digits) <= 5 else 0
    if not 0 < port < 65536:
        raise invalid(
            "the port must be a number from 1 to 65535; if a password holds '@', ':' or '/', percent-encode it"
        )
    return port
