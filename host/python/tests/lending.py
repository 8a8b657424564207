"""The imports against a live server, without a component: for what no component of ours would ask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from cluster import Database

from archon_pool.audit import Audit
from archon_pool.clock import Clock
from archon_pool.credentials import Vault
from archon_pool.guard.policy import Hourly, Policy
from archon_pool.guard_spec import guard
from archon_pool.limits import Limits
from archon_pool.live import Live
from archon_pool.request import take_apart
from archon_pool.row_set import rows_of
from archon_pool.terms import Terms
from archon_pool.wire import Order, Outcome, Row, Rows, RowSet, Statement, Value

KILL: Mapping[str, Any] = {
    "action": "kill-idle",
    "options": {"idleTimeoutMs": 0, "idleInTransactionTimeoutMs": 0, "maxKillPercentage": 100},
}
"""A request that lets a hostile component end whatever the host lets it."""


class Anything(frozenset[str]):
    """A catalogue with every statement in it."""

    def __contains__(self, _: object) -> bool:
        return True


@contextlib.contextmanager
def lent(
    url: str,
    request: Mapping[str, Any] = KILL,
    *,
    limits: Limits | None = None,
    policy: Policy | None = None,
    records: list[Any] | None = None,
    hourly: Hourly | None = None,
    catalogue: frozenset[str] | None = None,
    console: str | None = None,
    audit: Audit | None = None,
) -> Iterator[Live]:
    """What a component of this request may ask."""
    limits, policy = limits or Limits(), policy or Policy()
    entry = {"url": url} if console is None else {"url": url, "pooler": console}
    taken = take_apart(request, Vault({"default": entry}, environment=False), policy)
    terms = Terms(
        guard=guard(),
        limits=limits,
        policy=policy,
        hourly=hourly or Hourly(),
        audit=audit or Audit(None if records is None else records.append),
        about={"plugin": "hostile"},
        catalogue=Anything() if catalogue is None else catalogue,
    )
    live = Live(terms, taken.scope, taken.intent, Clock(limits.deadline, limits.cpu))
    try:
        yield live
    finally:
        live.close()


def opened(live: Live) -> int:
    """A session of the call's credential."""
    return live.open_session(live.lookup(None))


def ask(live: Live, session: int, *statements: str, params: list[Value] | None = None, most: int = 1_000) -> list[Rows]:
    """Any statements."""
    return live.query(session, [Statement(sql, params or [], most) for sql in statements])


def rows(answer: Rows) -> list[Row]:
    """The rows of an answer that is no fault."""
    assert isinstance(answer, RowSet), answer
    return rows_of(answer)


def orders(database: Database, pids: list[int]) -> list[Order]:
    """An order for each process, as it is now."""
    sql = (
        "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::int8, coalesce(state, ''), "
        "coalesce((extract(epoch FROM state_change) * 1000000)::int8, 0) FROM pg_stat_activity WHERE pid = ANY (%s)"
    )
    with database.cluster.connect("postgres") as session:
        seen = session.execute(sql, (pids,)).fetchall()
    found = {pid: Order(pid, start, "terminate", state, change, "a test") for pid, start, state, change in seen}
    return [found[pid] for pid in pids]


def cases(outcomes: list[Outcome]) -> list[str]:
    return [outcome.case for outcome in outcomes]
