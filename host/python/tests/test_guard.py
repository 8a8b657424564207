"""The kill guard: a hostile component gains nothing by lying."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from cluster import PASSWORD, Database, until
from lending import ask, cases, lent, opened, orders

from archon_pool import ConnectionPool, FaultError, Policy
from archon_pool.audit import Audit
from archon_pool.connection_config import OPERATOR, parts, resolve
from archon_pool.guard.caps import KillCounter
from archon_pool.guard.deliver import Delivery
from archon_pool.guard.policy import Hourly
from archon_pool.host import Host
from archon_pool.row_set import from_rows
from archon_pool.text import UTF8
from archon_pool.wire import Order


def test_a_session_that_is_as_it_was_seen_is_ended_and_seen_to_leave(database: Database) -> None:
    pids = database.leak(3)
    records: list[Any] = []
    with lent(database.url, records=records) as live:
        outcomes = live.deliver(opened(live), orders(database, pids), False)
        assert live.signalled
    assert cases(outcomes) == ["signalled"] * 3
    assert database.alive(pids) == []
    assert [it["outcome"] for it in records] == ["sending"] * 3 + ["signalled"] * 3
    assert records[0]["database"] == database.name and records[0]["plugin"] == "hostile"


def test_a_session_that_did_something_since_is_left_alone(database: Database) -> None:
    pids = database.leak(1)
    seen = orders(database, pids)
    for session in database._open:
        session.execute("SELECT 2")
    with lent(database.url) as live:
        assert cases(live.deliver(opened(live), seen, False)) == ["changed"]
    assert database.alive(pids) == pids


def test_a_pid_that_is_somebody_else_s_by_now_is_left_alone(database: Database) -> None:
    pids = database.leak(1)
    (seen,) = orders(database, pids)
    with lent(database.url) as live:
        older = replace(seen, backend_start=seen.backend_start - 1)
        nobody = replace(seen, pid=2**22 + 7)
        assert cases(live.deliver(opened(live), [older, nobody], False)) == ["gone", "gone"]
    assert database.alive(pids) == pids


def test_a_wrong_state_is_not_enough(database: Database) -> None:
    pids = database.leak(1, state="idle in transaction")
    (seen,) = orders(database, pids)
    with lent(database.url) as live:
        assert cases(live.deliver(opened(live), [replace(seen, state="idle")], False)) == ["changed"]
    assert database.alive(pids) == pids


@pytest.mark.parametrize("application", ["PostgREST 12", "pg_dump", "realtime_rls"])
def test_a_protected_application_is_never_ended(database: Database, application: str) -> None:
    protected, other = database.leak(1, application), database.leak(2)
    with lent(database.url) as live:
        outcomes = live.deliver(opened(live), orders(database, protected + other), False)
    assert cases(outcomes) == ["denied", "signalled", "signalled"]
    assert outcomes[0].why == f"application '{application}' is protected"
    assert database.alive(protected + other) == protected


def test_a_protected_role_is_never_ended(database: Database) -> None:
    role = "supabase_admin"
    with database.cluster.connect("postgres") as session:
        session.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    try:
        protected, other = database.leak(1, user=role), database.leak(2)
        with lent(database.url) as live:
            outcomes = live.deliver(opened(live), orders(database, protected + other), False)
        assert cases(outcomes) == ["denied", "signalled", "signalled"]
        assert outcomes[0].why == f"role '{role}' is protected"
        assert database.alive(protected + other) == protected
    finally:
        database.close()
        with database.cluster.connect("postgres") as session:
            session.execute(f"DROP ROLE {role}")


def test_the_operator_s_own_patterns_protect_too(database: Database) -> None:
    pids = database.leak(1, "billing_5")
    policy = Policy(protected_applications=("Billing*",))
    with lent(database.url, policy=policy) as live:
        (outcome,) = live.deliver(opened(live), orders(database, pids), False)
    assert outcome.case == "denied"
    assert database.alive(pids) == pids


def test_the_cap_is_counted_by_the_host_and_rounded_down(database: Database) -> None:
    pids = database.leak(7)
    request = {"action": "kill-idle", "options": {"idleTimeoutMs": 0, "maxKillPercentage": 30}}
    with lent(database.url, request) as live:
        session = opened(live)
        first = live.deliver(session, orders(database, pids[:1]), False)
        # In another delivery it is the same cap: two of seven.
        second = live.deliver(session, orders(database, pids[1:]), False)
    assert cases(first + second) == ["signalled"] * 2 + ["denied"] * 5
    why = second[-1].why or ""
    assert "options.maxKillPercentage is 30 % of 7 killable among 7 client sessions" in why
    assert len(database.alive(pids)) == 5


def test_a_request_that_names_no_cap_gets_the_contract_s(database: Database) -> None:
    pids = database.leak(7)
    request = {"action": "kill-idle", "options": {"idleTimeoutMs": 0}}
    with lent(database.url, request) as live:
        outcomes = live.deliver(opened(live), orders(database, pids), False)
    assert cases(outcomes).count("signalled") == 1


@pytest.mark.parametrize(
    ("policy", "setting"),
    [
        (Policy(max_kills=2), "max_kills"),
        (Policy(max_kill_percentage=30), "max_kill_percentage"),
        (Policy(max_kills_per_hour=2), "max_kills_per_hour"),
    ],
)
def test_each_cap_of_the_policy_is_named(database: Database, policy: Policy, setting: str) -> None:
    pids = database.leak(7)
    with lent(database.url, policy=policy) as live:
        outcomes = live.deliver(opened(live), orders(database, pids), False)
    assert cases(outcomes) == ["signalled"] * 2 + ["denied"] * 5
    assert f"the policy's {setting}" in (outcomes[-1].why or "")


def test_the_hour_is_counted_over_calls(database: Database) -> None:
    pids = database.leak(3)
    hourly, policy = Hourly(), Policy(max_kills_per_hour=1)
    ended = []
    for pid in pids:
        with lent(database.url, policy=policy, hourly=hourly) as live:
            ended += cases(live.deliver(opened(live), orders(database, [pid]), False))
    assert ended == ["signalled", "denied", "denied"]


def test_a_dry_run_tells_the_same_and_ends_nobody(database: Database) -> None:
    pids = database.leak(4)
    records: list[Any] = []
    with lent(database.url, policy=Policy(max_kills=3), records=records) as live:
        outcomes = live.deliver(opened(live), orders(database, pids), True)
        assert not live.signalled
    assert cases(outcomes) == ["signalled"] * 3 + ["denied"]
    assert [it["outcome"] for it in records] == ["would-signal"] * 3 + ["denied"]
    assert database.alive(pids) == pids


def test_a_dry_run_counts_the_hour_as_well(database: Database) -> None:
    pids = database.leak(4)
    with lent(database.url, policy=Policy(max_kills_per_hour=1)) as live:
        session = opened(live)
        assert cases(live.deliver(session, orders(database, pids), True)) == ["signalled"] + ["denied"] * 3
        assert cases(live.deliver(session, orders(database, pids), False)) == ["signalled"] + ["denied"] * 3


def test_a_session_of_another_database_is_left_alone(database: Database) -> None:
    # The harness's own server has one more database, whose sessions do not count.
    own = database.leak(1)
    with database.cluster.connect("postgres", "elsewhere") as other:
        pid = other.info.backend_pid
        with lent(database.url) as live:
            outcomes = live.deliver(opened(live), orders(database, [pid, *own]), False)
        assert cases(outcomes) == ["denied", "signalled"]
        assert outcomes[0].why == "it belongs to another database: connect to that one"
        other.execute("SELECT 1")


def test_no_session_of_ours_and_no_background_process_is_ended(database: Database) -> None:
    other = database.leak(1)
    with database.cluster.connect("postgres") as session:
        sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        (checkpointer,) = session.execute(sql).fetchone()  # type: ignore[misc]
    with lent(database.url) as live:
        handle = opened(live)
        ours = until(lambda: database.cluster.sessions(database.name, "archon-pool"), "our session is there")
        outcomes = live.deliver(handle, orders(database, [*ours, checkpointer, *other]), False)
        assert [outcome.why for outcome in outcomes[:2]] == [
            "it is one of our own",
            "it is no client session but 'checkpointer'",
        ]
        assert outcomes[2].case == "signalled"


def test_a_session_that_works_is_left_alone(database: Database) -> None:
    idle, busy = database.leak(2)
    worker = database._open[1].pgconn
    worker.send_query(b"SELECT pg_sleep(60)")
    until(lambda: orders(database, [busy])[0].state == "active", "it works")
    with lent(database.url) as live:
        outcomes = live.deliver(opened(live), orders(database, [busy, idle]), False)
    assert cases(outcomes) == ["denied", "signalled"]
    assert outcomes[0].why == "it is in a state in which sessions are not ended"
    assert database.alive([busy, idle]) == [busy]


def test_an_order_for_what_is_younger_than_the_request_s_threshold_is_denied(database: Database) -> None:
    pids = database.leak(1)
    with lent(database.url, {"action": "kill-idle", "options": {"maxKillPercentage": 100}}) as live:
        (outcome,) = live.deliver(opened(live), orders(database, pids), False)
    assert outcome.case == "denied" and "options.idleTimeoutMs" in (outcome.why or "")


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"action": "monitor"}, "the request's action is monitor"),
        ({}, "the request's action is full-analysis"),
        ({"action": "kill-idle", "options": {"dryRun": True}}, "options.dryRun"),
        ({"action": "kill-idle", "options": {"dryRun": "no"}}, "options.dryRun is neither true nor false"),
        ({"action": "kill-idle", "options": {"maxKillPercentage": 99.5}}, "maxKillPercentage is no whole number"),
        ({"action": "kill-idle", "options": {"idleTimeoutMs": "0"}}, "idleTimeoutMs is no whole number"),
        ({"action": "kill-idle", "options": []}, "options is no object"),
    ],
)
def test_what_was_not_plainly_asked_for_is_not_done(database: Database, request_: Any, why: str) -> None:
    pids = database.leak(2)
    records: list[Any] = []
    with lent(database.url, request_, records=records) as live:
        outcomes = live.deliver(opened(live), orders(database, pids), False)
        assert not live.signalled
    assert cases(outcomes) == ["denied"] * 2 and why in (outcomes[0].why or "")
    assert [it["outcome"] for it in records] == ["denied"] * 2
    assert database.alive(pids) == pids


def test_a_policy_without_apply_ends_nobody(database: Database) -> None:
    pids = database.leak(1)
    with lent(database.url, policy=Policy(apply=False)) as live:
        (outcome,) = live.deliver(opened(live), orders(database, pids), False)
    assert outcome.case == "denied" and "apply" in (outcome.why or "")


def test_nothing_is_done_that_is_not_on_record(database: Database) -> None:
    pids = database.leak(1)

    def broken(_: object) -> None:
        raise OSError("no space left on device")

    with lent(database.url, audit=Audit(broken)) as live:
        (outcome,) = live.deliver(opened(live), orders(database, pids), False)
        assert not live.signalled
    assert outcome.fault is not None and outcome.fault.kind == "audit-failed"
    assert database.alive(pids) == pids


def test_the_audit_file_is_its_owner_s_alone_and_has_a_line_before_and_after(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    with lent(database.url, audit=Audit(path=path)) as live:
        live.deliver(opened(live), orders(database, database.leak(1)), False)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["sending", "signalled"]
    assert path.stat().st_mode & 0o077 == 0


def test_without_the_privilege_it_says_which(database: Database) -> None:
    role = f"watcher_{database.name}"
    with database.cluster.connect("postgres") as session:
        session.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor")
    pids = database.leak(1)
    with lent(database.cluster.url(database.name, user=role)) as live:
        (outcome,) = live.deliver(opened(live), orders(database, pids), False)
    assert outcome.case == "denied" and "pg_signal_backend" in (outcome.why or "")
    assert database.alive(pids) == pids


def test_nobody_cancels_statements(database: Database) -> None:
    seen = [replace(order, signal="cancel") for order in orders(database, database.leak(1))]
    with lent(database.url) as live, pytest.raises(FaultError) as raised:
        live.deliver(opened(live), seen, False)
    assert raised.value.fault.kind == "not-approved"


def test_a_component_does_not_choose_its_own_catalogue(components: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe = Host.describe

    def lying(self: Host) -> dict[str, Any]:
        described = describe(self)
        if self._engine.name == "pool-observer.wasm":
            described["statements"] = [{"sha256": hashlib.sha256(b"SELECT pg_terminate_backend(1)").hexdigest()}]
        return described

    with ConnectionPool(environment=False) as ours:
        expected = ours._terms().catalogue
    monkeypatch.setattr(Host, "describe", lying)
    with ConnectionPool(environment=False, component=components / "pool-observer.wasm") as pool:
        assert pool._terms().catalogue == expected


def test_a_statement_that_is_not_of_the_catalogue_is_not_sent(database: Database) -> None:
    pids = database.leak(1)
    with lent(database.url, catalogue=frozenset()) as live, pytest.raises(FaultError) as raised:
        ask(live, opened(live), f"SELECT pg_terminate_backend({pids[0]})")
    assert raised.value.fault.kind == "not-approved"
    assert database.alive(pids) == pids


class Odd:
    """A session whose server answers the host's own statements in any shape."""

    text = UTF8
    target = resolve(parts("postgres://ann@h/d"), OPERATOR)

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def run(self, requests: Any, _: Any) -> list[Any]:
        rows = self._answers.pop(0) if self._answers else []
        columns = [(str(index), 25) for index in range(max(map(len, rows), default=0))]
        return [from_rows(columns, rows, truncated=False) for _ in requests]


@pytest.mark.parametrize("rows", [[], [[]], [[1, 1, 5]], [[None] * 4], [["1"] * 4], [[True] * 4]])
def test_a_count_of_another_shape_ends_nobody(rows: Any) -> None:
    with lent("postgres://ann@127.0.0.1:1/d") as live:
        delivery = Delivery(cast(Any, Odd(rows)), live._terms, live._intent, lambda: None, False)
        with pytest.raises(FaultError, match="unexpected-answer"):
            delivery.run([Order(1, 0, "terminate", "idle", 0, "x")], KillCounter())


@pytest.mark.parametrize("rows", [[[]], [[1]], [["t"]]])
def test_an_answer_of_another_shape_is_on_record_as_perhaps_sent(rows: Any) -> None:
    records: list[Any] = []
    with lent("postgres://ann@127.0.0.1:1/d", records=records) as live:
        delivery = Delivery(cast(Any, Odd([[1, 1, 5, 5]], rows)), live._terms, live._intent, lambda: None, False)
        (outcome,) = delivery.run([Order(1, 0, "terminate", "idle", 0, "x")], KillCounter())
    assert outcome.fault is not None and "may have been sent" in outcome.fault.message
    assert records[-1]["outcome"] == "failed"
