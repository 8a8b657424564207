"""What goes wrong, under its own name, and without anything left behind."""

from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta
from typing import Any, cast

import pytest
from cluster import PASSWORD, Cluster, Database, until, unused_port
from lending import ask, lent, opened, rows

from archon_pool import ConnectionPool, Limits, SkillInput
from archon_pool.server_error import said_by_server

QUICK: SkillInput = {"action": "monitor", "options": {"sampleMs": 0}}


def fault(url: str, params: SkillInput = QUICK, **options: Any) -> Any:
    with ConnectionPool(credentials={"default": url}, environment=False, **options) as pool:
        output = pool.run(params)
    assert not output["success"]
    return cast(Any, output)["error"]


def test_nothing_listens(cluster: Cluster) -> None:
    port = unused_port()
    error = fault(cluster.url("postgres", port=port), retries=0)
    assert (error["kind"], error["retryable"]) == ("server-unreachable", True)
    assert f"127.0.0.1:{port}" in error["message"]


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://u:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/d"
        error = fault(url, retries=0, limits=Limits(connect_timeout=timedelta(milliseconds=80)))
    assert error["kind"] == "server-unreachable"
    assert "no session within 80 ms (limit `connect_timeout`)" in error["message"]


def test_a_name_that_is_not_known() -> None:
    error = fault("postgres://u:x@no-such-host.invalid/d", retries=0)
    assert error["kind"] == "server-unreachable"


def test_a_wrong_password(database: Database) -> None:
    error = fault(database.url.replace(PASSWORD, "wrong"))
    assert (error["kind"], error["retryable"]) == ("authentication-failed", False)
    assert "check the credential's user and password" in error["message"]


def test_no_password(database: Database) -> None:
    error = fault(database.url.replace(f":{PASSWORD}", ""))
    assert error["kind"] == "authentication-failed" and "the credential has none" in error["message"]


def test_what_the_environment_says_to_libpq_does_not_count(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1")
    assert fault(database.url.replace(f":{PASSWORD}", ""))["kind"] == "authentication-failed"
    with lent(database.url) as live:
        (answer,) = ask(live, opened(live), "SELECT pg_catalog.current_setting('statement_timeout')")
    assert rows(answer) == [["15s"]]


def test_no_such_database(cluster: Cluster) -> None:
    assert fault(cluster.url("nowhere"))["kind"] == "database-not-found"


def test_no_tls(database: Database) -> None:
    error = fault(database.url + "?sslmode=require")
    assert error["kind"] == "tls-failed" and "set sslmode=prefer" in error["message"]


def test_no_slot_is_left(database: Database) -> None:
    role = f"one_{database.name}"
    with database.cluster.connect("postgres") as session:
        session.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 1")
    database.leak(1, user=role)
    error = fault(database.cluster.url(database.name, user=role), retries=0)
    assert (error["kind"], error["retryable"]) == ("too-many-connections", True)
    assert "end idle sessions" in error["message"]


def test_a_session_that_the_server_ends_is_lost_with_the_server_s_reason(database: Database) -> None:
    with lent(database.url) as live:
        session = opened(live)
        with database.cluster.connect("postgres") as other:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'archon-pool'"
            other.execute(sql + f" AND datname = '{database.name}'")
        until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "it is gone")
        with pytest.raises(Exception, match="connection-lost") as raised:
            ask(live, session, "SELECT 1")
    assert cast(Any, raised.value).fault.retryable


def test_a_session_that_is_ended_at_work_is_lost_too(database: Database) -> None:
    with lent(database.url) as live:
        session = opened(live)

        def end() -> None:
            with database.cluster.connect("postgres") as other:
                sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                until(lambda: other.execute(sql + f" AND datname = '{database.name}'").fetchall(), "it sleeps")

        ender = threading.Thread(target=end)
        ender.start()
        with pytest.raises(Exception, match="connection-lost: the server ended the session") as raised:
            ask(live, session, "SELECT 1", "SELECT pg_sleep(60)", "SELECT 3")
        ender.join()
    assert cast(Any, raised.value).fault.sqlstate == "57P01"


def test_a_statement_that_takes_too_long_leaves_the_session_as_it_was(database: Database) -> None:
    with lent(database.url, limits=Limits(statement_timeout=timedelta(milliseconds=50))) as live:
        session = opened(live)
        slow, quick = ask(live, session, "SELECT pg_sleep(60)", "SELECT 2")
    assert cast(Any, slow).kind == "query-canceled" and "limit `statement_timeout`" in cast(Any, slow).message
    assert rows(quick) == [[2]]


def test_a_lock_that_is_not_given_is_told(database: Database) -> None:
    with database.cluster.connect(database.name) as holder:
        holder.execute("CREATE TABLE held ()")
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE held")
        with lent(database.url, limits=Limits(lock_timeout=timedelta(milliseconds=50))) as live:
            (answer,) = ask(live, opened(live), "SELECT FROM public.held")
        holder.execute("ROLLBACK")
    assert cast(Any, answer).kind == "query-canceled" and "limit `lock_timeout`" in cast(Any, answer).message


def test_the_deadline_ends_a_statement_on_the_server_too(database: Database) -> None:
    limits = Limits(deadline=timedelta(milliseconds=300))
    error = fault(database.url, {"action": "monitor", "options": {"sampleMs": 10_000}}, limits=limits)
    assert error == {
        "kind": "deadline-exceeded",
        "message": "the call was not done within 300 ms: limit `deadline`",
        "sqlstate": None,
        "retryable": False,
    }
    until(lambda: not database.cluster.sessions(database.name, "archon-pool"), "nothing of ours is left")


def test_retries_are_for_what_may_pass_and_within_one_deadline(cluster: Cluster) -> None:
    tried = 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgres://u:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/d?sslmode=disable"

        def refuse() -> None:
            nonlocal tried
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                tried += 1
                connection.close()

        threading.Thread(target=refuse, daemon=True).start()
        back_off = timedelta(milliseconds=1)
        assert fault(url, back_off=back_off)["kind"] == "server-unreachable"
        assert tried == 3, "the contract's two retries"
        fault(url, retries=0)
        assert tried == 4
        started = time.monotonic()
        fault(url, retries=1000, back_off=timedelta(hours=1))
        assert time.monotonic() - started < 30, "a pause beyond the deadline is not begun"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("42501", "insufficient-privilege", False),
        ("57014", "query-canceled", True),
        ("55P03", "query-canceled", True),
        ("53300", "too-many-connections", True),
        ("57P01", "connection-lost", True),
        ("25P03", "connection-lost", True),
        ("08P01", "query-failed", False),
        ("22012", "query-failed", False),
    ],
)
def test_sqlstates_have_the_rust_host_s_kinds(code: str, kind: str, retryable: bool) -> None:
    found = said_by_server(code, False, "so")
    assert (found.kind, found.retryable, found.sqlstate) == (kind, retryable, code)


def test_a_pooler_that_ends_the_session_is_no_failed_query() -> None:
    assert said_by_server("08P01", True, "server conn crashed?").kind == "connection-lost"
    assert said_by_server(None, True, "query_wait_timeout").kind == "too-many-connections"


def test_a_limit_is_named_and_braces_in_the_server_s_words_stay() -> None:
    told = "the statement did not finish: {limit} {0}; raise limit `statement_timeout` if the server is merely slow"
    assert said_by_server("57014", False, "{limit} {0}").message == told
