"""Imports of a live server: the allowed operations of one call, with all limits."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from . import server_error
from .clock import Clock
from .credentials import Credential, CredentialScope
from .faults import (
    CONNECTION_LOST,
    NO_POOLER,
    NOT_APPROVED,
    TOO_MANY_CONNECTIONS,
    EndedError,
    FaultError,
    fail,
)
from .guard.caps import KillCounter
from .guard.deliver import Delivery
from .limits import Allowance, Counters
from .pgbouncer import Console
from .request import Intent
from .scaling import Change
from .session import Request, Session
from .terms import Terms
from .values import encode_param, weight
from .wire import Name, Order, Outcome, Probed, ProbeTiming, ReconnectOutcome, Rows, SizeOutcome, Statement

_LOG = logging.getLogger("archon_pool")

T = TypeVar("T")


class _Table(Generic[T]):
    """Handles of one kind of resource, counted from 1."""

    def __init__(self) -> None:
        self._next = 1
        self.held: dict[int, T] = {}

    def give(self, value: T) -> int:
        handle = self._next
        self._next += 1
        self.held[handle] = value
        return handle


class Live:
    """Import implementation of one call to a live server."""

    def __init__(self, terms: Terms, scope: CredentialScope, intent: Intent, clock: Clock) -> None:
        self._terms = terms
        self._scope = scope
        self._intent = intent
        self._clock = clock
        self._counters = Counters(terms.limits)
        self._allowance = Allowance(terms.limits)
        self._kill_counter = KillCounter()
        self._changed: set[str] = set()
        self._credentials: _Table[Credential] = _Table()
        self._sessions: _Table[Session] = _Table()
        self._consoles: _Table[Console] = _Table()
        self.signalled = False

    def lookup(self, name: Name) -> int:
        """Finds the credential of this call."""
        self._counters.host_call()
        found = self._scope.lookup(name)
        self._counters.handle()
        return self._credentials.give(found)

    def credential_name(self, credential: int) -> str:
        """Returns the credential's name on the host."""
        self._counters.host_call()
        return self._credentials.held[credential].name

    def open_session(self, credential: int) -> int:
        """Opens a read-only session."""
        self._counters.host_call()
        with self._counted():
            return self._sessions.give(self._opened(self._credentials.held[credential]))

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Counts a session and its handle before it is opened; undoes it on failure."""
        self._counters.session()
        try:
            self._counters.handle()
            yield
        except BaseException:
            self._counters.session_closed()
            raise

    def _opened(self, credential: Credential) -> Session:
        try:
            return Session.open(credential.target, self._terms.limits, self._terms.guard, self._clock)
        except FaultError as error:
            if error.fault.kind != TOO_MANY_CONNECTIONS:
                raise
            why = f"{error.fault.message}; this host knows no other way in"
            raise FaultError(replace(error.fault, message=why)) from None

    def session_access_path(self, session: int) -> str:
        """Returns the access path of the session."""
        self._counters.host_call()
        return "pooled" if self._sessions.held[session].is_pooled else "direct"

    def session_notes(self, session: int) -> list[str]:
        """Returns facts about opening it that a report must state."""
        self._counters.host_call()
        notes = list(self._sessions.held[session].notes)
        may_act = self._intent.kill_refusal is None or self._intent.resize_refusal is None
        note = self._terms.hourly.note if may_act else None
        return notes if note is None else [*notes, note]

    def query(self, session: int, batch: Sequence[Statement]) -> list[Rows]:
        """Runs statements of the catalogue in one round trip."""
        self._counters.host_call()
        self._counters.statements(len(batch))
        given = sum(len(each.sql.encode()) + sum(map(weight, each.params)) for each in batch)
        self._allowance.request(given)
        self._allowance.check()
        for index, statement in enumerate(batch):
            if hashlib.sha256(statement.sql.encode()).hexdigest() not in self._terms.catalogue:
                why = "it is not in the catalogue: the host allows no other"
                raise fail(NOT_APPROVED, f"statement {index} is not sent: {why}")
        rows = self._terms.limits.rows
        opened = self._sessions.held[session]
        requests = [
            Request(each.sql, [encode_param(value, opened.text) for value in each.params], min(each.max_rows, rows))
            for each in batch
        ]
        return opened.run(requests, self._allowance)

    def probe(self, credential: int, count: int, timeout_ms: int) -> list[Probed]:
        """Opens probe connections in parallel, and measures and closes each."""
        self._counters.host_call()
        self._counters.probes(count)
        held = self._credentials.held[credential]
        outcomes: list[Probed | EndedError | None] = [None] * count

        def measure(index: int) -> None:
            try:
                outcomes[index] = self._probed(held, timeout_ms)
            except FaultError as error:
                outcomes[index] = error.fault
            except EndedError as ended:
                outcomes[index] = ended

        threads = [threading.Thread(target=measure, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [self._measured(outcome) for outcome in outcomes]

    def _measured(self, outcome: Probed | EndedError | None) -> Probed:
        if isinstance(outcome, EndedError):
            raise outcome
        if outcome is None:
            raise RuntimeError("a probe ended without an outcome")
        return outcome

    def _probed(self, credential: Credential, timeout_ms: int) -> ProbeTiming:
        terms, target = self._terms, credential.target
        started, timeout_s = time.monotonic(), timeout_ms / 1000
        try:
            session = Session.unchecked(target, terms.limits, terms.guard, self._clock, timeout_s)
        except FaultError:
            if time.monotonic() - started >= timeout_s:
                why = f"the probe was not done within {timeout_ms} ms"
                raise FaultError(server_error.unreachable(target, why)) from None
            raise
        try:
            connect_s = time.monotonic() - started
            return ProbeTiming(_micros(connect_s), _micros(session.round_trip_s()))
        finally:
            session.close()

    def open_console(self, credential: int) -> int:
        """Opens the console of the PgBouncer that belongs to a credential."""
        self._counters.host_call()
        held = self._credentials.held[credential]
        if held.console is None:
            raise fail(NO_POOLER, f"no pooler console is configured for credential '{held.name}'")
        with self._counted():
            opened = Console.open(held.console, self._terms.limits, self._terms.guard, self._clock)
            return self._consoles.give(opened)

    def console_kind(self, console: int) -> str:
        """Returns the kind of pooler."""
        self._counters.host_call()
        return self._consoles.held[console].kind

    def show(self, console: int, views: Sequence[str]) -> list[Rows]:
        """Runs `SHOW` for views."""
        self._counters.host_call()
        self._counters.statements(len(views))
        self._allowance.request(sum(len(view.encode()) for view in views))
        self._allowance.check()
        answers: list[Rows] = []
        for view in views:
            try:
                answers.append(self._consoles.held[console].show(view, self._allowance))
            except FaultError as error:
                if error.fault.kind == CONNECTION_LOST:
                    raise
                answers.append(error.fault)
        return answers

    def deliver(self, session: int, orders: Sequence[Order], dry_run: bool) -> list[Outcome]:
        """Ends sessions, each by one guarded statement."""
        self._counters.host_call()
        self._counters.orders(len(orders))
        self._allowance.request(sum(len(each.state.encode()) + len(each.reason.encode()) for each in orders))
        if any(order.signal == "cancel" for order in orders):
            raise fail(NOT_APPROVED, "no action of the contract cancels statements")
        # Texts are recorded more than once. No state of a server is this long.
        cut = [replace(each, state=each.state[:64], reason=each.reason[:1_000]) for each in orders]
        delivery = Delivery(self._sessions.held[session], self._terms, self._intent, self._note_signal, dry_run)
        return delivery.run(cut, self._kill_counter)

    def resize(self, console: int, pool: Name, size: int, reason: str, dry_run: bool) -> SizeOutcome:
        """Resizes a pool and reads the size back."""
        self._counters.host_call()
        self._allowance.request(len(reason.encode()) + len((pool or "").encode()))
        return self._change(console, dry_run).resize(None if pool is None else pool[:256], size, reason[:1_000])

    def reconnect(self, console: int, database: str, reason: str, dry_run: bool) -> ReconnectOutcome:
        """Reconnects the server connections of a database."""
        self._counters.host_call()
        self._allowance.request(len(reason.encode()) + len(database.encode()))
        return self._change(console, dry_run).reconnect(database[:256], reason[:1_000])

    def _change(self, console: int, dry_run: bool) -> Change:
        held = self._consoles.held[console]
        return Change(held, self._terms, self._intent, self._changed, self._note_signal, dry_run)

    def _note_signal(self) -> None:
        self.signalled = True

    def drop(self, resource: str, handle: int) -> None:
        """Releases the resource of a dropped handle."""
        self._counters.handle_dropped()
        if resource == "credential":
            del self._credentials.held[handle]
            return
        self._counters.session_closed()
        if resource == "session":
            self._sessions.held.pop(handle).close()
        else:
            self._consoles.held.pop(handle).close()

    def close(self) -> None:
        """Closes everything left open. In parallel: each may take time to cancel a running statement."""
        left: list[Session | Console] = [*self._sessions.held.values(), *self._consoles.held.values()]
        threads = [threading.Thread(target=_close, args=(opened,)) for opened in left[1:]]
        for thread in threads:
            thread.start()
        for opened in left[:1]:
            _close(opened)
        for thread in threads:
            thread.join()
        self._sessions.held.clear()
        self._consoles.held.clear()


def _close(opened: Session | Console) -> None:
    try:
        opened.close()
    except Exception:
        # The remaining ones must still be closed.
        _LOG.exception("a session could not be closed")


def _micros(seconds: float) -> int:
    return max(0, int(seconds * 1_000_000))
