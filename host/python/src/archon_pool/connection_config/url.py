"""Connection URLs of libpq and of drivers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..faults import FaultError
from . import keywords
from .hosts import check_count
from .parts import Parts
from .target import holds_separator, invalid

SCHEMES = frozenset(
    [
        *("postgres", "postgresql", "postgis", "pgsql", "psql", "ecto", "pgx", "pgx4", "pgx5", "timescaledb"),
        *("timescale", "cockroachdb", "cockroach", "cockroach-postgres", "crdb-postgres"),
    ]
)
"""Schemes for PostgreSQL; a driver's name may follow, as in `postgresql+asyncpg`."""

_JAVA = re.compile("(jdbc|r2dbcs?):(?:(?!tc:)[a-z0-9-]+:){0,2}?(postgres(?:ql)?):", re.IGNORECASE)
"""JDBC and R2DBC, with any wrapper before `postgresql:`. Testcontainers' URLs are excluded: that server does not run
yet.
"""


@dataclass(frozen=True)
class Scheme:
    """URL without its scheme."""

    rest: str
    is_jdbc: bool
    is_local: bool
    is_encrypted: bool = False
    """True when it requires TLS: `r2dbcs`."""
    """True without an authority: `jdbc:postgresql:DATABASE` connects to the local machine."""

    @classmethod
    def of(cls, text: str) -> Scheme | None:
        """Removes the scheme; returns None if the text is not a URL."""
        java = _JAVA.match(text)
        if java is not None:
            rest, is_encrypted = text[java.end() :], java[1].lower() == "r2dbcs"
            if rest.startswith("//"):
                return cls(rest[2:], is_jdbc=True, is_local=False, is_encrypted=is_encrypted)
            return cls(rest.removeprefix("/"), is_jdbc=True, is_local=True, is_encrypted=is_encrypted)
        scheme, slashes, rest = text.partition("://")
        if not slashes or "=" in scheme or any(letter.isspace() for letter in scheme):
            return None
        scheme = scheme.lower()
        if scheme == "prisma" or scheme.startswith("prisma+"):
            raise invalid(
                "the URL leads to Prisma's proxy and not to a server: give the database's own postgres:// URL"
            )
        if scheme.partition("+")[0] not in SCHEMES:
            raise no_url()
        return cls(rest, is_jdbc=False, is_local=False)


def no_url() -> FaultError:
    """Returns the error for a text that is not a connection URL."""
    return invalid("the URL must start with postgres:// or postgresql://")


def parts(scheme: Scheme) -> Parts:
    """Parses the text after the scheme."""
    if scheme.is_local:
        database, _, query = scheme.rest.partition("?")
        _check_database(database)
        login, address = "", ""
    else:
        login, address, database, query = _split(scheme.rest)
    found = Parts(is_jdbc=scheme.is_jdbc)
    user, _, password = login.partition(":")
    _check_separators("user", user)
    found.set("user", _decode("user", user))
    found.set("password", _decode("password", password))
    _add_address(found, address)
    found.set("dbname", _decode("database name", database))
    lists: dict[str, list[str]] = {"host": [], "port": []}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        _check_separators(keywords.repeated_part(name), value)
        # An unknown name may be a part of a password: the fault must not show it.
        what = "value of a parameter" if keywords.meaning(name) is None else name
        decoded = _decode(what, value)
        meaning = keywords.meaning(name)
        if decoded and isinstance(meaning, keywords.Honoured) and meaning.setting in lists:
            lists[meaning.setting].append(decoded)
        found.parameter(name, decoded if equals else None)
    _add_lists(found, lists["host"], lists["port"])
    if scheme.is_encrypted:
        found.fill("ssl", "true")
    if scheme.is_jdbc and found.get("host") is None:
        found.set("host", "localhost")
    return found


def _split(rest: str) -> tuple[str, str, str, str]:
    """Splits a URL at the separators outside of the password: login, address, database name and query."""
    head, mark, query = rest.partition("?")
    if mark and not _is_query(query):
        # As in libpq, a '?' before the '@' of the authority is part of the password.
        host = max(0, rest.partition("/")[0].rfind("@"))
        before, mark, query = rest[host:].partition("?")
        head = rest[:host] + before
    authority, _, database = head.partition("/")
    login, _, address = authority.rpartition("@")
    # Must be checked before any part is used as a host name, which would reach DNS and logs.
    if not _is_query(query):
        raise _at_sign()
    _check_database(database)
    return login, address, database, query


def _check_database(name: str) -> None:
    """Refuses an invalid name before a message or log shows it: a password may follow."""
    if "@" in name:
        raise _at_sign()
    _check_separators("database name", name)


def _check_separators(part: str | None, raw: str) -> None:
    if part is not None and holds_separator(raw):
        raise invalid(
            f"a '&', ';' or '=' in the {part}: parameters begin with '?'; percent-encode '&' (%26), ';' (%3B) and "
            "'=' (%3D) in a name"
        )


def _at_sign() -> FaultError:
    return invalid("an '@' after the host: percent-encode '/' (%2F), '?' (%3F) and '@' (%40) in the password")


def _is_query(text: str) -> bool:
    """Returns true if each '@' of a text is in the value of a known parameter."""
    pairs = [pair.partition("=") for pair in text.split("&") if "@" in pair]
    return all(equals and keywords.meaning(name) is not None for name, equals, _ in pairs)


def _add_address(found: Parts, address: str) -> None:
    """Sets hosts and ports, as lists if there are several."""
    check_count(address.count(",") + 1)
    pairs = [_split_port(one) for one in address.split(",")]
    found.set("host", ",".join(_decode("host", host) for host, _ in pairs))
    found.set("port", ",".join(port for _, port in pairs))


def _add_lists(found: Parts, hosts: list[str], ports: list[str]) -> None:
    """Sets `host` and `port`, which SQLAlchemy repeats for several hosts or writes as `host=NAME:PORT`."""
    have_ports = any(":" in host and "," not in host and not host.startswith("/") for host in hosts)
    if not hosts or (len(hosts) == 1 and not have_ports):
        return
    check_count(len(hosts))
    if have_ports and ports:
        raise invalid(
            "parameter host names ports and parameter port another: give either host=A:1&host=B:2 or host=A,B&port=1,2"
        )
    pairs = [_split_host(host) for host in hosts]
    found.set("host", ",".join(host for host, _ in pairs))
    found.set("port", ",".join([port for _, port in pairs] if have_ports else ports))


def _split_host(host: str) -> tuple[str, str]:
    is_plain = host.startswith("/") or "," in host
    # An IPv6 address without brackets has no port.
    is_address = not host.startswith("[") and host.count(":") > 1
    return (host, "") if is_plain or is_address else _split_port(host)


def _split_port(address: str) -> tuple[str, str]:
    """Splits `host:port`, `[address]:port` and `host`."""
    if address.startswith("["):
        host, closed, rest = address[1:].partition("]")
        if not closed:
            raise invalid("the host's '[' is not closed")
        if rest and not rest.startswith(":"):
            raise invalid("a port is missing after the host's ']'")
        return host, rest[1:]
    host, _, port = address.partition(":")
    if ":" in port:
        raise invalid(
            "the host has several ':': write an IPv6 address in brackets, as in [::1], and ':' in a password as %3A"
        )
    return host, port


def _decode(what: str, text: str) -> str:
    """Decodes percent-encoding. Other uses of '%' stay unchanged."""
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid(f"the {what} is not UTF-8") from None
    if "\0" in decoded:
        raise invalid(f"the {what} holds a zero byte")
    return decoded
