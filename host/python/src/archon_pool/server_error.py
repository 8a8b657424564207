"""Conversion of server and network errors to faults that name the setting to change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import refusal
from .connection_config import Target
from .faults import (
    AUTHENTICATION_FAILED,
    CONNECTION_LOST,
    CREDENTIAL_INVALID,
    SERVER_UNREACHABLE,
    TLS_FAILED,
    TOO_MANY_CONNECTIONS,
    Fault,
)
from .guard_spec import guard
from .messages import ServerError
from .text import UTF8, TextEncoding

WITHHELD = "the server's words are left out: they repeat the password"

_UNANSWERED = "asks for a password, and the credential has none"


def unreachable(target: Target, why: str) -> Fault:
    """Returns the fault of a server that did not answer."""
    return Fault(SERVER_UNREACHABLE, f"no PostgreSQL server answers at {target}: {why}", retryable=True)


def unknown_host(error: OSError) -> str:
    """Returns the message for a name that the system's resolver does not find."""
    return f"the host's name is not known: {error.strerror}"


@dataclass(frozen=True)
class Refusal:
    """Reason of a failed login."""

    said: str
    sqlstate: str | None = None
    kind: str | None = None
    """Kind of fault if the host itself gave up; None if the server refused."""
    tls_tried: bool = False
    """True when TLS was also tried, or is not available."""
    is_withheld: bool = False
    """True when the server's text contains the password: it is classified but not shown."""

    @classmethod
    def of_server(cls, error: ServerError) -> Refusal:
        """Converts a server's error. Before login its encoding is unknown."""
        first = " ".join(UTF8.decode(error.message).split()) or "the server gives no reason"
        return cls(first, error.sqlstate, is_withheld=error.is_withheld)

    @classmethod
    def without_password(cls, target: Target) -> Refusal:
        """Returns the refusal of a server that requests a password when the credential has none."""
        # The reason why a pass file is ignored explains the missing password.
        notes = [note for note in target.notes if note.startswith("pass file ")]
        return cls(": ".join([_UNANSWERED, *notes]), kind=AUTHENTICATION_FAILED)

    @classmethod
    def most_telling(cls, attempts: list[Refusal]) -> Refusal:
        """Returns the most informative of several attempts, with TLS and without.

        A server's error takes precedence over a network error, and over one of `pg_hba.conf` on an attempt that
        followed a failed one.
        """
        best = min(reversed(attempts), key=cls._rank)
        handshake = next((each for each in attempts if each.kind == TLS_FAILED), None)
        if handshake is not None and best.by_server and refusal.is_by_pg_hba(best.said):
            return replace(handshake, said=f"{handshake.said}; without TLS: {best.told}")
        return best

    @property
    def told(self) -> str:
        """Returns the reason as shown in messages."""
        return WITHHELD if self.is_withheld else self.said

    def _rank(self) -> int:
        if not self.by_server:
            return 3
        if "pg_hba.conf" not in self.said:
            return 0
        return 2 if refusal.classify(self.sqlstate, self.said).id == "needs-tls-or-entry" else 1

    @property
    def by_server(self) -> bool:
        """True when the server refused."""
        return self.kind is None

    @property
    def refuses_options(self) -> bool:
        """True when a pooler refused the startup packet's `options` or `client_encoding`."""
        about = refusal.is_about_options(self.sqlstate, self.said) or "client_encoding" in self.said
        return self.by_server and about

    def fault(self, target: Target) -> Fault:
        """Returns the fault that explains why no session could be opened."""
        said = self.said
        if self.kind is None:
            reason = refusal.classify(self.sqlstate, said, tls_tried=self.tls_tried)
            why = reason.says.format(target=target, user=target.user, database=target.database, said=self.told)
            return Fault(reason.kind, why, self.sqlstate, reason.retryable)
        if self.kind == TLS_FAILED:
            return Fault(TLS_FAILED, f"no TLS with {target}: {said}")
        if self.kind == AUTHENTICATION_FAILED:
            why = f"{target} {said}" if said.startswith(_UNANSWERED) else f"no session at {target}: {said}"
            return Fault(AUTHENTICATION_FAILED, why)
        return unreachable(target, said)


class RefusedError(Exception):
    """Error for a connection that could not be opened."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.told)
        self.refusal = refusal


def of_another_kind(target: Target, said: str) -> Fault:
    """Returns the fault of a server that does not satisfy `target_session_attrs`."""
    wanted = target.target_session_attrs
    return unreachable(target, f"{said}, and target_session_attrs={wanted} wants another server")


def querying(error: ServerError, text: TextEncoding) -> Fault:
    """Returns the fault of a server's error to a statement."""
    said = text.decode(error.message) or "the server gives no reason"
    if error.detail is not None:
        said = f"{said} ({text.decode(error.detail)})"
    return said_by_server(error.sqlstate, error.is_fatal, said, WITHHELD if error.is_withheld else None)


def is_console(target: Target) -> Fault:
    """Returns the fault of a target that is PgBouncer's admin console."""
    why = (
        f"what answers at {target} is PgBouncer's admin console: give this URL as `pooler` (PGBOUNCER_URL), and that "
        "of a database as the connection"
    )
    return Fault(CREDENTIAL_INVALID, why)


def no_server_connection(target: Target, waited_s: float) -> Fault:
    """Returns the fault of a pooler that accepted a login but has no server connection for it."""
    why = (
        f"the pooler at {target} had no connection to the server within {round(waited_s * 1000)} ms: its pool is full, "
        "the database is paused, or the server is down; see SHOW POOLS and SHOW DATABASES of its console"
    )
    return Fault(TOO_MANY_CONNECTIONS, why, retryable=True)


def lost(why: str) -> Fault:
    """Returns the fault of a lost session without a reason from the server."""
    return Fault(CONNECTION_LOST, f"the connection to the server was lost: {why}", retryable=True)


def said_by_server(code: str | None, fatal: bool, words: str, told: str | None = None) -> Fault:
    """Returns the fault of a server's error by its SQLSTATE and text; `told` replaces the text in the message."""
    of_pooler, statements = refusal.of_statement(code, words), guard().server_errors.statements
    found = next(each for each in statements if each.applies(of_pooler, code or "", is_fatal=fatal))
    why = found.says.format(said=told or words, limit=found.limit)
    return Fault(found.kind, why, code, retryable=found.retryable)
