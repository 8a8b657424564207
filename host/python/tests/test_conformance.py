"""The conformance kit: the cassettes and the guard cases that every host shares (`tests/conformance`)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cluster import PASSWORD, Cluster, Database, until
from lending import lent, opened, orders

from archon_pool import FaultError, Limits, Policy
from archon_pool.cassette.replayer import Cassette, Player
from archon_pool.clock import Clock
from archon_pool.credentials import Vault
from archon_pool.engine import Engine
from archon_pool.faults import Fault
from archon_pool.host import Host
from archon_pool.request import take_apart
from archon_pool.wire import Order

KIT = Path(__file__).parents[3] / "tests" / "conformance"
CASES = sorted((KIT / "cases").glob("*.jsonl"))
GUARD: Any = json.loads((KIT / "guard.json").read_text("utf-8"))


def test_the_kit_is_there() -> None:
    assert len(CASES) >= 20 and len(GUARD["cases"]) >= 20


@pytest.fixture(scope="module")
def hosts(components: Path) -> Iterator[dict[str, Host]]:
    """A host for each component of the kit."""
    engines = {path.name: Engine(path, Limits()) for path in components.glob("*.wasm")}
    yield {name: Host(engine, Limits()) for name, engine in engines.items()}
    for engine in engines.values():
        engine.close()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_each_call_ends_as_in_every_other_language(case: Path, hosts: dict[str, Host]) -> None:
    cassette = Cassette(case)
    host = hosts[cassette.component]
    assert cassette.calls
    for call in cassette.calls:
        output = _output(host, call[0]["input"], cassette.next(call[0]["call"]))
        if isinstance(output, Fault):
            assert output == Fault.from_json(call[-1]["ended"])
        else:
            assert output == call[-1]["returned"]


def test_twenty_thousand_sessions_are_judged_alike(hosts: dict[str, Host]) -> None:
    path = os.environ.get("ARCHON_POOL_HUGE")
    assert path, "ARCHON_POOL_HUGE is not set: run `make test-python`"
    cassette = Cassette(path)
    (call,) = cassette.calls
    output = _output(hosts[cassette.component], call[0]["input"], cassette.next(call[0]["call"]))
    assert isinstance(output, str) and output == call[-1]["returned"]


def _output(host: Host, given: str, imports: Player) -> str | Fault:
    """What a host makes of an input that holds no credential of its own."""
    limits = Limits()
    try:
        take_apart(json.loads(given), Vault(environment=False), Policy())
    except FaultError as error:
        return error.fault
    return host._answered(given, imports, Clock(limits.deadline, limits.cpu))


@pytest.fixture(scope="module")
def guarded(cluster: Cluster) -> Cluster:
    with cluster.connect("postgres") as session:
        for role, options in GUARD["server"]["roles"].items():
            session.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' {options}")
        for name in GUARD["server"]["databases"]:
            session.execute(f"CREATE DATABASE {name}")
    return cluster


@pytest.mark.parametrize("case", GUARD["cases"], ids=lambda case: case["name"].replace(" ", "_"))
def test_every_guard_case_ends_as_it_says(case: Any, guarded: Cluster) -> None:
    sessions = [_open(guarded, session) for session in case["sessions"]]
    pids = [session.info.backend_pid for session in sessions]
    try:
        given = [_ordered(guarded, pids, order) for order in case["orders"]]
        for step in case.get("then", ()):
            session = sessions[step["session"]]
            if "sql" in step:
                session.execute(step["sql"])
            else:
                session.close()
                until(lambda gone=pids[step["session"]]: not _alive(guarded, gone), "it has left")
        url = guarded.url("guard", user=case.get("as", "operator"))
        with lent(url, _request(case, given), policy=_policy(case)) as live:
            handle = opened(live)
            if "fault" in case:
                with pytest.raises(FaultError, match=case["fault"]):
                    live.deliver(handle, given, case.get("dryRun", False))
            else:
                outcomes = live.deliver(handle, given, case.get("dryRun", False))
                for outcome, expected in zip(outcomes, case["outcomes"]):
                    if isinstance(expected, str):
                        assert outcome.case == expected, outcome
                    else:
                        assert outcome.case == "denied" and expected["denied"] in (outcome.why or ""), outcome
                assert len(outcomes) == len(case["outcomes"])
        closed = {step["session"] for step in case.get("then", ()) if "sql" not in step}
        there = {number for number, pid in enumerate(pids) if _alive(guarded, pid)}
        assert there == set(range(len(pids))) - set(case.get("ended", ())) - closed
    finally:
        for session in sessions:
            session.close()
        with guarded.connect("postgres") as session:
            # One that works would not notice that its client has left.
            session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY (%s)", (pids,))
        until(lambda: not any(_alive(guarded, pid) for pid in pids), "everybody has left")


def _alive(cluster: Cluster, pid: int) -> bool:
    with cluster.connect("postgres") as session:
        return session.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone() is not None


def _open(cluster: Cluster, wanted: Any) -> psycopg.Connection[Any]:
    database, role = wanted.get("database", "guard"), wanted.get("role", "app")
    session = cluster.connect(database, wanted.get("application", "worker"), user=role)
    state = wanted["state"]
    if state == "active":
        session.pgconn.send_query(b"SELECT pg_sleep(600)")
    elif state == "idle":
        session.execute(wanted.get("sql", "SELECT 1"))
    else:
        session.execute("BEGIN")
        if state == "idle in transaction (aborted)":
            with pytest.raises(psycopg.errors.DivisionByZero):
                session.execute("SELECT 1/0")
        else:
            session.execute(wanted.get("sql", "SELECT 1"))
    pid = session.info.backend_pid
    until(lambda: orders(Database(cluster, database), [pid])[0].state == state, f"it is {state}")
    return session


def _ordered(cluster: Cluster, pids: list[int], wanted: Any) -> Order:
    """An order as the case wants it: true, but for what it says."""
    if "process" in wanted:
        with cluster.connect("postgres") as session:
            sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = %s"
            (pid,) = session.execute(sql, (wanted["process"],)).fetchone()  # type: ignore[misc]
    else:
        pid = pids[wanted["session"]]
    (seen,) = orders(Database(cluster, "guard"), [pid])
    return Order(
        pid=wanted.get("pid", pid),
        backend_start=seen.backend_start + wanted.get("backendStart", 0),
        signal=wanted.get("signal", "terminate"),
        state=wanted.get("state", seen.state),
        state_change=seen.state_change + wanted.get("stateChange", 0),
        reason="a case",
    )


def _request(case: Any, given: list[Order]) -> dict[str, Any]:
    options: dict[str, Any] = {"maxKillPercentage": 100, "idleTimeoutMs": 0, "idleInTransactionTimeoutMs": 0}
    if "only" in case:
        chosen = [given[index] for index in case["only"]]
        options["only"] = [{"pid": order.pid, "backendStart": order.backend_start} for order in chosen]
    return {"action": case.get("action", "kill-idle"), "options": {**options, **case.get("request", {})}}


def _policy(case: Any) -> Policy:
    names = {
        "apply": "apply",
        "maxKillPercentage": "max_kill_percentage",
        "maxKills": "max_kills",
        "protectedRoles": "protected_roles",
        "protectedApplications": "protected_applications",
    }
    given: dict[str, Any] = {}
    for name, value in case.get("policy", {}).items():
        given[names[name]] = tuple(value) if isinstance(value, list) else value
    return replace(Policy(), **given)
