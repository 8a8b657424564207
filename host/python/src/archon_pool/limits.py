"""What one call may use. Every limit is always on, can be set, and has a fault that names it."""

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
    """What one call may use, under the names that messages give; the defaults are the Rust host's."""

    deadline: timedelta = _time("deadline")
    """Wall-clock time of the whole call, all its tries and its waiting for the server included."""
    cpu: timedelta = _time("cpu")
    """Time that the component itself may compute. What it waits for the host does not count."""
    fuel: int = _number("fuel")
    """WebAssembly instructions that the component may execute, about: the same on every machine."""
    stack: int = _number("stack")
    """Bytes of stack that the component's functions may use."""
    memory: int = _number("memory")
    """Bytes of the component's memory."""
    instances: int = _number("instances")
    """Core instances that the component consists of."""
    component_bytes: int = _number("component_bytes")
    """Size of a component's file, bytes."""
    rows: int = _number("rows")
    """Rows that one statement hands over; more are cut off and reported as truncated."""
    answer_rows: int = _number("answer_rows")
    """Rows that all statements of one call hand over; the next batch is refused."""
    answer_bytes: int = _number("answer_bytes")
    """Bytes that all statements of one call hand over; the next batch is refused."""
    request_bytes: int = _number("request_bytes")
    """Bytes of statements, parameters and reasons that the component gives the host in one call."""
    report_bytes: int = _number("report_bytes")
    """Bytes of the JSON text that the component answers with."""
    start_bytes: int = _number("start_bytes")
    """Bytes that a server sends until a session or a console is ready."""
    protocol_message_bytes: int = _number("protocol_message_bytes")
    """Bytes of one message of a server, judged by its length before it is read."""
    statement_bytes: int = _number("statement_bytes")
    """Bytes that a server sends for one statement or one view, rows that are cut off included."""
    statements: int = _number("statements")
    """Statements in one batch, and views in one `show`."""
    host_calls: int = _number("host_calls")
    """Calls of imported functions."""
    probes: int = _number("probes")
    """Fresh connections of one call, over all of its `probe`s."""
    sessions: int = _number("sessions")
    """Sessions and consoles open at the same time."""
    handles: int = _number("handles")
    """Handles that the component holds at the same time."""
    orders: int = _number("orders")
    """Orders of one call, over all of its deliveries."""
    connect_timeout: timedelta = _time("connect_timeout")
    """Time to open a connection, TLS and authentication included."""
    statement_timeout: timedelta = _time("statement_timeout")
    """`statement_timeout` of every session."""
    lock_timeout: timedelta = _time("lock_timeout")
    """`lock_timeout` of every session."""
    leave_timeout: timedelta = _time("leave_timeout")
    """How long to wait for signalled sessions to leave."""


def millis(time: timedelta) -> int:
    """Whole milliseconds, as messages and settings give them."""
    return time // timedelta(milliseconds=1)


class Counters:
    """What one call has asked for so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._host_calls = 0
        self._probes = 0
        self._orders = 0
        self._sessions = 0
        self._handles = 0

    def host_call(self) -> None:
        """Counts an imported function that is about to run. One too many ends the component."""
        self._host_calls += 1
        limit = self._limits.host_calls
        if self._host_calls > limit:
            why = f"the component called the host more than {limit} times"
            raise EndedError(limit_reached(why, "host_calls"))

    def handle(self) -> None:
        """Counts a handle that is about to be given. One too many ends the component."""
        self._handles += 1
        limit = self._limits.handles
        if self._handles > limit:
            raise EndedError(limit_reached(f"the component held more than {limit} handles", "handles"))

    def handle_dropped(self) -> None:
        """Counts one less."""
        self._handles -= 1

    def session(self) -> None:
        """Counts a session or a console that is about to be opened."""
        limit = self._limits.sessions
        if self._sessions >= limit:
            raise FaultError(limit_reached(f"{limit} sessions are open already", "sessions"))
        self._sessions += 1

    def session_closed(self) -> None:
        """Counts one less."""
        self._sessions -= 1

    def probes(self, count: int) -> None:
        """Counts probes that are about to be made."""
        wanted, limit = self._probes + count, self._limits.probes
        if wanted > limit:
            why = f"{wanted} probes were asked for in this call, {limit} are allowed"
            raise FaultError(limit_reached(why, "probes"))
        self._probes = wanted

    def orders(self, count: int) -> None:
        """Counts orders that are given."""
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
    """What one call may still read and say, counted over all of its statements."""

    def __init__(self, limits: Limits) -> None:
        self._rows = limits.answer_rows
        self._bytes = limits.answer_bytes
        self._requested = 0
        self._limits = limits

    @property
    def bytes_left(self) -> int:
        """Bytes that a row may have."""
        return self._bytes

    def take_row(self, size: int) -> bool:
        """Takes one row of so many bytes, or says that there is no room for it.

        A row that does not fit ends the allowance: what fits behind it would be a selection that nobody
        asked for.
        """
        if size > self._bytes or self._rows == 0:
            self.refuse_row()
            return False
        self._bytes -= size
        self._rows -= 1
        return True

    def refuse_row(self) -> None:
        """Ends the allowance with a row that has no room."""
        self._bytes = 0

    def check(self) -> None:
        """Refuses a batch when nothing may be read any more."""
        if self._rows == 0:
            why = f"the component has had the {self._limits.answer_rows} rows that one call may read"
            raise FaultError(limit_reached(why, "answer_rows"))
        if self._bytes == 0:
            why = f"the component has had the {self._limits.answer_bytes} bytes that one call may read"
            raise FaultError(limit_reached(why, "answer_bytes"))

    def request(self, size: int) -> None:
        """Counts what the component gives the host."""
        self._requested += size
        limit = self._limits.request_bytes
        if self._requested > limit:
            why = f"the component has given {self._requested} bytes of statements and reasons, {limit} are allowed"
            raise FaultError(limit_reached(why, "request_bytes"))
