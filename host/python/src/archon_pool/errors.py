"""The server's and the network's errors as faults that tell an operator what to change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from .faults import (
    AUTHENTICATION_FAILED,
    CONNECTION_LOST,
    CREDENTIAL_INVALID,
    DATABASE_NOT_FOUND,
    INSUFFICIENT_PRIVILEGE,
    QUERY_CANCELED,
    QUERY_FAILED,
    SERVER_UNREACHABLE,
    TLS_FAILED,
    TOO_MANY_CONNECTIONS,
    Fault,
)
from .target import Target

_GONE = frozenset(
    ["57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04", "08000", "08001", "08003", "08004", "08006"],
)


def unreachable(target: Target, why: str) -> Fault:
    """Nothing answered in time."""
    return Fault(SERVER_UNREACHABLE, f"no PostgreSQL server answers at {target}: {why}", retryable=True)


@dataclass(frozen=True)
class Refusal:
    """What libpq tells of an attempt to connect: a text alone, as it keeps the SQLSTATE to itself."""

    said: str
    by_server: bool

    @classmethod
    def read(cls, message: str) -> Refusal:
        """Reads the last attempt's own words.

        Of a server's message libpq sets the severity before it, in whatever language, with two spaces after
        the colon; its own messages have none.
        """
        attempt = message.rpartition(" failed: ")[2].strip()
        lines = [line.strip() for line in attempt.splitlines() if line.strip()]
        first = lines[0] if lines else "the connection failed"
        severity = re.match(r"\S+:  (.*)", first)
        return cls(severity[1], True) if severity else cls(first, False)

    @property
    def refuses_options(self) -> bool:
        """Whether a pooler refused the startup packet's `options`."""
        return "unsupported startup parameter" in self.said


def connecting(refusal: Refusal, target: Target) -> Fault:
    """Why no session could be opened."""
    said, user = refusal.said, target.user
    if not refusal.by_server:
        if "no password supplied" in said:
            why = f"{target} asks for a password, and the credential has none"
            return Fault(AUTHENTICATION_FAILED, why)
        if re.search(r"SSL|TLS|certificate", said):
            hint = ": set sslmode=prefer or enable ssl on the server" if "does not support SSL" in said else ""
            return Fault(TLS_FAILED, f"no TLS with {target}: {said}{hint}")
        if "authentication" in said or "SCRAM" in said:
            return Fault(AUTHENTICATION_FAILED, f"no session at {target}: {said}")
        return unreachable(target, said)
    if re.search(r"authentication failed|no pg_hba.conf entry|role .* does not exist|not permitted to log in", said):
        why = f"{target} refused role '{user}': {said}; check the credential's user and password"
        return Fault(AUTHENTICATION_FAILED, why)
    if re.search(r"^database .* does not exist|no such database", said):
        why = f"{target} has no database '{target.database}': correct the credential's database name"
        return Fault(DATABASE_NOT_FOUND, why)
    if re.search(r"too many (clients|connections)|connection slots are reserved|EMAXCONN|max clients reached", said):
        why = (
            f"{target} has no connection slot left: {said}; end idle sessions, raise max_connections or the "
            "CONNECTION LIMIT of the role or database, or connect with a role that may use the reserved slots"
        )
        return Fault(TOO_MANY_CONNECTIONS, why, retryable=True)
    if re.search(r"the database system is|not (yet )?accepting connections|shutting down|starting up", said):
        why = f"the PostgreSQL server at {target} takes no sessions now: {said}"
        return Fault(SERVER_UNREACHABLE, why, retryable=True)
    if "SSL connection is required" in said:
        return Fault(TLS_FAILED, f"{target} insists on TLS: set sslmode=require")
    if "ENOTFOUND" in said or "enant" in said:
        why = f"the pooler at {target} does not know the project: {said}"
        return Fault(CREDENTIAL_INVALID, f"{why}; copy host and user from the dashboard")
    return Fault(QUERY_FAILED, said)


def querying(result: PGresult) -> Fault:
    """What the server, or libpq, said to a statement."""
    code = _field(result, DiagnosticField.SQLSTATE)
    if code is None:
        said = " ".join(_decoded(result.error_message or b"").split()) or "libpq gives no reason"
        return lost(said)
    message = _field(result, DiagnosticField.MESSAGE_PRIMARY) or "the server gives no reason"
    detail = _field(result, DiagnosticField.MESSAGE_DETAIL)
    said = message if detail is None else f"{message} ({detail})"
    fatal = _field(result, DiagnosticField.SEVERITY_NONLOCALIZED) == "FATAL"
    return said_by_server(code, fatal, said)


def lost(why: str) -> Fault:
    """The session is gone, and the server did not say why."""
    return Fault(CONNECTION_LOST, f"the connection to the server was lost: {why}", retryable=True)


def said_by_server(code: str, fatal: bool, said: str) -> Fault:
    """The fault of an error of the server by its SQLSTATE."""
    if code == "42501":
        return Fault(INSUFFICIENT_PRIVILEGE, said, code)
    if code == "57014":
        why = f"the statement did not finish: {said}; raise limit `statement_timeout` if the server is merely slow"
        return Fault(QUERY_CANCELED, why, code, retryable=True)
    if code == "55P03":
        why = f"the statement waited too long for a lock: {said}; limit `lock_timeout`"
        return Fault(QUERY_CANCELED, why, code, retryable=True)
    if code == "53300":
        return Fault(TOO_MANY_CONNECTIONS, said, code, retryable=True)
    # A pooler that gives up on a server connection uses the protocol violation for it.
    if code in _GONE or (code == "08P01" and fatal):
        return Fault(CONNECTION_LOST, f"the server ended the session: {said}", code, retryable=True)
    return Fault(QUERY_FAILED, said, code)


def _field(result: PGresult, field: DiagnosticField) -> str | None:
    raw = result.error_field(field)
    return None if raw is None else _decoded(raw)


def _decoded(raw: bytes) -> str:
    # A message can quote what a database without an encoding holds.
    return raw.decode("utf-8", "replace")
