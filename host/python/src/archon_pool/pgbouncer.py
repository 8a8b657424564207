"""The import `pooler`: PgBouncer's admin console (manual, "Admin console").

Components select a view from a list; no text of theirs is sent. The console supports only the simple query protocol,
with one command per query.
"""

from __future__ import annotations

import re

from . import server_error
from .clock import Clock, SilentError
from .connect import NotOpenedError, Opened, connect
from .connection import Columns, RawRow
from .connection_config import Target, invalid, within
from .faults import (
    CONNECTION_LOST,
    DATABASE_NOT_FOUND,
    INSUFFICIENT_PRIVILEGE,
    QUERY_FAILED,
    UNEXPECTED_ANSWER,
    UNSUPPORTED_VIEW,
    Fault,
    FaultError,
    fail,
)
from .guard_spec import Guard
from .limits import Allowance, Limits
from .login import Startup
from .messages import ServerError
from .row_set import Builder, rows_of
from .session import GRACE_S, read_row
from .values import TEXT
from .wire import RowSet

_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_NAMES = 5
"""Maximum number of names in a message."""

ResizePreview = tuple["int | None", "str | None", str]
"""Current size, the reason why a change cannot be made, and a note on its effect."""


class Console:
    """Open console."""

    kind = "pgbouncer"

    def __init__(self, opened: Opened, version: str, limits: Limits, guard: Guard) -> None:
        self._connection = opened.connection
        self._version = version
        self._limits = limits
        self._names = guard.pgbouncer
        self.target = opened.target

    @classmethod
    def open(cls, target: Target, limits: Limits, guard: Guard, clock: Clock) -> Console:
        """Opens the console, and checks that it is one of PgBouncer."""
        try:
            try:
                opened = connect(target, Startup(guard.application), limits, clock)
            except NotOpenedError as error:
                raise FaultError(_refused(error)) from None
            # PgCat, Odyssey and PostgreSQL may answer here too, and some accept commands without executing them.
            said = opened.connection.parameter("server_version") or ""
            version, bouncer, _ = said.partition("/bouncer")
            if not bouncer:
                opened.connection.close()
                raise _no_bouncer(opened.target)
        except FaultError as error:
            raise within("the pooler's console cannot be opened", error) from None
        return cls(opened, version, limits, guard)

    def show(self, view: str, allowance: Allowance) -> RowSet:
        """Runs `SHOW` for a view. All values are text or null."""
        if view not in self._names.views:
            names = ", ".join(self._names.views)
            raise fail(UNSUPPORTED_VIEW, f"there is no such view: a view is one of {names}")
        try:
            return self._ask(f"SHOW {view.upper()}", allowance)
        except FaultError as error:
            fault = error.fault
            if fault.kind == QUERY_FAILED and fault.message.startswith("invalid command"):
                raise fail(UNSUPPORTED_VIEW, f"PgBouncer {self._version} has no view '{view}'") from None
            raise

    def resizable(self, pool: str | None, size: int) -> ResizePreview:
        """Previews a resize without changing anything."""
        default = self._default_size()
        if default is None:
            return None, f"{self._names.size} is unlimited: set it in [pgbouncer] first", ""
        databases = self._sizes("databases", without=self._names.database)
        own = [name for name, found in databases.items() if found != default]
        if pool is not None and pool not in databases:
            return default, _no_such(pool), ""
        if pool is not None and pool in own:
            why = (
                "PgBouncer can only change the default while it runs: edit pool_size of [databases] "
                f"{pool}, then RELOAD"
            )
            return databases[pool], why, ""
        note = (
            "it lasts until PgBouncer is reloaded or restarted: put "
            f"`{self._names.size} = {size}` into [pgbouncer] of its ini file"
        )
        fixed = [f"database '{name}'" for name in own]
        fixed += [f"user '{name}'" for name, found in self._sizes("users").items() if found]
        if fixed:
            note += f"; {_listed(fixed)} with a pool_size of their own do not follow"
        if pool is not None:
            note += "; it is the size of every pool without one of its own"
        return default, None, note

    def resize(self, pool: str | None, size: int) -> int | None:
        """Resizes, and returns the size read back afterwards."""
        before = self._default_size()
        self._set(size)
        if pool is None:
            return self._default_size()
        after = self._sizes("databases").get(pool)
        # An individual size equal to the default was not recognised before: restore the default.
        if before is not None and after != size:
            self._set(before)
        return after

    def reconnectable(self, database: str) -> ResizePreview:
        """Previews a reconnect without changing anything."""
        if database not in self._sizes("databases", without=self._names.database):
            return None, _no_such(database), ""
        note = "each server connection is closed when its client releases it, and a new one is opened on demand"
        return None, None, note

    def reconnect(self, database: str) -> None:
        """Reconnects the server connections of a database, which `reconnectable` must have found."""
        quoted = '"{}"'.format(database.replace('"', '""'))
        self._command(f"RECONNECT {quoted}")

    def close(self) -> None:
        """Closes the console."""
        self._connection.close()

    def _set(self, size: int) -> None:
        self._command(f"SET {self._names.size} = {size}")

    def _default_size(self) -> int | None:
        """Returns the current default size; None when unlimited."""
        found = _pairs(self._own("config"), "key", "value").get(self._names.size)
        if found is None or not _NUMBER.fullmatch(found):
            raise _unexpected(f"SHOW CONFIG tells no {self._names.size}")
        return int(found) if int(found) > 0 else None

    def _sizes(self, view: str, without: str = "") -> dict[str, int | None]:
        """Returns the pool sizes of a view by name; empty when the version's view has no sizes."""
        shown = self._own(view)
        if not any(column.name == "pool_size" for column in shown.columns):
            return {}
        sizes = _pairs(shown, "name", "pool_size")
        return {
            name: int(size) if size is not None and _NUMBER.fullmatch(size) and int(size) >= 0 else None
            for name, size in sizes.items()
            if name != without
        }

    def _own(self, view: str) -> RowSet:
        """Reads a whole view for the host itself."""
        shown = self.show(view, Allowance(self._limits))
        if shown.truncated:
            raise _unexpected("a view is longer than the limit `rows` or `answer_bytes`")
        return shown

    def _command(self, command: str) -> None:
        self._ask(command, Allowance(self._limits))

    def _ask(self, command: str, allowance: Allowance) -> RowSet:
        patience_s = self._limits.statement_timeout.total_seconds() + GRACE_S
        rows, truncated = Builder([]), False
        fault: Fault | None = None
        try:
            for answer in self._connection.simple(command, patience_s):
                if isinstance(answer, ServerError):
                    fault = fault or server_error.querying(answer, self._connection.text)
                elif isinstance(answer, Columns):
                    rows = Builder([(self._connection.told(name), TEXT) for name, _ in answer.columns])
                elif isinstance(answer, RawRow) and not truncated:
                    truncated = not self._add(rows, self._connection.cells(answer, len(rows.columns)), allowance)
                    if truncated:
                        self._connection.drop_rows()
        except SilentError:
            why = f"the pooler at {self.target} stopped answering"
            raise fail(CONNECTION_LOST, why, retryable=True) from None
        if fault is None:
            return rows.finish(truncated=truncated)
        if "admin access needed" in fault.message:
            why = (
                f"PgBouncer lets '{self.target.user}' look and not change: add it to admin_users, or name another "
                "role in the pooler's URL"
            )
            fault = Fault(INSUFFICIENT_PRIVILEGE, why, fault.sqlstate)
        raise FaultError(fault)

    def _add(self, rows: Builder, cells: list[bytes | None], allowance: Allowance) -> bool:
        """Appends a row; returns false if it does not fit."""
        text = self._connection.text
        row = None if rows.count >= self._limits.rows else read_row(rows.columns, cells, text, allowance)
        if row is None:
            return False
        rows.add(self._without_secrets(row))
        return True

    def _without_secrets(self, row: list[bytes | None]) -> list[bytes | None]:
        """Withholds the values of secret settings."""
        is_secret = bool(row and row[0] is not None and row[0].startswith(self._names.withheld.encode()))
        return [None if is_secret and index > 0 else cell for index, cell in enumerate(row)]


def _pairs(shown: RowSet, key: str, value: str) -> dict[str, str | None]:
    """Maps one column of a view to another."""
    names = [column.name for column in shown.columns]
    for name in (key, value):
        if name not in names:
            raise _unexpected(f"a view has no column {name}")
    at_key, at_value = names.index(key), names.index(value)
    pairs: dict[str, str | None] = {}
    for row in rows_of(shown):
        found, what = row[at_key], row[at_value]
        if isinstance(found, str):
            pairs[found] = what if isinstance(what, str) else None
    return pairs


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES
    told = ", ".join(names[:_NAMES])
    return told if more <= 0 else f"{told} and {more} more"


def _no_such(database: str) -> str:
    return f"PgBouncer offers no database '{database}': SHOW DATABASES lists them"


def _no_bouncer(target: Target) -> FaultError:
    return invalid(f"what answers at {target} is no PgBouncer: correct the pooler's URL")


def _refused(error: NotOpenedError) -> Fault:
    fault, target = error.fault, error.target
    if fault.kind == DATABASE_NOT_FOUND:
        # Only PgBouncer always has a database of this name.
        return _no_bouncer(target).fault
    return fault


def _unexpected(message: str) -> FaultError:
    return fail(UNEXPECTED_ANSWER, message)
