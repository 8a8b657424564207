"""One PostgreSQL session: read-only, bounded, closed with its call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.pq import ExecStatus
from psycopg.pq import abc as pq

from . import errors
from .clock import Clock, SilentError
from .connect import NotOpenedError, Opened, connect
from .connection import Param
from .connection_config import Target
from .faults import CONNECTION_LOST, Fault, FaultError
from .guard import Guard
from .libpq import UNCONVERTED, Startup
from .limits import Allowance, Limits, millis
from .text import TextEncoding
from .values import VALUE_BYTES, check_columns, decode_row
from .wire import Row, Rows, RowSet

GRACE_S = 5.0
"""How much longer than the server's own timeout to wait for an answer before giving the server up."""

_ROWS = frozenset({ExecStatus.SINGLE_TUPLE, ExecStatus.TUPLES_OK})


@dataclass(frozen=True)
class Request:
    """A statement as it is sent."""

    sql: str
    params: Sequence[Param]
    max_rows: int


class Session:
    """An open session."""

    def __init__(self, opened: Opened, limits: Limits, guard: Guard, *, in_options: bool = True) -> None:
        self._connection = opened.connection
        self._limits = limits
        self._settings = settings(limits, guard)
        # Behind a transaction pooler a `SET` would outlive us on a server connection that others share, so
        # every statement gets a transaction that carries the settings.
        self.is_pooled = not in_options
        self.target = opened.target
        self.notes = opened.notes
        self.text = opened.connection.text

    @classmethod
    def open(cls, target: Target, limits: Limits, guard: Guard, clock: Clock) -> Session:
        """Opens a session whose settings hold. Costs a round trip more than `unchecked`."""
        session = cls.unchecked(target, limits, guard, clock)
        try:
            if not session.is_pooled and not session._settings_hold():
                session.is_pooled = True
        except BaseException:
            session.close()
            raise
        return session

    @classmethod
    def unchecked(
        cls, target: Target, limits: Limits, guard: Guard, clock: Clock, timeout_s: float | None = None
    ) -> Session:
        """Opens a session in which nobody's statements run."""
        # Ours come last, so that they win.
        ours = [f"-c {name}={value}" for name, value in settings(limits, guard)]
        theirs = target.options or ""
        try:
            try:
                startup = Startup(guard.application, " ".join([theirs, *ours]).strip())
                return cls(connect(target, startup, limits, clock, timeout_s), limits, guard)
            except NotOpenedError as error:
                if not error.refusal.refuses_options:
                    raise
                encoding = "" if "client_encoding" in error.refusal.said else UNCONVERTED
            startup = Startup(guard.application, theirs, encoding)
            return cls(connect(target, startup, limits, clock, timeout_s), limits, guard, in_options=False)
        except NotOpenedError as error:
            raise FaultError(error.fault) from None

    def _settings_hold(self) -> bool:
        """Whether the settings of the startup packet are the session's: a pooler that was told to ignore
        them says nothing.
        """
        names = ", ".join(f"'{name}'" for name, _ in self._settings)
        sql = f"SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({names})"  # noqa: S608 - names of our own
        found = set(self.simple(sql))
        return all((name, value) in found for name, value in self._settings)

    def simple(self, sql: str) -> list[tuple[str | None, ...]]:
        """Runs a statement of the host's own as a simple query, and returns its rows as text."""
        rows: list[tuple[str | None, ...]] = []
        fault: Fault | None = None
        try:
            for result in self._connection.simple(sql, self._patience_s(1)):
                if result.status == ExecStatus.FATAL_ERROR:
                    fault = fault or errors.querying(result, self.text)
                for row in range(result.ntuples):
                    cells = (result.get_value(row, column) for column in range(result.nfields))
                    rows.append(tuple(None if cell is None else self.text.decode(cell) for cell in cells))
        except SilentError:
            raise FaultError(self._silent()) from None
        if fault is not None:
            raise FaultError(fault)
        return rows

    def run(self, requests: Sequence[Request], allowance: Allowance) -> list[Rows]:
        """Runs statements in one round trip, each in its own transaction; answer i belongs to statement i.

        Raises when the session is gone.
        """
        if not requests:
            return []
        until = time.monotonic() + self._patience_s(len(requests))
        connection = self._connection
        connection.begin_pipeline()
        try:
            for request in requests:
                self._send(request)
            connection.flush(until)
            answers = [self._answer(request, allowance, until) for request in requests]
        except SilentError:
            raise FaultError(self._silent()) from None
        connection.end_pipeline()
        return answers

    def _send(self, request: Request) -> None:
        connection = self._connection
        if self.is_pooled:
            connection.send(b"BEGIN READ ONLY", [])
            calls = (f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in self._in_transaction())
            connection.send(f"SELECT {', '.join(calls)}".encode(), [])
        connection.send(request.sql.encode(), request.params)
        connection.sync()
        if self.is_pooled:
            # After the Sync, so that it ends a transaction that failed, too.
            connection.send(b"COMMIT", [])
            connection.sync()

    def _in_transaction(self) -> list[tuple[str, str]]:
        """The settings of a transaction of its own. A pooler may have told its server nothing of the encoding."""
        return [*self._settings, ("client_encoding", UNCONVERTED)]

    def _answer(self, request: Request, allowance: Allowance, until: float) -> Rows:
        before: Fault | None = None
        if self.is_pooled:
            before = self._completed(until) or self._completed(until)
        answer = self._read(request.max_rows, allowance, until)
        if isinstance(answer, Fault) and answer.kind == CONNECTION_LOST:
            raise FaultError(answer)
        self._synced(until)
        after: Fault | None = None
        if self.is_pooled:
            after = self._completed(until)
            self._synced(until)
        answer = before or answer
        if isinstance(answer, RowSet) and after is not None:
            answer = after
        return answer

    def _completed(self, until: float) -> Fault | None:
        """What kept a statement of our own from being carried out."""
        fault: Fault | None = None
        for result in self._connection.results(until):
            if result.status == ExecStatus.FATAL_ERROR:
                fault = fault or errors.querying(result, self.text)
        return fault

    def _synced(self, until: float) -> None:
        for result in self._connection.results(until):
            if result.status == ExecStatus.FATAL_ERROR:
                raise FaultError(errors.querying(result, self.text))

    def _read(self, max_rows: int, allowance: Allowance, until: float) -> Rows:
        """Reads rows up to the caps, and what is more to its end."""
        self._connection.row_by_row()
        columns: list[tuple[str, int]] = []
        rows: list[Row] = []
        truncated = False
        fault: Fault | None = None
        for result in self._connection.results(until):
            if result.status == ExecStatus.FATAL_ERROR:
                # Only the first says why: after it libpq may add that the connection is closed.
                fault = fault or errors.querying(result, self.text)
            if fault is not None or truncated or result.status not in _ROWS:
                continue
            try:
                for index in range(result.ntuples):
                    if not columns:
                        columns = _columns(result, self.text)
                    raw = [result.get_value(index, column) for column in range(len(columns))]
                    weight = sum(VALUE_BYTES + len(cell or b"") for cell in raw)
                    if len(rows) >= max_rows or not allowance.take_row(weight):
                        truncated = True
                        break
                    rows.append(decode_row(columns, raw, self.text))
            except FaultError as error:
                fault = error.fault
        return fault or RowSet(columns, rows, truncated)

    def round_trip_s(self) -> float:
        """One empty round trip."""
        started = time.monotonic()
        self.simple("")
        return time.monotonic() - started

    def close(self) -> None:
        """Ends the session."""
        self._connection.close()

    def _patience_s(self, statements: int) -> float:
        return self._limits.statement_timeout.total_seconds() * statements + GRACE_S

    def _silent(self) -> Fault:
        return Fault(CONNECTION_LOST, f"{self.target} stopped answering", retryable=True)


def _columns(result: pq.PGresult, text: TextEncoding) -> list[tuple[str, int]]:
    columns = [(text.decode(result.fname(index) or b""), result.ftype(index)) for index in range(result.nfields)]
    check_columns(columns)
    return columns


def settings(limits: Limits, guard: Guard) -> list[tuple[str, str]]:
    """The session's settings. A timeout of zero would be none."""
    times = {"statement_timeout": limits.statement_timeout, "lock_timeout": limits.lock_timeout}
    bounded = {name: str(max(1, millis(time))) for name, time in times.items()}
    return list({**guard.settings, **bounded}.items())
