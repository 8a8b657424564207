"""Why something could not be done: the contract's one error."""

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
# No kind of the Rust host: here a defect of the host itself is an exception, and must end as a fault.
HOST_FAILED = "host-failed"


@dataclass(frozen=True)
class Fault:
    """What an import answers instead of a value, and what a SkillOutput holds as `error`."""

    kind: str
    """An open set; `describe()["faults"]` lists the well-known ones."""
    message: str
    """One sentence for an operator, naming the setting to change. Never contains a secret."""
    sqlstate: str | None = None
    """The server's SQLSTATE, where the fault came from a PostgreSQL server."""
    retryable: bool = False
    """Whether the same call may succeed later without anything being changed."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON."""
        return {
            "kind": self.kind,
            "message": self.message,
            "sqlstate": self.sqlstate,
            "retryable": self.retryable,
        }

    @classmethod
    def from_json(cls, json: Any) -> Fault:
        """Reads the contract's JSON; what is none says so."""
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
    """Carries a fault to whoever answers with it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class EndedError(Exception):
    """Ends the component there and then. No import answers with it, so it is no `FaultError`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def fail(kind: str, message: str, *, sqlstate: str | None = None, retryable: bool = False) -> FaultError:
    """An error to raise, in one breath."""
    return FaultError(Fault(kind, message, sqlstate, retryable))


def limit_reached(what: str, setting: str) -> Fault:
    """The fault of a limit; every one of them ends with the setting's name."""
    return Fault(LIMIT_EXCEEDED, f"{what}: limit `{setting}`")
