"""Records of the WIT package in Python, and the protocol of its imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Protocol, Union

from .faults import Fault


@dataclass(frozen=True)
class Timestamp:
    """Microseconds since 1970-01-01 00:00 UTC: Python's own `datetime` ends with the year 9999."""

    micros: int


Value = Union[None, bool, int, float, str, bytes, Timestamp]
Row = list[Value]


@dataclass(frozen=True)
class Statement:
    """SQL statement with its parameters."""

    sql: str
    params: list[Value]
    max_rows: int


@dataclass(frozen=True)
class Parts:
    """Texts in UTF-8, or byte strings, of one column in one piece."""

    ends: list[int]
    """Ends of the parts in `joined`, in bytes; a null's part is empty."""
    joined: bytes


Cells = Union[None, bytes, list[int], list[float], Parts]


@dataclass(frozen=True)
class Column:
    """Column of a row set, with its values."""

    name: str
    type_oid: int
    kind: str = "all-null"
    """Case of the WIT's variant `cells`."""
    cells: Cells = None
    """One entry for each row, by `kind`."""
    nulls: bytes = b""
    """1 for each row whose value is null. Empty where no value is null, and for `all-null`."""


@dataclass(frozen=True)
class RowSet:
    """Result of a statement."""

    columns: list[Column]
    """May be empty when there are no rows."""
    count: int
    """Number of rows."""
    truncated: bool


@dataclass(frozen=True)
class ProbeTiming:
    """Timings of one probe connection."""

    connect_us: int
    round_trip_us: int


@dataclass(frozen=True)
class Order:
    """Request to signal one backend, if its state has not changed since it was seen."""

    pid: int
    backend_start: int
    signal: str
    state: str
    state_change: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """Outcome of an order."""

    case: str
    """`signalled`, `gone`, `changed`, `survived`, `denied` or `failed`."""
    why: str | None = None
    """Reason of `denied`."""
    fault: Fault | None = None
    """Fault of `failed`."""


@dataclass(frozen=True)
class SizeOutcome:
    """Outcome of a resize."""

    before: int | None
    after: int | None
    executed: bool
    note: str


@dataclass(frozen=True)
class ReconnectOutcome:
    """Outcome of a reconnect."""

    executed: bool
    note: str


Rows = Union[RowSet, Fault]
Probed = Union[ProbeTiming, Fault]
Name = Optional[str]


class Imports(Protocol):
    """Imports of a component, implemented by a live server, a cassette, or both.

    Handles are numbers, counted from 1 for each kind of resource. An error of an import is raised as a `FaultError`; an
    `EndedError` ends the component.
    """

    def lookup(self, name: Name) -> int:
        """`credentials.lookup`"""

    def credential_name(self, credential: int) -> str:
        """`credential.name`"""

    def open_session(self, credential: int) -> int:
        """`session.open`"""

    def session_access_path(self, session: int) -> str:
        """`session.access-path`"""

    def session_notes(self, session: int) -> list[str]:
        """`session.notes`"""

    def query(self, session: int, batch: Sequence[Statement]) -> list[Rows]:
        """`session.query`"""

    def probe(self, credential: int, count: int, timeout_ms: int) -> list[Probed]:
        """`database.probe`"""

    def open_console(self, credential: int) -> int:
        """`console.open`"""

    def console_kind(self, console: int) -> str:
        """`console.kind`"""

    def show(self, console: int, views: Sequence[str]) -> list[Rows]:
        """`console.show`"""

    def deliver(self, session: int, orders: Sequence[Order], dry_run: bool) -> list[Outcome]:
        """`backends.deliver`"""

    def resize(self, console: int, pool: Name, size: int, reason: str, dry_run: bool) -> SizeOutcome:
        """`scaling.resize`"""

    def reconnect(self, console: int, database: str, reason: str, dry_run: bool) -> ReconnectOutcome:
        """`scaling.reconnect`"""

    def drop(self, resource: str, handle: int) -> None:
        """Releases a dropped `credential`, `session` or `console`."""

    def close(self) -> None:
        """Ends the call: closes everything that it opened."""
