"""Every action of the contract, the helpers, the registry, the events and the log lines."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, cast

import pytest
from cluster import HARNESS, PASSWORD, Database, until

from archon_pool import ConnectionPool, FaultError, SkillInput, SkillOutput, SkillRegistry, get_skill_registry

ACTIONS = ["monitor", "detect-leaks", "health-check", "auto-scale", "kill-idle", "full-analysis"]
OLD_S = 10.2
"""A little more than the least `idleTimeoutMs`."""


def report(output: SkillOutput) -> Any:
    assert output["success"], output.get("error")
    return output["data"]


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_answers_with_its_report(pool: ConnectionPool, database: Database, action: str) -> None:
    database.leak(3, "web")
    answer = pool.run({"action": action, "options": {"dryRun": True, "sampleMs": 0}})
    data = report(answer)
    assert data["action"] == action
    assert data["poolStats"]["connections"]["total"] == 3
    assert (answer["skill"], answer["version"]) == ("supabase-connection-pool", "1.0.0")
    if action == "health-check":
        assert data["healthSummary"]["probes"], "fresh connections were measured"


def test_without_an_action_everything_is_analysed(pool: ConnectionPool) -> None:
    assert report(pool.run())["action"] == "full-analysis"


def test_an_unknown_action_is_refused_with_the_six(pool: ConnectionPool) -> None:
    error = cast(Any, pool.run({"action": "destroy"}))["error"]
    assert error["kind"] == "invalid-params"
    assert all(action in error["message"] for action in ACTIONS)


def test_what_was_detected_as_leaked_is_ended(database: Database) -> None:
    leaked = database.leak(8, "checkout")
    young = database.leak(2, "web", state="idle in transaction")
    database.age(leaked, OLD_S)
    options: Any = {"idleTimeoutMs": 10_000, "maxKillPercentage": 100, "minSize": 1, "leakDetectionThreshold": 0}
    records: list[Any] = []
    with ConnectionPool(credentials={"default": database.url}, environment=False, audit=records.append) as pool:
        detected = report(pool.run({"action": "detect-leaks", "options": options}))
        assert detected["leakDetection"]["detected"]
        assert database.alive(leaked + young) == leaked + young, "looking ends nobody"
        assert not records

        (action,) = report(pool.run({"action": "kill-idle", "options": options}))["actions"]
    ended = [target["pid"] for target in action["targets"] if target["outcome"] == "ended"]
    assert (action["type"], action["executed"], action["connectionsAffected"]) == ("kill-idle", True, len(ended))
    # One of them may still be in use, for all that the component can tell.
    assert len(ended) >= 7 and set(ended) <= set(leaked)
    assert set(database.alive(leaked + young)) == {*leaked, *young} - set(ended)
    # On record before each and after.
    assert [it["outcome"] for it in records] == ["sending"] * len(ended) + ["signalled"] * len(ended)
    assert {it["pid"] for it in records} == set(ended)
    assert all(it["reason"] and it["by"] == "postgres" and it["digest"] for it in records)


def test_an_observer_plans_and_cannot_end_anybody(database: Database, components: Path) -> None:
    leaked = database.leak(6)
    database.age(leaked, OLD_S)
    options: Any = {"idleTimeoutMs": 10_000, "maxKillPercentage": 100, "minSize": 1, "sampleMs": 0}
    observer = components / "pool-observer.wasm"
    with ConnectionPool(credentials={"default": database.url}, environment=False, component=observer) as pool:
        (action,) = report(pool.run({"action": "kill-idle", "options": options}))["actions"]
    assert action["targets"] and action["executed"] is False
    assert database.alive(leaked) == leaked


def test_carry_gives_rates_without_a_pause(pool: ConnectionPool) -> None:
    first = report(pool.run({"action": "monitor", "options": {"sampleMs": 0}}))
    assert first["poolStats"]["throughput"]["requestsPerSecond"] is None
    again: SkillInput = {"action": "monitor", "options": {"sampleMs": 0}, "carry": first["carry"]}

    def has_rates() -> bool:
        return report(pool.run(again))["poolStats"]["throughput"]["requestsPerSecond"] is not None

    until(has_rates, "the two calls are far enough apart for a rate")


def test_the_helpers_answer_with_what_they_are_named_for(pool: ConnectionPool, database: Database) -> None:
    database.leak(2)
    options: SkillInput = {"options": {"sampleMs": 0}}
    assert pool.quick_pool_status(options)["connections"]["total"] == 2
    assert pool.has_leak_risk(options) is False
    assert isinstance(pool.get_recommendations(options), list)


def test_a_helper_raises_the_fault(database: Database) -> None:
    wrong = database.url.replace(PASSWORD, "wrong")
    with ConnectionPool(credentials={"default": wrong}, environment=False) as pool:
        with pytest.raises(FaultError) as raised:
            pool.quick_pool_status()
    assert raised.value.fault.kind == "authentication-failed"


def test_leak_risk_is_no_verdict_on_what_was_not_seen(database: Database) -> None:
    with database.cluster.connect(database.name) as session:
        session.execute(f"CREATE ROLE blind_{database.name} LOGIN PASSWORD '{PASSWORD}'")
    database.leak(2)
    url = database.cluster.url(database.name, user=f"blind_{database.name}")
    with ConnectionPool(credentials={"default": url}, environment=False) as pool:
        with pytest.raises(FaultError) as raised:
            pool.has_leak_risk({"options": {"sampleMs": 0}})
    assert raised.value.fault.kind == "incomplete-coverage"


def test_events_tell_of_start_and_end(pool: ConnectionPool) -> None:
    heard: list[Any] = []
    for name in ("start", "complete", "error"):
        pool.on(name, lambda event, name=name: heard.append((name, event)))  # type: ignore[misc]
    pool.run({"action": "monitor", "options": {"sampleMs": 0}})
    pool.run({"action": "destroy"})
    pool.execute({"action": "monitor", "options": {"sampleMs": 0}})
    assert [name for name, _ in heard] == ["start", "complete", "start", "error"]
    assert heard[0][1] == {"skill": "supabase-connection-pool"}
    assert heard[1][1]["result"]["success"] is True
    assert heard[3][1]["error"].kind == "invalid-params"


def test_a_registry_executes_by_name(pool: ConnectionPool) -> None:
    registry = SkillRegistry()
    heard: list[str] = []
    registry.on("error", lambda event: heard.append(event["skill"]))
    registry.register("pool", pool)
    assert registry.names() == ["pool"]
    assert registry.execute("pool", {"action": "monitor"})["success"]
    unknown = registry.execute("swimming")
    assert unknown["error"]["kind"] == "invalid-params" and "pool" in unknown["error"]["message"]
    assert heard == ["swimming"]
    assert get_skill_registry() is get_skill_registry()


def test_the_log_has_the_contract_s_lines(
    pool: ConnectionPool, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "connection-pool-manager"):
        pool.run({"action": "monitor", "options": {"sampleMs": 0}, "supabaseUrl": database.url})
        pool.run({"action": "destroy"})
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line["message"] for line in lines] == [
        "Connection Pool Manager iniciado",
        "Connection Pool analysis completed",
        "Connection Pool Manager iniciado",
        "Connection Pool analysis failed",
    ]
    assert list(lines[0]) == ["timestamp", "skill", "level", "message", "context"]
    assert lines[0]["context"] == {"action": "monitor", "url": "127.0.0.1"}
    assert set(lines[1]["context"]) == {
        "action",
        "poolSize",
        "activeConnections",
        "leaksDetected",
        "actionsExecuted",
        "duration",
    }
    assert lines[2]["context"] == {"action": "unknown", "url": "from-vault"}


def test_our_own_sessions_are_gone_after_each_call(pool: ConnectionPool, database: Database) -> None:
    for action in ACTIONS:
        pool.run({"action": action, "options": {"sampleMs": 0}})
        until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "our sessions are gone")


def test_threads_share_a_host(pool: ConnectionPool, database: Database) -> None:
    from concurrent.futures import ThreadPoolExecutor

    database.leak(2, HARNESS)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: pool.run({"action": "monitor", "options": {"sampleMs": 0}}), range(12)))
    assert [report(answer)["poolStats"]["connections"]["total"] for answer in answers] == [2] * 12
