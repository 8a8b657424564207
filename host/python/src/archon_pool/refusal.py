"""Classification of a refused login: by SQLSTATE first, then by the words of the poolers and providers.

`tests/conformance/refusals.json` has the texts; the hosts in Rust and Node read the same table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .faults import (
    AUTHENTICATION_FAILED,
    CREDENTIAL_INVALID,
    DATABASE_NOT_FOUND,
    INSUFFICIENT_PRIVILEGE,
    SERVER_UNREACHABLE,
    TLS_FAILED,
    TOO_MANY_CONNECTIONS,
)


@dataclass(frozen=True)
class Reason:
    """Reason for which a server or a pooler refused a session."""

    kind: str
    """The kind of the fault."""
    says: str
    """The fault's message, with the setting or the step that helps."""
    retryable: bool = False
    """True where the same login can succeed a moment later."""


NO_ROOM = Reason(
    TOO_MANY_CONNECTIONS,
    "{target} has no connection slot left: {said}; end idle sessions, raise max_connections or the CONNECTION LIMIT "
    "of the role or database, or connect with a role that may use the reserved slots",
    retryable=True,
)
NO_SERVER = Reason(
    SERVER_UNREACHABLE,
    "the pooler at {target} had no connection to the server for this login: {said}; the server is down or its host is "
    "not found, the database is paused, or all connections are taken: see SHOW DATABASES and SHOW POOLS of its console",
    retryable=True,
)
NO_DATABASE = Reason(
    DATABASE_NOT_FOUND, "{target} has no database '{database}': correct the credential's database name ({said})"
)
LOGIN = Reason(
    AUTHENTICATION_FAILED, "{target} refused role '{user}': {said}; check the credential's user and password"
)
ADDRESS = Reason(AUTHENTICATION_FAILED, "{target} does not admit role '{user}' from here: {said}; add an entry for it")
PRIVILEGE = Reason(INSUFFICIENT_PRIVILEGE, "{target} refused role '{user}': {said}; GRANT CONNECT ON DATABASE to it")
CONSOLE = Reason(
    INSUFFICIENT_PRIVILEGE,
    "PgBouncer at {target} does not let '{user}' into its console: add it to admin_users or stats_users",
)
NEEDS_TLS = Reason(TLS_FAILED, "{target} insists on TLS: set sslmode=require ({said})")
NEEDS_TLS_BY_PG_HBA = Reason(
    TLS_FAILED,
    "{target} does not admit role '{user}' from here without TLS: {said}; set sslmode=require, or add an entry to "
    "pg_hba.conf",
)
NEEDS_TLS_IN_VAIN = Reason(TLS_FAILED, "{target} insists on TLS, which could not be had: {said}")
PROJECT = Reason(
    CREDENTIAL_INVALID,
    "{target} does not know the project: {said}; copy host and user from the provider's dashboard",
)
PARAMETER = Reason(CREDENTIAL_INVALID, "{target} refused a startup parameter: {said}; correct the credential's options")
UNAVAILABLE = Reason(
    SERVER_UNREACHABLE, "the PostgreSQL server at {target} takes no sessions now: {said}", retryable=True
)
DISABLED = Reason(SERVER_UNREACHABLE, "{target} takes no sessions for database '{database}': {said}")

_BY_SQLSTATE = {
    "53300": NO_ROOM,
    "3D000": NO_DATABASE,
    "28P01": LOGIN,
    **dict.fromkeys(("57P01", "57P02", "57P03", "57P05"), UNAVAILABLE),
}
_OTHERWISE_BY_SQLSTATE = {
    **dict.fromkeys(("0A000", "22023", "42501", "42601", "42704"), PARAMETER),
    "55000": DISABLED,
}

_OF_POOLERS = frozenset(["08P01", "XX000", "58000", "08000", "08004", "08006"])
"""SQLSTATEs that poolers have for everything."""

_PG_HBA = ("no pg_hba.conf entry", "pg_hba.conf rejects")
"""How a refusal by `pg_hba.conf` begins: for want of an entry, or by one."""

_SERVER_STATES = (
    *("the database system is starting up", "the database system is shutting down"),
    *("the database system is in recovery mode", "the database system is not yet accepting connections"),
    "the database system is not accepting connections",
)
"""States of a server, which older poolers pass on without its SQLSTATE."""

_UNENCRYPTED = ("no encryption", "ssl off")
"""Words by which `pg_hba.conf` describes a session without encryption, since PostgreSQL 14 and before."""

