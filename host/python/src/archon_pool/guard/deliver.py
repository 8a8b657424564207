"""The import `backends`, the only one that can end a session. The component is not trusted.

The signalling statement itself checks that the session is unchanged and may be ended; the host counts the caps and
verifies the result. A session can still become active in the microseconds between check and signal.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Callable

from .. import names
from ..faults import CONNECTION_LOST, INSUFFICIENT_PRIVILEGE, QUERY_CANCELED, UNEXPECTED_ANSWER, Fault, FaultError, fail
from ..limits import Allowance
from ..messages import Param
from ..request import Intent
from ..row_set import rows_of
from ..session import Request, Session
from ..terms import Terms
from ..values import FLOAT8, INT4, INT4_ARRAY, TEXT, TEXT_ARRAY, TIMESTAMPTZ, encode_array, encode_param
from ..wire import Order, Outcome, Row, Rows, Timestamp, Value
from .caps import Account, Caps, KillCounter, counts

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.2
_OWN_ROWS = 100_000
_NOT_SELECTED = Outcome("denied", "it is not among the sessions that the request selects: options.only")


class Delivery:
    """One call of `deliver`."""

    def __init__(
        self, session: Session, terms: Terms, intent: Intent, signalled: Callable[[], None], dry_run: bool
    ) -> None:
        """Prepares a delivery; `signalled` is called before anything is sent: the call must not be repeated blindly
        afterwards.
        """
        self._session = session
        self._terms = terms
        self._intent = intent
        self._signalled = signalled
        self._dry_run = dry_run
        self._planned = 0
        self._caps = Caps(terms.policy, intent.max_kill_percentage)
        self._roles = _texts(terms.policy.role_patterns())
        self._applications = _texts(terms.policy.application_patterns())
        self._place = f"order {session.target} {names.kept(session.target.database)}"

    def run(self, orders: Sequence[Order], kill_counter: KillCounter) -> list[Outcome]:
        """Delivers the orders and records each outcome."""
        refusal = self._intent.kill_refusal
        if refusal is not None and not self._dry_run:
            # Must not become a silent dry run: the component would report actions that did not happen.
            outcomes = [Outcome("denied", refusal)] * len(orders)
            self._record(orders, outcomes)
            return outcomes
        others = [order for order in orders if not self._is_selected(order)]
        self._record(others, [_NOT_SELECTED] * len(others))
        delivered = iter(self._deliver([order for order in orders if self._is_selected(order)], kill_counter))
        return [next(delivered) if self._is_selected(order) else _NOT_SELECTED for order in orders]

    def _is_selected(self, order: Order) -> bool:
        only = self._intent.only
        return only is None or (order.pid, order.backend_start) in only

    def _deliver(self, orders: Sequence[Order], kill_counter: KillCounter) -> list[Outcome]:
        account = self._account(kill_counter)
        if self._dry_run:
            # A dry run counts like a real one, but on copies.
            account, kill_counter = replace(account), KillCounter(spent=kill_counter.spent)
        outcomes: list[Outcome] = []
        while len(outcomes) < len(orders):
            rest = orders[len(outcomes) :]
            done = self._next(rest, account, kill_counter)
            if not self._dry_run:
                self._verify(rest, done)
            self._record(rest[: len(done)], done)
            outcomes += done
        return outcomes

    def _next(self, rest: Sequence[Order], account: Account, kill_counter: KillCounter) -> list[Outcome]:
        """Sends at most as many orders as the caps allow. Orders that do not count make room for the next round."""
        if account.clients == 0:
            # No countable sessions: those of the orders are gone, elsewhere or hidden.
            return [self._classify(order) for order in rest]
        room = self._caps.room(account, kill_counter.spent)
        if isinstance(room, str):
            return [Outcome("denied", room)] * len(rest)
        announced = self._announce(rest[:room])
        if isinstance(announced, Outcome):
            return [announced] * len(rest)
        outcomes = self._send(announced)
        counted = sum(map(counts, outcomes))
        account.spent += counted
        kill_counter.spent += counted
        if self._dry_run:
            self._planned += counted
        else:
            self._terms.hourly.give_back(self._place, len(outcomes) - counted)
        return outcomes

    def _announce(self, orders: Sequence[Order]) -> Sequence[Order] | Outcome:
        """Records orders before they are sent, as many as the hourly cap allows."""
        hourly, most = self._terms.hourly, self._caps.max_kills_per_hour
        try:
            if self._dry_run:
                left = hourly.left(self._place, most) - self._planned
                return orders[:left] if left > 0 else self._caps.over_hour()
            granted = orders[: hourly.take(self._place, len(orders), most)]
        except FaultError as error:
            return Outcome("failed", fault=error.fault)
        if not granted:
            return self._caps.over_hour()
        try:
            for order in granted:
                self._terms.audit.write("order", self._about(order, "sending", ""))
        except FaultError as error:
            hourly.give_back(self._place, len(granted))
            return Outcome("failed", fault=error.fault)
        self._signalled()
        return granted

    def _account(self, kill_counter: KillCounter) -> Account:
        (answer,) = self._own(self._terms.guard.statements.count, [[self._roles, self._applications]])
        row = _first(answer)
        if row is None:
            raise _unexpected("a count returned no row")
        key = (_number(row, 0), _number(row, 1))
        if key not in kill_counter.accounts:
            kill_counter.accounts[key] = self._caps.account(_number(row, 2), _number(row, 3))
        return kill_counter.accounts[key]

    def _send(self, orders: Sequence[Order]) -> list[Outcome]:
        """Sends the orders in one round trip, each guarded and in its own transaction."""
        statements = self._terms.guard.statements
        sql = statements.would_terminate if self._dry_run else statements.terminate
        try:
            answers = self._own(sql, [self._params(order) for order in orders])
        except FaultError as error:
            return [self._failed(error.fault)] * len(orders)
        return [self._outcome(answer, order) for answer, order in zip(answers, orders)]

    def _outcome(self, answer: Rows, order: Order) -> Outcome:
        if isinstance(answer, Fault):
            return self._failed(answer)
        row = _first(answer)
        if row is None:
            return self._classify(order)
        try:
            # False: the process ended between the check and the signal.
            return Outcome("signalled" if _boolean(row, 0) else "gone")
        except FaultError as error:
            return Outcome("failed", fault=error.fault if self._dry_run else _unverified(error.fault))

    def _failed(self, fault: Fault) -> Outcome:
        if fault.kind == INSUFFICIENT_PRIVILEGE:
            why = (
                f"{fault.message}: grant pg_signal_backend to role '{self._session.target.user}'; a superuser's "
                "session takes a superuser"
            )
            return Outcome("denied", why)
        if not self._dry_run and fault.kind in (CONNECTION_LOST, QUERY_CANCELED):
            fault = _unverified(fault)
        return Outcome("failed", fault=fault)

    def _classify(self, order: Order) -> Outcome:
        """Returns the outcome of an order that the guard refused."""
        try:
            (answer,) = self._own(self._terms.guard.statements.classify, [self._params(order)])
            row = _first(answer)
            return Outcome("gone") if row is None else self._why_not(row)
        except FaultError as error:
            return Outcome("failed", fault=error.fault)

    def _why_not(self, row: Row) -> Outcome:
        def denied(why: str) -> Outcome:
            return Outcome("denied", why)

        if _boolean(row, 0):
            return denied("the connected role may not see this session: grant pg_read_all_stats to it")
        if not _boolean(row, 1):
            # The pid now belongs to another session.
            return Outcome("gone")
        process, role, application = _text(row, 2), _text(row, 4), _text(row, 6)
        if process != "client backend":
            return denied(f"it is no client session but '{process}'")
        if not _boolean(row, 3):
            return denied("it belongs to another database: connect to that one")
        if _boolean(row, 8):
            return denied("it is one of our own")
        if _boolean(row, 5):
            return denied(f"role '{role}' is protected")
        if _boolean(row, 7):
            return denied(f"application '{application}' is protected")
        if _boolean(row, 9) and not _boolean(row, 10):
            return denied("it is in a state in which sessions are not ended")
        spared = _text(row, 12)
        if _boolean(row, 9) and spared:
            return denied(spared)
        if _boolean(row, 9) and not _boolean(row, 11):
            settings = "options.idleTimeoutMs or options.idleInTransactionTimeoutMs"
            return denied(f"it has been so for less than the request's {settings}")
        return Outcome("changed")

    def _verify(self, orders: Sequence[Order], outcomes: list[Outcome]) -> None:
        """Waits for the signalled sessions to end, and marks those that survive."""
        started, pause = time.monotonic(), _FIRST_PAUSE_S
        leave_s = self._terms.limits.leave_timeout.total_seconds()
        waiting = [index for index, outcome in enumerate(outcomes) if outcome.case == "signalled"]
        while waiting:
            pids = encode_array(INT4, [struct.pack("!i", orders[index].pid) for index in waiting])
            try:
                (answer,) = self._own(self._terms.guard.statements.still_there, [[(INT4_ARRAY, pids)]])
                if isinstance(answer, Fault):
                    raise FaultError(answer)
                there = {(_cell(row, 0), _cell(row, 1)) for row in rows_of(answer)}
            except FaultError as error:
                # The signal was sent; verification failed.
                for index in waiting:
                    outcomes[index] = Outcome("failed", fault=_unverified(error.fault))
                return
            waiting = [
                index for index in waiting if (orders[index].pid, Timestamp(orders[index].backend_start)) in there
            ]
            if time.monotonic() - started >= leave_s:
                for index in waiting:
                    outcomes[index] = Outcome("survived")
                return
            if waiting:
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _params(self, order: Order) -> list[Param]:
        patience = float(self._intent.patience_ms(order.state))
        return [
            (INT4, struct.pack("!i", order.pid)),
            _micros(order.backend_start),
            (TEXT, self._session.text.encode(order.state)),
            _micros(order.state_change),
            self._roles,
            self._applications,
            (FLOAT8, struct.pack("!d", patience)),
        ]

    def _own(self, sql: str, params: Sequence[Sequence[Param]]) -> list[Rows]:
        """Runs a statement of the host with each set of parameters, all in one round trip."""
        requests = [Request(sql, each, _OWN_ROWS) for each in params]
        return self._session.run(requests, Allowance(self._terms.limits))

    def _record(self, orders: Sequence[Order], outcomes: Sequence[Outcome]) -> None:
        for order, outcome in zip(orders, outcomes):
            told = "would-signal" if self._dry_run and outcome.case == "signalled" else outcome.case
            detail = outcome.why or ("" if outcome.fault is None else outcome.fault.message)
            self._terms.audit.note("order", self._about(order, told, detail))

    def _about(self, order: Order, outcome: str, detail: str) -> dict[str, object]:
        target = self._session.target
        return {
            **self._terms.about,
            "by": target.user,
            "server": str(target),
            "database": target.database,
            "pid": order.pid,
            "backend_start": order.backend_start,
            "signal": order.signal,
            "state": order.state,
            "state_change": order.state_change,
            "reason": order.reason,
            "dry_run": self._dry_run,
            "outcome": outcome,
            "detail": detail,
        }


def _unverified(fault: Fault) -> Fault:
    why = f"the signal may have been sent, but whether the session left is not known: {fault.message}"
    # Not retryable: a retry could signal the next session with this pid.
    return replace(fault, message=why, retryable=False)


def _texts(values: Sequence[str]) -> Param:
    return TEXT_ARRAY, encode_array(TEXT, [value.encode() for value in values])


def _micros(micros: int) -> Param:
    _, raw = encode_param(Timestamp(micros))
    return TIMESTAMPTZ, raw


def _first(answer: Rows) -> Row | None:
    if isinstance(answer, Fault):
        raise FaultError(answer)
    return next(iter(rows_of(answer)), None)


def _cell(row: Row, index: int) -> Value:
    """Returns a column of the host's own statement. Raises if the server did not return it."""
    if index >= len(row):
        raise _unexpected(f"column {index} is missing")
    return row[index]


def _boolean(row: Row, index: int) -> bool:
    """Reads a boolean column; null counts as false."""
    value = _cell(row, index)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _unexpected(f"column {index} is no boolean")


def _text(row: Row, index: int) -> str:
    value = _cell(row, index)
    if value is None or isinstance(value, str):
        return value or ""
    raise _unexpected(f"column {index} is no text")


def _number(row: Row, index: int) -> int:
    value = _cell(row, index)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _unexpected(f"column {index} is no number")


def _unexpected(message: str) -> FaultError:
    return fail(UNEXPECTED_ANSWER, message)
