"""libpq, told everything: nothing is left for it to find in the environment or in the user's files."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from psycopg import pq
from psycopg.conninfo import make_conninfo

from .connection_config import Target
from .faults import TLS_FAILED, fail

_NOWHERE = "/nonexistent/archon-pool"
_VERBOSE = 2

UNCONVERTED = "SQL_ASCII"
"""The `client_encoding` under which a server hands texts over as they are, so that it can refuse none."""

MODES_WITHOUT_TLS = frozenset(["disable", "allow", "prefer"])
"""Values of `sslmode` under which a session may be without TLS."""

_METHODS = ("password", "md5", "scram-sha-256", "none")
"""Methods of `require_auth` that the host supports: a Kerberos ticket is the operator's, and not in the credential."""

_KEPT_FROM_THE_ENVIRONMENT: dict[str, str | int] = {
    "passfile": _NOWHERE,
    "connect_timeout": 0,
    "sslcompression": 0,
    "sslcertmode": "disable",
    "sslcrl": _NOWHERE,
    "sslcrldir": "",
    "sslsni": 1,
    "requirepeer": "",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
    "gssencmode": "disable",
    "gssdelegation": 0,
    "load_balance_hosts": "disable",
}


@dataclass(frozen=True)
class Startup:
    """Settings of the startup packet."""

    application: str
    options: str = ""
    client_encoding: str = UNCONVERTED
    """Empty for a pooler that does not take it."""


def conninfo(target: Target, address: str, startup: Startup, *, in_clear_text: bool) -> bytes:
    """The connection string for a target with one host, at this address; empty for a socket.

    `in_clear_text` allows a login that sends the password as it is, where the target does.
    """
    host = target.first
    sslmode, root = target.sslmode, target.sslrootcert
    if root is None:
        # libpq would look for a file in the home directory, and give up without it where it verifies.
        verifies = sslmode in ("verify-ca", "verify-full")
        sslmode, root = ("verify-full", "system") if verifies else (sslmode, _NOWHERE)
    wanted: dict[str, str | int] = {
        **_KEPT_FROM_THE_ENVIRONMENT,
        "host": host.host,
        "hostaddr": address,
        "port": host.port,
        "user": target.user,
        "dbname": target.database,
        # Empty and not absent, so that PGPASSWORD does not stand in for it.
        "password": host.password or "",
        "options": startup.options,
        "application_name": startup.application,
        "client_encoding": startup.client_encoding,
        "sslmode": sslmode,
        "sslrootcert": root,
        "sslcert": target.sslcert or _NOWHERE,
        "sslkey": target.sslkey or _NOWHERE,
        "sslcertmode": "allow" if target.sslcert else "disable",
        "sslnegotiation": target.sslnegotiation,
        "ssl_min_protocol_version": target.ssl_min_protocol_version,
        "ssl_max_protocol_version": target.ssl_max_protocol_version or "",
        "channel_binding": target.channel_binding,
        "require_auth": ",".join(_methods(target, in_clear_text=in_clear_text)),
        "target_session_attrs": target.target_session_attrs,
        "keepalives": 1,
        "keepalives_idle": 30,
    }
    known = _keywords()
    for setting, default in (("require_auth", None), ("sslnegotiation", "postgres")):
        if setting not in known and getattr(target, setting) != default:
            why = f"libpq {pq.version() // 10_000} does not know {setting}: install psycopg[binary]"
            raise fail(TLS_FAILED, why)
    return make_conninfo("", **{name: value for name, value in wanted.items() if name in known}).encode()


def can_require_auth() -> bool:
    """Checks that libpq can be told how to log in."""
    return "require_auth" in _keywords()


def allows_other_than_clear_text(target: Target) -> bool:
    """Checks that a login without a password in clear text is possible."""
    return bool(_methods(target, in_clear_text=False))


def _methods(target: Target, *, in_clear_text: bool) -> list[str]:
    allowed = _METHODS if target.require_auth is None else target.require_auth
    return [method for method in _METHODS if method in allowed and (in_clear_text or method != "password")]


@lru_cache(maxsize=1)
def _keywords() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


def tell_sqlstates(pgconn: pq.abc.PGconn) -> None:
    """Has libpq write the SQLSTATE into the messages of a connection that is being made.

    psycopg has no name for this function. Without it, refusals are classified by their words alone.
    """
    function, pointer = _set_error_verbosity(), getattr(pgconn, "pgconn_ptr", None)
    if function is not None and pointer:
        function(pointer, _VERBOSE)


@lru_cache(maxsize=1)
def _set_error_verbosity() -> Any:
    implementation: Any = sys.modules[pq.PGconn.__module__]
    try:
        # psycopg's module in C is linked with libpq; the one in Python holds it.
        in_python = getattr(implementation, "impl", None)
        library = ctypes.CDLL(implementation.__file__) if in_python is None else in_python.pq
        function = library.PQsetErrorVerbosity
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int
    return function
