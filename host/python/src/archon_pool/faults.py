"""Fault: the contract's only error type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INVALID_PARAMS = "invalid-params"
SECRET_IN_PARAMS = "secret-in-params"  # noqa: S105 - a kind of fault
CREDENTIALS_NOT_FOUND = "credentials-not-found"
CREDENTIAL_INVALID = "credential-invalid"
AUTHENTICATION_FAILED = "authentication-failed"
DATABASE_NOT_FOUND = "database-not-found"
SERVER_UNREACHABLE = "server-unreachable"
TLS_FAILED = "tls-failed"
TOO_MANY_CONNECTIONS = "too-many-connections"
INSUFFICIENT_PRIVILEGE = "insufficient-privilege"
QUERY_CANCELED = "query-canceled"
CONNECTION_LOST = "connection-lost"
QUERY_FAILED = "query-failed"
UNSUPPORTED_TYPE = "unsupported-type"
INCOMPLETE_COVERAGE = "incomplete-coverage"
UNEXPECTED_ANSWER = "unexpected-answer"
NO_POOLER = "no-pooler"
UNSUPPORTED_VIEW = "unsupported-view"
NOT_A_COMPONENT = "not-a-component"
WORLD_MISMATCH = "world-mismatch"
NOT_APPROVED = "not-approved"
PLUGIN_TRAPPED = "plugin-trapped"
LIMIT_EXCEEDED = "limit-exceeded"
DEADLINE_EXCEEDED = "deadline-exceeded"
AUDIT_FAILED = "audit-failed"
CASSETTE_MISMATCH = "cassette-mismatch"
CASSETTE_INVALID = "cassette-invalid"
# Not in the Rust host: a defect of this host is an exception and must also become a fault.
HOST_FAILED = "host-failed"


@dataclass(frozen=True)
class Fault:
    """Error of an import, and the `error` of a SkillOutput."""

    kind: str
    """Open set; `describe()["faults"]` lists the well-known kinds."""
    message: str
    """One sentence for an operator, naming the setting to change. Never contains a secret."""
    sqlstate: str | None = None
    """SQLSTATE, if the fault came from a PostgreSQL server."""
    retryable: bool = False
    """True when the same call may succeed later without any change."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """Returns the contract's JSON."""
        return {
            "kind": self.kind,
            "message": self.message,
            "sqlstate": self.sqlstate,
            "retryable": self.retryable,
        }

    @classmethod
    def from_json(cls, json: Any) -> Fault:
        """Parses the contract's JSON; anything else becomes `unexpected-answer`."""
        if not isinstance(json, dict) or not isinstance(json.get("kind"), str):
            return cls(UNEXPECTED_ANSWER, "the skill failed and does not say why")
        sqlstate = json.get("sqlstate")
        return cls(
            json["kind"],
            str(json.get("message", "")),
            sqlstate if isinstance(sqlstate, str) else None,
            json.get("retryable") is True,
        )


class FaultError(Exception):
    """Exception that carries a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class EndedError(Exception):
    """Exception that ends the component immediately. It is never an import's result, so it is not a `FaultError`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def fail(kind: str, message: str, *, sqlstate: str | None = None, retryable: bool = False) -> FaultError:
    """Returns an error to raise."""
    return FaultError(Fault(kind, message, sqlstate, retryable))


def limit_reached(what: str, setting: str) -> Fault:
    """Returns the fault of a limit; its message ends with the setting's name."""
    return Fault(LIMIT_EXCEEDED, f"{what}: limit `{setting}`")
