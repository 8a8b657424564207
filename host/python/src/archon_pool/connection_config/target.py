"""Address, login and security settings of one connection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import quote

from ..faults import CREDENTIAL_INVALID, FaultError, fail

_SHORTEST_PASSWORD = 4


@dataclass(frozen=True)
class HostPort:
    """One host of a connection."""

    host: str
    """Host name, address, or the directory of a Unix socket."""
    port: int
    address: str | None = None
    """`hostaddr`: the address to connect to in the place of the one that the host's name resolves to."""
    password: str | None = field(default=None, repr=False)
    """None for servers that do not ask."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """Address, login and security settings of one connection. Neither `str` nor `repr` shows a password."""

    hosts: tuple[HostPort, ...]
    """At least one, in the order in which they are tried."""
    user: str
    database: str
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    """`system`, or a PEM file."""
    sslcert: str | None = None
    """PEM file of a client certificate, whose key is in `sslkey`."""
    sslkey: str | None = None
    sslnegotiation: str = "postgres"
    ssl_min_protocol_version: str = "TLSv1.2"
    ssl_max_protocol_version: str | None = None
    channel_binding: str = "prefer"
    require_auth: tuple[str, ...] | None = None
    """Methods that are allowed; None where all are."""
    target_session_attrs: str = "any"
    connect_timeout_s: int | None = None
    """For each host."""
    options: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    """Facts about the settings that a report must state, such as parameters passed over."""

    def __str__(self) -> str:
        return ",".join(map(str, self.hosts))

    @property
    def first(self) -> HostPort:
        """The first host; the only one of what `each` returns."""
        return self.hosts[0]

    def is_password_in(self, said: bytes) -> bool:
        """Finds the password in what a server says, percent-encoded, too. One that is a name, which is shown anyway,
        or shorter than a word is never found.
        """
        password = self.first.password or ""
        if len(password) < _SHORTEST_PASSWORD or password in (self.user, self.database, self.first.host):
            return False
        forms = (password, quote(password, safe="", errors="surrogatepass"))
        return any(form.encode("utf-8", "surrogatepass") in said for form in forms)

    def each(self) -> list[Target]:
        """One target for each host, in the order in which they are tried."""
        return [replace(self, hosts=(host,)) for host in self.hosts]


def invalid(message: str) -> FaultError:
    """A credential that is no usable connection."""
    return fail(CREDENTIAL_INVALID, message)


def holds_separator(text: str) -> bool:
    """Finds what separates parameters: raw, it is a slip within a name, and a password may follow it."""
    return any(letter in text for letter in "&;=")


def is_unicode(text: str) -> bool:
    """False for a lone surrogate, which JSON and the environment can bring and no encoding has."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
