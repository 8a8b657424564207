"""Limits on the resources of one call. All are always enforced and configurable, and each fault names its limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from .faults import EndedError, FaultError, limit_reached
from .guard_spec import guard


def _time(name: str) -> timedelta:
    default: timedelta = field(default_factory=lambda: timedelta(milliseconds=guard().limits[name]))
    return default


def _number(name: str) -> int:
    default: int = field(default_factory=lambda: guard().limits[name])
    return default


@dataclass(frozen=True)
class Limits:
    """Limits on the resources of one call, by the names in messages; the defaults are the Rust host's."""

    deadline: timedelta = _time("deadline")
    """Wall-clock time of the whole call, including retries and waits for the server."""
    cpu: timedelta = _time("cpu")
    """CPU time of the component. Waits for the host do not count."""
    fuel: int = _number("fuel")
    """Approximate number of WebAssembly instructions that the component may execute: the same on every machine."""
    stack: int = _number("stack")
    """Stack size of the component's functions, bytes."""
    memory: int = _number("memory")
    """Size of the component's memory, bytes."""
    instances: int = _number("instances")
    """Number of core instances of the component."""
    component_bytes: int = _number("component_bytes")
    """Size of a component's file, bytes."""
    rows: int = _number("rows")
    """Rows returned by one statement; more are cut off and reported as truncated."""
    answer_rows: int = _number("answer_rows")
    """Rows returned by all statements of one call; the next batch is refused."""
    answer_bytes: int = _number("answer_bytes")
    """Bytes returned by all statements of one call; the next batch is refused."""
    request_bytes: int = _number("request_bytes")
    """Size of the statements, parameters and reasons that the component passes to the host in one call, bytes."""
    report_bytes: int = _number("report_bytes")
    """Size of the JSON text that the component returns, bytes."""
    start_bytes: int = _number("start_bytes")
    """Bytes that a server may send before a session or a console is ready."""
    protocol_message_bytes: int = _number("protocol_message_bytes")
    """Size of one message of a server, bytes, checked by its length before it is read."""
    statement_bytes: int = _number("statement_bytes")
    """Bytes that a server may send for one statement or one view, including rows that are cut off."""
    statements: int = _number("statements")
    """Statements in one batch, and views in one `show`."""
    host_calls: int = _number("host_calls")
    """Number of calls of imported functions."""
    probes: int = _number("probes")
    """Probe connections of one call."""
    sessions: int = _number("sessions")
    """Number of sessions and consoles open at the same time."""
    handles: int = _number("handles")
    """Number of handles that the component holds at the same time."""
    orders: int = _number("orders")
    """Orders of one call, over all deliveries."""
    connect_timeout: timedelta = _time("connect_timeout")
    """Time to open a connection, including TLS and authentication."""
    statement_timeout: timedelta = _time("statement_timeout")
    """`statement_timeout` of every session."""
    lock_timeout: timedelta = _time("lock_timeout")
    """`lock_timeout` of every session."""
    leave_timeout: timedelta = _time("leave_timeout")
    """Maximum time to wait for signalled sessions to end."""


def millis(time: timedelta) -> int:
    """Converts a time to whole milliseconds, as used in messages and settings."""
    return time // timedelta(milliseconds=1)


class Counters:
    """Counters of one call's requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._host_calls = 0
        self._probes = 0
        self._orders = 0
        self._sessions = 0
        self._handles = 0

    def host_call(self) -> None:
        """Counts a call of an imported function. Exceeding the limit ends the component."""
        self._host_calls += 1
        limit = self._limits.host_calls
        if self._host_calls > limit:
            why = f"the component called the host more than {limit} times"
            raise EndedError(limit_reached(why, "host_calls"))

    def handle(self) -> None:
        """Counts a new handle. Exceeding the limit ends the component."""
        self._handles += 1
        limit = self._limits.handles
        if self._handles > limit:
            raise EndedError(limit_reached(f"the component held more than {limit} handles", "handles"))

    def handle_dropped(self) -> None:
        """Counts a dropped handle."""
        self._handles -= 1

    def session(self) -> None:
        """Counts a session or console before it is opened."""
        limit = self._limits.sessions
        if self._sessions >= limit:
            raise FaultError(limit_reached(f"{limit} sessions are open already", "sessions"))
        self._sessions += 1

    def session_closed(self) -> None:
        """Counts a closed session or console."""
        self._sessions -= 1

    def probes(self, count: int) -> None:
        """Counts probes before they are made."""
        wanted, limit = self._probes + count, self._limits.probes
        if wanted > limit:
            why = f"{wanted} probes were asked for in this call, {limit} are allowed"
            raise FaultError(limit_reached(why, "probes"))
        self._probes = wanted

    def orders(self, count: int) -> None:
        """Counts delivered orders."""
        wanted, limit = self._orders + count, self._limits.orders
        if wanted > limit:
            why = f"{wanted} orders were given in this call, {limit} are allowed"
            raise FaultError(limit_reached(why, "orders"))
        self._orders = wanted

    def statements(self, wanted: int) -> None:
        """Checks the length of a batch."""
        limit = self._limits.statements
        if wanted > limit:
            why = f"the batch has {wanted} statements, {limit} are allowed"
            raise FaultError(limit_reached(why, "statements"))


class Allowance:
    """Remaining amounts of data that one call may read and send, over all of its statements."""

    def __init__(self, limits: Limits) -> None:
        self._rows = limits.answer_rows
        self._bytes = limits.answer_bytes
        self._requested = 0
        self._limits = limits

    @property
    def bytes_left(self) -> int:
        """Maximum size of the next row, bytes."""
        return self._bytes

    def take_row(self, size: int) -> bool:
        """Reserves room for a row; returns false when there is none.

        A row that does not fit ends the allowance: later, smaller rows would be an arbitrary selection.
        """
        if size > self._bytes or self._rows == 0:
            self.refuse_row()
            return False
        self._bytes -= size
        self._rows -= 1
        return True

    def refuse_row(self) -> None:
        """Ends the allowance after a row that does not fit."""
        self._bytes = 0

    def check(self) -> None:
        """Refuses a batch when the allowance is used up."""
        if self._rows == 0:
            why = f"the component has had the {self._limits.answer_rows} rows that one call may read"
            raise FaultError(limit_reached(why, "answer_rows"))
        if self._bytes == 0:
            why = f"the component has had the {self._limits.answer_bytes} bytes that one call may read"
            raise FaultError(limit_reached(why, "answer_bytes"))

    def request(self, size: int) -> None:
        """Counts bytes that the component passes to the host."""
        self._requested += size
        limit = self._limits.request_bytes
        if self._requested > limit:
            why = f"the component has given {self._requested} bytes of statements and reasons, {limit} are allowed"
            raise FaultError(limit_reached(why, "request_bytes"))
