"""The import `scaling`, the only one that can change a pool. The component is not trusted.

Request and policy must allow the change, and sizes must respect the request's bounds, measured from the size that the
host has read. Changes are recorded before they are sent; outcomes are read back from the console.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable

from .faults import INSUFFICIENT_PRIVILEGE, Fault, FaultError
from .pgbouncer import Console
from .request import Intent
from .terms import Terms
from .wire import ReconnectOutcome, SizeOutcome


class _DeniedError(Exception):
    """Error for a change that is not allowed."""


@dataclass(frozen=True)
class _Record:
    event: str
    pool: str | None
    reason: str
    size: int | None = None
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True)
class Change:
    """Context and limits of one change."""

    console: Console
    terms: Terms
    intent: Intent
    changed: set[str]
    """Changes of this call, including possible ones."""
    signalled: Callable[[], None]
    """Called before anything is sent: the call must not be repeated blindly afterwards."""
    dry_run: bool

    def resize(self, pool: str | None, size: int, reason: str) -> SizeOutcome:
        """Resizes a pool and reads the size back."""
        record = _Record("resize", pool, reason, size=size)
        before: int | None = None
        try:
            self._is_asked_for()
            before, refusal, note = self.console.resizable(pool, size)
            record = replace(record, before=before)
            self._admit(before, size, refusal)
            self._clear(record, "size")
        except _DeniedError as denied:
            self._tell(record, "denied", str(denied))
            return SizeOutcome(before, None, False, str(denied))
        if self.dry_run:
            self._tell(record, "would-resize", note)
            return SizeOutcome(before, None, False, f"a dry run: nothing was sent; {note}")
        try:
            after = self.console.resize(pool, size)
        except FaultError as error:
            raise self._failed(record, error.fault) from None
        executed = after == size
        if not executed:
            shown = "no size" if after is None else str(after)
            note = f"the console took it and shows {shown} afterwards: nothing was resized"
        self._tell(replace(record, after=after), "executed" if executed else "unexecuted", note)
        return SizeOutcome(before, after, executed, note)

    def reconnect(self, database: str, reason: str) -> ReconnectOutcome:
        """Reconnects the server connections of a database."""
        record = _Record("reconnect", database, reason)
        try:
            self._is_asked_for()
            _, refusal, note = self.console.reconnectable(database)
            if refusal is not None:
                raise _DeniedError(refusal)
            self._clear(record, f"connections of '{database}'")
        except _DeniedError as denied:
            self._tell(record, "denied", str(denied))
            return ReconnectOutcome(False, str(denied))
        if self.dry_run:
            self._tell(record, "would-reconnect", note)
            return ReconnectOutcome(False, f"a dry run: nothing was sent; {note}")
        try:
            self.console.reconnect(database)
        except FaultError as error:
            raise self._failed(record, error.fault) from None
        self._tell(record, "executed", note)
        return ReconnectOutcome(True, note)

    def _is_asked_for(self) -> None:
        """Checks that the request and the policy allow a change. A dry run is allowed for any request."""
        if not self.terms.policy.resize:
            raise _DeniedError("the host's policy allows no resizes and no reconnects: set the policy's resize")
        if self.intent.resize_refusal is not None and not self.dry_run:
            raise _DeniedError(self.intent.resize_refusal)

    def _admit(self, before: int | None, size: int, refusal: str | None) -> None:
        bounds = self.intent.bounds
        if refusal is not None:
            raise _DeniedError(refusal)
        if before is None:
            raise _DeniedError("the size before is not known, so no step can be measured")
        why = bounds if isinstance(bounds, str) else bounds.refuse(before, size)
        if why is not None:
            raise _DeniedError(why)
        if before == size:
            raise _DeniedError("it has this size already")

    @property
    def _place(self) -> str:
        target = self.console.target
        return f"resize {target} {target.database}"

    def _clear(self, record: _Record, what: str) -> None:
        """Checks the caps of the call and the hour, and records the change before it is sent."""
        if what in self.changed:
            raise _DeniedError(f"one call changes the {what} of a pool once")
        most = self.terms.policy.max_resizes_per_hour
        free = (
            self.terms.hourly.left(self._place, most) if self.dry_run else self.terms.hourly.take(self._place, 1, most)
        )
        if free == 0:
            raise _DeniedError(
                f"the cap of {most} changes an hour is reached for this console: the policy's max_resizes_per_hour"
            )
        if self.dry_run:
            return
        try:
            self.terms.audit.write(record.event, self._about(record, "sending", ""))
        except FaultError:
            self.terms.hourly.give_back(self._place, 1)
            raise
        self.changed.add(what)
        self.signalled()

    def _failed(self, record: _Record, fault: Fault) -> FaultError:
        """Records the fault of a sent change. Only a refusal by the console itself proves that nothing changed."""
        if fault.kind == INSUFFICIENT_PRIVILEGE:
            self._tell(record, "denied", fault.message)
            self.terms.hourly.give_back(self._place, 1)
            return FaultError(fault)
        why = f"the change may have been made, but what came of it is not known: {fault.message}"
        self._tell(record, "failed", why)
        return FaultError(replace(fault, message=why, retryable=False))

    def _tell(self, record: _Record, outcome: str, detail: str) -> None:
        self.terms.audit.note(record.event, self._about(record, outcome, detail))

    def _about(self, record: _Record, outcome: str, detail: str) -> dict[str, object]:
        target = self.console.target
        return {
            **self.terms.about,
            "by": target.user,
            "server": str(target),
            "controller": self.console.kind,
            "pool": record.pool,
            "size": record.size,
            "before": record.before,
            "after": record.after,
            "reason": record.reason,
            "dry_run": self.dry_run,
            "outcome": outcome,
            "detail": detail,
        }