_WORDS: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (
        NEEDS_TLS,
        (
            *("ssl connection is required", "ssl required", "ssl is required", "essl", "requires tls connections"),
            *("must connect with tls", "connection is insecure", "only with ssl connections"),
        ),
    ),
    (
        PARAMETER,
        (
            *("startup parameter", "startup option", "estartup", "doesn't support the option"),
            "unrecognized configuration",
        ),
    ),
    (
        # A pooler that has no server to connect to; some also say that no connection could be had.
        UNAVAILABLE,
        (
            *("allserversdown", "ecircuitbreaker", "server login has been failing", "server login failed"),
            *("server_login_retry", "cannot connect to server", "client_login_timeout"),
            *("failed to connect to remote server", "failed to get remote server connection"),
            *("couldn't connect to compute node", "control plane request failed", "edbhandler", "epoolterminating"),
            *("eauthquery", "eauthtimeout", "etenantbanned", "concurrently active endpoints"),
        ),
    ),
    (UNAVAILABLE, _SERVER_STATES),
    (NO_SERVER, ("query_wait_timeout",)),
    (
        NO_ROOM,
        (
            *("too many clients", "too many connections", "too many tcp connections", "too many active clients"),
            *("remaining connection slots", "no more connections allowed", "max_client_conn", "client_connections)"),
            *("emaxclientconn", "emaxconnsession", "emaxpoolsreached", "emaxproxyconn"),
            *("echeckouttimeout", "maxclientsinsessionmode", "max clients reached", "max client connections reached"),
            *("checkout timeout", "connection limit exceeded", "maximum number of client connections"),
            *("rate of connection to proxy exceeded", "too many competing requests"),
            *("waiting to acquire database connection", "could not get connection from the pool"),
            *("could not get a connection from the pool", "failed to acquire permit to connect"),
            "too many database connection attempts",
        ),
    ),
    (
        PROJECT,
        (
            *("enotfound", "tenant or user not found", "tenant identifier", "endpoint id is not specified"),
            *("endpoint could not be found", "einvaliduserinfo"),
        ),
    ),
    (
        DISABLED,
        ("is disabled", "has been disabled", "not currently accepting connections", "compute time quota"),
    ),
    (
        ADDRESS,
        ("eaddrnotallowed", "not in tenant allow_list", "not allowed to connect", "ip address is not"),
    ),
    (
        LOGIN,
        (
            *("authentication failed", "auth failed", "no such user", "wrong password", "incorrect password"),
            *("invalid password", "ewrongpassword", "ejitunauthorized", "no credentials for the role"),
            *("provided for the role", "is wrong, or the database does not exist", "login rejected"),
            "supports only iam",
        ),
    ),
    (NO_DATABASE, ("no such database", "no pool configured for database", "route for ")),
)
"""Words by which a refusal is recognised, in the order in which they are looked for: a text about a full pool may
name the server, and one about a password the database."""


def classify(sqlstate: str | None, said: str, *, tls_tried: bool = False) -> Reason:
    """Classifies the error that a login ended with. Without a SQLSTATE its words alone count.

    `tls_tried`: a session with TLS was refused, too, or cannot be had. PostgreSQL says "no encryption" to every
    session without, whatever else no entry admits.
    """
    found = _recognised(sqlstate, said)
    if found is NEEDS_TLS:
        return NEEDS_TLS_IN_VAIN if tls_tried else found
    if found is NEEDS_TLS_BY_PG_HBA:
        return ADDRESS if tls_tried else found
    if found is not None:
        return found
    if sqlstate is None:
        return UNAVAILABLE
    return LOGIN if sqlstate.startswith("28") else _OTHERWISE_BY_SQLSTATE.get(sqlstate, UNAVAILABLE)


def of_statement(sqlstate: str | None, said: str) -> Reason | None:
    """Recognises the words of a pooler that has no server connection for a statement of an open session."""
    text = said.lower()
    for reason, words in _WORDS:
        of_kind = reason in (NO_ROOM, NO_SERVER, UNAVAILABLE) and words is not _SERVER_STATES
        if of_kind and sqlstate in _OF_POOLERS and any(word in text for word in words):
            # This session had a server connection before, or could have had one.
            return NO_ROOM if reason is NO_SERVER else reason
    return None


def is_by_pg_hba(said: str) -> bool:
    """Checks that `pg_hba.conf` refused."""
    return said.lower().startswith(_PG_HBA)


def is_about_options(sqlstate: str | None, said: str) -> bool:
    """Checks that a text is about the `options` of the startup packet, which not every pooler takes."""
    found = _recognised(sqlstate, said)
    return sqlstate == "08P01" if found is None else found is PARAMETER


def _recognised(sqlstate: str | None, said: str) -> Reason | None:
    """The reason where it is certain: none for an error that neither SQLSTATE nor text explains."""
    if sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[sqlstate]
    text = said.lower()
    # PgBouncer's whole answer to a role that its console is not for.
    if text == "not allowed":
        return CONSOLE
    if is_by_pg_hba(text):
        # An entry that rejects is not about TLS, and neither is what a pooler was told about its own session.
        wants_tls = text.startswith(_PG_HBA[0]) and any(words in text for words in _UNENCRYPTED)
        return NEEDS_TLS_BY_PG_HBA if wants_tls and sqlstate in ("28000", None) else ADDRESS
    if text.startswith("permission denied for database"):
        return PRIVILEGE
    if re.match('role ".* (does not exist|is not permitted to log in)', text):
        return LOGIN
    for reason, words in _WORDS:
        if any(word in text for word in words):
            return reason
    return NO_DATABASE if 'database "' in text and "does not exist" in text else None
