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
    """`hostaddr`: address to connect to instead of resolving the host name."""
    password: str | None = field(default=None, repr=False)
    """None for servers that request no password."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """Address, login and security settings of one connection. Neither `str` nor `repr` shows a password."""

    hosts: tuple[HostPort, ...]
    """At least one, in the order of attempts."""
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
    """Allowed methods; None when all are."""
    target_session_attrs: str = "any"
    connect_timeout_s: int | None = None
    """Time limit of each host."""
    options: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    """Facts about the settings that a report must state, such as ignored parameters."""

    def __str__(self) -> str:
        return ",".join(map(str, self.hosts))

    @property
    def first(self) -> HostPort:
        """Returns the first host, which is the only one in a target returned by `each`."""
        return self.hosts[0]

    def is_password_in(self, said: bytes) -> bool:
        """Returns true if a server text contains the password, plain or percent-encoded. Passwords that are very short
        or equal to a name, which is shown anyway, are not detected.
        """
        password = self.first.password or ""
        if len(password) < _SHORTEST_PASSWORD or password in (self.user, self.database, self.first.host):
            return False
        forms = (password, quote(password, safe="", errors="surrogatepass"))
        return any(form.encode("utf-8", "surrogatepass") in said for form in forms)

    def each(self) -> list[Target]:
        """Returns one target per host, in the order of attempts."""
        return [replace(self, hosts=(host,)) for host in self.hosts]


def invalid(message: str) -> FaultError:
    """Returns the error of a credential that is not a usable connection."""
    return fail(CREDENTIAL_INVALID, message)


def holds_separator(text: str) -> bool:
    """Returns true if the text contains a parameter separator: raw within a name, it is an error, and a password may
    follow.
    """
    return any(letter in text for letter in "&;=")


def is_unicode(text: str) -> bool:
    """Returns false for lone surrogates, which JSON and the environment can contain and no encoding supports."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
