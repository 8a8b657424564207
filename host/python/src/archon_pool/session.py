"""PostgreSQL session: read-only, limited, closed with its call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from . import messages, server_error
from .clock import Clock, SilentError
from .connect import NotOpenedError, Opened, connect
from .connection import Columns, RawRow
from .connection_config import Target
from .faults import CONNECTION_LOST, Fault, FaultError
from .frames import Budget
from .guard_spec import Guard
from .limits import Allowance, Limits, millis
from .login import UNCONVERTED, Startup
from .messages import Column, Param, ServerError
from .row_set import Builder
from .text import TextEncoding
from .values import VALUE_BYTES, RowTooLargeError, check_columns, check_row
from .wire import Rows, RowSet

GRACE_S = 5.0
"""Additional time after the server's own timeout before the server counts as unresponsive."""


_OWN_ROWS, _OWN_BYTES = 1_000, 1 << 20
"""Limits of the host's own statements, far above their actual size."""


@dataclass(frozen=True)
class Request:
    """Statement as sent to the server."""

    sql: str
    params: Sequence[Param]
    max_rows: int


class Session:
    """Open session."""

    def __init__(self, opened: Opened, limits: Limits, guard: Guard, *, in_options: bool = True) -> None:
        self._connection = opened.connection
        self._limits = limits
        self._settings = settings(limits, guard)
        # Behind a transaction pooler, `SET` would persist on a shared server connection, so every statement runs in a
        # transaction that sets the settings locally.
        self.is_pooled = not in_options
        self.target = opened.target
        self.notes = opened.notes
        self.text = opened.connection.text

    @classmethod
    def open(cls, target: Target, limits: Limits, guard: Guard, clock: Clock) -> Session:
        """Opens a session and verifies its settings, which takes one more round trip than `unchecked`."""
        session = cls.unchecked(target, limits, guard, clock)
        try:
            if session.is_pooled:
                session._await_server_connection()
            elif not session._settings_hold():
                session.is_pooled = True
        except BaseException:
            session.close()
            raise
        return session

    @classmethod
    def unchecked(
        cls, target: Target, limits: Limits, guard: Guard, clock: Clock, timeout_s: float | None = None
    ) -> Session:
        """Opens a session without verified settings, for the host's own use."""
        # The host's settings come last, so that they take precedence.
        ours = [f"-c {name}={value}" for name, value in settings(limits, guard)]
        theirs = target.options or ""
        try:
            try:
                startup = Startup(guard.application, " ".join([theirs, *ours]).strip())
                return cls(_server(target, startup, limits, clock, timeout_s), limits, guard)
            except NotOpenedError as error:
                if not error.refusal.refuses_options:
                    raise
                encoding = "" if "client_encoding" in error.refusal.said else UNCONVERTED
            startup = Startup(guard.application, theirs, encoding)
            return cls(_server(target, startup, limits, clock, timeout_s), limits, guard, in_options=False)
        except NotOpenedError as error:
            raise FaultError(error.fault) from None

    def _await_server_connection(self) -> None:
        """Waits for the pooler's server connection: a pooler accepts a login without one."""
        try:
            for answer in self._connection.simple("", self._patience_s(1)):
                if isinstance(answer, ServerError):
                    raise FaultError(server_error.querying(answer, self.text))
        except SilentError:
            raise FaultError(server_error.no_server_connection(self.target, self._patience_s(1))) from None

    def _settings_hold(self) -> bool:
        """Returns true if the startup packet's settings apply: some poolers ignore them silently."""
        names = ", ".join(f"'{name}'" for name, _ in self._settings)
        sql = f"SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({names})"  # noqa: S608 - names of our own
        found = set(self.simple(sql))
        return all((name, value) in found for name, value in self._settings)

    def simple(self, sql: str, budget: Budget | None = None) -> list[tuple[str | None, ...]]:
        """Runs a statement of the host as a simple query, and returns its rows as text."""
        rows: list[tuple[str | None, ...]] = []
        columns: list[Column] = []
        left = _OWN_BYTES
        fault: Fault | None = None
        try:
            for answer in self._connection.simple(sql, self._patience_s(1), budget):
                if isinstance(answer, ServerError):
                    fault = fault or server_error.querying(answer, self.text)
                elif isinstance(answer, Columns):
                    columns = answer.columns
                elif isinstance(answer, RawRow):
                    left -= VALUE_BYTES * len(columns) + len(answer.body)
                    if len(rows) == _OWN_ROWS or left < 0:
                        self._connection.drop_rows()
                        continue
                    cells = self._connection.cells(answer, len(columns))
                    rows.append(tuple(None if cell is None else self.text.decode(cell) for cell in cells))
        except SilentError:
            raise FaultError(self._silent()) from None
        if fault is not None:
            raise FaultError(fault)
        return rows

    def run(self, requests: Sequence[Request], allowance: Allowance) -> list[Rows]:
        """Runs statements in one round trip, each in its own transaction; answer i belongs to statement i.

        Raises when the session is lost.
        """
        if not requests:
            return []
        until = time.monotonic() + self._patience_s(len(requests))
        connection = self._connection
        try:
            connection.begin(b"".join(map(self._messages, requests)))
            answers = [self._answer(request, allowance, until) for request in requests]
        except SilentError:
            raise FaultError(self._silent()) from None
        connection.end()
        return answers

    def _messages(self, request: Request) -> bytes:
        """Returns the messages of a statement. A Sync ends each group, so that an error skips nothing after it."""
        own = messages.statement(request.sql, request.params)
        if not self.is_pooled:
            return own + messages.SYNC
        calls = (f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in self._in_transaction())
        return b"".join(
            [
                messages.statement("BEGIN READ ONLY"),
                messages.statement(f"SELECT {', '.join(calls)}"),
                own,
                messages.SYNC,
                # After the Sync, so that it also ends a failed transaction.
                messages.statement("COMMIT"),
                messages.SYNC,
            ]
        )

    def _in_transaction(self) -> list[tuple[str, str]]:
        """Returns the settings of a transaction. A pooler may not have passed the encoding on to its server."""
        return [*self._settings, ("client_encoding", UNCONVERTED)]

    def _answer(self, request: Request, allowance: Allowance, until: float) -> Rows:
        budget = self._connection.budget()
        # Skips the two statements of the host before it.
        answer = self._read(request.max_rows, allowance, until, budget, skipped=2 if self.is_pooled else 0)
        if self.is_pooled:
            committed = self._read(0, allowance, until, budget)
            if isinstance(answer, RowSet) and isinstance(committed, Fault):
                answer = committed
        if isinstance(answer, Fault) and answer.kind == CONNECTION_LOST:
            raise FaultError(answer)
        return answer

    def _read(self, max_rows: int, allowance: Allowance, until: float, budget: Budget, *, skipped: int = 0) -> Rows:
        """Reads rows up to the limits and discards the rest, without the answers of the first `skipped` statements."""
        raw: list[Column] = []
        rows: Builder | None = None
        truncated = False
        fault: Fault | None = None
        for answer in self._connection.answers(until, budget, skipped):
            if isinstance(answer, ServerError):
                fault = fault or server_error.querying(answer, self.text)
            if fault is not None or truncated:
                continue
            try:
                if isinstance(answer, Columns):
                    raw = answer.columns
                elif isinstance(answer, RawRow):
                    rows = rows or Builder(self._columns(raw))
                    cells = self._connection.cells(answer, len(raw))
                    row = None if rows.count >= max_rows else read_row(rows.columns, cells, self.text, allowance)
                    if row is None:
                        truncated = True
                        self._connection.drop_rows()
                        continue
                    rows.add(row)
            except FaultError as error:
                fault = error.fault
                self._connection.drop_rows()
        return fault or (rows or Builder([])).finish(truncated=truncated)

    def _columns(self, raw: list[Column]) -> list[tuple[str, int]]:
        columns = [(self._connection.told(name), oid) for name, oid in raw]
        check_columns(columns)
        return columns

    def round_trip_s(self) -> float:
        """Measures one empty round trip, seconds."""
        started = time.monotonic()
        # Many probes may run at the same time: none needs more than the budget of a session's start.
        self.simple("", self._connection.start_budget())
        return time.monotonic() - started

    def close(self) -> None:
        """Closes the session."""
        self._connection.close()

    def _patience_s(self, statements: int) -> float:
        return self._limits.statement_timeout.total_seconds() * statements + GRACE_S

    def _silent(self) -> Fault:
        return Fault(CONNECTION_LOST, f"{self.target} stopped answering", retryable=True)


