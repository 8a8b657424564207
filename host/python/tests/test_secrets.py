"""A secret never crosses into a log, a report, an error, a cassette, an audit record or the component."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from cluster import PASSWORD, Cluster, Database, PgBouncer, until, unused_port

from archon_pool import ConnectionPool
from archon_pool.cassette.replayer import Player
from archon_pool.host import Host
from archon_pool.live import Live


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def test_a_secret_is_nowhere_but_on_its_way_to_the_server(
    database: Database,
    bouncer: PgBouncer,
    tmp_path: Path,
    heard: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[str] = []
    enter = _spied(given, monkeypatch)
    cassette, trail = tmp_path / "cassette.jsonl", tmp_path / "audit.jsonl"
    leaked = database.leak(3)
    entry = {"url": database.url, "pooler": database.cluster.url("pgbouncer", port=bouncer.port)}
    told: list[str] = []
    with ConnectionPool(credentials={"default": entry}, record=cassette, audit_file=trail) as pool:
        for event in ("start", "complete", "error"):
            pool.on(event, lambda what: told.append(repr(what)))
        for action in pool.describe()["actions"]:
            told.append(json.dumps(pool.run({"action": action, "options": {"sampleMs": 0}})))
            apart: Any = {"supabaseUrl": database.url.replace(f":{PASSWORD}", ""), "supabaseKey": PASSWORD}
            apart |= {"action": action, "options": {"sampleMs": 0}}
            told.append(json.dumps(pool.run(apart)))
        told.append(repr(pool.__dict__))
    assert enter and len(given) > 12, "what the component was given was looked at"
    everything = [*told, *given, cassette.read_text(), heard.text, *(repr(vars(it)) for it in heard.records)]
    everything += [trail.read_text()] if trail.exists() else []
    assert not any(PASSWORD in text for text in everything)
    assert any("127.0.0.1" in text for text in everything), "there was something to look at"
    assert database.alive(leaked) == leaked


def test_no_failure_tells_a_secret(cluster: Cluster, database: Database, heard: pytest.LogCaptureFixture) -> None:
    urls = [
        cluster.url("postgres", port=unused_port()),
        cluster.url("nowhere"),
        cluster.url("postgres", user="nobody"),
        database.url + "?sslmode=require",
        database.url + "?sslmode=verify-full",
        database.url + "?connect_timeout=x",
        database.url + "?surprise=1",
        f"postgres://u:{PASSWORD}@no-such-host.invalid/d",
        f"postgres://u:{PASSWORD}/x@h/d",
        f"mysql://u:{PASSWORD}@h/d",
    ]
    told: list[str] = []
    with ConnectionPool(retries=0) as pool:
        for url in urls:
            request: Any = {"action": "monitor", "options": {"sampleMs": 0}, "supabaseUrl": url}
            output = pool.run(request)
            assert not output["success"]
            told.append(json.dumps(output))
            try:
                pool.quick_pool_status(request)
            except Exception:
                told.append(traceback.format_exc())
    assert len(told) == 2 * len(urls)
    assert not any(PASSWORD in text for text in [*told, heard.text])


def test_a_defect_of_the_host_is_a_fault_without_its_text(
    database: Database, heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError(PASSWORD)

    monkeypatch.setattr(Live, "session_access_path", broken)
    with ConnectionPool(credentials={"default": database.url}, environment=False) as pool:
        output = json.dumps(pool.run({"action": "monitor"}))
    assert "host-failed" in output and "RuntimeError" in heard.text
    assert PASSWORD not in output + heard.text
    until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "nothing of ours is left")


def test_an_interrupt_ends_the_call_and_its_sessions(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Live, "session_access_path", interrupted)
    with ConnectionPool(credentials={"default": database.url}, environment=False) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.run({"action": "monitor"})
    until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "nothing of ours is left")


def _spied(given: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Notes every text that crosses into the component, by way of the answers of its imports, too."""
    enter = Host._enter

    def entering(self: Host, name: str, arguments: list[str], *rest: Any) -> str:
        given.extend(arguments)
        return enter(self, name, arguments, *rest)

    monkeypatch.setattr(Host, "_enter", entering)
    for name in [name for name in vars(Player) if not name.startswith("_") and name not in ("drop", "close")]:
        function = getattr(Live, name)

        def noting(*arguments: Any, function: Any = function) -> Any:
            try:
                answer = function(*arguments)
            except Exception as error:
                given.append(repr(error) + repr(getattr(error, "fault", "")))
                raise
            given.append(repr(answer))
            return answer

        monkeypatch.setattr(Live, name, noting)
    return True
