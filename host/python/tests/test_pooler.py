"""Behind PgBouncer: its console, its pool's size, and sessions through it."""

from __future__ import annotations

from typing import Any, cast

import psycopg
import pytest
from cluster import PASSWORD, Database, PgBouncer
from lending import ask, lent, opened, rows

from archon_pool import ConnectionPool, FaultError, Policy
from archon_pool.request import Bounds

SCALE: Any = {"action": "auto-scale", "options": {"minSize": 1, "maxSize": 50, "growthRate": 100, "shrinkRate": 100}}


def console(database: Database, bouncer: PgBouncer, user: str = "postgres") -> str:
    return database.cluster.url("pgbouncer", user=user, port=bouncer.port)


@pytest.fixture
def through(database: Database, bouncer: PgBouncer) -> str:
    return database.cluster.url(database.name, port=bouncer.port)


def test_through_a_transaction_pooler_each_statement_carries_the_settings(through: str) -> None:
    with lent(through) as live:
        session = opened(live)
        assert live.session_access_path(session) == "pooled"
        sql = (
            "SELECT pg_catalog.current_setting('transaction_read_only'), "
            "pg_catalog.current_setting('statement_timeout'), pg_catalog.current_setting('search_path')"
        )
        answers = ask(live, session, sql, "SELECT 1/0", "CREATE TABLE public.mine ()", sql)
        again = ask(live, session, "SELECT 5")
    bound = [["on", "15s", "pg_catalog"]]
    assert rows(answers[0]) == rows(answers[3]) == bound
    assert [cast(Any, answer).sqlstate for answer in answers[1:3]] == ["22012", "25006"]
    assert rows(again[0]) == [[5]]


def test_nothing_of_ours_stays_on_a_server_connection_that_others_share(through: str) -> None:
    with lent(through) as live:
        ask(live, opened(live), "SELECT 1")
    with psycopg.connect(through, autocommit=True, prepare_threshold=None) as other:
        found = other.execute("SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')")
        assert found.fetchone() == ("0", "off")


def test_every_action_works_through_a_pooler(through: str, database: Database, bouncer: PgBouncer) -> None:
    entry = {"url": through, "pooler": console(database, bouncer)}
    database.leak(2)
    with ConnectionPool(credentials={"default": entry}, environment=False) as pool:
        for action in pool.describe()["actions"]:
            answer = pool.run({"action": action, "options": {"sampleMs": 0, "dryRun": True}})
            assert answer["success"], answer.get("error")


def test_views_are_shown_as_text_and_only_those_of_the_list(database: Database, bouncer: PgBouncer) -> None:
    with lent(database.url, console=console(database, bouncer)) as live:
        handle = live.open_console(live.lookup(None))
        assert live.console_kind(handle) == "pgbouncer"
        views = ["pools", "config", "lists", "version", "state", "POOLS", "pools; SHUTDOWN", "fds"]
        answers = live.show(handle, views)
    config = dict(cast(Any, row[:2]) for row in rows(answers[1]))
    assert config["default_pool_size"] == "20"
    assert all(cell is None or isinstance(cell, str) for row in rows(answers[0]) for cell in row)
    assert {column.type_oid for column in cast(Any, answers[0]).columns} == {25}
    for answer in answers[5:]:
        assert cast(Any, answer).kind == "unsupported-view"


def test_a_console_in_the_place_of_a_database_is_told(database: Database, bouncer: PgBouncer) -> None:
    url = database.cluster.url("pgbouncer", port=bouncer.port)
    with ConnectionPool(credentials={"default": url}, environment=False) as pool:
        error = cast(Any, pool.run({"action": "monitor"}))["error"]
    assert error["kind"] == "credential-invalid" and not error["retryable"]
    assert "give this URL as `pooler`" in error["message"]


def test_without_a_console_there_is_none(database: Database) -> None:
    with lent(database.url) as live, pytest.raises(FaultError, match="no-pooler") as raised:
        live.open_console(live.lookup(None))
    assert "credential 'default'" in raised.value.fault.message


def test_what_is_no_pgbouncer_is_told(database: Database) -> None:
    url = database.cluster.url("pgbouncer")
    with lent(database.url, console=url) as live, pytest.raises(FaultError, match="is no PgBouncer"):
        live.open_console(live.lookup(None))


