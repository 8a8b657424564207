"""The server's and the network's errors as faults that tell an operator what to change."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from . import refusal
from .connection_config import Target
from .faults import (
    AUTHENTICATION_FAILED,
    CONNECTION_LOST,
    CREDENTIAL_INVALID,
    INSUFFICIENT_PRIVILEGE,
    QUERY_CANCELED,
    QUERY_FAILED,
    SERVER_UNREACHABLE,
    TLS_FAILED,
    TOO_MANY_CONNECTIONS,
    Fault,
)
from .text import TextEncoding

_OF_CREDENTIAL = r"definition of service|service file"
# What is no PostgreSQL server sends anything but a request to authenticate.
_OF_LOGIN = r"no password supplied|(?<!expected )(?<!invalid )authentication|SCRAM|SASL|GSSAPI|SSPI|channel binding"
_OF_TLS = r"SSL|TLS|certificate|private key"

_GONE = frozenset(
    ["57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04", "08000", "08001", "08003", "08004", "08006"],
)


def unreachable(target: Target, why: str) -> Fault:
    """Nothing answered in time."""
    return Fault(SERVER_UNREACHABLE, f"no PostgreSQL server answers at {target}: {why}", retryable=True)


def unknown_host(error: OSError) -> str:
    """The system's resolver has no address for a name."""
    return f"the host's name is not known: {error.strerror}"


@dataclass(frozen=True)
class Refusal:
    """The reason of a login that came to nothing, as libpq words it."""

    said: str
    by_server: bool = False
    sqlstate: str | None = None

    @classmethod
    def read(cls, message: str) -> Refusal:
        """Reads the most telling of the attempts: one for each address, with TLS and without.

        A server's own word comes before the network's, and before that of `pg_hba.conf` on an attempt that was made
        because another had failed.
        """
        attempts = [
            cls._one(text) for text in re.split(r"(?m)^connection to server .*? failed: ", message) if text.strip()
        ]
        return min(reversed(attempts), key=cls._rank, default=cls("the connection failed"))

    @classmethod
    def _one(cls, text: str) -> Refusal:
        # Of a server's message libpq sets the severity before it, in whatever language, with two spaces after the
        # colon; its own messages have none.
        first = text.strip().splitlines()[0].strip()
        by_server = re.match(r"\S+:  (?:(?=[A-Z]*\d)([0-9A-Z]{5}): )?(.*)", first)
        return cls(by_server[2], True, by_server[1]) if by_server else cls(first)

    def _rank(self) -> int:
        if not self.by_server:
            return 3
        if "pg_hba.conf" not in self.said:
            return 0
        return 2 if refusal.classify(self.sqlstate, self.said) is refusal.NEEDS_TLS else 1

    @property
    def refuses_options(self) -> bool:
        """True when a pooler refused the startup packet's `options` or `client_encoding`."""
        about = refusal.is_about_options(self.sqlstate, self.said) or "client_encoding" in self.said
        return self.by_server and about

    @property
    def wants_clear_text(self) -> bool:
        """True when libpq was not allowed the password in clear text that the server asked for."""
        return not self.by_server and "cleartext password" in self.said

    @property
    def _is_of_another_kind(self) -> bool:
        return not self.by_server and bool(re.search(r"session is (not )?read-only|hot standby mode", self.said))

    def fault(self, target: Target) -> Fault:
        """Explains why no session could be opened."""
        said = self.said
        if self.by_server:
            reason = refusal.classify(self.sqlstate, said)
            why = reason.says.format(target=target, user=target.user, database=target.database, said=said)
            return Fault(reason.kind, why, self.sqlstate, reason.retryable)
        if self._is_of_another_kind:
            wanted = target.target_session_attrs
            return unreachable(target, f"{said}, and target_session_attrs={wanted} wants another server")
        if re.search(_OF_CREDENTIAL, said):
            return Fault(CREDENTIAL_INVALID, f"no session at {target}: {said}; unset PGSERVICE or correct its file")
        if "no password supplied" in said:
            return Fault(AUTHENTICATION_FAILED, f"{target} asks for a password, and the credential has none")
        if re.search(_OF_LOGIN, said):
            return Fault(AUTHENTICATION_FAILED, f"no session at {target}: {said}")
        if re.search(_OF_TLS, said):
            hint = ": set sslmode=prefer or enable ssl on the server" if "does not support SSL" in said else ""
            return Fault(TLS_FAILED, f"no TLS with {target}: {said}{hint}")
        return unreachable(target, said)


def querying(result: PGresult, text: TextEncoding) -> Fault:
    """What the server, or libpq, said to a statement."""

    def field(name: DiagnosticField) -> str | None:
        raw = result.error_field(name)
        return None if raw is None else text.decode(raw)

    code = field(DiagnosticField.SQLSTATE)
    if code is None:
        said = " ".join(text.decode(result.error_message or b"").split()) or "libpq gives no reason"
        return lost(said)
    message = field(DiagnosticField.MESSAGE_PRIMARY) or "the server gives no reason"
    detail = field(DiagnosticField.MESSAGE_DETAIL)
    said = message if detail is None else f"{message} ({detail})"
    fatal = field(DiagnosticField.SEVERITY_NONLOCALIZED) == "FATAL"
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