def _server(target: Target, startup: Startup, limits: Limits, clock: Clock, timeout_s: float | None) -> Opened:
    """Opens a connection to a server. Raises for PgBouncer's console."""
    opened = connect(target, startup, limits, clock, timeout_s)
    if (opened.connection.parameter("server_version") or "").endswith("/bouncer"):
        opened.connection.close()
        raise FaultError(server_error.is_console(opened.target))
    return opened


def read_row(
    columns: Sequence[tuple[str, int]], cells: Sequence[bytes | None], text: TextEncoding, allowance: Allowance
) -> list[bytes | None] | None:
    """Checks a row within the remaining allowance; returns None if it does not fit."""
    try:
        row, weight = check_row(columns, cells, text, allowance.bytes_left)
    except RowTooLargeError:
        allowance.refuse_row()
        return None
    return row if allowance.take_row(weight) else None


def settings(limits: Limits, guard: Guard) -> list[tuple[str, str]]:
    """Returns the session's settings. A timeout of zero would disable it, and the server accepts at most four bytes."""
    times = {"statement_timeout": limits.statement_timeout, "lock_timeout": limits.lock_timeout}
    bounded = {name: str(min(max(1, millis(time)), 2**31 - 1)) for name, time in times.items()}
    return list({**guard.settings, **bounded}.items())
