"""Where to connect and as whom: a PostgreSQL connection URL, taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import unquote_to_bytes

from .faults import CREDENTIAL_INVALID, FaultError, fail

_SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
_PARAMETERS = "host, port, user, password, dbname, sslmode, sslrootcert, connect_timeout, options"


@dataclass(frozen=True)
class Target:
    """Where to connect and as whom. Neither `str` nor `repr` shows the password."""

    host: str
    port: int
    user: str
    database: str
    sslmode: str
    password: str | None = field(default=None, repr=False)
    sslrootcert: str | None = None
    connect_timeout_s: int | None = None
    options: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def with_password(self, password: str) -> Target:
        """The same with the password that came apart from the URL."""
        if self.password is not None:
            raise invalid("the URL holds a password and the key is another: give one of them")
        return replace(self, password=password)


def invalid(message: str) -> FaultError:
    """A credential that is no usable connection."""
    return fail(CREDENTIAL_INVALID, message)


def is_url(text: str) -> bool:
    """Whether a text is a PostgreSQL connection URL."""
    return text.startswith(("postgres://", "postgresql://"))


def parse(url: str) -> Target:
    """Takes a `postgres://` URL apart. No error repeats any part that could be a secret."""
    if not is_url(url):
        raise invalid("a connection URL starts with postgres://")
    rest, _, query = url.split("://", 1)[1].partition("?")
    authority, _, database = rest.partition("/")
    login, _, address = authority.rpartition("@")
    # Before anything of it is taken for a host's name: that would be asked of the DNS, and logged.
    if "@" in rest[len(authority) :] or "@" in query:
        raise invalid("an '@' after the host: percent-encode '/', '?' and '@' in the password")
    if "/" in database:
        raise invalid("the database name holds a '/': percent-encode it, and likewise '/', '?' and '@' in a password")
    user, _, password = login.partition(":")
    host, port = _split_port(address)
    parts = {
        "user": _decode("user", user),
        "password": _decode("password", password),
        "host": _decode("host", host),
        "port": port,
        "dbname": _decode("database name", database),
    }
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in _PARAMETERS.split(", "):
            # A password with a raw '?' ends up here, so only what looks like a name is repeated.
            plain = len(name) <= 40 and name.isascii() and name.replace("_", "a").isalpha() and name.islower()
            which = f"URL parameter '{name}'" if plain else "a URL parameter"
            raise invalid(f"{which} is unknown: use one of {_PARAMETERS}")
        parts[name] = _decode(name, value)
    return _finish(parts)


def _finish(parts: dict[str, str]) -> Target:
    host, user = parts["host"], parts["user"]
    if not host:
        raise invalid("the connection has no host")
    if "@" in host:
        raise invalid("the host holds an '@': give user and password apart from it")
    if not user:
        raise invalid("the connection has no user")
    # Supabase always offers TLS, so nothing is lost by never falling back from it.
    usual = "require" if host.endswith((".supabase.co", ".supabase.com")) else "prefer"
    sslmode = parts.get("sslmode") or usual
    if sslmode not in _SSL_MODES:
        # The value may be a slipped secret, so it is not repeated.
        raise invalid(f"sslmode must be one of {', '.join(_SSL_MODES)}")
    return Target(
        host=host,
        port=_port(parts["port"]) if parts["port"] else 5432,
        user=user,
        database=parts["dbname"] or user,
        sslmode=sslmode,
        password=parts["password"] or None,
        sslrootcert=parts.get("sslrootcert") or None,
        connect_timeout_s=_seconds(parts.get("connect_timeout")),
        options=parts.get("options") or None,
    )


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise invalid("connect_timeout must be a number of seconds")
    # libpq: 0 means "no limit of its own".
    return int(text) or None


def _split_port(address: str) -> tuple[str, str]:
    if "," in address:
        raise invalid("a connection has one host: choose one of the listed ones")
    if not address.startswith("["):
        host, _, port = address.partition(":")
        return host, port
    host, closed, rest = address[1:].partition("]")
    if not closed:
        raise invalid("the host's '[' is not closed")
    if rest and not rest.startswith(":"):
        raise invalid("a port is missing after the host's ']'")
    return host, rest[1:]


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if not 0 < port < 65536:
        raise invalid(
            "the port must be a number from 1 to 65535; if a password holds '@', ':' or '/', percent-encode it"
        )
    return port


def _decode(what: str, text: str) -> str:
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid(f"the {what} is not UTF-8") from None
    if "\0" in decoded:
        raise invalid(f"the {what} holds a zero byte")
    return decoded