def test_a_pool_is_resized_once_in_a_call_and_read_back(database: Database, bouncer: PgBouncer) -> None:
    records: list[Any] = []
    with lent(database.url, SCALE, console=console(database, bouncer), records=records) as live:
        handle = live.open_console(live.lookup(None))
        planned = live.resize(handle, None, 25, "demand", True)
        assert (planned.before, planned.executed) == (20, False) and not live.signalled
        done = live.resize(handle, None, 25, "demand", False)
        assert (done.before, done.after, done.executed) == (20, 25, True) and live.signalled
        assert "until PgBouncer is reloaded" in done.note
        again = live.resize(handle, None, 26, "more", False)
        assert (again.executed, again.note) == (False, "one call changes the size of a pool once")
        config = dict(cast(Any, row[:2]) for row in rows(live.show(handle, ["config"])[0]))
        assert config["default_pool_size"] == "25"
    assert [it["outcome"] for it in records] == ["would-resize", "sending", "executed", "denied"]
    with lent(database.url, SCALE, console=console(database, bouncer)) as live:
        assert live.resize(live.open_console(live.lookup(None)), None, 20, "back", False).executed


@pytest.mark.parametrize(
    ("request_", "policy", "size", "why"),
    [
        ({"action": "monitor"}, Policy(), 21, "only auto-scale changes pools"),
        ({**SCALE, "options": {"dryRun": True}}, Policy(), 21, "options.dryRun"),
        ({**SCALE, "options": {"allowAutoScaling": False}}, Policy(), 21, "options.allowAutoScaling is false"),
        (SCALE, Policy(), 51, "options.maxSize, 50"),
        ({"action": "auto-scale"}, Policy(), 30, "options.growthRate, 20 %, allows 4"),
        ({"action": "auto-scale"}, Policy(), 10, "options.shrinkRate, 15 %, allows 3"),
        (SCALE, Policy(), 20, "it has this size already"),
        (SCALE, Policy(resize=False), 21, "the policy's resize"),
        (SCALE, Policy(apply=False), 21, "the policy's apply"),
        (SCALE, Policy(max_resizes_per_hour=0), 21, "the policy's max_resizes_per_hour"),
        ({**SCALE, "options": {"maxSize": "50"}}, Policy(), 21, "options.maxSize is not in its range"),
    ],
)
def test_a_size_that_was_not_asked_for_is_not_set(
    database: Database, bouncer: PgBouncer, request_: Any, policy: Policy, size: int, why: str
) -> None:
    with lent(database.url, request_, policy=policy, console=console(database, bouncer)) as live:
        handle = live.open_console(live.lookup(None))
        outcome = live.resize(handle, None, size, "a lie", False)
        assert not outcome.executed and why in outcome.note
        config = dict(cast(Any, row[:2]) for row in rows(live.show(handle, ["config"])[0]))
        assert config["default_pool_size"] == "20" and not live.signalled


def test_only_an_admin_changes_and_it_is_told_who_is_not(database: Database, bouncer: PgBouncer) -> None:
    with lent(database.url, SCALE, console=console(database, bouncer, "looker")) as live:
        handle = live.open_console(live.lookup(None))
        with pytest.raises(FaultError, match="admin_users") as raised:
            live.resize(handle, None, 21, "demand", False)
    assert raised.value.fault.kind == "insufficient-privilege"


def test_server_connections_are_reconnected_by_name(through: str, database: Database, bouncer: PgBouncer) -> None:
    with lent(through, SCALE, console=console(database, bouncer)) as live:
        credential = live.lookup(None)
        session = live.open_session(credential)
        ask(live, session, "SELECT 1")
        handle = live.open_console(credential)
        assert live.reconnect(handle, 'no such"; SHUTDOWN', "a lie", False).note.startswith(
            "PgBouncer offers no database"
        )
        assert not live.reconnect(handle, database.name, "old", True).executed
        assert live.reconnect(handle, database.name, "old", False).executed
        assert "once" in live.reconnect(handle, database.name, "old", False).note
        assert rows(ask(live, session, "SELECT 2")[0]) == [[2]]


def test_a_wrong_password_of_the_console_is_told(database: Database, bouncer: PgBouncer) -> None:
    url = console(database, bouncer).replace(PASSWORD, "wrong")
    with lent(database.url, console=url) as live, pytest.raises(FaultError, match="console cannot be opened") as raised:
        live.open_console(live.lookup(None))
    assert raised.value.fault.kind == "authentication-failed"


def test_a_size_outside_its_bounds_may_go_to_the_bound_at_once_and_no_further() -> None:
    bounds = Bounds(5, 50, 20, 15)
    cases: list[tuple[int, int, str | None]] = [
        (20, 24, None),
        (20, 25, "growthRate"),
        (20, 17, None),
        (20, 16, "shrinkRate"),
        (5, 4, "minSize"),
        (50, 51, "maxSize"),
        (20, 0, "maxSize"),
        (2, 3, None),
        (2, 5, None),
        (2, 6, "growthRate"),
        (2, 1, "minSize"),
        (100, 85, None),
        (100, 50, None),
        (100, 49, "shrinkRate"),
        (100, 101, "maxSize"),
    ]
    for before, size, option in cases:
        why = bounds.refuse(before, size)
        assert why is None if option is None else option in (why or ""), (before, size)
